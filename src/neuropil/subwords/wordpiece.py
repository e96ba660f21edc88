"""WordPiece: words cut into the longest pieces that a vocabulary knows, as BERT reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from types import MappingProxyType
from typing import Any, NamedTuple

from neuropil.errors import InputError
from neuropil.subwords.basic import basic_words
from neuropil.subwords.caching import Cache
from neuropil.subwords.entries import checked_ids, numbered, special_pattern, texts_of

__all__ = ["CONTINUES", "SPECIALS", "WordPiece", "longest_pieces"]

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""What stands for no text: padding, an unknown word, the begin, the end of a sentence, a hidden word."""

CONTINUES = "##"
"""Begins every piece that does not begin a word."""


def longest_pieces(word: str, known: Mapping[str, int], *, longest: int = 100) -> list[str] | None:
    """A word as pieces: the longest known one from its begin, then the longest from there, and so on.

    Source: Devlin et al. 2019, section 4.1; the method: Wu et al. 2016, "Google's neural machine translation system",
    section 4.1, after Schuster and Nakajima 2012, section 3.

    Args:
        word: without white space.
        known: the vocabulary; pieces inside a word begin with `##`.
        longest: characters of a word that is cut at all.

    Returns:
        The pieces; `None` where some part of the word has none, and of longer words.

    Example:
        >>> longest_pieces("embeddings", {"em": 0, "##bed": 1, "##b": 2, "##ding": 3, "##s": 4, "##dings": 5})
        ['em', '##bed', '##dings']
    """
    if len(word) > longest:
        return None
    pieces, begin = [], 0
    while begin < len(word):
        prefix = CONTINUES if begin else ""
        for end in range(len(word), begin, -1):
            piece = prefix + word[begin:end]
            if piece in known:
                break
        else:
            return None
        pieces.append(piece)
        begin = end
    return pieces


