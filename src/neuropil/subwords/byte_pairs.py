"""Byte-level byte-pair encoding: any text in pieces, and back without a loss, as GPT-2 reads and writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from types import MappingProxyType
from typing import Any

from neuropil.errors import InputError
from neuropil.subwords.byte_level import BYTE_LETTERS, LETTER_BYTES, byte_words, utf8
from neuropil.subwords.caching import Cache
from neuropil.subwords.characters import SPACES, character_class
from neuropil.subwords.entries import checked_ids, numbered, special_pattern, texts_of
from neuropil.subwords.merging import joined

__all__ = ["END_OF_TEXT", "BytePairs"]

END_OF_TEXT = "<|endoftext|>"
"""GPT-2's only special entry: what stands between two documents."""

PADDING = "<pad>"


class BytePairs:
    """A vocabulary of pieces that were joined from bytes.

    A text is cut into words by `byte_words`, each word into its bytes, and these are joined by
    `neuropil.subwords.merging.joined`. Every text has pieces, and they give it back to the last byte. Where a text
    names a special entry, such as `<|endoftext|>`, it is read as that entry.

    Source: Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.2; Sennrich, Haddow
    and Birch 2016, section 3.2.

    Args:
        entries: all pieces, in the order of their numbers, with bytes as `BYTE_LETTERS` shows them.
        merges: pairs of pieces, in the order in which they were learned.
        specials: entries that stand for no text.

    Raises:
        InputError: an entry or pair stands twice, one of the 256 bytes is missing, a pair is not joined from bytes or
            makes no entry, or a special entry is missing or holds white space.

    Differs:
        A special entry is written as its name; `tokenizers` takes letters such as ü in it for bytes.

    Example:
        >>> words = BytePairs([*BYTE_LETTERS, "th", "Ġth", "Ġthe"], [("t", "h"), ("Ġ", "th"), ("Ġth", "e")])
        >>> words.pieces("the then"), words.decode(words.encode("the then"))
        (['th', 'e', 'Ġthe', 'n'], 'the then')
    """

    def __init__(
        self, entries: Sequence[str], merges: Iterable[tuple[str, str]], *, specials: Sequence[str] = ()
    ) -> None:
        self.entries = tuple(entries)
        self.merges = tuple((left, right) for left, right in merges)
        numbers = numbered(self.entries)
        self._pattern = special_pattern(specials, numbers)
        self._special_numbers = {one: numbers[one] for one in specials}
        self.specials: Mapping[str, int] = MappingProxyType(self._special_numbers)
        self.pad: int | None = self._special_numbers.get(PADDING)
        self.unknown: int | None = None
        self._ranks, self._made = _ranked(self.merges, numbers)
        self._of_byte = _byte_numbers(numbers)
        self._bytes = tuple(_bytes_of(one, one in self._special_numbers) for one in self.entries)
        self._words, self._chunks, self._spaced = Cache(self._word), Cache(self._chunk), Cache(self._after_space)

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        return f"BytePairs({len(self)} entries, {len(self.merges)} merges)"

    def encode(self, text: str) -> list[int]:
        """The numbers of a text's pieces; nothing is put around them.

        Raises:
            InputError: no text, or one that holds half a surrogate pair.
        """
        return self.encode_many([text])[0]

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of each text.

        Raises:
            InputError: a single text, something that is no text, or half a surrogate pair in one.
        """
        return [self._encoded(text) for text in texts_of(texts)]

    def pieces(self, text: str) -> list[str]:
        """The pieces of a text, as they stand in the vocabulary."""
        return [self.entries[one] for one in self.encode(text)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of numbers; what is no UTF-8, such as half of a character, becomes `�`.

        Raises:
            InputError: a number outside the vocabulary.
        """
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of numbers, for those who write a text while it comes: a piece may be a part of a character.

        Raises:
            InputError: a number outside the vocabulary.
        """
        return b"".join([self._bytes[one] for one in checked_ids(ids, len(self))])

    def saved(self) -> dict[str, Any]:
        """All that is needed to open it again, for JSON."""
        return {
            "kind": "bpe",
            "entries": list(self.entries),
            "merges": [list(pair) for pair in self.merges],
            "specials": list(self.specials),
        }

    def _encoded(self, text: str) -> list[int]:
        """White space and what follows it is worked out once, since no rule looks across its begin.

        Where white space is nothing but single spaces, what stands between them is found fastest.
        """
        if "\n" not in text and "  " not in text:
            between = iter(text.split(" "))
            try:
                found = list(self._chunks[next(between)])
                found.extend(chain.from_iterable(map(self._spaced.__getitem__, between)))
                return found
            except _OtherSpaceError:
                pass
        return list(chain.from_iterable(map(self._chunks.__getitem__, _chunk_pattern().findall(text))))

    def _after_space(self, chunk: str) -> tuple[int, ...]:
        if chunk[:1].isspace():
            raise _OtherSpaceError
        return self._chunk(f" {chunk}")

    def _chunk(self, chunk: str) -> tuple[int, ...]:
        """White space and what follows it: special entries by name, and words."""
        found: list[int] = []
        for part in self._pattern.split(chunk) if self._pattern else [chunk]:
            if (special := self._special_numbers.get(part)) is not None:
                found.append(special)
                continue
            for word in byte_words(part):
                found += self._words[word]
        return tuple(found)

    def _word(self, word: str) -> tuple[int, ...]:
        return tuple(joined([self._of_byte[one] for one in utf8(word)], self._ranks, self._made))


class _OtherSpaceError(Exception):
    """A space is followed by other white space: the two must be cut together."""


@cache
def _chunk_pattern() -> re.Pattern[str]:
    """White space and what follows it up to the next."""
    spaces = character_class(SPACES)
    return re.compile(f"[{spaces}]*[^{spaces}]+|[{spaces}]+")


def _ranked(
    merges: Sequence[tuple[str, str]], numbers: Mapping[str, int]
) -> tuple[dict[tuple[int, int], int], list[int]]:
    """The rank of each pair of numbers, and the number of what each becomes."""
    ranks: dict[tuple[int, int], int] = {}
    made = []
    for rank, (left, right) in enumerate(merges):
        for one in (left, right, left + right):
            if one not in numbers:
                raise InputError(f"merge {rank} joins {left!r} and {right!r}, but {one!r} is no entry; add it")
            if not all(letter in LETTER_BYTES for letter in one):
                raise InputError(f"merge {rank} joins {left!r} and {right!r}, but {one!r} is not written in bytes")
        pair = (numbers[left], numbers[right])
        if ranks.setdefault(pair, rank) != rank:
            raise InputError(f"{left!r} and {right!r} are merge {ranks[pair]} and merge {rank}; name each pair once")
        made.append(numbers[left + right])
    return ranks, made


def _byte_numbers(numbers: Mapping[str, int]) -> tuple[int, ...]:
    """The entry of each byte."""
    for byte, letter in enumerate(BYTE_LETTERS):
        if letter not in numbers:
            raise InputError(f"the entry {letter!r} (byte {byte}) is missing; byte-level pieces need all 256 bytes")
    return tuple(numbers[letter] for letter in BYTE_LETTERS)


def _bytes_of(entry: str, special: bool) -> bytes:
    if special or not all(letter in LETTER_BYTES for letter in entry):
        return entry.encode("utf-8", errors="replace")
    return bytes([LETTER_BYTES[letter] for letter in entry])
