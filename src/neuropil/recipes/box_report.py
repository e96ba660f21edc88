"""What a detector found, ready to be drawn and written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neuropil.data.picture_files import whole_pictures
from neuropil.data.records import Samples
from neuropil.drawing.boxes import with_boxes
from neuropil.drawing.records import Boxes, BoxPicture, DrawnBox
from neuropil.errors import InputError
from neuropil.files import write_atomic
from neuropil.recipes.prediction import Prediction, drawn_names, refuse_existing

__all__ = ["boxes_of_details", "in_pixels", "true_boxes", "write_boxes"]

PICTURES = 12


def boxes_of_details(details: Mapping[str, Any], samples: Samples) -> Boxes:
    """The report's record from a scorer's details: the pictures with the greatest loss first."""
    pictures = []
    for row in np.argsort(-details["losses"], kind="stable")[:PICTURES].tolist():
        index = int(details["indices"][row])
        image = samples.fetch(np.array([index], dtype=np.int64))[0][0]
        found, there = (details[key][details[key][:, 0] == row] for key in ("found", "there"))
        pictures.append(
            BoxPicture(
                samples.name(index),
                image,
                [_drawn(one, float(one[6])) for one in found],
                [_drawn(one, None) for one in there],
                float(details["losses"][row]),
            )
        )
    return Boxes(details["classes"], details["recalls"], details["precisions"], pictures)


def true_boxes(rows: np.ndarray[Any, Any]) -> list[DrawnBox]:
    """The true boxes of one picture, from its targets `[M, 6]`."""
    return [
        DrawnBox(int(row[0]), (float(row[1]), float(row[2]), float(row[3]), float(row[4])))
        for row in rows[rows[:, 0] >= 0]
    ]


def _drawn(row: np.ndarray[Any, Any], score: float | None) -> DrawnBox:
    left, top, right, bottom = (float(edge) for edge in row[2:6])
    return DrawnBox(int(row[1]), (left, top, right, bottom), score)


def in_pixels(answer: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """An answer whose boxes are in picture elements of the picture's own height and width.

    Example:
        >>> in_pixels({"boxes": [{"class": "a", "box": [0.0, 0.25, 0.5, 1.0]}]}, (100, 200))["boxes"][0]["box"]
        [0.0, 25.0, 100.0, 100.0]
    """
    height, width = size
    scale = (width, height, width, height)
    boxes = [
        {**one, "box": [round(edge * side, 2) for edge, side in zip(one["box"], scale, strict=True)]}
        for one in answer["boxes"]
    ]
    return {**answer, "boxes": boxes}


def write_boxes(
    predictions: Sequence[Prediction], paths: Sequence[str], classes: Sequence[str], folder: Path
) -> list[Path]:
    """Each picture with its boxes drawn in as a PNG file, and `predictions.json` in COCO's format for results.

    Args:
        predictions: of picture files.
        paths: the files and folders that they come from.
        classes: names in the order of their numbers; `category_id` counts from 1.
        folder: where to; it is made where it is missing.

    Raises:
        InputError: a file of that name is there already, or the folder cannot be written to.
    """
    answers = {one.name: one for one in predictions}
    results = folder / "predictions.json"
    places = {name: folder / f"{stem}.png" for name, stem in drawn_names(answers).items()}
    refuse_existing([results, *places.values()])
    written = [results]
    rows = [
        {
            "image_id": one.name,
            "category_id": classes.index(box["class"]) + 1,
            "category": box["class"],
            "bbox": [left, top, round(right - left, 2), round(bottom - top, 2)],
            "score": box["score"],
        }
        for one in predictions
        for box in one.answer["boxes"]
        for left, top, right, bottom in [box["box"]]
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(results, json.dumps(rows, indent=1) + "\n", durable=False)
        for name, image in whole_pictures(paths):
            if name in answers:
                boxes = _in_shares(answers[name].answer, image.shape[1:], classes)
                write_atomic(places[name], with_boxes(image, boxes, classes), durable=False)
                written.append(places[name])
    except OSError as error:
        raise InputError(f"{str(folder)!r} cannot be written to: {error.strerror or error}") from error
    return written


def _in_shares(answer: Mapping[str, Any], size: Sequence[int], classes: Sequence[str]) -> list[DrawnBox]:
    """The boxes of one answer, the surest last, so that it is drawn on top."""
    height, width = size
    drawn = []
    for one in reversed(answer["boxes"]):
        left, top, right, bottom = one["box"]
        corners = (left / width, top / height, right / width, bottom / height)
        drawn.append(DrawnBox(classes.index(one["class"]), corners, one["score"]))
    return drawn
