"""Texts and pairs of texts between BERT's marks: `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`.

Source: Devlin et al. 2019, "BERT", section 3 and figure 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neuropil.errors import InputError
from neuropil.sequences.pieces import Pieces
from neuropil.sequences.ragged import Ragged

__all__ = ["check_room", "marked_pair", "marked_pairs", "marked_text", "marked_texts", "shared_room"]

Array = np.ndarray[Any, Any]

MARKS = {"text": 2, "pair": 3}
"""Special entries that a text and a pair need."""


def check_room(max_length: int, what: str) -> None:
    """Hold the greatest length against what the marks need.

    Args:
        max_length: tokens, marks among them.
        what: `text` or `pair`.

    Raises:
        InputError: no place is left for a text.
    """
    least = MARKS[what] + (1 if what == "text" else 2)
    if max_length < least:
        raise InputError(
            f"max_length is {max_length} tokens, but a {what} needs {least} or more, {MARKS[what]} of them for [CLS] "
            "and [SEP]; give a larger data.max_length"
        )


def shared_room(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens of each text stay where both have `room` together: the longer one is cut first.

    Where both are cut, the one that was longer keeps the odd token, the second of equal ones: as Hugging Face's
    `tokenizers` does (`longest_first`).

    Example:
        >>> shared_room(10, 3, 9), shared_room(10, 8, 9), shared_room(3, 3, 9)
        ((6, 3), (5, 4), (3, 3))
    """
    if first + second <= room:
        return first, second
    shorter, longer = min(first, second), max(first, second)
    longer = max(shorter, room - shorter)
    if shorter + longer > room:
        shorter, longer = room // 2, room - room // 2
    return (longer, shorter) if first > second else (shorter, longer)


def marked_texts(rows: Sequence[Array], pieces: Pieces, max_length: int) -> Ragged:
    """`[CLS] A [SEP]` of each text, A cut at its end where it is too long.

    Shape: a sample is `[T]`.

    Raises:
        InputError: too small a length, or a vocabulary without the marks.
    """
    check_room(max_length, "text")
    begin, end, room = pieces.special("[CLS]"), pieces.special("[SEP]"), max_length - MARKS["text"]
    return Ragged.of([np.concatenate([[begin], row[:room], [end]]) for row in rows])


def marked_text(text: Array, begin: int, end: int) -> Array:
    """`[CLS] A [SEP]` with each token's segment, 0.

    Shape: `[T, 2]`.
    """
    ids = np.concatenate([[begin], text, [end]])
    return np.stack([ids, np.zeros_like(ids)], axis=1).astype(np.int64)


def marked_pair(first: Array, second: Array, begin: int, end: int) -> Array:
    """`[CLS] A [SEP] B [SEP]` with each token's segment, 0 or 1.

    Shape: `[T, 2]`.
    """
    ids = np.concatenate([[begin], first, [end], second, [end]])
    return np.stack([ids, np.arange(len(ids)) >= len(first) + 2], axis=1).astype(np.int64)


def marked_pairs(firsts: Sequence[Array], seconds: Sequence[Array], pieces: Pieces, max_length: int) -> Ragged:
    """`[CLS] A [SEP] B [SEP]` of each pair, cut by `shared_room` where it is too long.

    Shape: a sample is `[T, 2]`, ids and segments.

    Raises:
        InputError: too small a length, or a vocabulary without the marks.
    """
    check_room(max_length, "pair")
    begin, end, room = pieces.special("[CLS]"), pieces.special("[SEP]"), max_length - MARKS["pair"]
    rows = []
    for first, second in zip(firsts, seconds, strict=True):
        keep, rest = shared_room(len(first), len(second), room)
        rows.append(marked_pair(first[:keep], second[:rest], begin, end))
    return Ragged.of(rows)
