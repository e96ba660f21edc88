"""Detection: where things are, and what they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.contracts import BatchLike, Carry
from neuropil.nn.grid import GridLossForm, find_boxes, grid_loss, split_cells
from neuropil.tasks.average_precision import (
    COCO_THRESHOLDS,
    Found,
    There,
    average_precision,
    curve_of_class,
    mean_average_precision,
)
from neuropil.tasks.gathering import Gathering, at_least_single

__all__ = ["Detection", "DetectionScorer"]

Array = np.ndarray[Any, Any]


class Detection:
    """Boxes of a grid of cells: YOLO's loss, average precision, and answers after non-maximum suppression.

    Source:
        Chapter, "YOLO"; Redmon et al. 2016, section 2. See `neuropil.nn.grid.grid_loss` for the loss.

    Shape:
        outputs `[N, G, G, 5 B + K]`; targets float32 `[N, M, 6]`: class, left, top, right, bottom (shares of the
        picture), ignored; rows of class -1 fill up.

    Args:
        classes: names in the order of their numbers.
        form: of the loss, `paper` or `darknet`.
        coordinates: weight of the boxes' places and sizes.
        no_object: weight of the confidence of boxes that are responsible for nothing.
        threshold: overlap above which the less sure of two boxes of one class is suppressed.
        least_score: boxes that are less sure are no answer.

    Raises:
        InputError: no class, a name twice, or a number outside its range.

    Example:
        >>> task = Detection(["cat"])
        >>> outputs = torch.zeros(1, 7, 7, 6)
        >>> outputs[0, 3, 3] = torch.tensor([0.5, 0.5, 0.5, 0.5, 0.9, 1.0])
        >>> [(one["class"], one["box"]) for one in task.answer(outputs)[0]["boxes"]]
        [('cat', [0.375, 0.375, 0.625, 0.625])]
    """

    name = "detection"
    metric = "map50"
    metric_mode: Literal["max", "min"] = "max"

    def __init__(
        self,
        classes: Sequence[str],
        *,
        form: GridLossForm = "paper",
        coordinates: float = 5.0,
        no_object: float = 0.5,
        threshold: float = 0.5,
        least_score: float = 0.2,
    ) -> None:
        self.classes = tuple(classes)
        self.form, self.coordinates, self.no_object = form, coordinates, no_object
        self.threshold, self.least_score = threshold, least_score
        if not self.classes:
            raise InputError("detection needs at least one class, but none was named")
        twice = sorted({one for one in self.classes if self.classes.count(one) > 1})
        if twice:
            raise InputError(f"class names must differ, but {twice[0]!r} stands there twice")
        if not (coordinates > 0 and no_object > 0):
            raise InputError(f"weights of the loss must be above 0, but {coordinates} and {no_object} were given")
        if not (0 <= threshold <= 1 and 0 <= least_score <= 1):
            raise InputError(f"threshold and least_score lie between 0 and 1, but {threshold} and {least_score} came")

    def step(self, model: nn.Module, batch: BatchLike, carry: Carry) -> tuple[Tensor, Carry]:
        """The loss of one batch.

        Raises:
            InputError: outputs or targets of the wrong shape.
        """
        return self.loss(at_least_single(model(batch.inputs)), batch.targets), carry

    def loss(self, outputs: Tensor, targets: Tensor, reduction: Literal["mean", "none"] = "mean") -> Tensor:
        """YOLO's loss, the mean over pictures or `[N]`."""
        if targets.ndim != 3 or targets.shape[-1] not in (5, 6):
            raise InputError(f"targets of a detection are boxes [N, M, 6], but {list(targets.shape)} came")
        return grid_loss(
            outputs, targets, len(self.classes), form=self.form, coordinates=self.coordinates,
            no_object=self.no_object, reduction=reduction,
        )  # fmt: skip

    def boxes(self, outputs: Tensor, least_score: float) -> list[Found]:
        """What the network finds in each picture, after suppression in each class; boxes as shares of the picture."""
        outputs = at_least_single(outputs)
        every = find_boxes(outputs, len(self.classes), threshold=self.threshold, least_score=least_score)
        picture, classes, _, boxes, scores = (one.cpu() for one in every)
        found = []
        for place in range(len(outputs)):
            own = picture == place
            found.append(Found(boxes[own].double().numpy(), scores[own].double().numpy(), classes[own].numpy()))
        return found

    def scorer(self) -> DetectionScorer:
        """A fresh scorer."""
        return DetectionScorer(self)

    def answer(self, outputs: Tensor) -> list[dict[str, Any]]:
        """How many boxes there are of which class, and each, surest first: class, score, left, top, right and bottom.

        Edges are shares of the picture's width and height.

        Raises:
            InputError: outputs of the wrong shape.
        """
        split_cells(outputs, len(self.classes))
        answers = []
        for one in self.boxes(outputs, self.least_score):
            order = np.argsort(-one.scores, kind="stable")
            boxes = [
                {
                    "class": self.classes[int(one.classes[place])],
                    "score": float(one.scores[place]),
                    "box": [float(edge) for edge in one.boxes[place]],
                }
                for place in order
            ]
            counts = Counter(one["class"] for one in boxes)
            what = ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing"
            answers.append({"found": what, "boxes": boxes})
        return answers


