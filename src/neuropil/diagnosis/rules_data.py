"""Faults of the data: labels that say nothing, rare classes, inputs of odd scales."""

from __future__ import annotations

import math

import numpy as np
from torch.nn.modules.batchnorm import _BatchNorm

from neuropil.diagnosis.evidence import Evidence, Score
from neuropil.diagnosis.records import Finding, Graph
from neuropil.diagnosis.words import figure, percent

__all__ = ["class_imbalance", "constant_labels", "shuffled_labels", "unscaled_input"]

ALMOST_ALL, HARDLY = 0.998, 0.95
RARE = 8.0
"""How many times as frequent the most frequent class is."""

VERY_RARE, HARM = 30.0, 0.1
LEAST_FOR_SHUFFLED = 100
SIGMAS = 3.0
LARGE, VERY_SMALL, UNEVEN = 20.0, 0.01, 100.0


def constant_labels(seen: Evidence) -> list[Finding]:
    """All training targets are the same, or all but one in five hundred."""
    if not seen.simple:
        return []
    count = len(seen.targets)
    if seen.classes:
        most = int(seen.counts.argmax())
        same, what = int(seen.counts[most]), f"class {seen.case.assembly.signature.classes[most]!r}"
        rest = np.delete(seen.counts, most)
        hardly = seen.classes > 2 and same >= HARDLY * count and int(rest.max()) <= 2
    else:
        values, counts = np.unique(seen.targets.reshape(count, -1), axis=0, return_counts=True)
        most = int(counts.argmax())
        same, what = int(counts[most]), f"the value {figure(float(values[most][0]))}"
        hardly = bool((seen.targets.std(axis=0) <= 1e-6 * np.abs(seen.targets.mean(axis=0))).all())
    if (not hardly and same < count - max(1, int((1 - ALMOST_ALL) * count))) or count < 3:
        return []
    told = f"{same:,} of {count:,} training targets are {what}; whoever always says so is never wrong"
    change = "look at the target column (data.target=NAME) or at how labels were written: `neuropil check` shows them"
    return [Finding("constant_labels", None, told, change, {"share": same / count, "samples": count})]


def class_imbalance(seen: Evidence) -> list[Finding]:
    """One class is many times as frequent as another, and nothing in the recipe makes up for it."""
    if not seen.classes or "class_weights" in seen.case.recipe.section("task"):
        return []
    counts = seen.counts[seen.counts > 0]
    ratio = float(counts.max() / counts.min())
    if len(counts) < 2 or ratio < RARE:
        return []
    balanced, plain = _balanced(seen.on_train)
    if ratio < VERY_RARE and plain - balanced < HARM:
        return []
    names = seen.case.assembly.signature.classes
    rare = int(np.where(seen.counts > 0, seen.counts, np.iinfo(np.int64).max).argmin())
    frequent = int(seen.counts.argmax())
    told = (
        f"class {names[frequent]!r} has {seen.counts[frequent]:,} training samples, class {names[rare]!r} has "
        f"{seen.counts[rare]:,}; on the training part {percent(plain)} of all answers are right, but averaged over "
        f"classes {percent(balanced)}"
    )
    numbers = {"ratio": ratio, "accuracy": plain, "balanced_accuracy": balanced}
    graph = Graph("training samples by class", [str(name) for name in names], seen.counts.astype(float).tolist())
    return [Finding("class_imbalance", None, told, "task.class_weights=balanced", numbers, (graph,))]


def _balanced(score: Score) -> tuple[float, float]:
    return score.metrics.get("balanced_accuracy", math.nan), score.metrics.get("accuracy", math.nan)


