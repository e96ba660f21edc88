"""Tagged words as subwords: a word's tag stands at its first piece, the other pieces have none.

Source: Devlin et al. 2019, "BERT", section 5.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from neuropil.sequences.marked import check_room
from neuropil.sequences.pieces import Pieces
from neuropil.sequences.ragged import IGNORED, Ragged
from neuropil.sequences.vocabulary import UNKNOWN

__all__ = ["Places", "piece_tags", "word_pieces", "words_at_places"]

Array = np.ndarray[Any, Any]


class Places(NamedTuple):
    """Sentences as subwords, and where each word begins.

    Shape: inputs `[T]` a sentence, of level `bpe` `[T, 1]`; firsts int64 `[words]`, of those words that found room.
    """

    inputs: Ragged
    firsts: list[Array]


def word_pieces(sentences: Sequence[Sequence[str]], pieces: Pieces, max_length: int) -> Places:
    """Words as subwords, between `[CLS]` and `[SEP]` at level `wordpiece`, cut behind the last word that fits whole.

    Each word is cut by itself; of `bpe` all but the first with a space before. A word without any piece is unknown.

    Args:
        sentences: words.
        pieces: the subwords.
        max_length: tokens of a sentence, marks among them.

    Raises:
        InputError: too small a length, or a vocabulary without the marks.
    """
    marked = pieces.level == "wordpiece"
    check_room(max_length, "text")
    begin, end = (pieces.special("[CLS]"), pieces.special("[SEP]")) if marked else (0, 0)
    unknown = pieces.special("[UNK]") if marked else UNKNOWN
    spaced = [[word if marked or not place else f" {word}" for place, word in enumerate(one)] for one in sentences]
    known = {word: place for place, word in enumerate(dict.fromkeys(word for one in spaced for word in one))}
    coded = [row if len(row) else np.array([unknown]) for row in pieces.encode_many(list(known))]
    inputs, firsts = [], []
    for words in spaced:
        rows = [coded[known[word]] for word in words]
        ends = np.cumsum([len(row) for row in rows])
        fit = int((ends <= max_length - 2 * marked).sum())
        kept = rows[:fit] or [rows[0][: max_length - 2 * marked]]
        firsts.append(np.concatenate([[0], ends])[: len(kept)].astype(np.int64) + marked)
        ids = np.concatenate([[begin], *kept, [end]] if marked else kept)
        inputs.append(ids if marked else ids[:, None])
    return Places(Ragged.of(inputs), firsts)


def piece_tags(tags: Sequence[Array], places: Places) -> Ragged:
    """The tags at the first piece of each word, -100 elsewhere.

    Shape: a sample is `[T]`.
    """
    rows = []
    for numbers, firsts, length in zip(tags, places.firsts, places.inputs.lengths.tolist(), strict=True):
        row = np.full(length, IGNORED, dtype=np.int64)
        row[firsts] = numbers[: len(firsts)]
        rows.append(row)
    return Ragged.of(rows)


def words_at_places(sentences: Sequence[Sequence[str]], places: Places) -> list[tuple[str, ...]]:
    """For each token of each sentence the word that begins there; nothing (`""`) where none does."""
    found = []
    for words, firsts, length in zip(sentences, places.firsts, places.inputs.lengths.tolist(), strict=True):
        row = [""] * length
        for word, place in zip(words, firsts.tolist(), strict=False):
            row[place] = word
        found.append(tuple(row))
    return found
