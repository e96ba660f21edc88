"""Faults at the end of the network: what the last layer gives, and what the loss takes it for."""

from __future__ import annotations

import numpy as np

from neuropil.diagnosis.evidence import Evidence
from neuropil.diagnosis.measuring import OPEN_ENDED, SQUASHING
from neuropil.diagnosis.records import Finding, Graph
from neuropil.diagnosis.words import figure, percent

__all__ = ["wrong_last_activation", "wrong_loss"]

MOST_CLASSES = 50
FAR_OUT = 15.0
HEAVY_SMOOTHING = 0.5


def wrong_last_activation(seen: Evidence) -> list[Finding]:
    """The loss takes logits or free values, but an activation stands behind the last layer."""
    layer, kind = seen.last.last
    outputs = seen.first.outputs
    if not seen.simple or outputs is None or outputs.ndim != 2:
        return []
    least, most = float(outputs.min()), float(outputs.max())
    sums = outputs.sum(dim=1)
    adds_up = outputs.shape[1] > 1 and least >= 0 and bool(((sums - 1).abs() < 1e-4).all())
    if kind not in SQUASHING and not adds_up:
        return []
    wanted = "any number as a logit, and takes their softmax itself" if seen.classes else "any number from the network"
    said = "probabilities that add up to 1" if adds_up else f"values from {figure(least)} to {figure(most)}"
    told = (
        f"the network ends in {kind or 'a softmax'}, so it gives only {said}; the loss of {seen.case.task.name} wants "
        f"{wanted}"
    )
    if not seen.classes and seen.case.target == "values":
        signature = seen.case.assembly.signature
        standard = (seen.targets.reshape(len(seen.targets), -1) - np.array(signature.target_mean)) / np.array(
            signature.target_scale
        )
        low, high = _reach(kind)
        share = float(((standard < low) | (standard > high)).mean())
        told += f"; {percent(share)} of the standardised targets lie outside what it can give"
    change = "end the network in its last FC, without an activation behind it"
    return [Finding("wrong_last_activation", layer or None, told, change, {"least": least, "most": most})]


def _reach(kind: str) -> tuple[float, float]:
    """The least and the greatest value that an activation can give."""
    return OPEN_ENDED.get(kind, (0.0, 1.0))


def wrong_loss(seen: Evidence) -> list[Finding]:
    """Classes read as values, values read as classes, or a loss that its options turned into another."""
    if seen.case.target == "values":
        return _classes_as_values(seen) or _far_out(seen)
    if seen.case.target == "classes":
        return _values_as_classes(seen) or _smoothed(seen) or _weighted(seen)
    return []


def _classes_as_values(seen: Evidence) -> list[Finding]:
    targets = seen.targets.reshape(len(seen.targets), -1).astype(float)
    change = "data.task=classification (class numbers as whole numbers, not as floats)"
    if targets.shape[1] > 1:
        one_hot = bool(np.isin(targets, (0.0, 1.0)).all() and (targets.sum(axis=1) == 1).all())
        if not one_hot:
            return []
        told = (
            f"each target is a row of {targets.shape[1]} numbers with a single 1, which is a class; the squared error "
            "takes them for values of a regression"
        )
        return [
            Finding(
                "wrong_loss",
                None,
                told,
                "give class numbers in place of rows: y.argmax(1)",
                {"classes": targets.shape[1]},
            )
        ]
    values = np.unique(targets)
    if not 2 <= len(values) <= MOST_CLASSES or not (values == np.round(values)).all() or len(values) * 5 > len(targets):
        return []
    numbers = np.searchsorted(values, targets[:, 0])
    found = seen.reference_of(numbers, len(values))
    in_a_row = bool(len(values) == values[-1] - values[0] + 1 and values[0] in (0.0, 1.0))
    if len(values) > 2 and (not in_a_row or found is None or found.score < 0.75):
        return []
    told = (
        f"the targets are the {len(values)} whole numbers {figure(values[0])} to {figure(values[-1])}, which reads as "
        "classes; a regression takes class 4 for twice class 2"
    )
    if found is not None:
        told += f" (as classes a simple method foretells {percent(found.score)} of them)"
    return [
        Finding("wrong_loss", None, told, change, {"distinct": len(values), "score": found.score if found else 0.0})
    ]


def _far_out(seen: Evidence) -> list[Finding]:
    if seen.case.recipe.section("task").get("loss", "squared") != "squared":
        return []
    targets = seen.targets.reshape(len(seen.targets), -1).astype(float)
    spread = targets.std(axis=0)
    standard = np.abs(targets - targets.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    most = float(standard.max())
    if most < FAR_OUT:
        return []
    share = float((standard.max(axis=1) ** 2).max() / max(1e-12, (standard**2).sum()))
    told = (
        f"a target lies {figure(most)} standard deviations from the mean: it alone makes {percent(share)} of what the "
        "squared error of a constant answer is"
    )
    return [Finding("wrong_loss", None, told, "task.loss=huber", {"sigmas": most, "share": share})]


def _values_as_classes(seen: Evidence) -> list[Finding]:
    names = seen.case.assembly.signature.classes
    counts = seen.counts[seen.counts > 0]
    try:
        values = np.array([float(name) for name in names])
    except ValueError:
        return []
    if len(counts) < 20 or float(np.median(counts)) > 12 or not len(values):
        return []
    told = (
        f"{len(names)} classes were made of numbers from {figure(values.min())} to {figure(values.max())}, with "
        f"{figure(float(np.median(counts)))} training samples in the middle one; classes know nothing of what lies near"
    )
    graph = Graph(
        "training samples by class", [str(name) for name in names[:24]], seen.counts[:24].astype(float).tolist()
    )
    return [Finding("wrong_loss", None, told, "data.task=regression", {"classes": len(names)}, (graph,))]


def _smoothed(seen: Evidence) -> list[Finding]:
    smoothing = float(seen.case.recipe.section("task").get("label_smoothing", 0.0))
    if smoothing < HEAVY_SMOOTHING:
        return []
    told = f"label_smoothing={smoothing:g} spreads {percent(smoothing)} of each label over all classes"
    return [Finding("wrong_loss", None, told, "task.label_smoothing=0.1", {"label_smoothing": smoothing})]


def _weighted(seen: Evidence) -> list[Finding]:
    given = seen.case.recipe.section("task").get("class_weights")
    if not isinstance(given, list | tuple) or len(given) != len(seen.counts) or not seen.counts.all():
        return []
    pull = np.array(given, dtype=float) * seen.counts / seen.counts.sum()
    ratio = float(pull.max() / pull.min())
    plain = float(seen.counts.max() / seen.counts.min())
    if ratio < 30 or ratio <= plain:
        return []
    told = (
        f"with class_weights={list(given)} one class counts {figure(ratio)} times another in the loss, though its "
        f"samples are at most {figure(plain)} times as many"
    )
    return [Finding("wrong_loss", None, told, "task.class_weights=balanced", {"ratio": ratio})]
