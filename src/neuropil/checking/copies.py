"""Samples that are there twice: wholly or nearly, in one part or in two, and with different labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from neuropil.checking.near_pictures import LEAST_SPREAD, near_pairs
from neuropil.checking.near_texts import LEAST_WORDS, near_texts, normalised
from neuropil.checking.records import Finding, Place
from neuropil.checking.subjects import SIGN, Subject

__all__ = ["contradictions", "duplicates", "leakage", "near_duplicates"]

Array = np.ndarray[Any, Any]

DIFFERENCE = 0.08
LIKENESS = 0.9
DIGITS = 3


class Item(NamedTuple):
    """A sample as it is compared."""

    place: Place
    content: Hashable
    """The same of the same samples; `None` where it is like every other, and so not compared."""
    question: Hashable
    """The content without the answer."""
    answer: str
    short: bool = False
    """So short that it may well come again."""


class Closeness(NamedTuple):
    """How near nearly is."""

    difference: float = DIFFERENCE
    likeness: float = LIKENESS
    digits: int = DIGITS


def duplicates(subject: Subject) -> list[Finding]:
    """Samples whose content is the same to the last bit, in one part."""
    return [
        _finding("duplicates", "warning", members, f"the same {_noun(subject)} as")
        for members in _groups_of(_items(subject))
        if len({one.place.part for one in members}) == 1
    ]


def near_duplicates(
    subject: Subject, *, difference: float = DIFFERENCE, likeness: float = LIKENESS, digits: int = DIGITS
) -> list[Finding]:
    """Samples that are nearly the same, in one part.

    Args:
        subject: the set.
        difference: of pictures, at the place where they differ most, as a share of the span of their shades.
        likeness: of texts: the share of common words, or of letter triples.
        digits: of tables: decimals of a column's standard deviation to which rows are rounded.
    """
    return [
        _finding("near_duplicates", "warning", members, f"nearly the same {_noun(subject)} as")
        for members in _near_groups(subject, Closeness(difference, likeness, digits))
        if len({one.place.part for one in members}) == 1
    ]


def leakage(
    subject: Subject, *, difference: float = DIFFERENCE, likeness: float = LIKENESS, digits: int = DIGITS
) -> list[Finding]:
    """Samples that stand in two parts, wholly or nearly the same, so that the score of one part says too much.

    Args:
        subject: the set.
        difference: as of `near_duplicates`.
        likeness: likewise.
        digits: likewise.
    """
    found = []
    whole = [("the same", one) for one in _groups_of(_items(subject))]
    nearly = [("nearly the same", one) for one in _near_groups(subject, Closeness(difference, likeness, digits))]
    for how, members in (*whole, *nearly):
        if len({one.place.part for one in members}) > 1:
            found.append(_finding("leakage", "error", members, f"{how} {_noun(subject)} as"))
    return found


def contradictions(
    subject: Subject, *, difference: float = DIFFERENCE, likeness: float = LIKENESS, digits: int = DIGITS
) -> list[Finding]:
    """The same content, or nearly the same, with different answers.

    Args:
        subject: the set.
        difference: as of `near_duplicates`.
        likeness: likewise; nearly the same texts may well have different translations or tags, and are not told.
        digits: likewise.
    """
    items = _items(subject)
    by_question: dict[Hashable, list[Item]] = defaultdict(list)
    for one in items:
        if one.question is not None and one.answer:
            by_question[one.question].append(one)
    found = []
    for members in by_question.values():
        answers = sorted({one.answer for one in members})
        if len(answers) > 1:
            kind = subject.kind == "parallel"
            found.append(
                _finding(
                    "contradictions",
                    "note" if kind else "error",
                    _one_of_each(members),
                    f"{_answers(subject, answers)} the same {'sentence' if kind else _noun(subject)} as",
                )
            )
    if subject.has_pictures and "labelled" in subject.traits:
        for members in _near_groups(subject, Closeness(difference, likeness, digits)):
            answers = sorted({one.answer for one in members})
            exact = {one.question for one in members if len({o.answer for o in by_question[one.question]}) > 1}
            if len(answers) > 1 and not exact:
                said = f"{_answers(subject, answers)} nearly the same picture as"
                found.append(_finding("contradictions", "error", _one_of_each(members), said))
    return found


def _answers(subject: Subject, answers: Sequence[str]) -> str:
    if subject.kind == "parallel":
        return f"{len(answers)} translations of"
    if subject.kind == "tagged_text":
        return "other tags on"
    return f"labelled {' and '.join(map(repr, answers[:4]))}, but"


def _one_of_each(members: Sequence[Item]) -> list[Item]:
    """At least one member of each answer first."""
    first = {one.answer: one for one in reversed(members)}
    chosen = [one for one in members if first[one.answer] is one]
    return [*chosen, *(one for one in members if one not in chosen)]


def _noun(subject: Subject) -> str:
    if subject.has_pictures:
        return "picture"
    return {"labelled_text": "text", "parallel": "pair", "tagged_text": "sentence"}.get(subject.kind, "row")


def _finding(check: str, severity: Any, members: Sequence[Item], how: str) -> Finding:
    others = members[:-1]
    more = f" and {len(others) - 3} more" if len(others) > 3 else ""
    sentence = f"{how} {', '.join(str(one.place) for one in others[:3])}{more}"
    if all(one.short for one in members):
        severity = "note"  # such as "thank you", said by many
    return Finding(check, severity, str(members[-1].place), sentence, tuple(one.place for one in members))


def _items(subject: Subject) -> list[Item]:
    made: list[Item] = subject.once("items", lambda: list(_made(subject)))
    return made


def _made(subject: Subject) -> Iterator[Item]:
    if subject.has_pictures:
        prints = subject.fingerprints
        classes = subject.splits.info.classes if subject.splits else ()
        names = [classes[one] for one in subject.labels] if "labelled" in subject.traits else [""] * len(subject.places)
        for place, digest, spread, name in zip(subject.places, prints.digests, prints.spread, names, strict=True):
            content = digest if spread >= LEAST_SPREAD else None
            yield Item(place, content, content, name)
    elif subject.records:
        for one in subject.records:
            answer = one.sides[1] if subject.kind == "parallel" else one.label
            short = len(one.sides[0].split()) < LEAST_WORDS
            yield Item(one.place, one.sides, one.sides[0], answer.replace(SIGN, " "), short)
    elif "table" in subject.traits:
        for place, row, target in zip(subject.places, _rows(subject), _targets(subject), strict=True):
            yield Item(place, (row.tobytes(), target), row.tobytes(), target if "labelled" in subject.traits else "")


def _rows(subject: Subject) -> Array:
    rows: Array = subject.once(
        "rows", lambda: np.concatenate([one.fetch(np.arange(len(one)))[0] for one in subject.parts.values()])
    )
    return rows + 0.0  # no negative zeros


def _targets(subject: Subject) -> list[str]:
    targets = np.concatenate([np.asarray(one.targets) for one in subject.parts.values()])
    classes = subject.splits.info.classes if subject.splits else ()
    return [classes[int(one)] if classes else str(one) for one in targets]


def _groups_of(items: Sequence[Item]) -> list[list[Item]]:
    """Items of the same content, two or more."""
    found: dict[Hashable, list[Item]] = defaultdict(list)
    for one in items:
        if one.content is not None:
            found[one.content].append(one)
    return [members for members in found.values() if len(members) > 1]


def _near_groups(subject: Subject, closeness: Closeness) -> list[list[Item]]:
    """Items that are nearly the same through one another, but not all the same."""
    made: list[list[Item]] = subject.once(("near", closeness), lambda: _joined(subject, closeness))
    return made


def _joined(subject: Subject, closeness: Closeness) -> list[list[Item]]:
    items = _items(subject)
    first: dict[Hashable, int] = {}
    same = [first.setdefault(one.content, place) for place, one in enumerate(items) if one.content is not None]
    chosen = sorted(set(same))
    parent = {place: place for place in chosen}

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for one, other in _pairs(subject, items, chosen, closeness):
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    groups: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        if item.content is not None:
            groups[root(first[item.content])].append(item)
    return [members for members in groups.values() if len({one.content for one in members}) > 1]


def _pairs(
    subject: Subject, items: Sequence[Item], chosen: Sequence[int], closeness: Closeness
) -> Iterator[tuple[int, int]]:
    """Numbers of items that are nearly the same; `chosen` holds one of each content."""
    if len(chosen) < 2:
        return
    at = np.array(chosen)
    if subject.has_pictures:
        prints = subject.fingerprints
        for one, other in near_pairs(prints.views[at], prints.spread[at], closeness.difference).tolist():
            yield chosen[one], chosen[other]
    elif subject.records:
        texts = [tuple(normalised(side) for side in subject.records[place].sides) for place in chosen]
        distinct: dict[tuple[str, ...], int] = {}
        for place, text in zip(chosen, texts, strict=True):
            if distinct.setdefault(text, place) != place:
                yield distinct[text], place
        numbers = list(distinct.values())
        for one, other in near_texts(list(distinct), closeness.likeness):
            yield numbers[one], numbers[other]
    else:
        yield from _near_rows(_rows(subject)[at], [items[place].answer for place in chosen], chosen, closeness.digits)


def _near_rows(rows: Array, answers: Sequence[str], chosen: Sequence[int], digits: int) -> Iterator[tuple[int, int]]:
    """Rows that are one when rounded, twice with the steps laid differently."""
    scale = rows.std(0, dtype=np.float64)
    scaled = rows / np.where(scale > 0, scale, 1.0) * 10**digits
    for shift in (0.0, 0.5):
        seen: dict[tuple[bytes, str], int] = {}
        for place, row, answer in zip(chosen, np.floor(scaled + shift) + 0.0, answers, strict=True):
            other = seen.setdefault((row.tobytes(), answer), place)
            if other != place:
                yield other, place
