"""What a network's numbers stand for, one by one, so that a reader can tell them apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from neuropil.errors import InputError
from neuropil.sequences.pieces import Pieces
from neuropil.sequences.vocabulary import SPECIALS, Vocabulary

__all__ = ["Side", "token_names"]

Side = Literal["read", "written"]

VISIBLE = str.maketrans(
    {" ": "\N{OPEN BOX}", "\n": "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}", "\t": "\N{RIGHTWARDS ARROW TO BAR}"}
)


def token_names(numbers: Iterable[int], encoding: Mapping[str, Any], side: Side = "read") -> list[str]:
    """The token of each number; blanks and line ends as signs, and of bytes that are no whole letter the entry's name.

    Args:
        numbers: as the network takes or writes them.
        encoding: how the run's texts were read.
        side: whose vocabulary: of what is `read`, or of what a translator has `written`.

    Raises:
        InputError: data without a vocabulary, or a number outside it.

    Example:
        >>> saved = {"level": "character", "vocabulary": ["<pad>", "<unk>", "<bos>", "<eos>", "a", " "]}
        >>> token_names([4, 5, 3], saved)
        ['a', '␣', '<eos>']
    """
    prefix = "target_" if side == "written" else ""
    if f"{prefix}subwords" not in encoding:
        words = Vocabulary.from_saved(encoding.get(f"{prefix}vocabulary"), f"{prefix}vocabulary")
        return [one.translate(VISIBLE) for one in words.decode(numbers)]
    pieces = Pieces.from_saved(encoding, prefix)
    first = len(SPECIALS) if pieces.shifted else 0
    found = []
    for number in numbers:
        if not 0 <= number < len(pieces):
            raise InputError(f"the number {number} is outside the vocabulary of {len(pieces)} entries")
        name = pieces.entries[number]
        if pieces.level == "bpe" and number >= first:
            text = pieces.subwords.decode([number - first])
            name = name if not text or "\N{REPLACEMENT CHARACTER}" in text else text
        found.append(name.translate(VISIBLE))
    return found
