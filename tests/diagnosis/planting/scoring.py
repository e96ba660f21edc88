"""How many planted faults were named, how many of the names are true, and which healthy runs raised an alarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Score", "lines_of", "score_of"]


class Expected(Protocol):
    """What the scorer asks of a case."""

    @property
    def name(self) -> str: ...
    @property
    def fault(self) -> str | None: ...
    @property
    def accepted(self) -> set[str]: ...
    @property
    def companions(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Score:
    """The three figures, and how they came about.

    Args:
        hits: plantings of which an accepted kind is among the findings.
        planted: all plantings.
        true: findings, of all runs, that are accepted or a companion.
        findings: all findings, each kind once a run.
        alarmed: healthy runs with any finding.
        healthy: all healthy runs.
        missed: plantings that were not named.
        wrong: each finding that is not true, with its run.
    """

    hits: int
    planted: int
    true: int
    findings: int
    alarmed: tuple[str, ...]
    healthy: int
    missed: tuple[str, ...]
    wrong: tuple[tuple[str, str], ...]

    @property
    def recall(self) -> float:
        """Share of the plantings that were named."""
        return self.hits / max(1, self.planted)

    @property
    def precision(self) -> float:
        """Share of the findings that are true; 1 where there are none."""
        return self.true / self.findings if self.findings else 1.0


def score_of(cases: Sequence[Expected], found: Mapping[str, Sequence[str]]) -> Score:
    """Score the kinds that were found in each run, by the case's name; a kind named for several layers counts once.

    Raises:
        KeyError: a case that nobody looked at.
    """
    kinds = {case.name: sorted(set(found[case.name])) for case in cases}
    planted = [case for case in cases if case.fault is not None]
    missed = tuple(case.name for case in planted if not case.accepted & set(kinds[case.name]))
    wrong = tuple(
        (case.name, kind)
        for case in cases
        for kind in kinds[case.name]
        if kind not in {*case.accepted, *case.companions}
    )
    healthy = [case for case in cases if case.fault is None]
    total = sum(map(len, kinds.values()))
    return Score(
        hits=len(planted) - len(missed),
        planted=len(planted),
        true=total - len(wrong),
        findings=total,
        alarmed=tuple(case.name for case in healthy if kinds[case.name]),
        healthy=len(healthy),
        missed=missed,
        wrong=wrong,
    )


def lines_of(cases: Sequence[Expected], found: Mapping[str, Sequence[str]]) -> list[str]:
    """A table: each case, what was planted, what was found, and what is to be said of it."""
    score = score_of(cases, found)
    rows = []
    for case in cases:
        false = [kind for name, kind in score.wrong if name == case.name]
        verdict = ("missed" if case.name in score.missed else "ok") + (f", wrong: {', '.join(false)}" if false else "")
        rows.append((case.name, case.fault or "-", ", ".join(sorted(set(found[case.name]))) or "-", verdict))
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    table = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    ]
    return [
        *table,
        f"recall {score.hits}/{score.planted} = {score.recall:.3f}, precision {score.true}/{score.findings} = "
        f"{score.precision:.3f}, alarms in healthy runs {len(score.alarmed)}/{score.healthy}",
    ]
