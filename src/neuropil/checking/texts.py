"""Texts of odd length."""

from __future__ import annotations

import numpy as np

from neuropil.checking.faults import findings_of
from neuropil.checking.near_texts import normalised
from neuropil.checking.records import Finding
from neuropil.checking.subjects import Subject
from neuropil.sequences.tokens import tokens_of

__all__ = ["lengths"]

LEAST_LONG = 50
"""A text of fewer words is never too long."""


def lengths(subject: Subject, *, times: float = 8.0) -> list[Finding]:
    """Texts far longer than others, texts that would be cut, and texts without a letter or digit.

    Args:
        subject: the set.
        times: the median's length, from which a text is far longer.
    """
    found = list(findings_of(subject, "lengths"))
    info = subject.info
    cut = int(info.encoding["max_length"]) if info is not None and "max_length" in info.encoding else None
    level = "character" if info is not None and info.encoding.get("level") == "character" else "word"
    counts = [
        len(one.sentence.words) if one.sentence is not None else max(len(side.split()) for side in one.sides)
        for one in subject.records
    ]
    far = max(LEAST_LONG, times * float(np.median(counts))) if counts else 0
    for one, count in zip(subject.records, counts, strict=True):
        tokens = 0
        if cut is not None and sum(map(len, one.sides)) > cut:
            tokens = len(tokens_of(one.sides[0], "character" if level == "character" else "word"))
        sentence = ""
        if count > far:
            sentence = f"{count:,} words, but most texts have about {np.median(counts):g}"
        elif cut is not None and tokens > cut:
            sentence = f"{tokens:,} {level}s, of which only the first {cut} are read; data.max_length= keeps more"
        elif any(not any(sign.isalnum() for sign in normalised(side)) for side in one.sides):
            sentence = f"holds no letter and no digit: {one.sides[0][:30]!r}"
        if sentence:
            severity = "warning" if count > far else "note"
            found.append(Finding("lengths", "warning" if severity == "warning" else "note", one.place.name, sentence,
                                 (one.place,)))  # fmt: skip
    return found
