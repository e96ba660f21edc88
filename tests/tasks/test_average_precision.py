"""Average precision against pycocotools, and against cases worked out by hand."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from neuropil.errors import InputError
from neuropil.tasks.average_precision import (
    COCO_THRESHOLDS,
    Found,
    There,
    average_precision,
    curve_of_class,
    mean_average_precision,
    overlaps,
)

CLASSES = 3


def some(seed: int, pictures: int = 12) -> tuple[list[Found], list[There]]:
    """Random truth and findings near it: ties, doubles, misses, crowds, pictures without anything."""
    draw = np.random.default_rng(seed)
    found, there = [], []
    for _ in range(pictures):
        count = int(draw.integers(0, 8))
        corners = draw.integers(0, 60, (count, 2)).astype(float)
        boxes = np.concatenate([corners, corners + draw.integers(4, 40, (count, 2))], axis=1)
        classes = draw.integers(0, CLASSES, count)
        there.append(There(boxes, classes, draw.random(count) < 0.15))
        again = np.repeat(np.arange(count), draw.integers(0, 4, count))
        moved = boxes[again] + draw.normal(0, 3, (len(again), 4))
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        guessed = np.where(draw.random(len(again)) < 0.8, classes[again], draw.integers(0, CLASSES, len(again)))
        found.append(Found(moved, draw.integers(1, 20, len(again)) / 20, guessed))
    return found, there


def pycocotools_precision(found: Sequence[Found], there: Sequence[There]) -> np.ndarray[Any, Any]:
    """Average precision of each class at each threshold, by pycocotools; -1 as NaN."""
    coco, evaluation = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    rows = [
        {
            "id": 1 + sum(len(one.boxes) for one in there[:picture]) + place,
            "image_id": picture,
            "category_id": int(number),
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "area": float((box[2] - box[0]) * (box[3] - box[1])),
            "iscrowd": int(ignored),
        }
        for picture, one in enumerate(there)
        for place, (box, number, ignored) in enumerate(zip(one.boxes, one.classes, one.ignored, strict=True))
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = {
            "images": [{"id": picture} for picture in range(len(there))],
            "categories": [{"id": number} for number in range(CLASSES)],
            "annotations": rows,
        }
        truth.createIndex()
        results = truth.loadRes(
            [
                {
                    "image_id": picture,
                    "category_id": int(number),
                    "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
                    "score": float(score),
                }
                for picture, one in enumerate(found)
                for box, number, score in zip(one.boxes, one.classes, one.scores, strict=True)
            ]
        )
        run = evaluation.COCOeval(truth, results, "bbox")
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"][:, :, :, 0, 2]  # thresholds, recalls, classes
    precision[precision < 0] = np.nan
    return np.asarray(precision.mean(axis=1).T)


@pytest.mark.parametrize("seed", range(10))
def test_average_precision_is_that_of_pycocotools(seed: int) -> None:
    found, there = some(seed)
    np.testing.assert_allclose(
        mean_average_precision(found, there, CLASSES), pycocotools_precision(found, there), atol=1e-10
    )
    assert len(COCO_THRESHOLDS) == 10 and COCO_THRESHOLDS[-1] == pytest.approx(0.95)


def picture(*boxes: tuple[float, ...]) -> np.ndarray[Any, Any]:
    return np.array(boxes, dtype=float).reshape(-1, 4)


def test_voc_by_hand() -> None:
    """Two true boxes; found, best first: one right, the same again, the other right.

    Precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1. All points: 1/2 x 1 + 1/2 x 2/3; eleven: 6 of 1 and 5 of 2/3.
    """
    there = [There(picture((0, 0, 10, 10), (20, 20, 30, 30)), np.zeros(2, int), np.zeros(2, bool))]
    boxes = picture((0, 0, 10, 10), (0, 0, 10, 9), (20, 20, 30, 31))
    found = [Found(boxes, np.array([0.9, 0.8, 0.7]), np.zeros(3, int))]
    curve = curve_of_class(found, there, 0, voc=True)
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 3])
    np.testing.assert_allclose(curve.recall, [1 / 2, 1 / 2, 1])
    assert average_precision(curve, "all") == pytest.approx(5 / 6)
    assert average_precision(curve, "eleven") == pytest.approx((6 + 5 * 2 / 3) / 11)
    assert average_precision(curve, "coco") == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_voc_and_coco_differ_where_a_box_overlaps_two() -> None:
    """The second box overlaps a taken true box most and a free one enough: false for VOC, right for COCO."""
    there = [There(picture((0, 0, 10, 10), (0, 3, 10, 13)), np.zeros(2, int), np.zeros(2, bool))]
    found = [Found(picture((0, 0, 10, 10), (0, 1, 10, 11)), np.array([0.9, 0.8]), np.zeros(2, int))]
    assert curve_of_class(found, there, 0, voc=True).recall.tolist() == [0.5, 0.5]
    assert curve_of_class(found, there, 0).recall.tolist() == [0.5, 1.0]


def test_difficult_boxes_count_neither_way() -> None:
    there = [There(picture((0, 0, 10, 10), (20, 20, 30, 30)), np.zeros(2, int), np.array([False, True]))]
    found = [Found(picture((20, 20, 30, 30), (0, 0, 10, 10)), np.array([0.9, 0.8]), np.zeros(2, int))]
    for voc in (False, True):
        curve = curve_of_class(found, there, 0, voc=voc)
        assert (curve.count, curve.recall.tolist(), curve.precision.tolist()) == (1, [1.0], [1.0])


def test_a_class_that_no_picture_has_is_no_number() -> None:
    found, there = (
        [Found(picture(), np.zeros(0), np.zeros(0, int))],
        [There(picture(), np.zeros(0, int), np.zeros(0, bool))],
    )
    curve = curve_of_class(found, there, 0)
    assert np.isnan(average_precision(curve)) and len(curve.recall) == 0
    assert overlaps(picture((1, 1, 1, 1)), picture((1, 1, 1, 1))).tolist() == [[0.0]]
    with pytest.raises(InputError, match="no interpolation 'elven'; did you mean 'eleven'"):
        average_precision(curve, "elven")  # type: ignore[arg-type]
