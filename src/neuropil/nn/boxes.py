"""Boxes, and how much they overlap.

A box is `x1 y1 x2 y2`: left, top, right, bottom, in any one unit; right and bottom stand at the edge, not on the last
picture element.
"""

from __future__ import annotations

import torch
from torch import Tensor

from neuropil.errors import InputError

__all__ = ["box_iou", "check_boxes", "generalized_iou", "paired_iou"]


def check_boxes(boxes: Tensor, scores: Tensor | None = None) -> None:
    """Hold boxes (and their scores) against what the functions here read.

    Raises:
        InputError: not `[..., 4]`, not floating point, a number that is not finite, a right before its left or a
            bottom above its top; scores of another shape, or NaN.
    """
    if boxes.ndim < 1 or boxes.shape[-1] != 4 or not boxes.is_floating_point():
        raise InputError(f"boxes are floating-point numbers [..., 4], but {list(boxes.shape)} of {boxes.dtype} came")
    if not boxes.numel():
        return
    least, most = boxes.aminmax()
    faults = [~(least.isfinite() & most.isfinite()), (boxes[..., 2:] < boxes[..., :2]).any()]
    if scores is not None and scores.numel():
        faults.append(scores.amax().isnan())
    found = torch.stack(faults).tolist()  # one wait for the device
    if found[0]:
        raise InputError("a box holds NaN or infinity; leave it out")
    if found[1]:
        raise InputError("a box ends before it begins; boxes are left, top, right, bottom (x1 y1 x2 y2)")
    if found[-1]:
        raise InputError("a box's score is NaN; leave the box out")


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _overlaps(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection and union of boxes whose leading axes are broadcast."""
    width = torch.minimum(a[..., 2], b[..., 2]) - torch.maximum(a[..., 0], b[..., 0])
    height = torch.minimum(a[..., 3], b[..., 3]) - torch.maximum(a[..., 1], b[..., 1])
    inside = width.clamp_(min=0) * height.clamp_(min=0)
    return inside, _areas(a) + _areas(b) - inside


def paired_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of each box of `a` with the one at its place in `b`.

    Source: chapter, "YOLO", confidence; Everingham et al. 2010, "The PASCAL visual object classes challenge",
    equation 3.
    Formula: `area(a ∩ b) / area(a ∪ b)`, 0 where neither has an area.

    Shape: `[..., 4]` and `[..., 4]`, broadcast -> `[...]`.

    Example:
        >>> paired_iou(torch.tensor([0.0, 0, 2, 2]), torch.tensor([1.0, 0, 3, 2])).item()
        0.3333333432674408
    """
    inside, union = _overlaps(a, b)
    return torch.where(union > 0, inside / union.where(union > 0, 1), 0)


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of every box of `a` with every box of `b`; see `paired_iou`.

    Shape: `[..., N, 4]` and `[..., M, 4]` -> `[..., N, M]`.

    Raises:
        InputError: what `check_boxes` refuses.
    """
    check_boxes(a)
    check_boxes(b)
    return paired_iou(a[..., :, None, :], b[..., None, :, :])


def generalized_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union, less the share of the least box around both that neither fills: -1 to 1.

    Source: Rezatofighi et al. 2019, "Generalized intersection over union", algorithm 1.

    Shape: `[..., N, 4]` and `[..., M, 4]` -> `[..., N, M]`.

    Raises:
        InputError: what `check_boxes` refuses.

    Example:
        >>> generalized_iou(torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([[2.0, 0, 3, 1]])).item()
        -0.3333333432674408
    """
    check_boxes(a)
    check_boxes(b)
    a, b = a[..., :, None, :], b[..., None, :, :]
    inside, union = _overlaps(a, b)
    sides = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    around = sides.prod(-1)
    iou = torch.where(union > 0, inside / union.where(union > 0, 1), 0)
    return iou - torch.where(around > 0, (around - union) / around.where(around > 0, 1), 0)
