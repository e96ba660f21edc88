"""Values that masks should not hold."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from neuropil.annotations.masks import VOID
from neuropil.checking.records import Finding, Place
from neuropil.checking.subjects import Subject

__all__ = ["values"]

Array = np.ndarray[Any, Any]

LEAST_MASKS = 5


def values(subject: Subject, *, share: float = 0.2) -> list[Finding]:
    """Values that only few masks hold, where all others agree on fewer ones.

    Args:
        subject: the set.
        share: of the masks at most, that hold such a value.
    """
    grey = [one for one in subject.masks if one.shades.ndim == 1]
    if len(grey) < LEAST_MASKS or len(grey) < len(subject.masks):
        return []
    counts = Counter(int(value) for one in grey for value in one.shades)
    rare = {value for value, count in counts.items() if count <= share * len(grey) and value != VOID}
    usual = sorted(set(counts) - rare)
    black_and_white = set(usual) <= {0, VOID}
    found = []
    for one in grey:
        odd = [int(value) for value in one.shades if int(value) in rare]
        if odd:
            shown = ", ".join(map(str, odd[:5])) + (" …" if len(odd) > 5 else "")
            others = ", ".join(map(str, usual[:8])) + (" …" if len(usual) > 8 else "")
            sentence = f"holds {shown}, but nearly all masks only {others}"
            if black_and_white:
                sentence += "; so all masks are read as class numbers, not as 0 and 255"
            place = subject.by_name.get(one.pair.picture, Place("", one.pair.picture))
            severity: Any = "error" if black_and_white else "note"
            found.append(Finding("mask_values", severity, one.pair.mask, sentence, (place,)))
    return found
