"""Training, validation and test part of samples: drawn once from a seed, each class in its share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from neuropil.data.in_memory import Subset
from neuropil.data.order import checked_seed, stream_number
from neuropil.data.records import Samples, Splits
from neuropil.errors import InputError

__all__ = ["check_fractions", "split", "split_beside", "split_indices"]

Array = np.ndarray[Any, Any]


def split(samples: Samples, *, valid_fraction: float, test_fraction: float, seed: int) -> Splits:
    """Draw the three parts; the test part does not depend on `valid_fraction`.

    Args:
        samples: all of them.
        valid_fraction: share for validation, in [0, 1); 0: no such part.
        test_fraction: share for the test, in [0, 1); 0: no such part.
        seed: 0 to 2^64 - 1; the same seed gives the same parts in every version of NumPy.

    Raises:
        InputError: a fraction outside [0, 1), both together 1 or more, or no samples.
    """
    train, valid, test = split_indices(
        samples.targets,
        classes=samples.info.target == "classes",
        valid_fraction=valid_fraction,
        test_fraction=test_fraction,
        seed=seed,
    )
    if not len(train):
        raise InputError(f"{samples.info.source!r} has no samples to draw a training part from")
    return Splits(
        Subset(samples, train),
        Subset(samples, valid) if len(valid) else None,
        Subset(samples, test) if len(test) else None,
    )


def split_beside(
    samples: Samples, given: Mapping[str, Samples], *, valid_fraction: float, test_fraction: float, seed: int
) -> Splits:
    """Draw only the parts that were not given; see `split`.

    Args:
        samples: what to draw from.
        given: `valid` and `test` where they exist already.
        valid_fraction: as of `split`; not used where the part is given.
        test_fraction: likewise.
        seed: as of `split`.

    Raises:
        InputError: as `split`.
    """
    check_fractions(valid_fraction, test_fraction)
    parts = split(
        samples,
        valid_fraction=0.0 if "valid" in given else valid_fraction,
        test_fraction=0.0 if "test" in given else test_fraction,
        seed=seed,
    )
    return Splits(parts.train, given.get("valid", parts.valid), given.get("test", parts.test))


def split_indices(
    targets: Array, *, classes: bool, valid_fraction: float, test_fraction: float, seed: int
) -> tuple[Array, Array, Array]:
    """Sample numbers of the training, validation and test part, each ascending.

    With classes, each part holds each class in its share of the whole, to within one sample, and each class keeps at
    least one training sample. A sample's place within its class is the rank of its own random number.

    Shape: targets `[n]` or `[n, D]`; results int64.

    Args:
        targets: class numbers, or values (then they are not looked at).
        classes: whether the targets are class numbers.
        valid_fraction: in [0, 1).
        test_fraction: in [0, 1); both together less than 1.
        seed: 0 to 2^64 - 1.

    Raises:
        InputError: a fraction outside its range.

    Example:
        >>> parts = split_indices(
        ...     np.array([0, 0, 0, 0, 1, 1, 1, 1]), classes=True, valid_fraction=0.25, test_fraction=0.25, seed=0
        ... )
        >>> [len(part) for part in parts]
        [4, 2, 2]
    """
    check_fractions(valid_fraction, test_fraction)
    count = len(targets)
    key = np.array([checked_seed(seed), stream_number("split")], dtype=np.uint64)
    draws = np.random.Philox(key=key).random_raw(count)
    groups = np.unique(targets, return_inverse=True)[1] if classes else np.zeros(count, dtype=np.int64)
    order = np.lexsort((draws, groups))
    sizes = np.bincount(groups)
    tests = _shares(sizes, test_fraction, sizes - 1)
    valids = _shares(sizes, valid_fraction, sizes - 1 - tests)
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    in_test = rank < tests[groups]
    in_valid = ~in_test & (rank < (tests + valids)[groups])
    return np.flatnonzero(~in_test & ~in_valid), np.flatnonzero(in_valid), np.flatnonzero(in_test)


def check_fractions(valid_fraction: float, test_fraction: float) -> None:
    """Refuse shares that leave nothing to train on.

    Raises:
        InputError: a share outside [0, 1), or both together 1 or more.
    """
    for name, value in (("valid_fraction", valid_fraction), ("test_fraction", test_fraction)):
        if not 0 <= value < 1:
            raise InputError(f"{name} is {value}; give a share from 0 (no such part) to less than 1")
    if valid_fraction + test_fraction >= 1:
        raise InputError(
            f"valid_fraction {valid_fraction} and test_fraction {test_fraction} leave nothing to train on; "
            "give shares that sum to less than 1"
        )


def _shares(sizes: Array, fraction: float, room: Array) -> Array:
    """How many of each class: the whole share rounded half up, handed out by largest remainder, at most `room`."""
    wanted = sizes * fraction
    taken = np.minimum(np.floor(wanted).astype(np.int64), room)
    missing = math.floor(sizes.sum() * fraction + 0.5) - int(taken.sum())
    for place in np.argsort(taken - wanted, kind="stable"):
        if missing <= 0:
            break
        if taken[place] < room[place]:
            taken[place] += 1
            missing -= 1
    return taken
