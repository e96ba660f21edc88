"""Sentences without their padding, and documents side by side: a flat list of tokens and who belongs together.

Linear layers, norms and activations need to know nothing of it; attention alone gathers each stretch into a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from neuropil.errors import InputError

__all__ = ["Group", "Stretches", "stretches_of_documents", "stretches_of_rows"]

WASTE = 0.75
"""Stretches shorter than this share of a group's longest begin another group."""


@dataclass(frozen=True, slots=True)
class Group:
    """Stretches of similar lengths, a row each.

    Args:
        tokens: `[G, L]`, the place of each token in the flat list; padding repeats a row's first.
        there: bool `[G, L]`, what is no padding; `None` where there is none.
    """

    tokens: Tensor
    there: Tensor | None


@dataclass(frozen=True, slots=True)
class Stretches:
    """Which of `n` tokens in a flat list belong together.

    Args:
        groups: of the stretches, longest first.
        places: `[n]`, where each token lies in all groups' rows one behind the other.
        row: `[n]`, its row in the batch it came from.
        column: `[n]`, its column there.
        shape: `(N, T)` of that batch.
        straight: the flat list is the one group's rows as they are, so that nothing is moved.
    """

    groups: tuple[Group, ...]
    places: Tensor
    row: Tensor
    column: Tensor
    shape: tuple[int, int]
    straight: bool

    def gather(self, x: Tensor) -> list[Tensor]:
        """`[n, C]` -> each group's rows `[G, L, C]`."""
        if self.straight:
            return [x.view(*self.groups[0].tokens.shape, -1)]
        index = torch.cat([group.tokens.flatten() for group in self.groups])
        rows: Tensor = _Spread.apply(x, index, self.places)  # type: ignore[no-untyped-call]
        sizes = [group.tokens.numel() for group in self.groups]
        parts = zip(torch.split(rows, sizes), self.groups, strict=True)
        return [part.view(*group.tokens.shape, -1) for part, group in parts]

    def scatter(self, pieces: Sequence[Tensor]) -> Tensor:
        """Each group's rows `[G, L, C]` -> `[n, C]`, without the padding."""
        if self.straight:
            return pieces[0].flatten(0, 1)
        rows = [piece.flatten(0, 1) for piece in pieces]
        found: Tensor = _Picked.apply(rows[0] if len(rows) == 1 else torch.cat(rows), self.places)  # type: ignore[no-untyped-call]
        return found

    def square(self, weights: Sequence[Tensor]) -> Tensor:
        """Each group's weights `[G, H, L, L]` as those of the batch, `[N, H, T, T]`, 0 between stretches."""
        heads, (rows, steps) = weights[0].shape[1], self.shape
        found = weights[0].new_zeros(rows, steps, steps, heads)
        for group, part in zip(self.groups, weights, strict=True):
            row, column = self.row[group.tokens], self.column[group.tokens]  # [G, L]
            there = torch.ones_like(row, dtype=torch.bool) if group.there is None else group.there
            both = there[:, :, None] & there[:, None]
            at = (row[:, :, None].expand_as(both), column[:, :, None].expand_as(both), column[:, None].expand_as(both))
            found = found.index_put(tuple(one[both] for one in at), part.permute(0, 2, 3, 1)[both])
        return found.permute(0, 3, 1, 2)


def stretches_of_rows(there: Tensor) -> Stretches:
    """The rows of a padded batch, each a stretch; the flat list has what is there, row after row.

    Shape:
        bool `[N, T]`.

    Raises:
        InputError: nothing is there.

    Example:
        >>> found = stretches_of_rows(torch.tensor([[True, True, True], [True, False, False]]))
        >>> [group.tokens.tolist() for group in found.groups]
        [[[0, 1, 2]], [[3]]]
    """
    row, column = there.nonzero(as_tuple=True)
    return _stretches(there.sum(1).tolist(), row, column, (there.shape[0], there.shape[1]))


def stretches_of_documents(documents: Tensor) -> Stretches:
    """Documents packed in rows, each run of equal numbers a stretch; the flat list has all tokens, row after row.

    Shape:
        whole numbers `[N, T]`.

    Raises:
        InputError: no `[N, T]`, or nothing in it.

    Example:
        >>> found = stretches_of_documents(torch.tensor([[7, 7, 2], [2, 2, 2]]))
        >>> [group.tokens.tolist() for group in found.groups]
        [[[3, 4, 5]], [[0, 1]], [[2]]]
    """
    if documents.ndim != 2 or documents.is_floating_point():
        raise InputError(f"documents are whole numbers [N, T], but {list(documents.shape)} was given")
    first = torch.ones_like(documents, dtype=torch.bool)
    first[:, 1:] = documents[:, 1:] != documents[:, :-1]
    starts = first.flatten().nonzero()[:, 0]
    ends = torch.cat([starts[1:], starts.new_tensor([documents.numel()])])
    row, column = torch.ones_like(documents, dtype=torch.bool).nonzero(as_tuple=True)
    return _stretches((ends - starts).tolist(), row, column, (documents.shape[0], documents.shape[1]))


def _stretches(lengths: list[int], row: Tensor, column: Tensor, shape: tuple[int, int]) -> Stretches:
    if not len(row):
        raise InputError("a batch without a token was given; give one or more")
    starts, at = [], 0
    for length in lengths:
        starts.append(at)
        at += length
    order = sorted((one for one in range(len(lengths)) if lengths[one]), key=lambda one: -lengths[one])
    chosen: list[list[int]] = []
    for one in order:
        if not chosen or lengths[one] < WASTE * lengths[chosen[-1][0]]:
            chosen.append([])
        chosen[-1].append(one)
    straight = len(chosen) == 1 and len(set(lengths)) == 1
    if straight:
        chosen = [sorted(chosen[0])]
    device, groups, offset = row.device, [], 0
    places = torch.empty_like(row)
    for members in chosen:
        begin = torch.tensor([starts[one] for one in members], device=device)
        count = torch.tensor([lengths[one] for one in members], device=device)
        at_step = torch.arange(lengths[members[0]], device=device)
        there = at_step < count[:, None]
        tokens = torch.where(there, begin[:, None] + at_step, begin[:, None])  # [G, L]
        places[tokens[there]] = offset + there.flatten().nonzero()[:, 0]
        groups.append(Group(tokens, None if len({lengths[one] for one in members}) == 1 else there))
        offset += tokens.numel()
    return Stretches(tuple(groups), places, row, column, shape, straight)


class _Spread(torch.autograd.Function):
    """Tokens to rows; padding is a copy, which nothing may depend on."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        return x.index_select(0, index)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad.index_select(0, ctx.saved_tensors[0]), None, None


class _Picked(torch.autograd.Function):
    """Rows to tokens; padding gets no gradient."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        ctx.count = len(rows)
        return rows.index_select(0, places)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad.new_zeros(ctx.count, *grad.shape[1:]).index_copy_(0, ctx.saved_tensors[0], grad), None
