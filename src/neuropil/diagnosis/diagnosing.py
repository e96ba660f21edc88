"""A run diagnosed: rules asked in the order of causes, what a cause explains left out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from neuropil.diagnosis.case import open_case
from neuropil.diagnosis.evidence import Evidence
from neuropil.diagnosis.page import write_page
from neuropil.diagnosis.records import FAULTS, Diagnosis, Finding, Graph
from neuropil.diagnosis.rules_data import class_imbalance, constant_labels, shuffled_labels, unscaled_input
from neuropil.diagnosis.rules_ends import wrong_last_activation, wrong_loss
from neuropil.diagnosis.rules_learning import (
    learning_rate_too_high,
    learning_rate_too_low,
    overfitting,
    underfitting,
)
from neuropil.diagnosis.rules_setup import batch_too_small_for_norm, frozen_parameters
from neuropil.diagnosis.rules_signals import (
    dead_at_start,
    dead_relu,
    exploding_gradient,
    saturated_activation,
    saturated_at_start,
    vanishing_gradient,
)
from neuropil.errors import InputError
from neuropil.files import write_atomic

__all__ = ["diagnose"]

Rule = Callable[[Evidence], list[Finding]]

WHOLE = 0.95

SIGNALS = ("exploding_gradient", "dead_relu", "saturated_activation", "vanishing_gradient")
LEARNING = ("learning_rate_too_high", "learning_rate_too_low", "underfitting")

EXPLAINS: dict[str, tuple[str, ...]] = {
    "constant_labels": tuple(name for name in FAULTS if name not in ("constant_labels", "unscaled_input")),
    "wrong_loss": (*LEARNING, "class_imbalance", "overfitting", "shuffled_labels", "dead_relu", "saturated_activation"),
    "unscaled_input": (*SIGNALS, *LEARNING, "overfitting", "frozen_parameters"),
    "wrong_last_activation": (*SIGNALS, *LEARNING, "frozen_parameters"),
    "class_imbalance": (*LEARNING, "overfitting", "shuffled_labels", "dead_relu", "vanishing_gradient"),
    "batch_too_small_for_norm": (*LEARNING, "overfitting", "exploding_gradient"),
    "frozen_parameters": (*LEARNING, "overfitting", "vanishing_gradient"),
    "shuffled_labels": (*LEARNING, *SIGNALS, "overfitting"),
    "exploding_gradient": ("saturated_activation", "vanishing_gradient", *LEARNING, "overfitting"),
    "dead_relu": ("vanishing_gradient", "saturated_activation", *LEARNING),
    "saturated_activation": ("vanishing_gradient", *LEARNING),
    "vanishing_gradient": (*LEARNING, "dead_relu", "saturated_activation"),
    "learning_rate_too_high": ("learning_rate_too_low", "saturated_activation", "underfitting", "overfitting"),
    "learning_rate_too_low": ("underfitting",),
    "underfitting": ("overfitting",),
}
"""What a fault brings about by itself, which is then not named beside it."""


def diagnose(run: Path | str, out: Path | str | None = None) -> Diagnosis:
    """Name what went wrong in a run: the fault, the layer, the evidence, one change to try.

    The run is rebuilt from its folder (recipe, data, seed: the same initial weights; newest checkpoint), measured
    forward and backward at both, and a few short trainings on copies try other learning rates. Nothing in the folder
    changes.

    Args:
        run: a run folder, of a run that ended, was interrupted or broke.
        out: an HTML page to write, with the evidence drawn.

    Raises:
        InputError: no run folder, a damaged file in it, data that are gone or have changed, or a page that cannot be
            written.
        CheckpointError: there are checkpoints, but none can be read.

    Example:
        >>> diagnose("runs/classification/perceptron-1").faults  # doctest: +SKIP
        ('learning_rate_too_low',)
    """
    begun = time.perf_counter()
    seen = Evidence(open_case(run))
    findings = found_by_rules(seen)
    diagnosis = Diagnosis(
        run=str(run),
        findings=tuple(findings),
        measured=tuple(_measured(seen)),
        warnings=seen.case.warnings,
        seconds=time.perf_counter() - begun,
        graphs=_graphs(seen),
    )
    if out is not None:
        try:
            write_atomic(Path(out), write_page(diagnosis))
        except OSError as error:
            reason = json.dumps(error.strerror or str(error))[1:-1]
            raise InputError(f"the page {str(out)!r} cannot be written: {reason}; give another --out") from error
    return diagnosis


def found_by_rules(seen: Evidence) -> list[Finding]:
    """What the rules find, causes first; a rule whose fault is explained already is not asked."""
    findings: list[Finding] = []
    explained: set[str] = set()
    for name, rule in RULES:
        if name in explained or any(one.fault == name for one in findings):
            continue
        findings += rule(seen)
        for one in findings:
            explained |= set(EXPLAINS.get(one.fault, ()))
    return findings


def _dead_from_the_start(seen: Evidence) -> list[Finding]:
    return dead_relu(seen) if dead_at_start(seen) else []


def _saturated_from_the_start(seen: Evidence) -> list[Finding]:
    return saturated_activation(seen) if saturated_at_start(seen) else []


def _wholly_dead(seen: Evidence) -> list[Finding]:
    """A layer that died altogether while the run trained is named beside the learning rate that killed it."""
    return [one for one in dead_relu(seen) if one.numbers["dead"] >= WHOLE]


RULES: tuple[tuple[str, Rule], ...] = (
    ("constant_labels", constant_labels),
    ("wrong_loss", wrong_loss),
    ("unscaled_input", unscaled_input),
    ("wrong_last_activation", wrong_last_activation),
    ("class_imbalance", class_imbalance),
    ("batch_too_small_for_norm", batch_too_small_for_norm),
    ("shuffled_labels", shuffled_labels),
    ("frozen_parameters", frozen_parameters),
    ("exploding_gradient", exploding_gradient),
    ("dead_relu", _dead_from_the_start),
    ("saturated_activation", _saturated_from_the_start),
    ("vanishing_gradient", vanishing_gradient),
    ("learning_rate_too_high", learning_rate_too_high),
    ("dead_relu", _wholly_dead),
    ("saturated_activation", saturated_activation),
    ("learning_rate_too_low", learning_rate_too_low),
    ("underfitting", underfitting),
    ("overfitting", overfitting),
)
"""In the order in which they are asked; what died or saturated only while training comes behind its causes."""


def _measured(seen: Evidence) -> list[str]:
    case = seen.case
    model = str(case.recipe.section("model").get("name"))
    said = [
        f"{model} on {case.assembly.splits.info.source}, {len(case.train):,} training samples, {case.done_steps:,} "
        f"steps in {int(case.progress.get('epoch', len(case.epochs)))} epochs",
        f"{seen.first.samples} training samples went forward and backward at the initial weights"
        + (" and at the last ones" if case.last is not None else ""),
    ]
    return [*said, *case.notes]


def _graphs(seen: Evidence) -> tuple[Graph, ...]:
    """Gradients and activations by layer, whatever was found."""
    looks = {"before": seen.first, "after": seen.last}
    layers = [one.layer for one in seen.first.weighted]
    curves = {
        name: ([float(place + 1) for place in range(len(layers))], [one.rms for one in look.weighted])
        for name, look in looks.items()
    }
    if len(layers) < 2:
        return ()
    title = "gradient by one weight (root of the mean square), from the first layer to the last, before and after"
    return (Graph(title, curves=curves, across="layer", log=True),)
