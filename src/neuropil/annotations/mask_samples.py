"""Pictures with masks as samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neuropil.data.records import DataInfo

__all__ = ["MaskSamples"]

Array = np.ndarray[Any, Any]


class MaskSamples:
    """Pictures of one size and the class of each of their elements, in memory.

    Shape:
        pictures uint8 `[n, C, H, W]`; masks uint8 `[n, H, W]`, 255 where the class is not known, or `[n, 2, H, W]`
        with the nearness to borders as second plane.

    Args:
        pictures: see above.
        masks: likewise.
        names: of the picture files.
        info: what is known of the set.
    """

    def __init__(self, pictures: Array, masks: Array, names: Sequence[str], info: DataInfo) -> None:
        self._pictures, self._masks, self._names, self._info = pictures, masks, list(names), info

    @property
    def info(self) -> DataInfo:
        """What is known of the samples."""
        return self._info

    @property
    def targets(self) -> Array:
        """All masks."""
        return self._masks

    def __len__(self) -> int:
        """How many pictures there are."""
        return len(self._names)

    def name(self, index: int) -> str:
        """The file's name below the folder or inside the zip file."""
        return self._names[index]

    def fetch(self, indices: Array, draws: Array | None = None) -> tuple[Array, Array]:
        """Pictures and masks."""
        return self._pictures[indices], self._masks[indices]
