"""Attention by the block, forward and backward: the weights of some questions at a time.

`N` sequences, `H` heads, `T` questions, `S` places of width `d`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from neuropil.attention.block_weights import BlockWeights, product
from neuropil.attention.masks import causal_mask
from neuropil.errors import InputError

__all__ = ["apart", "attend_by_blocks", "attend_joined_by_blocks"]


def attend_by_blocks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    causal: bool = False,
    dropout: float = 0.0,
    scale: float | None = None,
) -> Tensor:
    """As `neuropil.attention.scaled.attend`; backward computes the weights again, where they are of several blocks.

    With dropout each weight is left out with that probability and the others grow; backward draws the same choice
    again, from a seed that forward took from torch's global source of random numbers.

    Source: Rabe and Staats 2021, "Self-attention does not need O(n^2) memory"; Dao et al. 2022, "FlashAttention",
    section 3.1 and appendix B.

    Raises:
        InputError: a rate outside [0, 1).
    """
    _check_rate(dropout)
    scale = 1 / math.sqrt(query.shape[3]) if scale is None else scale
    if torch.compiler.is_compiling():  # a compiler draws, and saves memory, in its own way
        seen = mask
        if causal:
            triangle = causal_mask(query.shape[2], key.shape[2], query.device)
            seen = triangle[None, None] if mask is None else triangle & mask
        return F.scaled_dot_product_attention(query, key, value, seen, dropout, scale=scale)
    how = _How(query.shape[1], causal, dropout, scale, _seed(dropout))
    found: Tensor = _ByBlocks.apply(query, key, value, mask, how)  # type: ignore[no-untyped-call]
    return found


def attend_joined_by_blocks(
    joined: Tensor, heads: int, mask: Tensor | None = None, *, causal: bool = False, dropout: float = 0.0
) -> Tensor:
    """The same for a sequence that asks itself, `[N, T, 3 D]` -> `[N, T, D]`: one copy there, and one on the way back.

    A compiler is to be given `attend_by_blocks`.

    Raises:
        InputError: a rate outside [0, 1).
    """
    _check_rate(dropout)
    scale = 1 / math.sqrt(joined.shape[2] // 3 // heads)
    how = _How(heads, causal, dropout, scale, _seed(dropout))
    found: Tensor = _JoinedByBlocks.apply(joined, mask, how)  # type: ignore[no-untyped-call]
    return found


def apart(joined: Tensor, heads: int) -> Tensor:
    """Questions, keys and values, `[N, T, 3 D]` -> `[3, N, H, T, d]`, a view."""
    return torch.unflatten(joined, 2, (3, heads, -1)).permute(2, 0, 3, 1, 4)


def _check_rate(dropout: float) -> None:
    if not 0 <= dropout < 1:
        raise InputError(f"a dropout rate of {dropout} was given; it is a share of weights, from 0 up to below 1")


def _seed(dropout: float) -> int:
    return int(torch.randint(2**62, ())) if dropout else 0


class _How(NamedTuple):
    heads: int
    causal: bool
    rate: float
    scale: float
    seed: int


class _ByBlocks(torch.autograd.Function):
    """Forward keeps little more than what came in; see `BlockWeights`."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, how: _How) -> Tensor:
        with torch.autocast(query.device.type, enabled=False):
            query, key, value = (one.contiguous().flatten(0, 1) for one in (query, key, value))
            found, kept = _answers(query, key, value, mask, how)
        ctx.save_for_backward(query, key, value, mask, *kept)
        ctx.how = how
        return _by_heads(found, how.heads)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, mask, *kept = ctx.saved_tensors
        three, how = [query, key, value], ctx.how
        grads = [torch.empty_like(one) for one in three]
        with torch.autocast(grad.device.type, enabled=False):
            _back(grad.contiguous().flatten(0, 1), three, mask, how, kept, grads)
        return *(_by_heads(one, how.heads) for one in grads), None, None


class _JoinedByBlocks(torch.autograd.Function):
    """The same from and to one tensor."""

    @staticmethod
    def forward(ctx: Any, joined: Tensor, mask: Tensor | None, how: _How) -> Tensor:
        with torch.autocast(joined.device.type, enabled=False):
            three = apart(joined, how.heads).contiguous().flatten(1, 2)  # [3, N H, T, d]
            found, kept = _answers(three[0], three[1], three[2], mask, how)
        ctx.save_for_backward(three, mask, *kept)
        ctx.how = how
        return _by_heads(found, how.heads).transpose(1, 2).flatten(2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        three, mask, *kept = ctx.saved_tensors
        how = ctx.how
        count, places, width = grad.shape
        asked = grad.reshape(count, places, how.heads, width // how.heads).transpose(1, 2).contiguous().flatten(0, 1)
        grads = torch.empty_like(three)
        with torch.autocast(grad.device.type, enabled=False):
            _back(asked, list(three), mask, how, kept, list(grads))
        by_heads = grads.view(3, count, how.heads, places, width // how.heads)
        return by_heads.permute(1, 3, 0, 2, 4).reshape(count, places, 3 * width), None, None


def _by_heads(x: Tensor, heads: int) -> Tensor:
    return x.view(len(x) // heads, heads, *x.shape[1:])


def _answers(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, how: _How) -> tuple[Tensor, list[Tensor]]:
    """Of `[N H, T, d]` and twice `[N H, S, d]`, and what there is to keep."""
    weighing = BlockWeights(query, key, mask, **how._asdict())
    found = value.new_empty(*query.shape[:2], value.shape[2])
    for block in weighing:
        weights, choice = weighing.weights(block), weighing.choice(block)
        if choice is not None:
            weights = torch.ops.aten.native_dropout_backward(weights, choice, weighing.growth)
        product(weights, value[block.flat, : block.limit], found[block.flat, block.questions])
    return found, weighing.kept


def _back(
    grad: Tensor, three: list[Tensor], mask: Tensor | None, how: _How, kept: list[Tensor], grads: list[Tensor]
) -> None:
    """The gradients of questions, keys and values, put where there is place for them."""
    query, key, value = three
    of_query, of_key, of_value = grads
    weighing = BlockWeights(query, key, mask, **how._asdict(), kept=kept)
    put, exact = product, torch.promote_types(key.dtype, torch.float32)
    if not weighing.once:  # a place is asked by many blocks
        put = _add_product
        of_key, of_value = (
            one.zero_() if one.dtype is exact else torch.zeros_like(one, dtype=exact) for one in grads[1:]
        )
    for block in weighing:
        asked, choice = grad[block.flat, block.questions], weighing.choice(block)
        of_weights = torch.bmm(asked, value[block.flat, : block.limit].transpose(1, 2))
        if choice is not None:
            of_weights = torch.ops.aten.native_dropout_backward(of_weights, choice, weighing.growth)
        weights, of_scores = weighing.weights_and_back(block, of_weights)
        if choice is not None:
            weights = torch.ops.aten.native_dropout_backward(weights, choice, weighing.growth)
        seen, questions = (block.flat, slice(0, block.limit)), (block.flat, block.questions)
        put(weights.transpose(1, 2), asked, of_value[seen])
        put(of_scores.transpose(1, 2), query[questions], of_key[seen], how.scale)
        product(of_scores, key[seen], of_query[questions], how.scale)
    if of_key.dtype is not key.dtype:
        grads[1].copy_(of_key)
        grads[2].copy_(of_value)


def _add_product(a: Tensor, b: Tensor, place: Tensor, factor: float = 1.0) -> None:
    part = a.new_empty(*a.shape[:2], b.shape[2])
    product(a, b, part, factor)  # in fp16 the factor must come before the rounding
    place += part
