"""What a report is made from: plain values and NumPy arrays, nothing of PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

__all__ = ["BoxPicture", "Boxes", "DrawnBox", "MaskPicture", "Mistake", "Report"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Mistake:
    """One sample that the network got wrong, or furthest from right.

    Args:
        name: how to call the sample: a file name, `row 17`.
        truth: the right answer, a class name or a value.
        predicted: the network's answer.
        probability: what the network gave its answer, in [0, 1]; `None` for values.
        image: uint8 `[C, H, W]`, where the sample is an image.
        loss: the sample's loss.
    """

    name: str
    truth: str | float
    predicted: str | float
    probability: float | None = None
    image: Array | None = None
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """One box to be drawn.

    Args:
        number: of its class.
        corners: left, top, right, bottom as shares of the picture's width and height.
        score: how sure the network is of it; `None` for a true box.
    """

    number: int
    corners: tuple[float, float, float, float]
    score: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class BoxPicture:
    """A picture with what was found in it and what is there.

    Args:
        name: how to call the picture.
        image: uint8 `[C, H, W]`.
        found: by the network.
        there: in truth.
        loss: of the picture.
    """

    name: str
    image: Array
    found: Sequence[DrawnBox]
    there: Sequence[DrawnBox]
    loss: float


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """What a detector found.

    Args:
        table: `[K, 4]`: a class's average precision, its true boxes, those found at the score of answers, those of them
            that are right.
        recalls: `[R]`.
        precisions: `[K, R]`: the best precision at each recall or beyond.
        pictures: the worst first.
    """

    table: Array
    recalls: Array
    precisions: Array
    pictures: Sequence[BoxPicture]


@dataclass(frozen=True, slots=True, eq=False)
class MaskPicture:
    """A picture with the class of each of its elements.

    Args:
        name: how to call the picture.
        image: uint8 `[C, H, W]`.
        found: class numbers by the network, `[H, W]`.
        there: in truth; 255 where it is not known.
        loss: of the picture.
    """

    name: str
    image: Array
    found: Array
    there: Array
    loss: float


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """One training run, ready to be drawn. Whatever is left out is left out of the page.

    All but the last four fields must be the same for two runs of one recipe: they make up the part of the page that
    is the same to the last byte. Name run folders, times and versions in the last four only.

    Args:
        title: the heading, such as the recipe's title.
        name: of the recipe.
        task: `classification`, `regression` ...
        status: `finished`, `stopped early` ...
        headline: the figures that matter most, the first one largest; a number is rounded, text stands as it is.
        history: a row each time something was measured, with `step`, `epoch`, `train_*`, `valid_*`, `lr`; other keys
            are passed over, and rows of one step are merged.
        best_step: the step of the best checkpoint.
        metric: the task's own metric, found in the history as `valid_<metric>`.
        metric_mode: whether more or less of it is better.
        confusion: counts `[K, K]`, truth by prediction.
        classes: K names.
        mistakes: the worst first.
        boxes: what a detector found.
        masks: pictures that were outlined, the worst first.
        filters: weights of the first convolution, `[N, C, H, W]`.
        scatter: true and predicted values, both `[n]` or `[n, D]`.
        targets: names of the D values.
        recipe_toml: the resolved recipe.
        notes: sentences on the data that the reader should know.
        skipped: samples left out, each `(where, reason)`.
        next_commands: what to type next, for this run folder.
        speed: samples a second, times, what the speed plan chose.
        environment: versions, processor, threads, run folder, dates.
        machine_notes: sentences that may differ between two identical runs (resumed at step ..., a slow disk).
    """

    title: str
    name: str = ""
    task: str = ""
    status: str = ""
    headline: Sequence[tuple[str, str | float]] = ()
    history: Sequence[Mapping[str, Any]] = ()
    best_step: int | None = None
    metric: str = ""
    metric_mode: Literal["max", "min"] = "max"
    confusion: Array | None = None
    classes: Sequence[str] = ()
    mistakes: Sequence[Mistake] = ()
    boxes: Boxes | None = None
    masks: Sequence[MaskPicture] = ()
    filters: Array | None = None
    scatter: tuple[Array, Array] | None = None
    targets: Sequence[str] = ()
    recipe_toml: str = ""
    notes: Sequence[str] = ()
    skipped: Sequence[tuple[str, str]] = ()
    next_commands: Sequence[str] = ()
    speed: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    machine_notes: Sequence[str] = ()
