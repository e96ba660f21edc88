"""What an architecture search found: networks with accuracy and latency, and others to stand beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from neuropil.architecture.plan import ArchitecturePlan
from neuropil.architecture.reward import pareto_front
from neuropil.search.found import Found
from neuropil.search.trials import Trial

__all__ = ["ArchitectureFound", "Reference"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A network that stands beside the trials, trained as long as they.

    Args:
        words: its name and options.
        latency_ms: measured.
        accuracy: on the validation part.
    """

    words: str
    latency_ms: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureFound(Found):
    """See `Found`; its metric is the reward.

    Args:
        wanted: the plan.
        accuracy: what the task calls it.
        target_ms: the latency that was aimed at.
        references: as far as they are trained.
        again: the winner's latency (as "best") and the references' (by their words), measured in turn at the end.
    """

    wanted: ArchitecturePlan
    accuracy: str
    target_ms: float
    references: tuple[Reference, ...] = ()
    again: Mapping[str, float] = field(default_factory=dict)

    @property
    def finished(self) -> list[Trial]:
        """The trials that came to their end, in their order."""
        return [one for one in self.trials if one.state == "complete" and {"accuracy", "latency_ms"} <= set(one.notes)]

    @property
    def front(self) -> list[Trial]:
        """Those of them that no other one beats in both, from fast to slow."""
        done = self.finished
        return [done[place] for place in pareto_front([point_of(one) for one in done])]

    def rows(self) -> list[dict[str, Any]]:
        """A row a trial."""
        return [
            {
                "trial": one.number,
                "state": one.state,
                self.metric: one.value,
                self.accuracy: one.notes.get("accuracy"),
                "latency_ms": one.notes.get("latency_ms"),
                "blocks": self.wanted.blocks(one),
                "failure": one.failure,
            }
            for one in self.trials
        ]

    def in_words(self) -> list[str]:
        """The lines that answer a command."""
        lines = [f"report: {self.folder / 'report.html'}  (open it in a browser)"]
        if (best := self.best) is None:
            return lines
        latency, accuracy = point_of(best)
        epochs = self.wanted.architecture.epochs
        told = f"{self.accuracy} {accuracy:.4f} after {epochs} epoch{'s' * (epochs != 1)}, {latency:.3f} ms"
        return [
            f"best of {len(self.trials)} networks: trial {best.number}, {told}, reward {best.value or 0.0:.4f}",
            f"  {self.wanted.blocks(best)}",
            f"train it: neuropil train {self.folder / 'best.toml'}",
            *lines,
        ]


def point_of(trial: Trial) -> tuple[float, float]:
    """Latency and accuracy of a finished trial."""
    return trial.notes["latency_ms"], trial.notes["accuracy"]
