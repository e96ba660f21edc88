"""Sentence pairs: sides that were copied, stand in the wrong language, were exchanged, or do not belong together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from neuropil.checking.near_texts import normalised
from neuropil.checking.records import Finding, Severity
from neuropil.checking.subjects import Record, Subject

__all__ = ["misaligned", "swapped", "untranslated"]

Array = np.ndarray[Any, Any]

LEAST_PAIRS = 100
"""Of fewer pairs no words are known well enough."""

LEAST_WORDS = 3

KNOWN = 5
"""Pairs with a word from which it is known what it goes together with."""

ROW = 5
"""Pairs in a row that are looked at together."""

SLIPPED = 0.6
"""Of pairs near a row that does not fit: the fit below which they belong to it."""

MOST_PAIRS = 200_000
"""Pairs from which it is learned which words go together."""


class _Words(NamedTuple):
    """The words of one side of all pairs, end to end."""

    numbers: Array
    owner: Array
    """The pair of each word."""


class _Read(NamedTuple):
    """Both sides as numbers of one vocabulary."""

    source: _Words
    target: _Words
    size: int


def _read(subject: Subject) -> _Read:
    made: _Read = subject.once("words", lambda: _numbered(subject.records))
    return made


def _numbered(records: Sequence[Record]) -> _Read:
    places: dict[str, int] = {}
    sides = []
    for side in (0, 1):
        words = [normalised(one.sides[side]).split() for one in records]
        numbers = np.array(
            [places.setdefault(word, len(places)) for of_one in words for word in of_one], dtype=np.int64
        )
        sides.append(_Words(numbers, np.repeat(np.arange(len(words)), [len(of_one) for of_one in words])))
    return _Read(sides[0], sides[1], len(places))


def _language(subject: Subject) -> tuple[Array, Array]:
    """How much the words of each side are of the source's language: mean log-ratio of their frequencies, `[n]` each.

    A word's own pair is taken off its counts, so that it does not speak for itself.
    """
    made: tuple[Array, Array] = subject.once("language", lambda: _leaning(_read(subject), len(subject.records)))
    return made


def _leaning(read: _Read, count: int) -> tuple[Array, Array]:
    counts = [np.bincount(side.numbers, minlength=read.size).astype(np.float64) for side in (read.source, read.target)]
    base = np.log((counts[1].sum() + 1) / (counts[0].sum() + 1))
    found = []
    for own, side in enumerate((read.source, read.target)):
        less = [counts[0][side.numbers], counts[1][side.numbers]]
        less[own] = less[own] - _own(side, read.size)
        ratio = np.log((less[0] + 0.5) / (less[1] + 0.5)) + base
        known = (less[0] + less[1]) > 0
        total = np.bincount(side.owner, np.where(known, ratio, 0.0), minlength=count)
        found.append(total / np.maximum(np.bincount(side.owner, minlength=count), 1))
    return found[0], found[1]


def _own(side: _Words, size: int) -> Array:
    """How often each word stands in its own sentence."""
    _, back, times = np.unique(side.owner * size + side.numbers, return_inverse=True, return_counts=True)
    return np.asarray(times[back], dtype=np.float64)


def untranslated(subject: Subject, *, lean: float = 1.0) -> list[Finding]:
    """Pairs both of whose sides are the same, or in one language.

    Args:
        subject: the set.
        lean: how clearly a sentence is in the other side's language: mean log-ratio of its words' frequencies.
    """
    source, target = _language(subject) if len(subject.records) >= LEAST_PAIRS else (None, None)
    found = []
    for index, one in enumerate(subject.records):
        plain = [normalised(side) for side in one.sides]
        words = min(len(side.split()) for side in plain)
        sentence = ""
        if plain[0] == plain[1]:
            sentence = f"both sides are {_short(one.sides[0])!r}"
        elif source is not None and target is not None and words >= LEAST_WORDS:
            if source[index] > lean and target[index] > lean:
                sentence = f"the translation {_short(one.sides[1])!r} is in the language of the source"
            elif source[index] < -lean and target[index] < -lean:
                sentence = f"the source {_short(one.sides[0])!r} is in the language of the translation"
        if sentence:
            found.append(
                Finding("untranslated", "warning" if words >= LEAST_WORDS else "note", one.place.name, sentence,
                        (one.place,))
            )  # fmt: skip
    return found


def swapped(subject: Subject, *, lean: float = 1.0) -> list[Finding]:
    """Pairs of which each side is in the language of the other.

    Args:
        subject: the set.
        lean: as of `untranslated`.
    """
    if len(subject.records) < LEAST_PAIRS:
        return []
    source, target = _language(subject)
    return [
        Finding(
            "swapped", "error", subject.records[index].place.name,
            f"the sides are exchanged: {_short(subject.records[index].sides[0])!r} for "
            f"{_short(subject.records[index].sides[1])!r}",
            (subject.records[index].place,),
        )
        for index in np.flatnonzero((source < -lean) & (target > lean)).tolist()
    ]  # fmt: skip


def misaligned(subject: Subject, *, ratio: float = 6.0, fit: float = 0.2, row_fit: float = 0.36) -> list[Finding]:
    """Pairs whose lengths or words do not fit.

    Args:
        subject: the set.
        ratio: of lengths: robust standard deviations of its logarithm, from which a pair is odd.
        fit: how well a pair's words go together, as a share of the median's, below which they do not.
        row_fit: the same of five pairs in a row, for lines that have slipped.
    """
    if len(subject.records) < LEAST_PAIRS:
        return []
    characters = np.array([[len(side) for side in one.sides] for one in subject.records], dtype=np.float64)
    logarithm = np.log((characters[:, 1] + 5) / (characters[:, 0] + 5))
    middle = float(np.median(logarithm))
    usual = max(1.4826 * float(np.median(np.abs(logarithm - middle))), 0.05)
    odd_length = np.abs(logarithm - middle) > ratio * usual
    alone, slipped = _unfitting(fitting(subject), fit, row_fit, len(characters))
    odd_words = alone | slipped
    told = {one.where for check in (untranslated, swapped) for one in check(subject)}
    found = []
    for index in np.flatnonzero(odd_length | odd_words).tolist():
        one = subject.records[index]
        if one.place.name in told:
            continue
        long = f"{characters[index, 0]:.0f} and {characters[index, 1]:.0f} characters"
        sentence = f"the sides have {long}, " if odd_length[index] else "the words of its sides are not found together "
        sentence += "far from what is usual" if odd_length[index] else "elsewhere"
        sentence += f": {_short(one.sides[0])!r} for {_short(one.sides[1])!r}"
        severity: Severity = "warning" if odd_length[index] or slipped[index] else "note"
        found.append(Finding("misaligned", severity, one.place.name, sentence, (one.place,)))
    return found


def _unfitting(fits: Array | None, fit: float, row_fit: float, count: int) -> tuple[Array, Array]:
    """Which pairs' words do not go together, alone and in a row."""
    if fits is None or np.isnan(fits).all():
        return np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    share = np.nan_to_num(fits / np.nanmedian(fits), nan=1.0)
    padded = np.pad(share, ROW // 2, mode="edge")
    row = np.convolve(padded, np.ones(ROW) / ROW, mode="valid")
    slipped = np.convolve(np.pad((row < row_fit).astype(int), ROW // 2), np.ones(ROW, dtype=int), mode="valid") > 0
    return np.asarray(share < fit), np.asarray(slipped & (share < SLIPPED))


def fitting(subject: Subject) -> Array | None:
    """How well the words of each pair go together, `[n]`; NaN where too few are known.

    Of every word, on either side, the strongest tie to a word of the other side counts: the share of common pairs
    (Dice), its own pair taken off.
    """
    made: Array | None = subject.once("fitting", lambda: _fitting(_read(subject), len(subject.records)))
    return made


def _fitting(read: _Read, count: int) -> Array | None:
    if count > MOST_PAIRS:
        return None
    sides = [np.unique(side.owner * read.size + side.numbers) for side in (read.source, read.target)]
    owners, words = [one // read.size for one in sides], [one % read.size for one in sides]
    pairs_of = [np.bincount(one, minlength=read.size) for one in words]
    many = [np.bincount(one, minlength=count) for one in owners]
    begins = np.cumsum(many[1]) - many[1]
    repeat = many[1][owners[0]]
    first = np.repeat(np.arange(len(words[0])), repeat)
    inside = np.arange(repeat.sum()) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    second = begins[owners[0][first]] + inside
    one, other = words[0][first], words[1][second]
    _, back, common = np.unique(one * read.size + other, return_inverse=True, return_counts=True)
    together = common[back] - 1
    tie = 2 * together / np.maximum(pairs_of[0][one] + pairs_of[1][other] - 2, 1)
    scores = np.zeros(count)
    known, enough = np.zeros(count), np.zeros(count)
    for at, place in ((0, first), (1, second)):
        best = np.zeros(len(words[at]))
        np.maximum.at(best, place, tie)
        often = pairs_of[at][words[at]]
        weight = np.where(often > KNOWN, np.log(count / np.maximum(often, 1)), 0.0)
        scores += np.bincount(owners[at], best * weight, minlength=count)
        known += np.bincount(owners[at], weight, minlength=count)
        enough += np.bincount(owners[at], weight > 0, minlength=count)
    return np.where(enough >= 2 * LEAST_WORDS, scores / np.maximum(known, 1e-6), np.nan)


def _short(text: str) -> str:
    return text if len(text) <= 50 else text[:49] + "…"
