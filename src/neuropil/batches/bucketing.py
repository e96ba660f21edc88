"""The order of an epoch where samples have lengths, or continue one another."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuropil.data.order import permutation, uniforms

__all__ = ["POOL_BATCHES", "bucketed", "by_length", "lanes"]

Array = np.ndarray[Any, Any]

POOL_BATCHES = 50
"""Batches whose samples are sorted by length together: many enough for little padding, few enough to stay random."""


def bucketed(lengths: Array, batch_size: int, *, seed: int, epoch: int) -> Array:
    """An order whose batches hold samples of similar lengths: permute, sort within pools, shuffle the batches.

    What does not fill a batch, drawn at random, comes last. A function of its arguments alone.

    Shape: lengths `[n]` or `[n, L]` (the first column counts most) -> int64 `[n]`, each of 0 to n - 1 once.

    Args:
        lengths: of each sample.
        batch_size: samples in a batch, 1 or more.
        seed: 0 to 2^64 - 1.
        epoch: 0 or more.

    Example:
        >>> order = bucketed(np.array([3, 1, 2, 9, 8, 2, 7]), 2, seed=0, epoch=0)
        >>> order.tolist()
        [4, 3, 0, 6, 1, 5, 2]
    """
    order = permutation(len(lengths), seed=seed, epoch=epoch)
    full = len(order) // batch_size * batch_size
    pool = POOL_BATCHES * batch_size
    pools = [order[begin : min(begin + pool, full)] for begin in range(0, full, pool)]
    batches = [one[_sorted(lengths[one])] for one in pools]
    if not batches:
        return order
    table = np.concatenate(batches).reshape(-1, batch_size)
    draws = uniforms(np.arange(len(table)), 1, seed=seed, epoch=epoch, stream="batches")[:, 0]
    mixed = np.argsort(draws, kind="stable")
    return np.concatenate([table[mixed].reshape(-1), order[full:]])


def by_length(lengths: Array) -> Array:
    """The samples from short to long, equal ones in their own order: for evaluation, with little padding.

    Example:
        >>> by_length(np.array([3, 1, 2, 1])).tolist()
        [1, 3, 2, 0]
    """
    return _sorted(lengths).astype(np.int64)


def _sorted(lengths: Array) -> Array:
    columns = lengths.reshape(len(lengths), -1)
    return np.lexsort(tuple(columns.T[::-1]))


def lanes(count: int, batch_size: int) -> Array:
    """The order in which row r of each batch continues row r of the batch before it (truncated backpropagation).

    The samples are dealt out to `batch_size` lanes of consecutive ones, the first lanes one longer where that does not
    come out even; batch k holds the k-th sample of each lane, so only the last may have fewer rows.

    Shape: int64 `[count]`.

    Example:
        >>> lanes(7, 3).tolist()  # lanes 0 1 2, 3 4, 5 6
        [0, 3, 5, 1, 4, 6, 2]
    """
    full, rest = divmod(count, batch_size)
    lane = np.arange(batch_size)
    begins = lane * full + np.minimum(lane, rest)
    order = (begins[None, :] + np.arange(full)[:, None]).reshape(-1)
    return np.concatenate([order, begins[:rest] + full]).astype(np.int64)
