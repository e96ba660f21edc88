"""Can these labels be foretold from these inputs at all? Simple methods on parts that they did not see.

Nearest neighbours and a linear fit on random features, by five-fold cross-validation on the training part; of pictures
and series also on the sizes of their frequencies, which do not care where something stands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuropil.batches.normalization import to_float
from neuropil.data.records import Samples

__all__ = ["Reference", "reference"]

Array = np.ndarray[Any, Any]

MOST_SAMPLES, MOST_COLUMNS, MOST_FEATURES, FOLDS, NEIGHBOURS = 1500, 400, 400, 5, 5


@dataclass(frozen=True, slots=True)
class Reference:
    """The best simple method.

    Args:
        method: its name.
        score: share of right answers, or R² of values, on parts it did not see.
        chance: the score that its answers would have with labels that mean nothing.
        sigmas: how many standard deviations lie between.
        samples: that were used.
    """

    method: str
    score: float
    chance: float
    sigmas: float
    samples: int


def reference(samples: Samples, classes: int, *, targets: Array | None = None) -> Reference | None:
    """Hold the samples' targets against their inputs.

    Args:
        samples: a training part with class numbers or values.
        classes: how many; 0 for values.
        targets: in place of the samples' own.

    Returns:
        `None` for fewer than 20 samples.
    """
    count = len(samples)
    if count < 20:
        return None
    generator = np.random.Generator(np.random.Philox(0))
    chosen = np.sort(generator.permutation(count)[:MOST_SAMPLES]).astype(np.int64)
    truth = (np.asarray(samples.targets) if targets is None else targets)[chosen]
    truth = truth.reshape(len(chosen), -1) if classes == 0 else truth
    best: Reference | None = None
    folds = generator.permutation(len(chosen)) % FOLDS
    for view, inputs in _views(samples, chosen).items():
        for method, predict in (("nearest neighbours", _neighbours), ("a linear fit on random features", _ridge)):
            guessed = np.zeros_like(truth, dtype=float if classes == 0 else np.int64)
            for fold in range(FOLDS):
                inside, outside = folds != fold, folds == fold
                if outside.any() and inside.any():
                    guessed[outside] = predict(inputs[inside], truth[inside], inputs[outside], classes)
            found = _judged(f"{method}{view}", truth, guessed, classes)
            if best is None or found.sigmas > best.sigmas:
                best = found
    return best


def _views(samples: Samples, chosen: Array) -> dict[str, Array]:
    raw, _ = samples.fetch(chosen)
    if np.issubdtype(raw.dtype, np.integer) and raw.dtype != np.uint8:
        return {"": _standard(_counted(raw))}
    values = to_float(raw)
    plain = _standard(values.reshape(len(values), -1))
    if values.ndim == 4:
        return {"": plain, " of frequencies": _standard(np.abs(np.fft.rfft2(values)).reshape(len(values), -1))}
    if values.ndim == 3:
        return {"": plain, " of frequencies": _standard(np.abs(np.fft.rfft(values, axis=1)).reshape(len(values), -1))}
    return {"": plain}


def _counted(tokens: Array) -> Array:
    """Which tokens a text holds, and its first and last ones, hashed into columns."""
    ids = tokens.reshape(len(tokens), -1)
    rows = np.arange(len(ids))[:, None]
    bag = np.zeros((len(ids), 1024))
    np.add.at(bag, (np.broadcast_to(rows, ids.shape), ids % 1024), ids > 0)
    first = np.zeros((len(ids), 128))
    last = np.zeros((len(ids), 128))
    for place in range(min(3, ids.shape[1])):
        np.add.at(first, (rows[:, 0], (ids[:, place] + 41 * place) % 128), ids[:, place] > 0)
    ends = np.maximum((ids > 0).sum(1) - 1, 0)
    np.add.at(last, (rows[:, 0], ids[rows[:, 0], ends] % 128), 1.0)
    return np.concatenate([np.minimum(bag, 3), 2 * first, 2 * last], axis=1)


def _standard(values: Array) -> Array:
    """Columns of mean 0 and deviation 1; of many, projected at random."""
    values = values.astype(np.float64)
    values = np.nan_to_num(values - values.mean(axis=0), posinf=0.0, neginf=0.0)
    spread = values.std(axis=0)
    values = values[:, spread > 0] / spread[spread > 0]
    if values.shape[1] > 4 * MOST_COLUMNS:
        generator = np.random.Generator(np.random.Philox(1))
        values = values @ (generator.standard_normal((values.shape[1], MOST_COLUMNS)) / math.sqrt(values.shape[1]))
    return values.astype(np.float64)


def _neighbours(inputs: Array, truth: Array, asked: Array, classes: int) -> Array:
    distance = (asked**2).sum(1)[:, None] - 2 * asked @ inputs.T + (inputs**2).sum(1)[None]
    near = np.argpartition(distance, min(NEIGHBOURS, len(inputs) - 1), axis=1)[:, :NEIGHBOURS]
    if classes == 0:
        found: Array = truth[near].mean(axis=1)
        return found
    votes = np.zeros((len(asked), classes))
    for place in range(near.shape[1]):
        np.add.at(votes, (np.arange(len(asked)), truth[near[:, place]]), 1.0)
    said: Array = votes.argmax(axis=1)
    return said


def _ridge(inputs: Array, truth: Array, asked: Array, classes: int) -> Array:
    """Least squares on the inputs and on rectified random mixtures of them."""
    generator = np.random.Generator(np.random.Philox(2))
    width = inputs.shape[1]
    mixing = generator.standard_normal((width, MOST_FEATURES)) / math.sqrt(max(1, width))
    shift = generator.standard_normal(MOST_FEATURES)
    features, wanted = _mixed(inputs, mixing, shift), np.eye(classes)[truth] if classes else truth
    centre, level = features.mean(axis=0), wanted.mean(axis=0)
    strength = 0.03 * len(features) + 1.0
    moved = features - centre
    if moved.shape[1] <= len(moved):
        weights = np.linalg.solve(moved.T @ moved + strength * np.eye(moved.shape[1]), moved.T @ (wanted - level))
    else:
        weights = moved.T @ np.linalg.solve(moved @ moved.T + strength * np.eye(len(moved)), wanted - level)
    found: Array = (_mixed(asked, mixing, shift) - centre) @ weights + level
    answers: Array = found.argmax(axis=1) if classes else found
    return answers


def _mixed(inputs: Array, mixing: Array, shift: Array) -> Array:
    return np.concatenate([inputs / math.sqrt(max(1, inputs.shape[1])), np.maximum(inputs @ mixing + shift, 0)], axis=1)


def _judged(method: str, truth: Array, guessed: Array, classes: int) -> Reference:
    count = len(truth)
    if classes == 0:
        total = ((truth - truth.mean(axis=0)) ** 2).sum()
        score = 1.0 - float(((truth - guessed) ** 2).sum() / total) if total > 0 else 0.0
        moved = truth - truth.mean(axis=0), guessed - guessed.mean(axis=0)
        norms = math.sqrt(float((moved[0] ** 2).sum() * (moved[1] ** 2).sum()))
        correlation = float((moved[0] * moved[1]).sum()) / norms if norms > 0 else 0.0
        return Reference(method, score, 0.0, correlation * math.sqrt(count), count)
    right = float((truth == guessed).mean())
    shares = np.bincount(truth, minlength=classes) / count
    said = np.bincount(guessed, minlength=classes) / count
    chance = float((shares * said).sum())
    per = shares * (1 - shares)
    deviation = math.sqrt(max(1e-12, float((said * per).sum())) / count)
    sigmas = (right - chance) / deviation if chance < 1 - 1e-9 else 0.0
    return Reference(method, right, chance, sigmas, count)
