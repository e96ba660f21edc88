"""Mosaic: four pictures with their boxes in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from neuropil.batches.augmentation_geometry import reduced
from neuropil.errors import InputError

__all__ = ["Mosaic"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Mosaic:
    """Each picture and the three before it in the batch, reduced into the four corners around a random middle.

    Source: Bochkovskiy, Wang and Liao 2020, "YOLOv4", section 3.3.

    Args:
        p: the share of pictures that become a mosaic, 0 to 1.
        middle: least and greatest share of height and width at which the four meet.

    Raises:
        InputError: a share outside 0 to 1, or a middle that is not inside the picture.

    Differs: the paper cuts the four; here each is reduced whole, so that no box is lost.
    """

    draws: ClassVar[int] = 3
    of_boxes: ClassVar[bool] = True
    p: float = 0.5
    middle: tuple[float, float] = (0.3, 0.7)

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise InputError(f"mosaic: p is {self.p}; give a share from 0 to 1")
        if not 0 < self.middle[0] <= self.middle[1] < 1:
            raise InputError(f"mosaic: middle is {list(self.middle)}; give two shares between 0 and 1, in order")

    def parameters(self, draws: Array, height: int, width: int) -> Array:
        """Row and column at which the four meet, int64 `[N, 2]`; (0, 0) where a picture stays as it is."""
        share = self.middle[0] + draws[:, 1:] * (self.middle[1] - self.middle[0])
        place = np.clip(np.rint(share * np.array([height, width])), 1, np.array([height, width]) - 1).astype(np.int64)
        return np.where(draws[:, :1] < self.p, place, 0)

    def mix(self, inputs: Array, targets: Array, draws: Array) -> tuple[Array, Array]:
        """Mosaics `[N, C, H, W]`, and boxes float32 `[N, M', 6]`."""
        count, _, height, width = inputs.shape
        pictures, boxes = inputs.copy(), []
        for number, (row, column) in enumerate(self.parameters(draws, height, width).tolist()):
            if not row:
                boxes.append(targets[number][targets[number, :, 0] >= 0])
                continue
            found = []
            corners = (
                (0, 0, row, column),
                (0, column, row, width),
                (row, 0, height, column),
                (row, column, height, width),
            )
            for back, (top, left, bottom, right) in enumerate(corners):
                other = (number - back) % count
                pictures[number, :, top:bottom, left:right] = reduced(inputs[other], bottom - top, right - left)
                moved = targets[other][targets[other, :, 0] >= 0].copy()
                moved[:, [1, 3]] = (left + moved[:, [1, 3]] * (right - left)) / width
                moved[:, [2, 4]] = (top + moved[:, [2, 4]] * (bottom - top)) / height
                found.append(moved)
            boxes.append(np.concatenate(found))
        return pictures, _stacked(boxes)


def _stacked(boxes: list[Array]) -> Array:
    """Lists of boxes as one array, filled up with rows of class -1."""
    result = np.zeros((len(boxes), max(1, *map(len, boxes)), 6), dtype=np.float32)
    result[..., 0] = -1
    for number, rows in enumerate(boxes):
        result[number, : len(rows)] = rows
    return result
