"""A claim of the chapter about what something costs: what it says, the lines that try it, whether it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neuropil.inspection.racing import Timing
from neuropil.inspection.summary import Summary
from neuropil.pictures.cost_lines import CostLine

__all__ = [
    "COUNTED",
    "FOLLOWED",
    "WALKED",
    "Claim",
    "Clock",
    "by_unit",
    "forward",
    "raced",
    "sight",
    "timed",
    "timed_words",
    "weights_of",
]

COUNTED, WALKED = "counted from the layer's weights", "counted layer by layer, without computing"
FOLLOWED = "followed through the layers"
Clock = Callable[[Mapping[str, Callable[[], object]]], dict[str, Timing]]
"""Times functions side by side; see `neuropil.inspection.racing.race`."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim, tried.

    Args:
        name: in the catalogue of claims.
        rows: the techniques of the chapter that it is about, by their numbers.
        heading: where in the chapter.
        says: what stands there.
        holds: whether what was counted here bears it out.
        told: what was found, with its numbers; where the chapter is wrong, what is right.
        lines: formula beside measurement.
        in_part: whether a part of it, such as a printed formula, is not what was found.
    """

    name: str
    rows: tuple[int, ...]
    heading: str
    says: str
    holds: bool
    told: str
    lines: tuple[CostLine, ...]
    in_part: bool = False

    @property
    def verdict(self) -> str:
        """In words: `holds`, `holds in part`, or `wrong`."""
        return "wrong" if not self.holds else "holds in part" if self.in_part else "holds"

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        lines = [
            {
                "what": one.what, "unit": one.unit, "formula": one.formula, "expected": one.expected,
                "measured": one.measured, "low": one.low, "high": one.high, "how": one.how, "agrees": one.agrees,
                "processor_share": one.processor_share,
            }
            for one in self.lines
        ]  # fmt: skip
        return {
            "name": self.name, "rows": list(self.rows), "heading": self.heading, "says": self.says,
            "holds": self.holds, "in_part": self.in_part, "told": self.told, "lines": lines,
        }  # fmt: skip


def by_unit(lines: Iterable[CostLine]) -> tuple[CostLine, ...]:
    """Lines of one unit one behind the other, units in the order of their first lines."""
    given = tuple(lines)
    units = [one.unit for one in given]
    return tuple(sorted(given, key=lambda one: units.index(one.unit)))


def sight(found: Summary) -> int:
    """Cells of the input that a value of the last layer sees along an axis; 0 where there are no maps."""
    return int((found.layers[-1].receptive_field or (0,))[0])


def weights_of(module: nn.Module) -> int:
    """Trainable and frozen values, each counted once.

    Example:
        >>> weights_of(nn.Linear(3, 2))
        8
    """
    return sum(one.numel() for one in module.parameters())


def forward(module: nn.Module, x: Tensor) -> Callable[[], object]:
    """One pass in evaluation mode without gradients, to be timed."""
    module.eval()

    def run() -> object:
        with torch.inference_mode():
            return module(x)

    return run


def timed(clock: Clock | None, runs: Mapping[str, tuple[Callable[[], object], float]]) -> tuple[CostLine, ...]:
    """Lines of times here; beside the first one, what its time and the counted work would make of the others.

    Args:
        clock: left out: no lines.
        runs: what is called, and the work that was counted for it.
    """
    if clock is None:
        return ()
    found = clock({name: run for name, (run, _) in runs.items()})
    first = next(iter(runs))
    lines = []
    for name, (_, work) in runs.items():
        time, share = found[name], work / runs[first][1]
        lines.append(
            CostLine(
                what=name,
                unit="seconds",
                measured=time.median,
                expected=None if name == first else found[first].median * share,
                formula="" if name == first else f"by its counted work: {share:.4g} × the first",
                how=_rounds(time),
                low=time.low,
                high=time.high,
                processor_share=time.processor_share,
            )
        )
    return tuple(lines)


def raced(clock: Clock | None, runs: Mapping[str, Callable[[], object]], told: str) -> tuple[CostLine, ...]:
    """Lines of times here, where no count says what they should be.

    Args:
        clock: left out: no lines.
        runs: what is called.
        told: what each call does.
    """
    if clock is None:
        return ()
    return tuple(
        CostLine(name, "seconds", one.median, None, told, _rounds(one), one.low, one.high, one.processor_share)
        for name, one in clock(runs).items()
    )


def _rounds(time: Timing) -> str:
    return f"median of {time.num_rounds} rounds in turn, on this machine"


def timed_words(times: Sequence[CostLine]) -> str:
    """A sentence on the times, beside the counted work; empty where nothing was timed."""
    if not times:
        return ""
    first = times[0]
    told = [
        f"{one.what} {one.measured / first.measured:.3g} ({(one.expected or 0.0) / first.measured:.3g} by the count)"
        for one in times[1:]
    ]
    return f" In time here, where {first.what} takes 1: {', '.join(told)}."
