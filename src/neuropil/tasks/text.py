"""Ids back into tokens and tokens into text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from neuropil.errors import InputError

__all__ = ["BEGIN", "END", "PAD", "UNKNOWN", "Level", "checked_vocabulary", "text_of", "tokens_of"]

PAD, UNKNOWN, BEGIN, END = range(4)
"""Ids that every vocabulary has at these places."""

Level = Literal["word", "character"]


def checked_vocabulary(vocabulary: Sequence[str]) -> tuple[str, ...]:
    """The entries of a vocabulary in the order of their ids, the four that stand for no text first.

    Raises:
        InputError: there are no more than those four.
    """
    if len(vocabulary) < 5:
        raise InputError(
            f"a vocabulary begins with padding, unknown, begin and end, and needs at least one entry more, but "
            f"{list(vocabulary)} was given"
        )
    return tuple(vocabulary)


def tokens_of(ids: Iterable[int], vocabulary: Sequence[str]) -> list[str]:
    """The tokens up to the end token, without padding and begin.

    Example:
        >>> tokens_of([2, 4, 1, 3, 4], ["<pad>", "<unk>", "<bos>", "<eos>", "cat"])
        ['cat', '<unk>']
    """
    found = []
    for one in ids:
        if one == END:
            break
        if one not in (PAD, BEGIN):
            found.append(vocabulary[one])
    return found


def text_of(tokens: Sequence[str], level: Level) -> str:
    """Words with spaces between them, or letters as they are.

    Example:
        >>> text_of(["a", "b"], "word"), text_of(["a", "b"], "character")
        ('a b', 'ab')
    """
    return (" " if level == "word" else "").join(tokens)
