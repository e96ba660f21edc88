"""Words or characters as numbers, and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from neuropil.errors import InputError

__all__ = ["BOS", "EOS", "PAD", "SPECIALS", "UNKNOWN", "Vocabulary"]

Array = np.ndarray[Any, Any]

SPECIALS = ("<pad>", "<unk>", "<bos>", "<eos>")
"""What the numbers 0 to 3 stand for in every vocabulary."""

PAD, UNKNOWN, BOS, EOS = range(len(SPECIALS))


class Vocabulary:
    """A closed list of entries; an entry's number is its place.

    Args:
        entries: all of them, the four of `SPECIALS` first.

    Raises:
        InputError: the first four are others, an entry stands twice, or one is no text.

    Example:
        >>> words = Vocabulary.build(Counter("to be or not to be".split()), least_count=2)
        >>> words.entries
        ('<pad>', '<unk>', '<bos>', '<eos>', 'be', 'to')
        >>> words.encode(["to", "do", "be"]).tolist(), words.decode([5, 1, 4])
        ([5, 1, 4], ['to', '<unk>', 'be'])
    """

    def __init__(self, entries: Sequence[str]) -> None:
        self.entries = tuple(entries)
        if self.entries[: len(SPECIALS)] != SPECIALS:
            raise InputError(f"a vocabulary begins with {', '.join(SPECIALS)}, but {list(entries[:4])} was given")
        if not all(isinstance(one, str) for one in self.entries):
            raise InputError("a vocabulary holds texts only; write its entries as texts")
        self._numbers = {one: number for number, one in enumerate(self.entries)}
        if len(self._numbers) < len(self.entries):
            twice = next(one for one, count in Counter(self.entries).items() if count > 1)
            raise InputError(f"the vocabulary holds {twice!r} twice; name each entry once")
        self._known = {one: number for one, number in self._numbers.items() if number >= len(SPECIALS)}

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, token: object) -> bool:
        return token in self._known

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} entries)"

    @classmethod
    def build(cls, counts: Mapping[str, int], *, least_count: int = 1, most: int | None = None) -> Vocabulary:
        """The tokens that occur often enough, by falling count, equal ones by their text.

        A text that looks like a special entry ("<unk>") is not taken up, so that it reads as unknown.

        Args:
            counts: how often each token occurs in the training part.
            least_count: rarer tokens are unknown, 1 or more. With 1 a network never sees an unknown token while it
                learns.
            most: entries beside the special ones at most; all, where left out.

        Raises:
            InputError: a number out of its range.
        """
        if least_count < 1:
            raise InputError(f"least_count is {least_count}; give 1 or more")
        if most is not None and most < 1:
            raise InputError(f"most is {most}; give 1 or more entries, or leave it out")
        usual = ((token, count) for token, count in counts.items() if count >= least_count and token not in SPECIALS)
        ordered = sorted(usual, key=lambda pair: (-pair[1], pair[0]))
        return cls((*SPECIALS, *(token for token, _ in ordered[:most])))

    @classmethod
    def of(cls, tokens: Iterable[str], *, least_count: int = 1, most: int | None = None) -> Vocabulary:
        """The vocabulary of a text; see `build`."""
        return cls.build(Counter(tokens), least_count=least_count, most=most)

    def encode(self, tokens: Sequence[str]) -> Array:
        """The tokens' numbers; unknown ones, and texts that look like special entries, get that of `<unk>`.

        Shape: int64 `[len(tokens)]`.
        """
        known = self._known
        return np.fromiter((known.get(token, UNKNOWN) for token in tokens), dtype=np.int64, count=len(tokens))

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """The entries of some numbers.

        Raises:
            InputError: a number outside the vocabulary.
        """
        found = []
        for number in numbers:
            if not 0 <= number < len(self.entries):
                raise InputError(f"the number {number} is outside the vocabulary of {len(self.entries)} entries")
            found.append(self.entries[number])
        return found

    @classmethod
    def from_saved(cls, saved: Any, name: str) -> Vocabulary:
        """The vocabulary that a run stored as a list of its entries.

        Raises:
            InputError: it is none.
        """
        if not isinstance(saved, list | tuple):
            raise InputError(f"the run's record of its data holds no {name!r}, so it cannot read text; train it again")
        return cls(saved)
