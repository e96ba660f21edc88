"""Non-maximum suppression: of boxes that show the same object, the best stays.

`N` boxes, `K` classes, `P` pictures; a box is `x1 y1 x2 y2`, as in `neuropil.nn.boxes`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from neuropil.errors import InputError
from neuropil.nn.boxes import check_boxes

__all__ = ["best_of_each_object", "check_threshold", "nms", "nms_of_groups", "nms_per_class", "suppress_on_host"]

Array = np.ndarray[Any, Any]

BLOCK = 256
"""Boxes that are held against one another at a time: memory grows with N times this, not with N times N."""

MOST_PAIRS = 1 << 26
"""Pairs of boxes that are held in memory at a time."""

MANY = 0.1
"""Share of all boxes and classes from which on those that are candidates are no longer picked out one by one."""


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
    check_threshold(threshold)
    check_boxes(boxes, scores)
    if boxes.ndim != 2 or scores.shape != boxes.shape[:1]:
        raise InputError(f"nms reads boxes [N, 4] and scores [N], but {list(boxes.shape)}, {list(scores.shape)} came")
    order = scores.sort(descending=True, stable=True).indices
    return order[_kept_of_sorted(boxes[order], threshold)]


def check_threshold(threshold: float) -> None:
    """Hold a threshold of overlap against what it may be.

    Raises:
        InputError: it lies outside 0 to 1.
    """
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
    check_threshold(threshold)
    check_boxes(boxes, scores)
    if boxes.ndim != 3 or scores.ndim != 3 or scores.shape[:2] != boxes.shape[:2]:
        raise InputError(
            f"nms_per_class reads boxes [P, N, 4] and scores [P, N, K], but {list(boxes.shape)}, {list(scores.shape)} "
            "came"
        )
    boxes, scores = boxes.detach(), scores.detach()
    picture, box, number = (scores > least_score).nonzero(as_tuple=True)
    on_host = boxes.device.type == "cpu" and boxes.shape[0] * boxes.shape[1] ** 2 <= MOST_PAIRS
    if on_host and len(picture) > MANY * scores.numel():
        return _of_many(boxes, scores, threshold, least_score)
    group = picture * scores.shape[2] + number
    kept = nms_of_groups(boxes[picture, box], scores[picture, box, number], group, threshold)
    return picture[kept], box[kept], number[kept]


def nms_of_groups(boxes: Tensor, scores: Tensor, group: Tensor, threshold: float = 0.5) -> Tensor:
    """Non-maximum suppression in each group of boxes by itself: a class of a picture, say.

    Shape: boxes `[N, 4]`, scores `[N]`, group int64 `[N]` -> int64 `[kept]`, by group, then best first.

    Args:
        boxes: of all groups.
        scores: of equal ones, the first box counts as the better.
        group: any number for each box.
        threshold: as of `nms`.

    Raises:
        InputError: as of `nms`.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1.9], [0, 0, 2, 2]])
        >>> nms_of_groups(boxes, torch.tensor([0.8, 0.9, 0.7]), torch.tensor([0, 0, 1])).tolist()
        [1, 2]
    """
    check_threshold(threshold)
    check_boxes(boxes, scores)
    if boxes.ndim != 2 or scores.shape != boxes.shape[:1] or group.shape != scores.shape:
        came = f"{list(boxes.shape)}, {list(scores.shape)}, {list(group.shape)}"
        raise InputError(f"nms_of_groups reads boxes [N, 4], scores [N] and groups [N], but {came} came")
    return _suppress_groups(boxes, scores, group, threshold)


def _suppress_groups(boxes: Tensor, scores: Tensor, group: Tensor, threshold: float) -> Tensor:
    order = scores.sort(descending=True, stable=True).indices
    order = order[group[order].sort(stable=True).indices]
    return order[_kept_in_groups(boxes.index_select(0, order), group.index_select(0, order), threshold)]


def _kept_in_groups(found: Tensor, group: Tensor, threshold: float) -> Tensor:
    """Whether each candidate `[n, 4]` stays; they stand group by group, best first. Bool `[n]`."""
    place = torch.arange(len(group), device=group.device)
    after = torch.searchsorted(group, group, right=True) - 1 - place  # worse ones of the same group
    pairs = int(after.sum())
    if pairs > MOST_PAIRS:
        counts = group.unique_consecutive(return_counts=True)[1].tolist()  # type: ignore[no-untyped-call]
        stays = [_kept_of_sorted(one, threshold) for one in found.split(counts)]  # type: ignore[no-untyped-call]
        return torch.cat(stays)
    better = place.repeat_interleave(after, output_size=pairs)
    nth = torch.arange(pairs, device=group.device) - (after.cumsum(0) - after)[better]
    worse = better + 1 + nth
    sides = torch.stack(_Sides.of(found))
    a, b = (_Sides(*sides.index_select(1, one).unbind(0)) for one in (better, worse))
    strikes = _overlap_more(a, b, threshold)
    remains = torch.ones_like(group, dtype=torch.bool)
    while True:  # as in `best_of_each_object`
        by = strikes & remains.index_select(0, better)
        struck = torch.zeros_like(group).index_add_(0, worse, by.long())
        if torch.equal(struck == 0, remains):
            return remains
        remains = struck == 0


def suppress_on_host(boxes: Array, scores: Array, group: Array, threshold: float) -> Array:
    """`nms_of_groups` of boxes that are known to be good, by NumPy: for some thousands, the fastest on a processor."""
    order = np.lexsort((-scores, group))
    sorted_group, place = group[order], np.arange(len(order))
    after = np.searchsorted(sorted_group, sorted_group, side="right") - 1 - place  # worse ones of the same group
    pairs = int(after.sum())
    if pairs > MOST_PAIRS:
        tensors = torch.from_numpy(boxes), torch.from_numpy(scores), torch.from_numpy(group)
        return _suppress_groups(*tensors, threshold).numpy()
    better = np.repeat(place, after)
    worse = np.arange(pairs) + np.repeat(place + 1 - after.cumsum() + after, after)
    left, top, right, bottom = boxes[order].T.copy()
    area = (right - left) * (bottom - top)
    width = np.minimum(right[better], right[worse]) - np.maximum(left[better], left[worse])
    height = np.minimum(bottom[better], bottom[worse]) - np.maximum(top[better], top[worse])
    inside = np.maximum(width, 0) * np.maximum(height, 0)
    strikes = inside > (area[better] + area[worse] - inside) * threshold
    better, worse = better[strikes], worse[strikes]
    remains = np.ones(len(order), dtype=bool)
    while True:  # as in `best_of_each_object`
        then = np.ones_like(remains)
        then[worse[remains[better]]] = False
        if np.array_equal(then, remains):
            return order[remains]
        remains = then


def _of_many(boxes: Tensor, scores: Tensor, threshold: float, least_score: float) -> tuple[Tensor, Tensor, Tensor]:
    """Where most boxes are candidates: the overlaps of a picture are computed once for all its classes, 64 boxes a
    word; the best candidates of all groups strike what they overlap, then the second best, and so on.
    """
    (_, count, classes), groups = scores.shape, scores.shape[0] * scores.shape[2]
    sides = _Sides.of(boxes)
    matrices = _overlap_more(sides.at((..., None)), sides.at((..., None, slice(None))), threshold).flatten(0, 1)
    packed = np.packbits(matrices.numpy(), axis=1, bitorder="little")
    overlap = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64).T.copy()  # [words, P N]
    rows = scores.transpose(1, 2).reshape(groups, count).to(torch.promote_types(scores.dtype, torch.float32)).numpy()
    ranked = _ranked(np.where(rows > least_score, rows, -np.inf)).T.copy()  # [N, P K]
    candidates = (rows > least_score).sum(1)
    everyone, begin = np.arange(groups), np.arange(groups) // classes * count
    struck = np.zeros((len(overlap), groups), dtype=np.uint64)
    stays = np.zeros(ranked.shape, dtype=bool)
    for rank in range(int(candidates.max())):
        box = ranked[rank]
        gone = struck[box >> 6, everyone] >> (box & 63).astype(np.uint64) & np.uint64(1)
        stays[rank] = (gone == 0) & (rank < candidates)
        good = np.flatnonzero(stays[rank])
        struck[:, good] |= overlap[:, begin[good] + box[good]]
    group, rank_of = np.nonzero(stays.T)
    box = ranked[rank_of, group]
    return torch.from_numpy(group // classes), torch.from_numpy(box), torch.from_numpy(group % classes)


def _ranked(scores: Array) -> Array:
    """The places of each row, best first; of equal scores the first. Unstable sorting is several times faster."""
    order = np.argsort(-scores, axis=1)
    best = np.take_along_axis(scores, order, axis=1)
    if ((best[:, 1:] == best[:, :-1]) & (best[:, 1:] > -np.inf)).any():
        order = np.argsort(-scores, axis=1, kind="stable")
    return order
