"""YOLO's grid: true boxes to cells, cells to boxes, and the loss between them.

A true box is a row of `class, x1, y1, x2, y2` and perhaps `ignored`, in shares of the picture's width and height; rows
of class -1 fill up. `N` pictures, `M` rows, `G` cells a side, `B` boxes a cell, `K` classes.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from neuropil.errors import InputError
from neuropil.nn.boxes import paired_iou
from neuropil.nn.suppression import check_threshold, nms_per_class, suppress_on_host
from neuropil.registry import nearest

__all__ = ["Cells", "Finds", "GridLossForm", "assign_cells", "decode_cells", "find_boxes", "grid_loss", "split_cells"]

Array = np.ndarray[Any, Any]

GridLossForm = Literal["paper", "darknet"]

FEW = 4096
"""Boxes for which a processor needs less time than a GPU needs to be told what to do."""


class Cells(NamedTuple):
    """The cells in which a true box has its centre, one row each; `n` of them."""

    picture: Tensor
    """int64 `[n]`."""
    row: Tensor
    """int64 `[n]`."""
    column: Tensor
    """int64 `[n]`."""
    classes: Tensor
    """int64 `[n]`."""
    boxes: Tensor
    """`[n, 4]`: the centre's x and y in the cell, 0 to 1, and width and height, shares of the picture's."""


def assign_cells(targets: Tensor, grid: int) -> Cells:
    """Each true box to the cell that its centre falls into; of several in one cell, the first counts.

    Source: chapter, "YOLO"; Redmon et al. 2016, section 2; darknet's `fill_truth_region` also keeps the first.

    Shape: `[N, M, 5]` or `[N, M, 6]` -> `Cells`. Rows of class -1 and ignored rows are left out.

    Args:
        targets: true boxes.
        grid: G.

    Example:
        >>> cells = assign_cells(torch.tensor([[[2, 0.0, 0.0, 0.5, 0.25]]]), 7)
        >>> cells.row.tolist(), cells.column.tolist(), cells.boxes.tolist()
        ([0], [1], [[0.75, 0.875, 0.5, 0.25]])
    """
    corners = targets[..., 1:5]
    centre = grid * (corners[..., :2] + corners[..., 2:]) / 2
    place = centre.floor().clamp(0, grid - 1)
    counts = targets[..., 0] >= 0
    if targets.shape[-1] > 5:
        counts &= targets[..., 5] == 0
    number = (place[..., 1] * grid + place[..., 0]).long()
    same = (number[:, :, None] == number[:, None, :]) & counts[:, None, :]
    counts &= ~same.tril(-1).any(2)
    picture, which = counts.nonzero(as_tuple=True)
    boxes = torch.cat([centre - place, corners[..., 2:] - corners[..., :2]], -1)[picture, which]
    column, row = place[picture, which].long().unbind(-1)
    return Cells(picture, row, column, targets[picture, which, 0].long(), boxes)


def split_cells(outputs: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """The numbers of each cell: `[N, G, G, B, 5]` for its boxes, `[N, G, G, K]` for its classes.

    Raises:
        InputError: numbers of a cell that are no 5 B + K, or a grid that is no square.
    """
    if outputs.ndim != 4 or outputs.shape[1] != outputs.shape[2]:
        raise InputError(f"a detector gives [N, G, G, 5 B + K], but the network's outputs are {list(outputs.shape)}")
    for_boxes = outputs.shape[3] - num_classes
    if for_boxes < 5 or for_boxes % 5:
        raise InputError(
            f"{num_classes} classes and B boxes need 5 B + {num_classes} numbers a cell, but the network gives "
            f"{outputs.shape[3]}; build it with num_classes={num_classes}"
        )
    boxes = outputs[..., :for_boxes].reshape(*outputs.shape[:3], for_boxes // 5, 5)
    return boxes, outputs[..., for_boxes:]


def decode_cells(outputs: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Boxes inside the picture, and the score of each in each class: its confidence times the class's probability.

    Source: chapter, "YOLO"; Redmon et al. 2016, equation 1.

    Shape: `[N, G, G, 5 B + K]` -> boxes `[N, G G B, 4]` (x1 y1 x2 y2, shares of the picture), scores `[N, G G B, K]`.
    """
    boxes, classes = split_cells(outputs, num_classes)
    grid = outputs.shape[1]
    steps = torch.arange(grid, dtype=boxes.dtype, device=boxes.device)
    x = (boxes[..., 0] + steps[None, None, :, None]) / grid
    y = (boxes[..., 1] + steps[None, :, None, None]) / grid
    corners = _corners(x, y, boxes[..., 2] ** 2, boxes[..., 3] ** 2).clamp(0, 1)
    scores = boxes[..., 4, None] * classes[..., None, :]
    return corners.flatten(1, 3), scores.flatten(1, 3)


