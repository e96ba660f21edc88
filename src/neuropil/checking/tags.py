"""Tags that are hardly used, and tags that their words have nowhere else."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from neuropil.checking.records import Finding, Place
from neuropil.checking.subjects import Subject
from neuropil.sequences.tagged import Sentence

__all__ = ["odd", "rare"]

SPAN = re.compile(r"([BIESLU])-(.+)")


def rare(subject: Subject, *, most: int = 3) -> list[Finding]:
    """Tags that are used once, or hardly ever, in all parts together.

    Args:
        subject: the set.
        most: uses of a tag that is still rare.
    """
    uses: dict[str, list[Place]] = defaultdict(list)
    for record in subject.records:
        if record.sentence is not None:
            for tag, line in zip(record.sentence.tags, record.sentence.lines, strict=True):
                if len(uses[tag]) <= most:
                    place = Place(
                        record.place.part, subject.short(f"{record.sentence.where}, line {line}"), record.place.index
                    )
                    uses[tag].append(place)
    return [
        Finding(
            "rare_tags", "warning" if len(places) == 1 else "note", places[0].name,
            f"the tag {tag!r} is used {'only here' if len(places) == 1 else f'{len(places)} times in all'}",
            tuple(places),
        )
        for tag, places in uses.items()
        if len(places) <= most
    ]  # fmt: skip


def odd(subject: Subject, *, least: int = 50) -> list[Finding]:
    """Words that are tagged alike everywhere but once, and spans (`I-LOC`) that begin inside.

    Args:
        subject: the set.
        least: uses of a word, from which a tag that it has only once is odd.
    """
    sentences = [(one.place, one.sentence) for one in subject.records if one.sentence is not None]
    words = Counter(word for _, one in sentences for word in one.words)
    both = Counter(pair for _, one in sentences for pair in zip(one.words, one.tags, strict=True))
    usual: dict[str, str] = {}
    for (word, tag), count in both.items():
        if count > both[word, usual.get(word, "")]:
            usual[word] = tag
    spans = _begin_with_b(sentences)
    found = []
    for place, one in sentences:
        before = "O"
        for word, tag, line in zip(one.words, one.tags, one.lines, strict=True):
            here = subject.short(f"{one.where}, line {line}")
            sentence = ""
            if words[word] >= least and both[word, tag] == 1:
                sentence = f"{word!r} is {tag!r} here only, of {words[word]:,} times; mostly it is {usual[word]!r}"
            elif spans and _begins_inside(before, tag):
                sentence = f"{tag!r} follows {before!r}; a span begins with 'B-{tag[2:]}'"
            if sentence:
                found.append(Finding("odd_tags", "note", here, sentence, (Place(place.part, here, place.index),)))
            before = tag
    return found


def _begin_with_b(sentences: Sequence[tuple[Place, Sentence]]) -> bool:
    """Whether nearly all spans begin with `B-`; in an older scheme (IOB1) they begin with `I-`."""
    tags = [("O", *one.tags) for _, one in sentences]
    inside = sum(_begins_inside(before, tag) for of_one in tags for before, tag in pairwise(of_one))
    begins = sum(tag.startswith("B-") for of_one in tags for tag in of_one)
    return inside < 0.1 * begins


def _begins_inside(before: str, tag: str) -> bool:
    """Whether a tag goes on with a span that the tag before is not of.

    Example:
        >>> _begins_inside("O", "I-LOC"), _begins_inside("B-LOC", "I-LOC"), _begins_inside("B-PER", "I-LOC")
        (True, False, True)
    """
    match, earlier = SPAN.fullmatch(tag), SPAN.fullmatch(before)
    return match is not None and match[1] in "I" and (earlier is None or earlier[2] != match[2])
