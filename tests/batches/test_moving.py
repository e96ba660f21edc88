"""Boxes and masks move with their pictures: painted rectangles stay under their boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neuropil.batches import AUGMENTATIONS
from neuropil.batches.augmentation import Augmentation
from neuropil.batches.augmentation_elastic import Elastic
from neuropil.batches.augmentation_geometry import Affine, Flip, RandomResizedCrop, ShiftCrop
from neuropil.batches.augmentation_mosaic import Mosaic
from neuropil.batches.augmentation_values import Exposure
from neuropil.batches.batching import Batches
from neuropil.batches.moving import OUTSIDE, cut_boxes
from neuropil.data.in_memory import InMemory
from neuropil.data.records import DataInfo
from neuropil.errors import InputError

Array = np.ndarray[Any, Any]

SIDE = 64
BOXES = ((8, 12, 30, 28), (34, 30, 60, 50), (10, 40, 20, 60))
"""Left, top, right, bottom of the painted rectangles, of classes 0, 1, 2, each in a channel of its own."""

MOVES = {
    "flip": Flip(p=1.0),
    "upside down": Flip(p=1.0, vertical=True),
    "shift": ShiftCrop(pixels=7),
    "crop": RandomResizedCrop(scale=(0.4, 0.9)),
    "affine": Affine(degrees=0, shift=0.2, scale=(0.8, 1.2)),
}


def painted(count: int = 6) -> tuple[Array, Array, Array]:
    """Pictures of three rectangles, their boxes and their masks."""
    pictures = np.zeros((count, 3, SIDE, SIDE), dtype=np.uint8)
    masks = np.zeros((count, SIDE, SIDE), dtype=np.uint8)
    boxes = np.zeros((count, 3, 6), dtype=np.float32)
    for number, (left, top, right, bottom) in enumerate(BOXES):
        pictures[:, number, top:bottom, left:right] = 255
        masks[:, top:bottom, left:right] = number + 1
        boxes[:, number, :5] = (number, left / SIDE, top / SIDE, right / SIDE, bottom / SIDE)
    return pictures, boxes, masks


@pytest.mark.parametrize("name", MOVES)
def test_boxes_stay_around_what_they_mark(name: str) -> None:
    pictures, boxes, _ = painted()
    moved, after = Augmentation([MOVES[name]], seed=3).apply(pictures, boxes, np.arange(len(pictures)), epoch=0)
    checked = 0
    for picture, rows in zip(moved, after, strict=True):
        for number, left, top, right, bottom, _ in rows[rows[:, 0] >= 0]:
            inside = np.argwhere(picture[int(number)] > 128)
            found = np.array([*inside.min(axis=0)[::-1], *(inside.max(axis=0)[::-1] + 1)]) / SIDE
            np.testing.assert_allclose([left, top, right, bottom], found, atol=1.6 / SIDE)
            checked += 1
    assert checked >= 9


@pytest.mark.parametrize("name", [*MOVES, "elastic"])
def test_masks_stay_on_what_they_mark(name: str) -> None:
    pictures, _, masks = painted()
    part = Elastic(deviation=4.0) if name == "elastic" else MOVES[name]
    moved, after = Augmentation([part], seed=3).apply(pictures, masks, np.arange(len(pictures)), epoch=0)
    assert after.dtype == np.uint8 and after.shape == masks.shape
    known = after != OUTSIDE
    for number in range(3):
        wrong = ((moved[:, number] > 128) != (after == number + 1))[known]
        assert wrong.mean() < 0.01, wrong.mean()
    assert known.mean() > 0.5


def test_what_is_hardly_in_the_picture_goes() -> None:
    rows = np.array([[[0, -0.9, 0.1, 0.1, 0.5, 0], [1, 0.5, 0.5, 0.6, 0.6, 0], [2, -0.1, 0.0, 0.4, 0.4, 1]]])
    cut = cut_boxes(rows.astype(np.float32))[0]
    assert cut[0].tolist() == [-1, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(cut[2], [2, 0, 0, 0.4, 0.4, 1])


def test_mosaic_holds_the_boxes_of_four() -> None:
    pictures, boxes, _ = painted(5)
    mixed, after = Augmentation([Mosaic(p=1.0)], seed=1).apply(pictures, boxes, np.arange(5), epoch=0)
    assert mixed.shape == pictures.shape and after.shape == (5, 12, 6)
    assert (after[..., 0] >= 0).all() and (after[..., 1:5] >= 0).all() and (after[..., 1:5] <= 1).all()
    for picture, rows in zip(mixed, after, strict=True):
        for number, left, top, right, bottom, _ in rows:
            assert picture[int(number), int((top + bottom) / 2 * SIDE), int((left + right) / 2 * SIDE)] > 200
    whole, same = Augmentation([Mosaic(p=0.0)], seed=1).apply(pictures, boxes, np.arange(5), epoch=0)
    assert np.array_equal(whole, pictures) and np.array_equal(same, boxes)


def test_exposure_changes_value_and_saturation_of_hsv() -> None:
    colorsys = pytest.importorskip("colorsys")
    draws = np.array([[1.0, 1.0, 0.0, 0.9], [0.5, 0.5, 0.9, 0.1]])
    pixels = np.array([[120, 60, 30], [10, 90, 40]], dtype=np.uint8).reshape(2, 3, 1, 1)
    part = Exposure(exposure=1.5, saturation=1.5)
    changed = part.apply(pixels, draws)[:, :, 0, 0]
    for before, after, (light, colour) in zip(pixels[:, :, 0, 0], changed, part.parameters(draws), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(before / 255))
        expected = colorsys.hsv_to_rgb(hue, min(1.0, saturation * colour), min(1.0, value * light))
        np.testing.assert_allclose(after, np.array(expected) * 255, atol=1)


def test_same_numbers_for_any_division_into_batches() -> None:
    pictures, boxes, _ = painted(6)
    pipeline = Augmentation([Flip(), Affine()], seed=5)
    whole = pipeline.apply(pictures, boxes, np.arange(6), epoch=2)
    half = pipeline.apply(pictures[3:], boxes[3:], np.arange(3, 6), epoch=2)
    assert np.array_equal(whole[0][3:], half[0]) and np.array_equal(whole[1][3:], half[1])


def test_what_cannot_move_is_refused() -> None:
    pictures, boxes, masks = painted()
    place = np.arange(len(pictures))
    with pytest.raises(InputError, match="Elastic bends pictures, and boxes do not bend"):
        Augmentation([Elastic()], seed=0).apply(pictures, boxes, place, epoch=0)
    with pytest.raises(InputError, match="Mixup cannot mix targets of this kind"):
        Augmentation([AUGMENTATIONS.build("mixup")], seed=0).apply(pictures, boxes, place, epoch=0)
    with pytest.raises(InputError, match="Mosaic cannot mix targets of this kind"):
        Augmentation([Mosaic()], seed=0).apply(pictures, masks, place, epoch=0)
    with pytest.raises(InputError, match="elastic: deviation is 0"):
        Elastic(deviation=0)
    with pytest.raises(InputError, match="exposure: factors"):
        Exposure(exposure=0.5)
    with pytest.raises(InputError, match="mosaic: middle"):
        Mosaic(middle=(0.7, 0.3))


def test_mosaics_are_the_same_for_any_workers_and_start() -> None:
    pictures, boxes, _ = painted(11)
    info = DataInfo("painted", "images", "boxes", (3, SIDE, SIDE), ("a", "b", "c"))
    samples = InMemory(pictures, boxes, info)

    def run(workers: int, start: int = 0) -> list[tuple[bytes, bytes]]:
        augment = Augmentation([Flip(), Affine(), Exposure(), Mosaic()], seed=4)
        batches = Batches(samples, batch_size=4, seed=4, workers=workers, augment=augment).epoch(1, start)
        return [(one.inputs.numpy().tobytes(), one.targets.numpy().tobytes()) for one in batches]

    wanted = run(0)
    assert run(2) == wanted and run(0, 2) == run(2, 2) == wanted[2:]
