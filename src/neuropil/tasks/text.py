"""Ids back into tokens and tokens into text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Literal

from neuropil.errors import InputError

__all__ = [
    "BEGIN", "END", "PAD", "UNKNOWN", "Level", "characters_of", "checked_vocabulary", "end_of", "pad_of", "silent",
    "text_of", "tokens_of",
]  # fmt: skip

PAD, UNKNOWN, BEGIN, END = range(4)
"""Ids that every vocabulary of words and characters has at these places, and one of subwords that are numbered so."""

Level = Literal["word", "character", "wordpiece", "bpe"]

ENDS = ("<eos>", "[SEP]", "<|endoftext|>")
"""Entries that end a text or a line."""

SILENT = ("<pad>", "<unk>", "<bos>", "[PAD]", "[UNK]", "[CLS]", "[MASK]")
"""Entries that stand for no text and end none."""


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


def pad_of(vocabulary: Sequence[str]) -> int | None:
    """The id that fills up; none of byte-level subwords with their own ids, whose id 0 is a token.

    Example:
        >>> pad_of(["<pad>", "<unk>"]), pad_of(["!", "a"])
        (0, None)
    """
    return PAD if vocabulary[PAD] in ("<pad>", "[PAD]") else None


def silent(vocabulary: Sequence[str], *, ends: bool = False) -> tuple[int, ...]:
    """The ids that stand for no text, so that they are never written; with those that end one, if asked.

    Example:
        >>> silent(["[PAD]", "[UNK]", "cat", "[SEP]"]), silent(["[PAD]", "[UNK]", "cat", "[SEP]"], ends=True)
        ((0, 1), (0, 1, 3))
    """
    names = {*SILENT, *ENDS} if ends else {*SILENT}
    return tuple(number for number, entry in enumerate(vocabulary) if entry in names)


def end_of(vocabulary: Sequence[str]) -> int | None:
    """The id that ends a text, where there is one.

    Example:
        >>> end_of(["<pad>", "<unk>", "<bos>", "<eos>", "cat"])
        3
    """
    return next((number for number, entry in enumerate(vocabulary) if entry in ENDS), None)


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
    """Words and signs set as one writes them, letters as they are, pieces of words put together.

    Spaces between words and signs are guessed (see `_set`), since a vocabulary of words does not keep them. Bytes of
    `bpe` that make no character are written as U+FFFD.

    Example:
        >>> text_of(["a", "T", "-", "shirt", ",", "he", "says", "."], "word"), text_of(["a", "b"], "character")
        ('a T-shirt, he says.', 'ab')
        >>> text_of(["sleep", "##s", "."], "wordpiece"), text_of(["sleeps", "\u0120here"], "bpe")
        ('sleeps.', 'sleeps here')
    """
    if level == "bpe":
        known = _bytes_of_signs()
        content = bytearray()
        for sign in "".join(tokens):
            content += bytes([known[sign]]) if sign in known else sign.encode()
        return content.decode("utf-8", "replace")
    if level == "character":
        return "".join(tokens)
    return _set(tokens if level == "word" else " ".join(tokens).replace(" ##", "").split(" "))


CLOSING, OPENING, BINDING = frozenset(".,;:!?)]}%…»”’'"), frozenset("([{«“‘$£€"), frozenset("-/–")
"""Signs without a space before them, behind them, and on neither side."""


def _set(words: Sequence[str]) -> str:
    """Words and signs with spaces where one writes them; a straight quotation mark opens and closes by turns."""
    text, free, quoted = [], False, False
    for word in words:
        closes = word in CLOSING or word in BINDING or (word == '"' and quoted)
        text.append(f" {word}" if free and not closes else word)
        free = word not in OPENING and word not in BINDING and not (word == '"' and not quoted)
        quoted ^= word == '"'
    return "".join(text)


def characters_of(vocabulary: Sequence[str], level: Level) -> list[int]:
    """How many characters of the text each entry stands for.

    Of `bpe` those whose first byte it holds, so that over a text they sum up to its characters. Of `wordpiece` its
    letters, without the space before a word, which cannot be told from the pieces; a line's end counts as one.

    Example:
        >>> characters_of(["[SEP]", "sleep", "##s"], "wordpiece"), characters_of(["Ġhere", "Ã", "©"], "bpe")
        ([1, 5, 1], [5, 1, 0])
    """
    without = set(silent(vocabulary))
    known = _bytes_of_signs()
    found = []
    for number, entry in enumerate(vocabulary):
        if number in without or entry == "<|endoftext|>":
            found.append(0)
        elif level == "bpe":
            found.append(sum(known.get(sign, 0) & 0xC0 != 0x80 for sign in entry))
        elif level == "wordpiece":
            found.append(1 if entry in ENDS else len(entry.removeprefix("##")))
        else:
            found.append(1 if entry in ENDS else len(entry))
    return found


@cache
def _bytes_of_signs() -> dict[str, int]:
    """GPT-2's signs for bytes: printable ones stand for themselves, the others for those from U+0100 on.

    Source: Radford et al. 2019, `encoder.py` of the published program.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [one for one in range(256) if one not in printable]
    return {chr(one): one for one in printable} | {chr(256 + place): one for place, one in enumerate(others)}
