"""What a benchmark is made of: measurements, rows, duels, topics, and what came out of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Duel", "Measurement", "Pair", "Result", "Row", "Topic"]

Kind = Literal["ours / peer", "peer / ours", "ours"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run of one competitor found.

    Args:
        figures: numbers by name; infinity where the goal was not reached.
        work: what was done; must be the same on both sides.
        outcome: a number that both sides must agree on within the duel's tolerance, such as the final loss.
        flop: floating-point operations behind each second of `per`, to set beside the matrix-product ceiling.
        notes: plain values worth keeping, not compared.
    """

    figures: Mapping[str, float]
    work: Mapping[str, Any] = field(default_factory=dict)
    outcome: float | None = None
    flop_per_second: float | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table: a figure of a duel, how the two sides are set against each other, and the aim.

    Args:
        what: for the reader.
        figure: a name in `Measurement.figures`.
        unit: of the figure.
        kind: the number that is held against the target.
        better: whether a high or a low number is good.
        target: the aim; `None`: for the record.
    """

    what: str
    figure: str
    unit: str
    kind: Kind
    better: Literal["high", "low"]
    target: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """Two competitors that run in turn.

    Args:
        ours, peer: names in `COMPETITORS` of the topic's peer module.
        rows: what is read off the pairs.
        pairs: how many.
        outcome_within: how far the outcomes may differ, as a share of the peer's.
        parts: where each side is many short runs, of competitors named `{side}-{part}`: what follows the side's name.
            Both sides of a part run one after the other, because a machine's pace changes within minutes; of figures
            named `{figure} {part}`, `{figure} all` is the geometric mean.
    """

    ours: str
    peer: str
    rows: Sequence[Row]
    pairs: int = 15
    outcome_within: float | None = None
    parts: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A table.

    Args:
        name: module name in `peers`.
        title: of the table.
        notes: what the reader must know to judge it.
        duels: what is run.
        threads: set torch to two threads in each competitor (where the competitors import torch at all).
        missing: why the topic cannot run here, or `None`.
    """

    name: str
    title: str
    notes: Sequence[str]
    duels: Sequence[Duel]
    threads: bool = True
    missing: Callable[[], str | None] = lambda: None


@dataclass(frozen=True, slots=True)
class Pair:
    """One run of each side, and the slower of the probes behind them, as a share of the session's best."""

    ours: Measurement
    peer: Measurement
    probe: float


@dataclass(frozen=True, slots=True)
class Result:
    """One row with its numbers: medians of both sides, the median over pairs, its interval, and whether it is met."""

    row: Row
    ours: float
    peer: float
    value: float
    low: float
    high: float
    met: bool | None
    pairs: int
    noisy_pairs: int
