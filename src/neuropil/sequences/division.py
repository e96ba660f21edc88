"""Texts into training, validation and test part: as their files say, else drawn from a seed or cut in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any, TypeVar

import numpy as np

from neuropil.data.archive import Archive
from neuropil.data.records import Samples, Splits
from neuropil.data.splitting import check_fractions, split_indices
from neuropil.errors import InputError
from neuropil.sequences.text_files import part_of, text_store, usable_names

__all__ = ["Parts", "by_part", "divide", "in_order", "settle_parts", "splits_of"]

Array = np.ndarray[Any, Any]
Record = TypeVar("Record")
Parts = dict[str, list[Record]]

VERBS = {"train": "train", "valid": "validate", "test": "test"}

DEFAULT_TEST = 0.1
"""Share to test on where the data do not divide themselves."""


def by_part(
    root: str, leave_out: Sequence[str], accepts: Callable[[str], bool], notes: list[str]
) -> tuple[Archive, dict[str | None, list[str]]]:
    """The files of each part; all in one part `None` where no file's name says `train`.

    Args:
        root: a folder, zip file or file.
        leave_out: patterns of names that are not read.
        accepts: whether a file may hold such data.
        notes: gets sentences about files that are left aside.

    Raises:
        InputError: nothing to read, or parts to validate or test on without one to train on.
    """
    store = text_store(root)
    left = usable_names(store, leave_out)
    names = [name for name in left if accepts(name)]
    if not names:
        raise InputError(f"{store.where!r} holds no file of this kind; it holds {', '.join(left[:8])}")
    if len(names) == 1:
        return store, {None: names}
    parts: dict[str | None, list[str]] = {}
    for name in names:
        parts.setdefault(part_of(name), []).append(name)
    if "train" in parts:
        if (aside := parts.pop(None, [])) and len(parts) >= 1:
            notes.append(f"left aside, as their names are of no part (train, valid, test): {', '.join(aside)}")
        return store, parts
    if None in parts:
        return store, {None: names}
    raise InputError(
        f"{store.where!r} holds {', '.join(PurePosixPath(name).name for name in names[:4])}, but nothing to train on; "
        "call a file or folder train"
    )


def settle_parts(
    found: dict[str | None, list[Record]],
    *,
    unit: str,
    valid_fraction: float,
    test_fraction: float | None,
    seed: int,
    labels: Callable[[Record], str] | None = None,
) -> tuple[Parts[Record], str]:
    """The three parts, and a sentence about them; what has no files of its own is drawn from the training part.

    Args:
        found: the records of each part; of the part `None` where the data do not divide themselves.
        unit: what the records are, in the plural.
        valid_fraction: share to validate on, in [0, 1).
        test_fraction: share to test on; left out: 0.1, or 0 where the data divide themselves.
        seed: of the draw.
        labels: of a record, where each part shall hold each class in its share.

    Raises:
        InputError: a share out of its range, or nothing to train on.
    """
    check_fractions(valid_fraction, DEFAULT_TEST if test_fraction is None else test_fraction)
    divides_itself = None not in found
    train = found["train"] if divides_itself else found[None]
    if test_fraction is None:
        test_fraction = 0.0 if divides_itself else DEFAULT_TEST
    groups = np.zeros(len(train), dtype=np.int64)
    if labels is not None:
        groups = np.unique([labels(one) for one in train], return_inverse=True)[1]
    drawn = split_indices(
        groups,
        classes=labels is not None,
        valid_fraction=0.0 if found.get("valid") else valid_fraction,
        test_fraction=0.0 if found.get("test") else test_fraction,
        seed=seed,
    )
    parts = {
        part: [train[index] for index in chosen] or list(found.get(part, []))
        for part, chosen in zip(("train", "valid", "test"), drawn, strict=True)
    }
    if not parts["train"]:
        raise InputError(f"there are no {unit} to train on; give more of them, or smaller shares to validate and test")
    counts = ", ".join(f"{len(parts[part]):,} to {verb}" for part, verb in VERBS.items())
    how = "parts as the files say" if divides_itself else f"divided (split_seed={seed})"
    return parts, f"{unit}: {counts}; {how}"


def divide(
    root: str,
    leave_out: Sequence[str],
    accepts: Callable[[str], bool],
    read: Callable[[Archive, str], list[Record]],
    notes: list[str],
) -> dict[str | None, list[Record]]:
    """The records of each part, read file by file; see `by_part`."""
    store, parts = by_part(root, leave_out, accepts, notes)
    return {part: [one for name in names for one in read(store, name)] for part, names in parts.items()}


def in_order(count: int, valid_fraction: float, test_fraction: float) -> tuple[int, int]:
    """Where the validation and the test part begin, if a text or series is cut in its own order.

    Raises:
        InputError: a share out of its range, or nothing to train on.

    Example:
        >>> in_order(100, 0.1, 0.1)
        (80, 90)
    """
    check_fractions(valid_fraction, test_fraction)
    test = count - round(count * test_fraction)
    valid = test - round(count * valid_fraction)
    if valid < 1:
        raise InputError(f"{count} in all leave nothing to train on; give more, or smaller shares")
    return valid, test


def splits_of(parts: Parts[Record], make: Callable[[list[Record]], Samples]) -> Splits:
    """The samples of each part; a part without records is none."""
    valid, test = (make(parts[part]) if parts.get(part) else None for part in ("valid", "test"))
    return Splits(make(parts["train"]), valid, test)
