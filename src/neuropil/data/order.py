"""Stateless randomness: every draw is a function of (seed, epoch, stream, position), so nothing is ever fast-forwarded.

Raw 64-bit output of Philox4x64-10 alone is used (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
1, 2, 3", 2011): it is the same in every version of NumPy, which the methods of `Generator` are not.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Any

import numpy as np

from neuropil.errors import InputError

__all__ = ["BLOCK", "checked_seed", "permutation", "stream_number", "uniforms"]

Array = np.ndarray[Any, Any]

BLOCK = 1024
"""Positions that are drawn together."""


def stream_number(name: str) -> int:
    """A small whole number that stands for a stream's name, the same in every process.

    Example:
        >>> stream_number("order")
        4113142680
    """
    return zlib.crc32(name.encode())


def checked_seed(seed: int) -> int:
    """The seed itself, where it fits 64 bits.

    Raises:
        InputError: a negative seed, or one of more than 64 bits.
    """
    if not 0 <= seed < 2**64:
        raise InputError(f"the seed is {seed}; give a whole number from 0 to 2^64 - 1")
    return seed


def permutation(n: int, *, seed: int, epoch: int) -> Array:
    """The order of `n` samples in one epoch: the stable argsort of `n` random 64-bit numbers.

    Shape: int64 `[n]`, each of 0 to n - 1 once.

    Args:
        n: how many samples, 0 or more.
        seed: 0 to 2^64 - 1.
        epoch: 0 or more; each has an order of its own.

    Raises:
        InputError: a negative number, or a seed of more than 64 bits.

    Example:
        >>> permutation(5, seed=0, epoch=0).tolist()
        [1, 3, 0, 4, 2]
    """
    if n < 0:
        raise InputError(f"an order of {n} samples was asked for; give 0 or more")
    raw = _raw(n, seed=seed, epoch=epoch, stream="order", block=0)
    return np.argsort(raw, kind="stable").astype(np.int64, copy=False)


def uniforms(positions: Array, count: int, *, seed: int, epoch: int, stream: str) -> Array:
    """`count` uniform numbers for each position; a position's numbers depend on (seed, epoch, stream, position) alone.

    The first numbers of a position do not change when more of them are asked for.

    Shape: positions `[N]`; result float64 `[N, count]` in [0, 1), in steps of 2^-53.

    Args:
        positions: places in the epoch, 0 or more, in any order.
        count: numbers for each position.
        seed: 0 to 2^64 - 1.
        epoch: 0 or more.
        stream: a name for what the numbers are for; each name has numbers of its own.

    Raises:
        InputError: a negative position, count or epoch, or a seed of more than 64 bits.

    Example:
        >>> uniforms(np.array([7, 5000]), 2, seed=0, epoch=0, stream="flip").round(3).tolist()
        [[0.231, 0.255], [0.453, 0.123]]
    """
    places = np.asarray(positions, dtype=np.int64)
    if count < 0:
        raise InputError(f"{count} numbers a position were asked for; give 0 or more")
    result = np.empty((len(places), count), dtype=np.float64)
    if not len(places) or not count:
        return result
    if places.min() < 0:
        raise InputError(f"a position is {places.min()}; positions start at 0")
    blocks = places // BLOCK
    for block in np.unique(blocks):
        inside = blocks == block
        table = _block(count, seed=seed, epoch=epoch, stream=stream, block=int(block))
        result[inside] = table[places[inside] % BLOCK]
    return result


@lru_cache(maxsize=64)
def _block(count: int, *, seed: int, epoch: int, stream: str, block: int) -> Array:
    """The numbers of 1024 positions, `[BLOCK, count]`, drawn column after column: a larger count only adds columns."""
    raw = _raw(BLOCK * count, seed=seed, epoch=epoch, stream=stream, block=block)
    table = ((raw >> np.uint64(11)) * 2.0**-53).reshape(count, BLOCK).T.copy()
    table.flags.writeable = False
    return table


def _raw(n: int, *, seed: int, epoch: int, stream: str, block: int) -> Array:
    """`n` random 64-bit numbers: the key is (seed, stream), the counter starts at (0, block, epoch, 0)."""
    if epoch < 0:
        raise InputError(f"the epoch is {epoch}; epochs count from 0")
    key = np.array([checked_seed(seed), stream_number(stream)], dtype=np.uint64)
    counter = np.array([0, block, epoch, 0], dtype=np.uint64)
    raw: Array = np.random.Philox(key=key, counter=counter).random_raw(n)
    return raw
