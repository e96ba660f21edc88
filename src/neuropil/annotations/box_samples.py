"""Pictures with boxes as samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neuropil.data.archive import Archive, UnusableFile
from neuropil.data.pictures import PictureHead, PictureRule, decode
from neuropil.data.records import DataInfo
from neuropil.errors import InputError

__all__ = ["NO_BOX", "BoxSamples"]

Array = np.ndarray[Any, Any]

CACHE_BYTES = 1 << 30
"""Pictures up to this size in all stay in memory."""

NO_BOX = -1.0
"""The class of rows that fill up."""


class BoxSamples:
    """Pictures of one size, and their boxes.

    Shape:
        targets float32 `[n, M, 6]`: class number, left, top, right, bottom (shares of the picture's width and height),
        and 1 where the box is ignored; rows of class -1 fill up.

    Args:
        store: where the files lie.
        names: of the picture files.
        heads: what their headers say.
        targets: see above.
        rule: colours and size; pictures are stretched.
        info: what is known of the set.
    """

    def __init__(
        self,
        store: Archive,
        names: Sequence[str],
        heads: Sequence[PictureHead],
        targets: Array,
        rule: PictureRule,
        info: DataInfo,
    ) -> None:
        self._store, self._names, self._heads, self._rule = store, names, heads, rule
        self._targets, self._info = targets, info
        fits = len(names) * int(np.prod(rule.shape)) <= CACHE_BYTES
        self._views = np.stack([self._view(number) for number in range(len(names))]) if fits and names else None

    @property
    def info(self) -> DataInfo:
        """What is known of the samples."""
        return self._info

    @property
    def targets(self) -> Array:
        """All boxes."""
        return self._targets

    def __len__(self) -> int:
        """How many pictures there are."""
        return len(self._names)

    def name(self, index: int) -> str:
        """The file's name below the folder or inside the zip file."""
        return self._names[index]

    def size(self, index: int) -> tuple[int, int]:
        """The picture's own height and width."""
        return self._heads[index].height, self._heads[index].width

    def fetch(self, indices: Array, draws: Array | None = None) -> tuple[Array, Array]:
        """Pictures and boxes.

        Raises:
            InputError: a file has been damaged or removed since it was opened.
        """
        if self._views is not None:
            return self._views[indices], self._targets[indices]
        empty = np.empty((0, *self._rule.shape), dtype=np.uint8)
        views = [self._view(int(index)) for index in indices]
        return (np.stack(views) if views else empty), self._targets[indices]

    def _view(self, index: int) -> Array:
        try:
            with self._store.open(self._names[index]) as file:
                return decode(file, self._rule, self._heads[index])
        except UnusableFile as error:
            where = f"{self._store.where}: {self._names[index]}"
            raise InputError(f"{where} cannot be read: {error}; put it back or remove it") from error