class WordPiece:
    """A vocabulary of pieces of words.

    A text is cut into words by `basic_words`, each word into pieces by `longest_pieces`; a word without pieces is
    `[UNK]`. Since no rule looks across a space, whatever stands between two spaces is worked out once and then looked
    up. Where a text names a special entry, such as `[MASK]`, it is read as that entry.

    Source: Devlin et al. 2019, "BERT", sections 3 and 4.1; Wu et al. 2016, section 4.1; Schuster and Nakajima 2012.

    Args:
        entries: all pieces, in the order of their numbers; `[PAD]` is the first.
        lower: read capital letters as small ones.
        strip_accents: take accents off; left out: as `lower`.
        chinese: each Chinese character is a word.
        longest: characters of a word at most; longer words are `[UNK]`.
        specials: entries that stand for no text; left out: those of BERT's five that are there.

    Raises:
        InputError: an entry stands twice, is empty or holds a line's end, `[PAD]` is not the first, `[UNK]` is
            missing, or a special entry is missing or holds white space.

    Differs:
        Half a surrogate pair, which is no text and which `tokenizers` refuses, is unknown.

    Example:
        >>> words = WordPiece(["[PAD]", "[UNK]", "un", "##aff", "##able", "!"])
        >>> words.encode("Unaffable, yes!"), words.decode([2, 3, 4, 5])
        ([2, 3, 4, 1, 1, 5], 'unaffable!')
    """

    def __init__(
        self,
        entries: Sequence[str],
        *,
        lower: bool = True,
        strip_accents: bool | None = None,
        chinese: bool = True,
        longest: int = 100,
        specials: Sequence[str] | None = None,
    ) -> None:
        self.entries = tuple(entries)
        self._numbers = numbered(self.entries)
        _check(self.entries, self._numbers)
        if longest < 1:
            raise InputError(f"words of at most {longest} characters were asked for; give 1 or more")
        named = [one for one in SPECIALS if one in self._numbers] if specials is None else specials
        self._pattern = special_pattern(named, self._numbers)
        self._special_numbers = {one: self._numbers[one] for one in named}
        self.specials: Mapping[str, int] = MappingProxyType(self._special_numbers)
        self.lower, self.chinese, self.longest = lower, chinese, longest
        self.strip_accents = strip_accents
        self.pad: int | None = 0
        self.unknown: int | None = self._numbers["[UNK]"]
        self._no_pieces = (self._numbers["[UNK]"],)
        self._whole = {one: (number,) for one, number in self._numbers.items() if len(one) <= longest}
        self._first = _Pieces.of(self._numbers)
        self._inner = _Pieces.of(
            {one[len(CONTINUES) :]: number for one, number in self._numbers.items() if one.startswith(CONTINUES)}
        )
        self._characters = frozenset(chain.from_iterable(self._numbers))
        self._plain_words = not any(one.isalnum() for one in named)
        self._words, self._chunks = Cache(self._word), Cache(self._chunk)

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        return f"WordPiece({len(self)} entries, {'lower case' if self.lower else 'as written'})"

    def encode(self, text: str) -> list[int]:
        """The numbers of a text's pieces; nothing is put around them.

        Raises:
            InputError: no text.
        """
        return self.encode_many([text])[0]

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of each text.

        Raises:
            InputError: a single text, or something that is no text.
        """
        find = self._chunks.__getitem__
        return [list(chain.from_iterable(map(find, text.replace("\n", " ").split(" ")))) for text in texts_of(texts)]

    def pieces(self, text: str) -> list[str]:
        """The pieces of a text, as they stand in the vocabulary; `[UNK]` for a word without any."""
        return [self.entries[one] for one in self.encode(text)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of numbers, as far as it can be told: spaces between words and marks are guessed.

        Special entries stand in it by their names. As in `tokenizers`, no space stands before `. ? ! ,` and before
        what follows an apostrophe.

        Raises:
            InputError: a number outside the vocabulary.
        """
        pieces = [self.entries[one] for one in checked_ids(ids, len(self))]
        return "".join(_spaced(piece, first=not place) for place, piece in enumerate(pieces))

    def saved(self) -> dict[str, Any]:
        """All that is needed to open it again, for JSON."""
        return {
            "kind": "wordpiece",
            "entries": list(self.entries),
            "lower": self.lower,
            "strip_accents": self.strip_accents,
            "chinese": self.chinese,
            "longest": self.longest,
            "specials": list(self.specials),
        }

    def _chunk(self, chunk: str) -> tuple[int, ...]:
        """What stands between two spaces: special entries by name, and words."""
        if self._plain_words and chunk.isascii() and chunk.isalnum():  # one word, no rule applies but this
            word = chunk.lower() if self.lower else chunk
            return self._whole.get(word) or self._word(word)
        found: list[int] = []
        for part in self._pattern.split(chunk) if self._pattern else [chunk]:
            if (special := self._special_numbers.get(part)) is not None:
                found.append(special)
                continue
            words = basic_words(part, lower=self.lower, strip_accents=self.strip_accents, chinese=self.chinese)
            if len(words) == 1 and part is chunk:
                return self._whole.get(words[0]) or self._word(words[0])
            for word in words:
                found += self._whole.get(word) or self._words[word]
        return tuple(found)

    def _word(self, word: str) -> tuple[int, ...]:
        """As `longest_pieces`, but a character of no piece is seen at once, no piece is tried that is longer than all
        which begin with its first character, and where each character can only be a piece by itself, as letters of
        Hangul are, they are looked up together.
        """
        size = len(word)
        if size > self.longest or not self._characters.issuperset(word):
            return self._no_pieces
        found: list[int] = []
        begin, side, lone = 0, self._first, self._inner.lone
        while begin < size:
            if begin and word[-1] in lone and -1 not in (rest := [*map(lone.get, word[begin:], repeat(-1))]):
                return (*found, *rest)
            end = min(size, begin + side.widths.get(word[begin], 0))
            number = None
            while end > begin and (number := side.numbers.get(word[begin:end])) is None:
                end -= 1
            if number is None:
                return self._no_pieces
            found.append(number)
            begin, side = end, self._inner
        return tuple(found)


class _Pieces(NamedTuple):
    """The pieces that may stand at one place of a word."""

    numbers: dict[str, int]
    widths: dict[str, int]
    """Of the longest piece, by its first character."""
    lone: dict[str, int]
    """Pieces of one character with which no longer one begins."""

    @classmethod
    def of(cls, numbers: dict[str, int]) -> _Pieces:
        widths: dict[str, int] = {}
        for piece in filter(None, numbers):
            widths[piece[0]] = max(len(piece), widths.get(piece[0], 0))
        return cls(numbers, widths, {one: numbers[one] for one, width in widths.items() if width == 1})


def _check(entries: Sequence[str], numbers: Mapping[str, int]) -> None:
    for number, one in enumerate(entries):
        if not one or "\n" in one or "\r" in one:
            raise InputError(f"entry {number} is {one!r}; an entry of WordPiece is a text without a line's end")
    if numbers.get("[PAD]") != 0:
        where = f"number {numbers['[PAD]']}" if "[PAD]" in numbers else "missing"
        raise InputError(f"[PAD] is {where}; a vocabulary of WordPiece begins with it, since 0 fills up")
    if "[UNK]" not in numbers:
        raise InputError("[UNK] is missing; a vocabulary of WordPiece needs it for words without pieces")


TIGHT = {
    " .": ".", " ?": "?", " !": "!", " ,": ",", " n't": "n't", " 'm": "'m", " 's": "'s", " 've": "'ve", " 're": "'re",
}  # fmt: skip


def _spaced(piece: str, *, first: bool) -> str:
    """A piece with the space before it, where one belongs there."""
    if not first:
        piece = piece.removeprefix(CONTINUES) if piece.startswith(CONTINUES) else f" {piece}"
    for loose, tight in TIGHT.items():
        piece = piece.replace(loose, tight)
    return piece
