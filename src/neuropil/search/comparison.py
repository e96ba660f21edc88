"""What came out of a comparison: each run's figures, and what the seeds of one combination have in common."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from neuropil.recipes.recipe import Recipe
from neuropil.search.variation import Axis, Cell
from neuropil.tasks import TASKS
from neuropil.training.run_folder import RunFolder

__all__ = ["Comparison", "Outcome", "Spread", "outcome_of", "spread"]

QUANTILES = (
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604, 2.1448,
    2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484,
    2.0452,
)  # fmt: skip
"""Of Student's t at 0.975 with 1, 2, ... 29 degrees of freedom; 1.96 beyond."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run.

    Args:
        cell: what was asked for.
        folder: the run folder.
        results: of `results.json`; empty where the run failed.
        history: rows of the log.
        seconds: training time.
        failure: why there are no results.
    """

    cell: Cell
    folder: Path
    results: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    seconds: float
    failure: str = ""

    def figure(self, part: str, name: str) -> float:
        """One figure of a part of the data (of `train` only the last epoch's loss); NaN where there is none."""
        if part == "train":
            losses = [row["train_loss"] for row in self.history if row.get("train_loss") is not None]
            return float(losses[-1]) if losses and self.results else math.nan
        return float(self.results.get(part, {}).get(name, math.nan))


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean of some numbers, and the half width of its 95 % confidence interval (0 for a single number)."""

    mean: float
    half: float
    count: int


def spread(values: Sequence[float]) -> Spread:
    """The mean and Student's 95 % interval around it; numbers that are not finite are left out.

    Formula:
        mean ± t(0.975, n - 1) s / √n.

    Example:
        >>> found = spread([1.0, 2.0, 3.0])
        >>> found.mean, round(found.half, 3)
        (2.0, 2.484)
    """
    kept = [value for value in values if math.isfinite(value)]
    if not kept:
        return Spread(math.nan, 0.0, 0)
    if len(kept) == 1:
        return Spread(kept[0], 0.0, 1)
    quantile = QUANTILES[len(kept) - 2] if len(kept) - 2 < len(QUANTILES) else 1.96
    return Spread(statistics.fmean(kept), quantile * statistics.stdev(kept) / math.sqrt(len(kept)), len(kept))


def outcome_of(cell: Cell, folder: Path | None) -> Outcome:
    """Read what a run left behind."""
    if folder is None:
        return Outcome(cell, Path(), {}, (), math.nan, "it did not come to an end")
    failure = folder / "failure.json"
    history = RunFolder(folder).history()
    seconds = float(json.loads((folder / "timing.json").read_text(encoding="utf-8"))["training_seconds"])
    if failure.exists():
        told = json.loads(failure.read_text(encoding="utf-8"))["failure"]
        return Outcome(cell, folder, {}, history, seconds, str(told))
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return Outcome(cell, folder, results, history, seconds)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All runs of a comparison.

    Args:
        recipe: what they have in common.
        axes: what was varied.
        seeds: repetitions.
        outcomes: a combination's seeds side by side.
        folder: where runs and report are.
        how: sentences on which runs took their steps together, and why others did not.
    """

    recipe: Recipe
    axes: tuple[Axis, ...]
    seeds: int
    outcomes: tuple[Outcome, ...]
    folder: Path
    how: Sequence[str] = ()

    @property
    def metric(self) -> str:
        """What combinations are judged by: the task's metric, or the loss where nothing was set aside."""
        named = next((str(one.results["metric"]) for one in self.outcomes if one.results), "loss")
        return "loss" if self.part == "train" else named

    @property
    def metric_mode(self) -> Literal["max", "min"]:
        """Whether more of the metric is better, as its task says."""
        done = next((one for one in self.outcomes if one.results), None)
        if done is None or self.metric == "loss":
            return "min"
        mode: Literal["max", "min"] = TASKS.builder(done.folder.parent.name).metric_mode  # type: ignore[attr-defined]
        return mode

    @property
    def part(self) -> str:
        """The part of the data that they are judged on: the validation part where there is one."""
        parts = [part for part in ("valid", "test") if any(part in one.results for one in self.outcomes)]
        return parts[0] if parts else "train"

    def by_label(self) -> dict[str, list[Outcome]]:
        """The runs of each combination, in the order of what was varied."""
        found: dict[str, list[Outcome]] = {}
        for one in self.outcomes:
            found.setdefault(one.cell.label, []).append(one)
        return found

    def ranked(self) -> list[str]:
        """The combinations, best first; those without a figure last."""
        sign = -1 if self.metric_mode == "max" else 1
        means = {
            label: spread([one.figure(self.part, self.metric) for one in runs]).mean
            for label, runs in self.by_label().items()
        }
        return sorted(means, key=lambda label: (math.isnan(means[label]), sign * means[label]))

    def summary(self) -> list[tuple[str, float, float, int]]:
        """Best first: the combination, the mean of its metric, half the 95 % interval, runs that came to an end."""
        groups, found = self.by_label(), []
        for label in self.ranked():
            one = spread([run.figure(self.part, self.metric) for run in groups[label]])
            found.append((label, one.mean, one.half, one.count))
        return found

    def rows(self) -> list[dict[str, Any]]:
        """A row a run: what was varied, the seed, how it ended, the figures of each part, the time, the folder."""
        found: list[dict[str, Any]] = []
        for one in self.outcomes:
            figures = {
                f"{part}_{name}": value
                for part in ("valid", "test")
                for name, value in one.results.get(part, {}).items()
            }
            ending = "failed" if one.failure else one.results.get("ending", "")
            row = {**dict(one.cell.values), "seed": one.cell.recipe.seed, "ending": ending, **figures}
            found.append({**row, "training_seconds": one.seconds, "run": str(one.folder)})
        return found

    def to_csv(self) -> str:
        """The rows as a table for spreadsheets."""
        rows = self.rows()
        columns = list(dict.fromkeys(key for row in rows for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()
