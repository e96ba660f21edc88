"""Text into subwords: trained or read, numbered for a network, and remembered with a run.

How subwords are numbered stands here and nowhere else. A vocabulary of subwords has ids of its own. Two kinds of
networks take them:

own ids      BERT and language models: the subwords' ids as they are, so that public weights fit. WordPiece has `[PAD]`
             at 0; byte-level BPE has no padding, and its id 0 is a token like any other.
shifted ids  networks that pad with 0, begin with 2 and end with 3 (parallel text; texts with labels or tags at level
             `bpe`): the house's four, `<pad> <unk> <bos> <eos>`, stand in front, and each subword's id is 4 more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from neuropil.errors import InputError
from neuropil.sequences.tokens import Level
from neuropil.sequences.vocabulary import SPECIALS
from neuropil.subwords.contracts import Subwords
from neuropil.subwords.opening import from_saved, read_subwords
from neuropil.subwords.training import train_bpe, train_wordpiece

__all__ = ["SHIFT", "AnyLevel", "Pieces", "SubwordLevel", "is_subwords", "pieces_of", "settled_lower"]

Array = np.ndarray[Any, Any]

SubwordLevel = Literal["wordpiece", "bpe"]

AnyLevel = Level | SubwordLevel

SHIFT = len(SPECIALS)
"""How far behind their own ids shifted subwords lie."""

DEFAULT_SIZE = 8000
"""Subwords that are trained where no number is given."""


def is_subwords(level: str) -> bool:
    """Whether a level is one of subwords.

    Example:
        >>> is_subwords("bpe"), is_subwords("word")
        (True, False)
    """
    return level in get_args(SubwordLevel)


def settled_lower(lower: bool | None, level: str, subwords: str | None) -> bool:
    """Whether capital letters are read as small ones: as asked; else as BERT does for WordPiece, and not otherwise.

    Raises:
        InputError: it is asked of a WordPiece vocabulary that is read, and says so itself.
    """
    if level == "wordpiece" and subwords is not None and lower is not None:
        raise InputError(
            f"the subwords of {subwords!r} say themselves whether they are of small letters, but lower="
            f"{str(lower).lower()} was given; leave data.lower out"
        )
    return level == "wordpiece" if lower is None else lower


class Pieces:
    """Subwords as a network's numbers.

    Args:
        subwords: the vocabulary and its rules.
        level: `wordpiece` or `bpe`.
        shifted: number them behind the house's four special entries; see this file's head.
        lower: of `bpe`: read capital letters as small ones. WordPiece does that by itself.

    Raises:
        InputError: own ids of WordPiece whose padding is not 0.
    """

    def __init__(self, subwords: Subwords, level: str, *, shifted: bool, lower: bool = False) -> None:
        if not shifted and level == "wordpiece" and subwords.pad != 0:
            raise InputError(
                f"[PAD] has the id {subwords.pad} in this vocabulary, but networks pad with 0; write [PAD] in its "
                "first line"
            )
        self.subwords, self.level, self.shifted, self.lower = subwords, level, shifted, lower
        self._shift = SHIFT if shifted else 0

    @property
    def entries(self) -> tuple[str, ...]:
        """The network's vocabulary: the four special entries first, where ids are shifted."""
        return (*SPECIALS, *self.subwords.entries) if self.shifted else tuple(self.subwords.entries)

    def __len__(self) -> int:
        return len(self.subwords.entries) + self._shift

    def encode(self, text: str) -> Array:
        """A text's numbers, int64 `[n]`, without special entries."""
        return self.encode_many([text])[0]

    def encode_many(self, texts: Sequence[str]) -> list[Array]:
        """The numbers of some texts, int64 `[n]` each."""
        if self.level == "bpe" and self.lower:
            texts = [one.lower() for one in texts]
        return [np.asarray(ids, dtype=np.int64) + self._shift for ids in self.subwords.encode_many(list(texts))]

    def named(self, numbers: Iterable[int]) -> list[str]:
        """The entries of some numbers."""
        entries = self.entries
        return [entries[number] for number in numbers]

    def special(self, name: str) -> int:
        """The number of a special entry, such as `[MASK]`.

        Raises:
            InputError: the vocabulary has none of that name.
        """
        found = self.subwords.specials.get(name)
        if found is None:
            raise InputError(
                f"the vocabulary holds no {name}, which this needs; give subwords that have it (those of BERT do), or "
                "leave data.subwords out"
            )
        return found + self._shift

    @property
    def special_numbers(self) -> Array:
        """The numbers of all special entries, int64, in order."""
        own = sorted({*self.subwords.specials.values(), *(one for one in (self.subwords.pad,) if one is not None)})
        return np.concatenate([np.arange(self._shift), np.array(own, dtype=np.int64) + self._shift]).astype(np.int64)

    def saved(self, prefix: str = "") -> dict[str, Any]:
        """What a run remembers: `subwords`, `shifted` and `vocabulary`, their names behind the prefix."""
        return {
            "shifted": self.shifted,
            f"{prefix}subwords": self.subwords.saved(),
            f"{prefix}vocabulary": list(self.entries),
        }

    @classmethod
    def from_saved(cls, encoding: Mapping[str, Any], prefix: str = "") -> Pieces:
        """Read what `saved` gave, with the run's `level` and `lower` beside it.

        Raises:
            InputError: it is none.
        """
        saved = encoding.get(f"{prefix}subwords")
        if not isinstance(saved, Mapping):
            raise InputError("the run's record of its data holds no 'subwords', so it cannot read text; train it again")
        shifted, lower = bool(encoding.get("shifted")), bool(encoding.get("lower"))
        return cls(from_saved(saved), str(encoding["level"]), shifted=shifted, lower=lower)


