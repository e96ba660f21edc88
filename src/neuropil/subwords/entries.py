"""What is checked of any vocabulary: its entries, its special ones, the texts and numbers it is given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from neuropil.errors import InputError

__all__ = ["checked_ids", "numbered", "special_pattern", "texts_of"]


def numbered(entries: Sequence[str]) -> dict[str, int]:
    """Numbers by entry.

    Raises:
        InputError: an entry is no text or stands twice.

    Example:
        >>> numbered(["a", "b"])
        {'a': 0, 'b': 1}
    """
    numbers: dict[str, int] = {}
    for number, one in enumerate(entries):
        if not isinstance(one, str):
            raise InputError(f"entry {number} is {one!r}; write the entries of a vocabulary as texts")
        if numbers.setdefault(one, number) != number:
            raise InputError(f"{one!r} is entry {numbers[one]} and entry {number}; name each entry once")
    return numbers


def special_pattern(specials: Sequence[str], numbers: Mapping[str, int]) -> re.Pattern[str] | None:
    """What finds special entries in a text, the longest first; splitting by it keeps them.

    Raises:
        InputError: one is missing in the vocabulary, empty, holds white space, or is named twice.

    Example:
        >>> special_pattern(["<a>"], {"<a>": 0}).split("x<a>y")
        ['x', '<a>', 'y']
    """
    for place, one in enumerate(specials):
        if one not in numbers:
            raise InputError(f"the special entry {one!r} is not in the vocabulary; add it to the entries")
        if not one or one in specials[:place] or any(letter.isspace() for letter in one):
            raise InputError(f"the special entry {one!r} is empty, named twice or holds white space; give it a name")
    longest_first = sorted(specials, key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, longest_first))})") if specials else None


def texts_of(texts: Sequence[str]) -> Sequence[str]:
    """The texts, if they are some.

    Raises:
        InputError: a single text, or something else among them.

    Example:
        >>> texts_of(["one", "two"])
        ['one', 'two']
    """
    if isinstance(texts, str):
        raise InputError("many texts were asked for and one was given; put it into a list")
    for number, one in enumerate(texts):
        if not isinstance(one, str):
            raise InputError(f"text {number} is a {type(one).__name__}; give texts")
    return texts


def checked_ids(ids: Iterable[int], size: int) -> list[int]:
    """Numbers as a list, if a vocabulary of this size has them all; those of an array or tensor too.

    Raises:
        InputError: one is outside.

    Example:
        >>> checked_ids([2, 0], 3)
        [2, 0]
    """
    found = [int(one) for one in ids]
    for one in found:
        if not 0 <= one < size:
            raise InputError(f"number {one} is no entry; the vocabulary has those from 0 to {size - 1}")
    return found
