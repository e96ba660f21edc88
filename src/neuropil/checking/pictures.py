"""Pictures of odd sizes, and pictures whose dark and light are exchanged."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from neuropil.checking.faults import findings_of
from neuropil.checking.near_pictures import LEAST_SPREAD
from neuropil.checking.records import Finding
from neuropil.checking.subjects import Subject
from neuropil.data.in_memory import Described, Subset
from neuropil.data.records import Samples

__all__ = ["inverted", "own_size", "sizes"]

Array = np.ndarray[Any, Any]

MIDDLE = 127.5
"""Between dark and light."""


def own_size(samples: Samples, index: int) -> tuple[int, int] | None:
    """Height and width of a picture's file; nothing of pictures that come from no file of their own."""
    while isinstance(samples, Described | Subset):
        if isinstance(samples, Subset):
            index = int(samples.indices[index])
        samples = samples.samples
    size = getattr(samples, "size", None)
    return None if size is None else size(index)


def sizes(subject: Subject, *, usual_share: float = 0.9, times: float = 4.0) -> list[Finding]:
    """Pictures of another size than nearly all, far smaller or of another shape; masks and annotations for other sizes.

    Args:
        subject: the set.
        usual_share: of the pictures, that have one size, where others are odd.
        times: where sizes differ: how much smaller the sides, or longer the shape, than the median's.
    """
    found = list(findings_of(subject, "sizes"))
    known = [(place, own_size(subject.parts[place.part], place.index)) for place in subject.places]
    sized = [(place, size) for place, size in known if size is not None]
    if not sized:
        return found
    counts = Counter(size for _, size in sized)
    (usual, many), *_ = counts.most_common(1)
    sides = np.array([size for _, size in sized], dtype=np.float64)
    shapes = sides.max(1) / sides.min(1)
    small, long = np.median(np.sqrt(sides.prod(1))) / times, np.median(shapes) * times
    for (place, size), shape in zip(sized, shapes.tolist(), strict=True):
        said = f"{size[0]} x {size[1]} pixels"
        if many >= usual_share * len(sized):
            if size != usual:
                sentence = f"{said}, but {many:,} of {len(sized):,} pictures are {usual[0]} x {usual[1]}"
                found.append(Finding("sizes", "warning", str(place), sentence, (place,)))
        elif np.sqrt(size[0] * size[1]) < small:
            found.append(Finding("sizes", "warning", str(place), f"{said}, far less than most have", (place,)))
        elif shape > long:
            found.append(Finding("sizes", "note", str(place), f"{said}, a far longer shape than most have", (place,)))
    return found


def inverted(subject: Subject, *, distance: float = 2.5, share: float = 0.4) -> list[Finding]:
    """Pictures whose shades are far from the set's, but near to them when dark and light are exchanged.

    Args:
        subject: the set.
        distance: from the set's shades (earth mover's, of 16 shades), from which a picture is far.
        share: of that distance at most, that is left when its shades are exchanged.
    """
    chosen = inverted_places(subject, distance, share)
    return [
        Finding(
            "inverted", "warning", str(place), "dark and light look exchanged, against the other pictures", (place,)
        )
        for place in (subject.places[index] for index in chosen)
    ]


def inverted_places(subject: Subject, distance: float = 2.5, share: float = 0.4) -> list[int]:
    """Numbers of the inverted pictures; see `inverted`."""
    prints = subject.fingerprints
    usual = np.median(prints.shades, axis=0)
    usual = usual / max(float(usual.sum()), 1e-6)
    apart = _moved(prints.shades, usual)
    exchanged = _moved(prints.shades[:, ::-1], usual)
    odd = (apart > distance) & (exchanged < share * apart) & (prints.spread >= LEAST_SPREAD) & _other_edge(prints.views)
    return np.flatnonzero(odd).tolist() if odd.mean() < 0.25 else []


def _other_edge(views: Array) -> Array:
    """Whether three quarters of a picture's edge are dark where most edges are light, or light where they are dark."""
    edge = np.concatenate([views[:, 0], views[:, -1], views[:, :, 0], views[:, :, -1]], axis=1)
    low, middle, high = np.quantile(edge, (0.25, 0.5, 0.75), axis=1)
    return np.asarray(low > MIDDLE) if np.median(middle) < MIDDLE else np.asarray(high < MIDDLE)


def _moved(shades: Array, usual: Array) -> Array:
    """How far shades must be moved to become the usual ones, in steps of one shade: `[n]`."""
    return np.asarray(np.abs(np.cumsum(shades - usual, axis=1)).sum(1))