def pieces_of(
    level: str,
    texts: Iterable[str],
    *,
    subwords: str | None,
    size: int | None,
    lower: bool,
    shifted: bool,
    least_count: int | None = None,
) -> tuple[Pieces, str]:
    """Subwords that are read from files, or else trained on texts; and a sentence about them.

    Args:
        level: `wordpiece` or `bpe`.
        texts: of the training part.
        subwords: vocab.txt, tokenizer.json, or a folder of vocab.json and merges.txt; left out: they are trained.
        size: entries that are trained; 8,000 where left out.
        lower: read capital letters as small ones.
        shifted: see `Pieces`.
        least_count: pairs that are rarer in the training part are not merged; 2 where left out.

    Raises:
        InputError: files that cannot be read or hold the other kind of subwords, or a size with them.
    """
    if subwords is not None:
        for name, given in (("size", size), ("least_count", least_count)):
            if given is not None:
                raise InputError(
                    f"{name}={given} is for subwords that are trained, but those of {subwords!r} are read; leave one "
                    "out"
                )
        found = read_subwords(subwords)
        kind = str(found.saved().get("kind"))
        if kind != level:
            raise InputError(
                f"{subwords!r} holds subwords of the kind {kind!r}, but level={level} was asked; say level={kind}"
            )
        return _told(found, level, f"read from {subwords!r}", shifted=shifted, lower=lower)
    wanted, least = DEFAULT_SIZE if size is None else size, 2 if least_count is None else least_count
    if level == "wordpiece":
        trained: Subwords = train_wordpiece(texts, size=wanted, lower=lower, least_count=least)
    else:
        trained = train_bpe((text.lower() for text in texts) if lower else texts, size=wanted, least_count=least)
    return _told(trained, level, "trained on the training part", shifted=shifted, lower=lower)


def _told(found: Subwords, level: str, how: str, *, shifted: bool, lower: bool) -> tuple[Pieces, str]:
    made = Pieces(found, level, shifted=shifted, lower=lower)
    return made, f"subwords ({level}): {len(found.entries):,} entries, {how}"
