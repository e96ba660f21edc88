"""Answers for new files, and the names under which they are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import Any

from neuropil.errors import InputError

__all__ = ["Prediction", "drawn_names", "refuse_existing"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer: the sample's name and what the network says of it."""

    name: str
    answer: Mapping[str, Any]


def drawn_names(names: Iterable[str]) -> dict[str, str]:
    """A file name for each picture that is drawn, no two alike.

    Example:
        >>> drawn_names(["photos/cat.jpg", "photos/cat.png", "more/photos/dog.jpg"])
        {'photos/cat.jpg': 'photos-cat', 'photos/cat.png': 'photos-cat-2', 'more/photos/dog.jpg': 'more-photos-dog'}
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        parts = [part for part in path.with_suffix("").parts if part not in ("/", ".", "..")]
        stem = "-".join(parts[-3:]) or "picture"
        candidates: Iterator[str] = chain([stem], (f"{stem}-{number}" for number in count(2)))
        found[name] = next(one for one in candidates if one not in taken)
        taken |= {found[name], f"{found[name]}-overlay"}
    return found


def refuse_existing(paths: Iterable[Path]) -> None:
    """Nothing is overwritten.

    Raises:
        InputError: a file of that name is there.
    """
    for path in paths:
        if path.exists():
            raise InputError(f"{str(path)!r} is there already; name another folder with --out")
