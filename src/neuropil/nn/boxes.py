"""Boxes: overlap, and the suppression of those that are not the best of their object.

A box is `x1 y1 x2 y2`: left, top, right, bottom, in any one unit; right and bottom stand at the edge, not on the last
picture element. `N` boxes, `K` classes, `P` pictures.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from neuropil.errors import InputError

__all__ = ["best_of_each_object", "box_iou", "check_boxes", "generalized_iou", "nms", "nms_per_class", "paired_iou"]

BLOCK = 256
"""Boxes that are held against one another at a time: memory grows with N times this, not with N times N."""

MOST_PAIRS = 1 << 26
"""Pairs of boxes that are held in memory at a time."""


def check_boxes(boxes: Tensor, scores: Tensor | None = None) -> None:
    """Hold boxes (and their scores) against what the functions here read.

    Raises:
        InputError: not `[..., 4]`, not floating point, a number that is not finite, a right before its left or a
            bottom above its top; scores of another shape, or NaN.
    """
    if boxes.ndim < 1 or boxes.shape[-1] != 4 or not boxes.is_floating_point():
        raise InputError(f"boxes are floating-point numbers [..., 4], but {list(boxes.shape)} of {boxes.dtype} came")
    if not boxes.isfinite().all():
        raise InputError("a box holds NaN or infinity; leave it out")
    if (boxes[..., 2:] < boxes[..., :2]).any():
        raise InputError("a box ends before it begins; boxes are left, top, right, bottom (x1 y1 x2 y2)")
    if scores is not None and scores.isnan().any():
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


def nms(boxes: Tensor, scores: Tensor, threshold: float = 0.5) -> Tensor:
    """Non-maximum suppression: the best box stays, those that overlap it by more than the threshold go, and so on.

    Source: chapter, "NMS" (row 86); Girshick et al. 2014, "Rich feature hierarchies", section 2.2.

    Shape: boxes `[N, 4]`, scores `[N]` -> int64 `[kept]`, the places of those that stay, best first.

    Args:
        boxes: all of one class in one picture.
        scores: of equal ones, the first box counts as the better.
        threshold: intersection over union above which the worse of two boxes goes, 0 to 1.

    Raises:
        InputError: what `check_boxes` refuses, or a threshold outside 0 to 1.

    Differs:
        The chapter drops a box whose overlap is equal to the threshold; torchvision, onnxruntime and darknet keep it,
        and so does this. Works by blocks, so that no N by N matrix is made.

    Example:
        >>> nms(torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1.9], [5, 5, 6, 6]]), torch.tensor([0.9, 0.8, 0.7])).tolist()
        [0, 2]
    """
    _check_threshold(threshold)
    check_boxes(boxes, scores)
    if boxes.ndim != 2 or scores.shape != boxes.shape[:1]:
        raise InputError(f"nms reads boxes [N, 4] and scores [N], but {list(boxes.shape)}, {list(scores.shape)} came")
    order = scores.sort(descending=True, stable=True).indices
    return order[_kept_of_sorted(boxes[order], threshold)]


def _check_threshold(threshold: float) -> None:
    if not 0 <= threshold <= 1:
        raise InputError(f"the threshold of overlap is {threshold}; give 0 to 1")


class _Sides(NamedTuple):
    """Boxes by their sides, each a tensor of its own, which is several times faster to compare than rows of four."""

    left: Tensor
    top: Tensor
    right: Tensor
    bottom: Tensor
    area: Tensor

    @classmethod
    def of(cls, boxes: Tensor) -> _Sides:
        left, top, right, bottom = (side.contiguous() for side in boxes.unbind(-1))
        return cls(left, top, right, bottom, (right - left) * (bottom - top))

    def at(self, place: Any) -> _Sides:
        """Some of the boxes."""
        return _Sides(*(side[place] for side in self))


def _overlap_more(a: _Sides, b: _Sides, threshold: float) -> Tensor:
    """Whether boxes, whose axes are broadcast, overlap by more than the threshold; without a division by 0."""
    width = torch.minimum(a.right, b.right).sub_(torch.maximum(a.left, b.left)).clamp_(min=0)
    height = torch.minimum(a.bottom, b.bottom).sub_(torch.maximum(a.top, b.top)).clamp_(min=0)
    inside = width.mul_(height)
    return inside > (a.area + b.area).sub_(inside).mul_(threshold)


def _kept_of_sorted(boxes: Tensor, threshold: float) -> Tensor:
    """Whether each box of a list, best first, stays; bool `[N]`."""
    sides = _Sides.of(boxes)
    kept = torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    standing = torch.zeros(0, dtype=torch.int64, device=boxes.device)
    for begin in range(0, len(boxes), BLOCK):
        block = torch.arange(begin, min(begin + BLOCK, len(boxes)), device=boxes.device)
        for part in standing.split(8 * BLOCK):  # type: ignore[no-untyped-call]
            pairs = _overlap_more(sides.at((part, None)), sides.at((None, block)), threshold)
            block = block[~pairs.any(0)]
        among = _overlap_more(sides.at((block, None)), sides.at((None, block)), threshold)
        block = block[best_of_each_object(among)]
        kept[block] = True
        standing = torch.cat([standing, block])
    return kept


def best_of_each_object(overlap: Tensor) -> Tensor:
    """Which of boxes that stand best first are overlapped by no better one that stays itself.

    Starts with all and takes away what those that stay overlap, until nothing changes: as many rounds as the longest
    chain of boxes that save one another, most often two or three, in place of one for each box.

    Shape: bool `[..., N, N]` -> bool `[..., N]`.
    """
    better = overlap.triu(1)
    stays = torch.ones(overlap.shape[:-1], dtype=torch.bool, device=overlap.device)
    while True:
        then = ~(better & stays[..., None]).any(-2)
        if torch.equal(then, stays):
            return stays
        stays = then


def nms_per_class(
    boxes: Tensor, scores: Tensor, *, threshold: float = 0.5, least_score: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Non-maximum suppression in each class of each picture, in one call; a box may stand for several classes.

    Shape: boxes `[P, N, 4]`, scores `[P, N, K]` -> the picture, the box and the class of each that stays, int64
        `[kept]` each, by picture, then by class, then best first.

    Args:
        boxes: of each picture.
        scores: of each box in each class.
        threshold: as of `nms`.
        least_score: a box whose score is not above it is no candidate.

    Raises:
        InputError: as of `nms`.
    """
    _check_threshold(threshold)
    check_boxes(boxes, scores)
    if boxes.ndim != 3 or scores.ndim != 3 or scores.shape[:2] != boxes.shape[:2]:
        raise InputError(
            f"nms_per_class reads boxes [P, N, 4] and scores [P, N, K], but {list(boxes.shape)}, {list(scores.shape)} "
            "came"
        )
    candidates = (scores > least_score).nonzero()
    picture, box, number = candidates.unbind(1)
    group = picture * scores.shape[2] + number
    sure = scores[picture, box, number]
    order = sure.sort(descending=True, stable=True).indices
    order = order[group[order].sort(stable=True).indices]  # by picture and class, the best first
    picture, box, number, group = picture[order], box[order], number[order], group[order]
    stays = _kept_in_groups(boxes, picture, box, group, threshold)
    return picture[stays], box[stays], number[stays]


