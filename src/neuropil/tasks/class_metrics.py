"""Measures of a classification, from a confusion matrix or from scores; NumPy float64."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["balanced_accuracy", "confusion_matrix", "macro_f1", "roc_auc"]

Array = np.ndarray[Any, Any]


def confusion_matrix(truth: Array, predicted: Array, num_classes: int) -> Array:
    """How often class i (row) was taken for class j (column).

    Shape:
        truth, predicted `[n]` class numbers; the result `[K, K]` int64.

    Example:
        >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
        [[1, 0], [1, 1]]
    """
    cells = np.bincount(truth * num_classes + predicted, minlength=num_classes * num_classes)
    return cells.reshape(num_classes, num_classes)


def balanced_accuracy(confusion: Array) -> float:
    """The mean over classes of the share of each class that was found; classes without a sample are left out.

    Example:
        >>> balanced_accuracy(np.array([[98, 2], [1, 0]]))
        0.49
    """
    counts = confusion.sum(axis=1)
    present = counts > 0
    return float(np.mean(confusion.diagonal()[present] / counts[present]))


def macro_f1(confusion: Array) -> float:
    """The mean over classes of F1 = 2 TP / (2 TP + FP + FN); classes neither true nor predicted are left out.

    Example:
        >>> macro_f1(np.array([[1, 0], [1, 1]]))
        0.6666666666666666
    """
    both = confusion.sum(axis=1) + confusion.sum(axis=0)
    present = both > 0
    return float(np.mean(2 * confusion.diagonal()[present] / both[present]))


def roc_auc(truth: Array, scores: Array) -> float | None:
    """The chance that a sample of class 1 scores above one of class 0, ties counted half.

    Source:
        The area under the ROC curve as the Mann-Whitney statistic (Hanley and McNeil 1982).

    Shape:
        truth `[n]` of 0 and 1; scores `[n]`, higher for class 1.

    Returns:
        `None` where only one class is there, so that no pair exists.

    Example:
        >>> roc_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.4, 0.8]))
        0.875
    """
    positives = int(truth.sum())
    pairs = positives * (len(truth) - positives)
    if pairs == 0:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[truth == 1].sum() - positives * (positives + 1) / 2) / pairs)
