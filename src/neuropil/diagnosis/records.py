"""What a diagnosis gives: the kinds of fault, one finding, and all of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["FAULTS", "Diagnosis", "Finding", "Graph"]

FAULTS = {
    "constant_labels": "every answer is the same, so there is nothing to learn",
    "wrong_loss": "the loss is for another kind of target",
    "shuffled_labels": "the labels have nothing to do with the inputs",
    "unscaled_input": "inputs come at very different or very large scales",
    "wrong_last_activation": "the last layer squashes what the loss wants unsquashed",
    "batch_too_small_for_norm": "batch normalization takes its mean over too few samples",
    "frozen_parameters": "layers that ought to learn do not",
    "dead_relu": "units give 0 for every sample, and no gradient passes them",
    "saturated_activation": "units stand at the flat ends of their squashing",
    "exploding_gradient": "gradients grow on their way back",
    "vanishing_gradient": "gradients fade on their way back",
    "learning_rate_too_high": "steps are too large to go down",
    "learning_rate_too_low": "steps are too small to get anywhere",
    "class_imbalance": "a rare class is drowned by a frequent one",
    "underfitting": "the network cannot even learn what it trains on",
    "overfitting": "the network learns its samples by heart",
}
"""Every kind of fault, causes before what they bring about."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Numbers behind a finding that are worth a picture.

    Args:
        title: what they are.
        labels: of bars; empty where they are curves.
        values: of the bars.
        curves: name -> (places, values).
        across: what the places of curves are.
        log: by order of magnitude.
    """

    title: str
    labels: Sequence[str] = ()
    values: Sequence[float] = ()
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]] = field(default_factory=dict)
    across: str = "step"
    log: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a run.

    Args:
        fault: a key of `FAULTS`.
        layer: the module's path; `None` where the fault is in no single layer.
        evidence: one sentence with the numbers.
        change: one thing to try, in a recipe's words where there are some.
        numbers: the numbers of the evidence by name.
        graphs: what the page draws.

    Example:
        >>> Finding("learning_rate_too_low", None, "it fell by 1 %", "lr=0.001", {"fell": 0.01}).to_json()["fault"]
        'learning_rate_too_low'
    """

    fault: str
    layer: str | None
    evidence: str
    change: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    graphs: Sequence[Graph] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "fault": self.fault, "layer": self.layer, "evidence": self.evidence, "change": self.change,
            "numbers": dict(self.numbers),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found in a run.

    Args:
        run: the run folder.
        findings: causes first.
        measured: what was looked at, a sentence each.
        warnings: what the run itself said while it trained.
        seconds: that it took.
        graphs: of the run, whatever was found.
    """

    run: str
    findings: tuple[Finding, ...]
    measured: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    graphs: Sequence[Graph] = ()

    @property
    def faults(self) -> tuple[str, ...]:
        """The kinds that were found, each once."""
        return tuple(dict.fromkeys(one.fault for one in self.findings))

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `neuropil diagnose --json` prints them."""
        return {
            "run": self.run, "findings": [one.to_json() for one in self.findings], "measured": list(self.measured),
            "warnings": list(self.warnings),
        }  # fmt: skip
