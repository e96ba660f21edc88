"""Plain text into one row of numbers, chunk after chunk, at every level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from neuropil.corpora.text_lines import BETWEEN
from neuropil.errors import InputError
from neuropil.sequences.pieces import Pieces, is_subwords, pieces_of
from neuropil.sequences.tokens import tokens_of
from neuropil.sequences.vocabulary import EOS, Vocabulary

__all__ = ["TextCoder", "Wanted", "build_coder", "coded"]

Array = np.ndarray[Any, Any]


class Wanted(NamedTuple):
    """How a vocabulary is come by."""

    subwords: str | None
    size: int | None
    least_count: int | None
    most: int | None


class TextCoder:
    """A text's numbers: of characters and of `bpe` line feeds are text, of words and of `wordpiece` a line's end is a
    token, `<eos>` or `[SEP]`.

    Args:
        level: `word`, `character`, `wordpiece` or `bpe`.
        vocabulary: of words or characters.
        pieces: of subwords, with their own ids.
    """

    def __init__(self, level: str, vocabulary: Vocabulary | None = None, pieces: Pieces | None = None) -> None:
        self.level, self._vocabulary, self._pieces = level, vocabulary, pieces

    @property
    def entries(self) -> tuple[str, ...]:
        """All entries in the order of their numbers."""
        return self._known.entries

    @property
    def _known(self) -> Vocabulary | Pieces:
        if self._pieces is not None:
            return self._pieces
        if self._vocabulary is None:
            raise InputError("a text is coded by a vocabulary or by subwords; give one of them")
        return self._vocabulary

    @property
    def end(self) -> int:
        """The number that stands at a document's begin, and at the end of a line of words.

        Raises:
            InputError: subwords without such an entry.
        """
        if self._pieces is None:
            return EOS
        return self._pieces.special("[SEP]" if self.level == "wordpiece" else "<|endoftext|>")

    def numbers(self, text: str) -> Array:
        """The numbers of a text that may be cut in front of any line feed behind something else than a space.

        Shape: int32 `[n]`.
        """
        if self._pieces is not None and self.level == "bpe":
            return self._pieces.encode(text).astype(np.int32)
        if self.level == "character" and self._vocabulary is not None:
            return _characters(text, self._vocabulary)
        lines = text.split("\n")
        rows = self._lines(lines)
        ended = [rows[0], *(part for row in rows[1:] for part in (np.array([self.end]), row))]
        return np.concatenate(ended).astype(np.int32)

    def _lines(self, lines: list[str]) -> list[Array]:
        if self._pieces is not None:
            return self._pieces.encode_many(lines)
        vocabulary = Vocabulary(self.entries) if self._vocabulary is None else self._vocabulary
        return [vocabulary.encode(tokens_of(line, "word")) for line in lines]

    def saved(self) -> dict[str, Any]:
        """What a run remembers."""
        return {"vocabulary": list(self.entries)} if self._pieces is None else self._pieces.saved()

    @classmethod
    def from_saved(cls, encoding: Mapping[str, Any]) -> TextCoder:
        """Read what `saved` gave, with the run's `level` beside it.

        Raises:
            InputError: it is none.
        """
        level = str(encoding["level"])
        if is_subwords(level):
            return cls(level, pieces=Pieces.from_saved(encoding))
        return cls(level, Vocabulary.from_saved(encoding.get("vocabulary"), "vocabulary"))


def build_coder(level: str, texts: Iterable[str], lower: bool, wanted: Wanted) -> tuple[TextCoder, str]:
    """A coder for the training part's texts, and a sentence about its vocabulary.

    Raises:
        InputError: an option of another level, or subwords that cannot be read.
    """
    subwords, size, least_count, most = wanted
    if is_subwords(level):
        if most is not None:
            raise InputError(f"most={most} is for words and characters; give data.size= for subwords")
        pieces, told = pieces_of(
            level, texts, subwords=subwords, size=size, lower=lower, shifted=False, least_count=least_count
        )
        return TextCoder(level, pieces=pieces), told
    for name, given in (("subwords", subwords), ("size", size)):
        if given is not None:
            raise InputError(f"{name}={given!r} is for subwords; say data.level=bpe or wordpiece with it")
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(_counts(text, level))
    least = least_count if least_count is not None else (1 if level == "character" else 2)
    vocabulary = Vocabulary.build(counts, least_count=least, most=most)
    return TextCoder(level, vocabulary), f"vocabulary: {len(vocabulary):,} {level}s"


def coded(texts: Iterable[str], coder: TextCoder, *, documents: bool) -> Iterator[tuple[Array, bool]]:
    """The numbers of texts, row by row; with documents each begins with the coder's end token, in a row of its own
    that is marked.

    A document of spaces alone is none.
    """
    fresh = documents
    for text in texts:
        if text == BETWEEN:
            fresh = documents
            continue
        if fresh and text.isspace():
            continue
        if fresh:
            yield np.array([coder.end], dtype=np.int32), True
            fresh = False
        yield coder.numbers(text), False


def _points(text: str) -> Array:
    """The Unicode numbers of a text's characters."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _counts(text: str, level: str) -> dict[str, int]:
    if level == "word":
        return Counter(tokens_of(text, "word"))
    points, counts = np.unique(_points(text), return_counts=True)
    return {chr(point): count for point, count in zip(points.tolist(), counts.tolist(), strict=True)}


def _characters(text: str, vocabulary: Vocabulary) -> Array:
    different, places = np.unique(_points(text), return_inverse=True)
    table = vocabulary.encode([chr(point) for point in different.tolist()]).astype(np.int32)
    return np.asarray(table[places])
