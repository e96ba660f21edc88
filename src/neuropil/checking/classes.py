"""Classes: how many samples each has, in each part, and how they are called."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from neuropil.checking.records import Finding, Place
from neuropil.checking.subjects import Subject

__all__ = ["class_counts", "imbalance", "labels"]

Array = np.ndarray[Any, Any]


def class_counts(subject: Subject) -> dict[str, Array]:
    """How many samples, boxes, words or mask elements of each class each part has."""
    made: dict[str, Array] = subject.once("class counts", lambda: _counted(subject))
    return made


def _counted(subject: Subject) -> dict[str, Array]:
    info = subject.info
    if info is None or not info.classes:
        return {}
    found = {}
    for part, samples in subject.parts.items():
        targets = np.asarray(samples.targets)
        if info.target == "boxes":
            targets = targets[..., 0].astype(np.int64)
        if info.target == "masks" and targets.ndim == 4:
            targets = targets[:, 0]
        flat = targets.ravel()
        known = flat[(flat >= 0) & (flat < len(info.classes))]
        found[part] = np.bincount(known.astype(np.int64), minlength=len(info.classes))
    return found


def imbalance(subject: Subject, *, ratio: float = 10.0, fewest: int = 5) -> list[Finding]:
    """Classes that the training part has far more rarely than the most frequent one, or hardly at all.

    Args:
        subject: the set.
        ratio: how many times as frequent the most frequent class is; ten times that of the elements of masks.
        fewest: samples (not of masks) below which a class cannot be learned.
    """
    counts, info = class_counts(subject).get("train"), subject.info
    if counts is None or info is None:
        return []
    of_masks = info.target == "masks"
    unit = "elements" if of_masks else "boxes" if info.target == "boxes" else "samples"
    most = int(counts.argmax())
    found = []
    for name, count in zip(info.classes, counts.tolist(), strict=True):
        rare = count * ratio * (10 if of_masks else 1) < counts[most]
        rare = rare and not (of_masks and count == 0)  # numbers between those that masks hold
        few = not of_masks and count < fewest
        if rare or few:
            sentence = f"{count:,} {unit} to train on, but {info.classes[most]!r} has {counts[most]:,}"
            found.append(
                Finding("imbalance", "warning" if few else "note", f"class {name!r}", sentence, (Place("train", name),))
            )
    return found


def labels(subject: Subject) -> list[Finding]:
    """Class names that differ in capitals, spaces or signs only, and parts that lack a class."""
    info = subject.info
    if info is None:
        return []
    alike: dict[str, list[str]] = defaultdict(list)
    for name in info.classes:
        alike["".join(sign for sign in name.casefold() if sign.isalnum())].append(name)
    found = [
        Finding("labels", "error", f"class {names[1]!r}", f"differs from {names[0]!r} in its writing only; "
                "give both one name", tuple(Place("", name) for name in names))
        for plain, names in alike.items()
        if len(names) > 1 and plain
    ]  # fmt: skip
    for part, counts in class_counts(subject).items():
        if part != "train" and info.target in ("classes", "boxes"):
            for name, count in zip(info.classes, counts.tolist(), strict=True):
                if not count:
                    sentence = f"the {part} part has none of it, so its score says nothing of this class"
                    found.append(Finding("labels", "note", f"class {name!r}", sentence, (Place(part, name),)))
    return found
