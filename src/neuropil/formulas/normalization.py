"""Numbers brought to a common size. Source: chapter, "Batch normalization", "AlexNet"; the papers named below."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "batch_normalization",
    "batch_normalization_inference",
    "group_normalization",
    "layer_normalization",
    "local_response_normalization",
    "moving_average",
    "rms_normalization",
    "stored_average",
]

Array = np.ndarray[Any, np.dtype[np.float64]]


def batch_normalization(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> tuple[Array, Array, Array]:
    """`gamma (x - mu) / sqrt(var + eps) + beta` of each channel (axis 1) by the mini-batch's own mu and var (row 21).

    Both are means over the `m` values of a channel. Returns y, mu and var. Slips corrected: the sum of the variance
    starts at i = 0 for i = 1; the standard deviation becomes "I" for 1; a stray dollar sign.

    Example:
        >>> y, mean, variance = batch_normalization(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1), eps=0)
        >>> y.ravel().tolist(), mean.tolist(), variance.tolist()
        ([-1.0, 1.0], [2.0], [1.0])
    """
    axes = (0, *range(2, x.ndim))
    mean, variance = x.mean(axis=axes), x.var(axis=axes)
    return batch_normalization_inference(x, gamma, beta, mean, variance, eps), mean, variance


def batch_normalization_inference(
    x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, eps: float = 1e-5
) -> Array:
    """The same with stored statistics (rows 23, 24). Slip corrected: "training data" for the data of the inference.

    Example:
        >>> one = np.ones(1)
        >>> batch_normalization_inference(np.array([[5.0]]), one, one, one, np.array([4.0]), eps=0).item()
        3.0
    """
    shape = (1, -1) + (1,) * (x.ndim - 2)
    scaled = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + eps)
    return np.asarray(gamma.reshape(shape) * scaled + beta.reshape(shape))


def stored_average(statistics: Array, batch_size: int | None = None) -> Array:
    """Inference A (row 23): the average over mini-batches `[batches, C]` of their means, or of their variances.

    The chapter averages both as they are; the paper (algorithm 2, line 10) multiplies the variance by `m / (m - 1)`,
    `m` being the values of a channel in a mini-batch: give them as `batch_size`.

    Example:
        >>> stored_average(np.array([[1.0], [3.0]])).tolist(), stored_average(np.array([[1.0], [3.0]]), 2).tolist()
        ([2.0], [4.0])
    """
    correction = 1 if batch_size is None else batch_size / (batch_size - 1)
    return np.asarray(correction * statistics.mean(axis=0))


def moving_average(stored: Array, of_batch: Array, alpha: float = 0.9) -> Array:
    """Inference B (row 24): `mu <- alpha mu + (1 - alpha) mu_B`, and `var <- alpha var + (1 - alpha) var_B`.

    Slip corrected: the second has `sigma_B` for its square.

    Example:
        >>> moving_average(np.array([1.0]), np.array([2.0])).tolist()
        [1.1]
    """
    return np.asarray(alpha * stored + (1 - alpha) * of_batch)


def local_response_normalization(
    x: Array, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0
) -> Array:
    """`x_c / (k + alpha sum_j x_j^2)^beta`, the sum over the `size` channels around `c` (row 59), named only.

    Source: Krizhevsky et al. 2012, section 3.3. Libraries divide alpha by `size`.

    Example:
        >>> local_response_normalization(np.ones((1, 3)), 3, alpha=1.0, beta=1.0, k=0.0).ravel().tolist()[1] * 3
        1.0
    """
    sums = [np.sum(x[:, max(0, c - size // 2) : c + size // 2 + 1] ** 2, axis=1) for c in range(x.shape[1])]
    return np.asarray(x / (k + alpha * np.stack(sums, axis=1)) ** beta)


def layer_normalization(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> Array:
    """The Transformer's normalization (row 116): each vector along the last axis by its own mean and variance.

    Source: Ba, Kiros and Hinton 2016, equation 4.

    Example:
        >>> layer_normalization(np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), eps=0).tolist()
        [[-1.0, 1.0]]
    """
    mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return np.asarray(gamma * (x - mean) / np.sqrt(variance + eps) + beta)


def group_normalization(x: Array, gamma: Array, beta: Array, num_groups: int, eps: float = 1e-5) -> Array:
    """Each sample's channels by groups, each group by its own mean and variance (row 21 without the mini-batch).

    Source: Wu and He 2018, equations 1 to 7.

    Example:
        >>> group_normalization(np.array([[1.0, 3.0, 10.0, 30.0]]), np.ones(4), np.zeros(4), 2, eps=0).tolist()
        [[-1.0, 1.0, -1.0, 1.0]]
    """
    groups = x.reshape(len(x), num_groups, -1)
    mean, variance = groups.mean(axis=-1, keepdims=True), groups.var(axis=-1, keepdims=True)
    scaled = ((groups - mean) / np.sqrt(variance + eps)).reshape(x.shape)
    shape = (1, -1) + (1,) * (x.ndim - 2)
    return np.asarray(gamma.reshape(shape) * scaled + beta.reshape(shape))


def rms_normalization(x: Array, gamma: Array, eps: float = 1e-5) -> Array:
    """Each vector along the last axis by its root mean square (row 116 without mean and shift).

    Source: Zhang and Sennrich 2019, equation 4.

    Example:
        >>> rms_normalization(np.array([3.0, -3.0]), np.ones(2), eps=0).tolist()
        [1.0, -1.0]
    """
    return np.asarray(gamma * x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + eps))