def shuffled_labels(seen: Evidence) -> list[Finding]:
    """No simple method foretells the labels of samples it did not see, and neither does the network."""
    found = seen.reference
    if found is None or found.samples < LEAST_FOR_SHUFFLED or found.sigmas >= SIGMAS:
        return []
    if seen.classes and seen.counts.max() > 0.95 * seen.counts.sum():
        return []
    others = seen.on_others
    network = _sigmas(seen, others) if others is not None else 0.0
    if network >= SIGMAS:
        return []
    right = "of the answers are right" if seen.classes else "of the spread is explained"
    told = (
        f"of {found.samples:,} training samples the best of several simple methods ({found.method}, cross-validated) "
        f"foretells as much as labels drawn by lot would let it: {percent(max(0.0, found.score))} {right}, "
        f"{percent(found.chance)} by chance"
    )
    if others is not None:
        told += f"; the network's {seen.case.task.metric} on samples it did not see is {figure(others.metric)}"
    numbers = {"score": found.score, "chance": found.chance, "sigmas": found.sigmas, "network_sigmas": network}
    change = "look whether inputs and labels lie in the same order (a join or a sort of one of the two): neuropil check"
    return [Finding("shuffled_labels", None, told, change, numbers)]


def _sigmas(seen: Evidence, score: Score) -> float:
    """How far the network's answers lie above those of labels that mean nothing."""
    if not score.details:
        return 0.0
    truth, said = np.asarray(score.details["truth"]), np.asarray(score.details["predicted"])
    count = len(truth)
    if not seen.classes:
        moved = truth - truth.mean(axis=0), said - said.mean(axis=0)
        norms = math.sqrt(float((moved[0] ** 2).sum() * (moved[1] ** 2).sum()))
        return float((moved[0] * moved[1]).sum()) / norms * math.sqrt(count) if norms > 0 else 0.0
    shares = np.bincount(truth, minlength=seen.classes) / count
    guesses = np.bincount(said, minlength=seen.classes) / count
    chance = float((shares * guesses).sum())
    deviation = math.sqrt(max(1e-12, float((guesses * shares * (1 - shares)).sum())) / count)
    return (float((truth == said).mean()) - chance) / deviation if chance < 1 - 1e-9 else 0.0


def unscaled_input(seen: Evidence) -> list[Finding]:
    """What the network reads is far from the scale of 1, or its columns are far from one another."""
    values = seen.inputs
    if not values.size:
        return []
    axes = tuple(place for place in range(values.ndim) if place != (2 if values.ndim == 3 else 1))
    rms = np.sqrt((values**2).mean(axis=axes))
    spread = values.std(axis=axes)
    moving = spread > 0
    if not moving.any():
        return []
    largest, smallest = float(rms.max()), float(spread[moving].min())
    wide = float(spread.max())
    uneven = wide / smallest
    normed = _first_is_normed(seen)
    large = largest > LARGE and not (normed and uneven < UNEVEN)
    small = float(rms.max()) < VERY_SMALL and not normed
    if not large and not small and not (uneven > UNEVEN and wide > LARGE / 4):
        return []
    names = seen.case.assembly.signature.columns
    worst = int(rms.argmax())
    where = (
        f"column {names[worst]!r}" if len(names) == len(rms) else f"channel {worst}" if len(rms) > 1 else "the input"
    )
    told = (
        f"{where} reaches the network at a size of {figure(largest)} (root of the mean square, deviation "
        f"{figure(float(spread[worst]))})"
    )
    if len(rms) > 1:
        told += f"; the least deviation of a column that changes is {figure(smallest)}, {figure(uneven)} times less"
    told += "; weights are drawn, and learning rates chosen, for a size of about 1"
    graph = Graph(
        "deviation of what the network reads",
        [str(name) for name in names] if len(names) == len(rms) else [f"channel {n}" for n in range(len(rms))][:24],
        [float(one) for one in spread][:24],
    )
    numbers = {"largest": largest, "ratio": uneven}
    return [Finding("unscaled_input", None, told, "batches.normalize=channel", numbers, (graph,))]


def _first_is_normed(seen: Evidence) -> bool:
    """Whether batch normalization stands behind the first layer with weights."""
    modules = dict(seen.case.first.named_modules())
    kinds = [modules[one.layer] for one in seen.first.weighted[:2]]
    return any(isinstance(one, _BatchNorm) for one in kinds)
