"""Attention by the block, forward and backward: the weights of some questions at a time.

`N` sequences, `H` heads, `T` questions, `S` places of width `d`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from neuropil.attention.block_weights import BlockWeights
from neuropil.attention.masks import causal_mask
from neuropil.errors import InputError

__all__ = ["attend_by_blocks"]


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
    """As `neuropil.attention.scaled.attend`; backward computes each block's weights again.

    With dropout each weight is left out with that probability and the others grow; backward draws the same choice
    again, from a seed that forward took from torch's global source of random numbers.

    Source: Rabe and Staats 2021, "Self-attention does not need O(n^2) memory"; Dao et al. 2022, "FlashAttention",
    section 3.1 and appendix B.

    Raises:
        InputError: a rate outside [0, 1).
    """
    if not 0 <= dropout < 1:
        raise InputError(f"a dropout rate of {dropout} was given; it is a share of weights, from 0 up to below 1")
    scale = 1 / math.sqrt(query.shape[3]) if scale is None else scale
    if torch.compiler.is_compiling():  # a compiler draws, and saves memory, in its own way
        seen = mask
        if causal:
            triangle = causal_mask(query.shape[2], key.shape[2], query.device)
            seen = triangle[None, None] if mask is None else triangle & mask
        return F.scaled_dot_product_attention(query, key, value, seen, dropout, scale=scale)
    seed = int(torch.randint(2**62, ())) if dropout else 0
    found: Tensor = _ByBlocks.apply(query, key, value, mask, causal, dropout, scale, seed)  # type: ignore[no-untyped-call]
    return found


class _ByBlocks(torch.autograd.Function):
    """Forward keeps nothing but what came in, and a number of each question."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, rate: float,
        scale: float, seed: int,
    ) -> Tensor:  # fmt: skip
        heads = query.shape[1]
        with torch.autocast(query.device.type, enabled=False):
            asked = torch.mul(query, scale, out=query.new_empty(query.shape)).flatten(0, 1)
            keys, values = key.contiguous().flatten(0, 1), value.contiguous().flatten(0, 1)
            weighing = BlockWeights(asked, keys, heads, mask, causal, rate, seed)
            found = values.new_empty(*asked.shape[:2], values.shape[2])
            for block in weighing:
                weights, choice = weighing.weights(block), weighing.choice(block)
                if choice is not None:
                    weights = torch.ops.aten.native_dropout_backward(weights, choice, weighing.growth)
                _product(weights, values[block.flat, : block.limit], found[block.flat, block.questions])
        ctx.save_for_backward(asked, keys, values, mask)
        ctx.settings = heads, causal, rate, scale, seed, weighing.sums
        return _by_heads(found, heads)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, mask = ctx.saved_tensors
        heads, causal, rate, scale, seed, sums = ctx.settings
        with torch.autocast(query.device.type, enabled=False):
            grad = grad.contiguous().flatten(0, 1)
            weighing = BlockWeights(query, key, heads, mask, causal, rate, seed, sums)
            of_query = torch.empty_like(query)
            if weighing.once:  # each place is asked by one block
                of_key, of_value, add = torch.empty_like(key), torch.empty_like(value), _product
            else:
                exact = torch.promote_types(key.dtype, torch.float32)
                of_key, of_value = (torch.zeros_like(one, dtype=exact) for one in (key, value))
                add = _add_product
            for block in weighing:
                asked, choice = grad[block.flat, block.questions], weighing.choice(block)
                of_weights = torch.bmm(asked, value[block.flat, : block.limit].transpose(1, 2))
                if choice is not None:
                    of_weights = torch.ops.aten.native_dropout_backward(of_weights, choice, weighing.growth)
                weights, of_scores = weighing.weights_and_back(block, of_weights)
                if choice is not None:
                    weights = torch.ops.aten.native_dropout_backward(weights, choice, weighing.growth)
                add(weights.transpose(1, 2), asked, of_value[block.flat, : block.limit])
                add(of_scores.transpose(1, 2), query[block.flat, block.questions], of_key[block.flat, : block.limit])
                _product(of_scores, key[block.flat, : block.limit], of_query[block.flat, block.questions])
        found = of_query.mul_(scale), of_key.to(key.dtype), of_value.to(value.dtype)
        return *(_by_heads(one, heads) for one in found), None, None, None, None, None


def _by_heads(x: Tensor, heads: int) -> Tensor:
    return x.view(len(x) // heads, heads, *x.shape[1:])


def _product(a: Tensor, b: Tensor, place: Tensor) -> None:
    torch.bmm(a, b, out=place)


def _add_product(a: Tensor, b: Tensor, place: Tensor) -> None:
    place += torch.bmm(a, b)
