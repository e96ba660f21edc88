"""The factorised space of an architecture search: a line of blocks, each stage of which may be built otherwise.

Source: Tan et al. 2019, "MnasNet: platform-aware neural architecture search for mobile", section 4.1: for each stage
its convolution, kernel, squeeze ratio, skip, filters and layers, all blocks of a stage alike; chapter, AutoML.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from neuropil.block_networks.grammar import Kind, Skip, Stage, join_stages, read_stages
from neuropil.errors import InputError
from neuropil.search.space import Choices, Point

__all__ = ["Architecture"]

BASE = "cn_r1_k3_s1_c16 - cn_r2_k3_s2_c32 - cn_r2_k3_s2_c64 - cn_r2_k3_s2_c96"
"""For 28 or 32 pixels."""

REFERENCES = (
    "mobilenet_v2 width=0.25 dropout=0.0",
    "mobilenet_v2 width=0.5 dropout=0.0",
    "mobilenet_v2 width=1.0 dropout=0.0",
    "mobilenet_v2 width=0.25 dropout=0.0 small_pictures=true",
    "mobilenet_v2 width=0.5 dropout=0.0 small_pictures=true",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What an architecture search chooses from, how it judges, and how long it trains: the table `[architecture]`.

    Args:
        base: the line of blocks to set out from. Its first stage, and those of 1x1 windows, stay; of the others the
            stride stays, and the rest is chosen.
        kinds: convolutions: cn (plain), ds (depthwise separable), ir3, ir6 (inverted residual and its expansion).
        kernels: sides of the window.
        squeezes: ratios of squeeze and excitation; 0 for none.
        skips: noskip, skip (identity), pool.
        widths: factors of the base's maps, in eights.
        depths: blocks more or fewer than the base has; a stage keeps one.
        target_ms: latency that is aimed at, in milliseconds; left out, the base's own.
        reward: soft: `accuracy (latency / target)^-0.07`; hard: only above the target, with exponent -1.
        batch: pictures in a pass whose latency is measured.
        threads: that compute it.
        epochs: each trial is trained for; the recipe's own are for the winner.
        train_fraction: share of the training part that trials learn from.
        references: networks, with options, to stand beside in the picture, trained as long as trials.

    Raises:
        InputError: a value that cannot be.
    """

    base: str = BASE
    kinds: tuple[Literal["cn", "ds", "ir3", "ir6"], ...] = ("cn", "ds", "ir3", "ir6")
    kernels: tuple[int, ...] = (3, 5)
    squeezes: tuple[float, ...] = (0.0, 0.25)
    skips: tuple[Literal["noskip", "skip", "pool"], ...] = ("noskip", "skip", "pool")
    widths: tuple[float, ...] = (0.75, 1.0, 1.25)
    depths: tuple[int, ...] = (-1, 0, 1)
    target_ms: float | None = None
    reward: Literal["soft", "hard"] = "soft"
    batch: int = 1
    threads: int = 1
    epochs: int = 2
    train_fraction: float = 0.1
    references: tuple[str, ...] = REFERENCES

    def __post_init__(self) -> None:
        for name in ("kinds", "kernels", "squeezes", "skips", "widths", "depths"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise InputError(
                    f"architecture.{name} must be one or more different values, but {list(values)!r} was given"
                )
        for name in ("batch", "threads", "epochs"):
            if getattr(self, name) < 1:
                raise InputError(f"architecture.{name} must be at least 1, but {getattr(self, name)} was given")
        if self.target_ms is not None and not 0 < self.target_ms < float("inf"):
            raise InputError(f"architecture.target_ms must be above 0, but {self.target_ms} was given")
        if not 0 < self.train_fraction <= 1:
            raise InputError(
                f"architecture.train_fraction must be above 0 and at most 1, but {self.train_fraction} was given"
            )
        if min(self.widths) <= 0:
            raise InputError(f"architecture.widths must be above 0, but {min(self.widths)} was given")
        if not any(_is_searched(place, stage) for place, stage in enumerate(read_stages(self.base))):
            raise InputError("architecture.base has no stage to vary; the first one and those of k1 stay as they are")
        for stage in self._variants():  # what the options make must be a line that can be read
            read_stages(str(stage))

    def _variants(self) -> list[Stage]:
        searched = [stage for place, stage in enumerate(read_stages(self.base)) if _is_searched(place, stage)]
        return [
            _built(stage, kind, kernel, squeeze, "skip", _maps(stage, width), _blocks(stage, depth))
            for stage in searched
            for kind in self.kinds
            for kernel in self.kernels
            for squeeze in self.squeezes
            for width in (min(self.widths), max(self.widths))
            for depth in (min(self.depths), max(self.depths))
        ]

    def choices(self) -> list[Choices]:
        """What is chosen, by `stageN.what`; what has one value only is left out."""
        found = []
        for place, stage in enumerate(read_stages(self.base)):
            if not _is_searched(place, stage):
                continue
            several = {
                "kind": self.kinds,
                "kernel": self.kernels,
                "squeeze": self.squeezes,
                "skip": self.skips,
                "maps": _different(_maps(stage, width) for width in self.widths),
                "blocks": _different(_blocks(stage, depth) for depth in self.depths),
            }
            found += [Choices(_path(place, what), tuple(values)) for what, values in several.items() if len(values) > 1]
        return found

    def line(self, point: Point) -> str:
        """The network of a point, as `model.blocks` takes it.

        Example:
            >>> small = Architecture(base="cn_c16 - cn_s2_c32")
            >>> small.line({"stage2.kind": "ir3", "stage2.kernel": 5, "stage2.squeeze": 0.25, "stage2.skip": "pool",
            ...             "stage2.maps": 40, "stage2.blocks": 2})
            'cn_r1_k3_s1_c16 - ir_r2_k5_s2_e3_c40_se0.25_pool'
        """
        stages = list(read_stages(self.base))
        for place, stage in enumerate(stages):
            if not _is_searched(place, stage):
                continue
            only = {
                "kind": self.kinds[0],
                "kernel": self.kernels[0],
                "squeeze": self.squeezes[0],
                "skip": self.skips[0],
                "maps": _maps(stage, self.widths[0]),
                "blocks": _blocks(stage, self.depths[0]),
            }
            own: dict[str, Any] = {what: point.get(_path(place, what), value) for what, value in only.items()}
            stages[place] = _built(stage, **own)
        return join_stages(stages)

    def start(self) -> dict[str, Any]:
        """The base itself, as far as it lies in the space."""
        found: dict[str, Any] = {}
        for place, stage in enumerate(read_stages(self.base)):
            kind = f"ir{stage.expansion}" if stage.kind == "ir" else stage.kind
            own = (kind, stage.kernel, stage.squeeze, stage.skip, stage.maps, stage.blocks)
            found |= {
                _path(place, what): value
                for what, value in zip(("kind", "kernel", "squeeze", "skip", "maps", "blocks"), own, strict=True)
            }
        return {one.path: found[one.path] for one in self.choices()}


def _is_searched(place: int, stage: Stage) -> bool:
    return place > 0 and stage.kernel > 1


def _path(place: int, what: str) -> str:
    return f"stage{place + 1}.{what}"


def _maps(stage: Stage, width: float) -> int:
    return max(8, round(stage.maps * width / 8) * 8)


def _blocks(stage: Stage, more: int) -> int:
    return max(1, stage.blocks + more)


def _different(values: Sequence[int] | Any) -> tuple[int, ...]:
    return tuple(dict.fromkeys(values))


def _built(stage: Stage, kind: str, kernel: int, squeeze: float, skip: Skip, maps: int, blocks: int) -> Stage:
    known: Kind = "ir" if kind.startswith("ir") else "ds" if kind == "ds" else "cn"
    expansion = int(kind[2:]) if known == "ir" else 1
    return replace(
        stage, kind=known, expansion=expansion, kernel=kernel, squeeze=squeeze, skip=skip, maps=maps, blocks=blocks
    )