FAINTEST = 0.005
"""Boxes that are less sure play no part in average precision, as in darknet's own evaluation."""


class DetectionScorer:
    """Loss; average precision at an overlap of 0.5 (the mean over classes, by all points), and COCO's.

    Args:
        task: whose loss and classes these are.
    """

    def __init__(self, task: Detection) -> None:
        self.task = task
        self._gathered = Gathering()
        self.found: list[Found] = []
        self.there: list[There] = []

    def update(self, model: nn.Module, batch: BatchLike) -> None:
        """Run the model on one batch and add its results.

        Raises:
            InputError: outputs or targets that do not fit the task.
        """
        with torch.no_grad():
            outputs = at_least_single(model(batch.inputs))
            self._gathered.add(batch.indices, losses=self.task.loss(outputs, batch.targets, reduction="none"))
            self.found += self.task.boxes(outputs, FAINTEST)
        for rows in batch.targets.cpu().double().numpy():
            real = rows[rows[:, 0] >= 0]
            ignored = real[:, 5] > 0 if real.shape[1] > 5 else np.zeros(len(real), dtype=bool)
            self.there.append(There(real[:, 1:5], real[:, 0].astype(np.int64), ignored))

    def compute(self) -> dict[str, float]:
        """`loss`, `map50` (every recall that occurs), `map` (COCO: overlaps 0.5 to 0.95, 101 recalls), `map75`.

        Classes that no picture has do not count.

        Raises:
            InputError: no batch was scored.
        """
        losses = self._gathered.column("losses")
        count = len(self.task.classes)
        single = np.array([average_precision(self.curve(number)) for number in range(count)])
        coco = mean_average_precision(self.found, self.there, count)
        present = ~np.isnan(single)
        if not present.any():
            return {"loss": float(losses.mean()), "map50": 0.0, "map": 0.0, "map75": 0.0}
        at_75 = coco[present, COCO_THRESHOLDS.index(0.75)]
        return {
            "loss": float(losses.mean()),
            "map50": float(single[present].mean()),
            "map": float(coco[present].mean()),
            "map75": float(at_75.mean()),
        }

    def curve(self, number: int) -> Any:
        """Precision over recall of one class at an overlap of 0.5."""
        return curve_of_class(self.found, self.there, number)

    def details(self) -> Mapping[str, Array]:
        """What a report draws.

        Per sample `indices` and `losses`; `classes` `[K, 4]`: average precision, true boxes, found and right ones at
        the score that answers need; `recalls` and `precisions` `[K, 101]`; boxes found and there, one row each, with
        the number of their sample first.

        Raises:
            InputError: no batch was scored.
        """
        curves = [self.curve(number) for number in range(len(self.task.classes))]
        rows = []
        for curve in curves:
            answered = int((curve.scores >= self.task.least_score).sum())
            right = round(float(curve.recall[answered - 1]) * curve.count) if answered else 0
            rows.append([average_precision(curve), curve.count, answered, right])
        steps = np.linspace(0, 1, 101)
        best = [np.maximum.accumulate(curve.precision[::-1])[::-1] for curve in curves]
        places = [np.searchsorted(curve.recall, steps) for curve in curves]
        precisions = [np.append(one, 0.0)[np.minimum(place, len(one))] for one, place in zip(best, places, strict=True)]
        return {
            "indices": self._gathered.indices,
            "losses": self._gathered.column("losses"),
            "classes": np.array(rows),
            "recalls": steps,
            "precisions": np.array(precisions),
            "found": _rows([(one.classes, one.boxes, one.scores) for one in self.found], self.task.least_score),
            "there": _rows([(one.classes, one.boxes, np.ones(len(one.boxes))) for one in self.there], 0.0),
        }


def _rows(pictures: Sequence[tuple[Array, Array, Array]], least: float) -> Array:
    """Boxes of all pictures, `[n, 7]`: picture, class, left, top, right, bottom, score (or 1)."""
    parts = [np.zeros((0, 7))]
    for place, (classes, boxes, scores) in enumerate(pictures):
        shown = scores >= least
        columns = [np.full(int(shown.sum()), float(place)), classes[shown].astype(float), *boxes[shown].T]
        parts.append(np.stack([*columns, scores[shown]], axis=1))
    return np.concatenate(parts)