def _kept_in_groups(boxes: Tensor, picture: Tensor, box: Tensor, group: Tensor, threshold: float) -> Tensor:
    """Whether each candidate stays; they stand group by group, best first. Bool `[n]`."""
    if not len(group):
        return torch.zeros_like(group, dtype=torch.bool)
    _, row, counts = group.unique_consecutive(return_inverse=True, return_counts=True)  # type: ignore[no-untyped-call]
    first = counts.cumsum(0) - counts
    rank = torch.arange(len(group), device=group.device) - first[row]
    groups, most = len(counts), int(counts.max())
    if groups * most**2 <= boxes.shape[0] * boxes.shape[1] ** 2 and groups * most**2 <= MOST_PAIRS:
        return _kept_in_rows(boxes[picture, box], row, rank, groups, most, threshold)
    if boxes.shape[0] * boxes.shape[1] ** 2 <= MOST_PAIRS:
        return _kept_by_rank(boxes, picture, box, row, rank, groups, threshold)
    stays = [
        _kept_of_sorted(boxes[picture[begin], box[begin : begin + count]], threshold)
        for begin, count in zip(first.tolist(), counts.tolist(), strict=True)
    ]
    return torch.cat(stays)


def _kept_in_rows(found: Tensor, row: Tensor, rank: Tensor, groups: int, most: int, threshold: float) -> Tensor:
    """Few candidates a group: every pair of a group is looked at, all groups at once."""
    padded = found.new_zeros(groups, most, 4)
    padded[row, rank] = found
    sides = _Sides.of(padded)
    overlap = _overlap_more(sides.at((..., None)), sides.at((..., None, slice(None))), threshold)
    return best_of_each_object(overlap)[row, rank]


def _kept_by_rank(
    boxes: Tensor, picture: Tensor, box: Tensor, row: Tensor, rank: Tensor, groups: int, threshold: float
) -> Tensor:
    """Many candidates a group: the overlaps of a picture are computed once for all classes; the best candidates of all
    groups strike what they overlap, then the second best, and so on.
    """
    sides = _Sides.of(boxes)
    overlap = _overlap_more(sides.at((..., None)), sides.at((..., None, slice(None))), threshold).flatten(0, 1)
    count = boxes.shape[1]
    struck = torch.zeros(groups, count, dtype=torch.bool, device=boxes.device)
    stays = torch.zeros_like(row, dtype=torch.bool)
    by_rank = rank.sort(stable=True).indices
    for own in by_rank.split(rank.bincount().tolist()):  # type: ignore[no-untyped-call]
        own = own[~struck[row[own], box[own]]]
        stays[own] = True
        struck[row[own]] |= overlap[picture[own] * count + box[own]]
    return stays