def _corners(x: Tensor, y: Tensor, width: Tensor, height: Tensor) -> Tensor:
    return torch.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], -1)


class Finds(NamedTuple):
    """What was found in a batch of pictures, `n` boxes: by picture, then by class, then best first."""

    picture: Tensor
    """int64 `[n]`."""
    classes: Tensor
    """int64 `[n]`."""
    place: Tensor
    """int64 `[n]`: which of the picture's G G B boxes."""
    boxes: Tensor
    """`[n, 4]`: left, top, right, bottom, shares of the picture."""
    scores: Tensor
    """`[n]`."""


def find_boxes(outputs: Tensor, num_classes: int, *, threshold: float = 0.5, least_score: float = 0.0) -> Finds:
    """Decoding, the choice of those that are sure enough, and suppression in each class, for many pictures in one call.

    The same as `decode_cells` and `nms_per_class`, but boxes that cannot be sure enough of any class are left alone
    from the beginning. What is not finite is never found.

    Source: chapter, "YOLO" and "NMS"; Redmon et al. 2016, section 2.3.

    Shape: outputs `[N, G, G, 5 B + K]` -> `Finds`.

    Args:
        outputs: of the network, in which roots stand for widths and heights.
        num_classes: K.
        threshold: overlap above which the less sure of two boxes of one class goes.
        least_score: confidence times class probability that a box must have more of.

    Raises:
        InputError: outputs of the wrong shape, or a threshold outside 0 to 1.
    """
    check_threshold(threshold)
    boxes, classes = split_cells(outputs.detach(), num_classes)
    if not outputs.numel():
        return _of_all(outputs, num_classes, threshold, least_score)
    confidence = boxes[..., 4].flatten()  # [N G G B]
    low, high = torch.stack(classes.aminmax()).tolist()
    places = (torch.maximum(confidence * low, confidence * high) > least_score).nonzero()[:, 0]
    most = len(confidence) // 2 if outputs.device.type == "cpu" else min(len(confidence) // 2, FEW)
    if len(places) > most or not math.isfinite(high - low):
        return _of_all(outputs, num_classes, threshold, least_score)
    own = boxes.reshape(-1, 5).index_select(0, places)
    rows = classes.reshape(-1, num_classes).index_select(0, places // boxes.shape[3])
    chosen = _on_host(own), _on_host(rows), _on_host(places)
    found = _of_few(*chosen, outputs.shape[1], boxes.shape[3], threshold, least_score)
    picture, number, place, corners, scores = (torch.from_numpy(one).to(outputs.device) for one in found)
    return Finds(picture, number, place, corners.to(outputs.dtype), scores.to(outputs.dtype))


def _on_host(numbers: Tensor) -> Array:
    """Numbers as NumPy computes with, which takes less time for so few than PyTorch; float32 for half precision."""
    if numbers.dtype in (torch.float16, torch.bfloat16):
        numbers = numbers.float()
    return numbers.cpu().numpy()


@np.errstate(all="ignore")  # what is not finite goes
def _of_few(
    own: Array, rows: Array, places: Array, grid: int, count: int, threshold: float, least_score: float
) -> tuple[Array, ...]:
    """What `Finds` holds, of boxes `[n, 5]` that may be sure enough, the classes `[n, K]` of their cells, and where
    they stand among the boxes of all pictures.
    """
    scores = own[:, 4:] * rows
    if not (good := np.isfinite(own).all(1)).all():
        scores[~good] = -np.inf
    picked = np.flatnonzero(scores > least_score)
    box, number = np.divmod(picked, rows.shape[1])
    own, places, scores = own[box], places[box], scores.ravel()[picked]
    cell = places // count
    x, y, width, height, _ = own.T
    x, y = (x + (cell % grid).astype(x.dtype)) / grid, (y + (cell // grid % grid).astype(y.dtype)) / grid
    width, height = width * width / 2, height * height / 2
    corners = np.stack([x - width, y - height, x + width, y + height], 1).clip(0, 1)
    picture, place = np.divmod(places, grid * grid * count)
    kept = suppress_on_host(corners, scores, picture * rows.shape[1] + number, threshold)
    return picture[kept], number[kept], place[kept], corners[kept], scores[kept]


def _of_all(outputs: Tensor, num_classes: int, threshold: float, least_score: float) -> Finds:
    corners, scores = decode_cells(outputs.detach(), num_classes)
    good = split_cells(outputs, num_classes)[0].isfinite().all(-1).flatten(1)[..., None]
    corners, scores = corners.where(good, 0), scores.where(good & scores.isfinite(), 0)
    picture, box, number = nms_per_class(corners, scores, threshold=threshold, least_score=least_score)
    return Finds(picture, number, box, corners[picture, box], scores[picture, box, number])


def grid_loss(
    outputs: Tensor,
    targets: Tensor,
    num_classes: int,
    *,
    form: GridLossForm = "paper",
    coordinates: float = 5.0,
    no_object: float = 0.5,
    reduction: Literal["mean", "none"] = "mean",
) -> Tensor:
    """YOLO's loss: squares of what each cell has wrong of its box, its confidence and its classes.

    Source: chapter, "YOLO", loss (a picture there); Redmon et al. 2016, equation 3, and darknet's
    `detection_layer.c`.
    Formula: `lambda_coord sum 1_ij ((x - x')^2 + (y - y')^2 + (sqrt w - sqrt w')^2 + (sqrt h - sqrt h')^2) + sum 1_ij
    (C - C')^2 + lambda_noobj sum (1 - 1_ij) (C - C')^2 + sum 1_i sum_c (p(c) - p'(c))^2`, where box j of cell i is
    responsible (`1_ij`) if it overlaps the true box most, and C' is that overlap, or 0.

    Shape: outputs `[N, G, G, 5 B + K]`, targets `[N, M, 5]` -> a number, or `[N]`.

    Args:
        outputs: of the network, in which roots stand for widths and heights.
        targets: see the module.
        num_classes: K.
        form: `paper`, or `darknet`: half of it, so that its gradient is darknet's delta with the sign turned, and where
            no box overlaps the true one, the nearest is responsible.
        coordinates: lambda_coord.
        no_object: lambda_noobj.
        reduction: the mean over pictures, or each picture's.

    Raises:
        InputError: shapes that do not fit, an unknown form, or a class that is outside 0 to K - 1.
    """
    if form not in get_args(GridLossForm):
        raise InputError(f"there is no form {form!r} of the loss; {nearest(form, get_args(GridLossForm))}")
    boxes, classes = split_cells(outputs, num_classes)
    cells = assign_cells(targets.to(boxes.dtype), outputs.shape[1])
    if len(cells.classes) and int(cells.classes.max()) >= num_classes:
        raise InputError(f"a true box is of class {int(cells.classes.max())}, outside 0 to {num_classes - 1}")
    at = (cells.picture, cells.row, cells.column)
    predicted, truth = boxes[at], cells.boxes  # [n, B, 5], [n, 4]
    responsible, overlap = _responsible(predicted.detach(), truth, outputs.shape[1], form)
    own = predicted[torch.arange(len(truth), device=truth.device), responsible]
    wanted = torch.cat([truth[:, :2], truth[:, 2:].sqrt()], 1)
    one_of_k = torch.zeros_like(classes[at]).scatter_(1, cells.classes[:, None], 1.0)
    of_cell = (
        coordinates * (own[:, :4] - wanted).square().sum(1)
        + (own[:, 4] - overlap).square()
        - no_object * own[:, 4].square()
        + (classes[at] - one_of_k).square().sum(1)
    )
    losses = no_object * boxes[..., 4].square().sum((1, 2, 3))
    losses = losses.index_add(0, cells.picture, of_cell)
    if form == "darknet":
        losses = losses / 2
    return losses if reduction == "none" else losses.mean()


def _responsible(predicted: Tensor, truth: Tensor, grid: int, form: GridLossForm) -> tuple[Tensor, Tensor]:
    """Which box of each cell answers for the true one, and how much it overlaps it; int64 `[n]`, `[n]`."""
    scale = torch.tensor([grid, grid, 1.0, 1.0], dtype=truth.dtype, device=truth.device)
    real = truth / scale  # the cell's own place is the same for both and drops out
    guess = torch.cat([predicted[..., :2], predicted[..., 2:4].square()], -1) / scale
    overlap = paired_iou(_corners(*guess.unbind(-1)), _corners(*real.unbind(-1))[:, None])
    best = overlap.argmax(1)
    if form == "darknet":
        nearest_box = (guess - real[:, None]).square().sum(-1).argmin(1)
        best = torch.where(overlap.amax(1) > 0, best, nearest_box)
    return best, overlap.gather(1, best[:, None])[:, 0]
