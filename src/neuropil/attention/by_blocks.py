"""Attention by the block, forward and backward: the weights of some questions at a time.

`N` sequences, `H` heads, `T` questions, `S` places of width `d`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator, Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from neuropil.attention.chance import kept, share_kept
from neuropil.attention.masks import causal_mask
from neuropil.errors import InputError

__all__ = ["BLOCK", "attend_by_blocks"]

BLOCK = 128
"""Questions that are answered at once."""

WEIGHTS = 2**19
"""Weights that are held at once at most, where one row of the batch has not more."""


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
    """Forward keeps nothing but what came in."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, rate: float,
        scale: float, seed: int,
    ) -> Tensor:  # fmt: skip
        with torch.autocast(query.device.type, enabled=False):
            query, key, value = query * scale, key.contiguous(), value.contiguous()
            weighing = _Weighing(query, key, mask, causal, rate, seed)
            found = value.new_empty(*query.shape[:3], value.shape[3])
            for rows, block, limit in weighing:
                weights, choice = weighing.weights(rows, block, limit)
                if choice is not None:
                    weights = torch.ops.aten.native_dropout_backward(weights, choice, weighing.growth)
                found[rows, :, block] = weights @ value[rows, :, :limit]
        ctx.save_for_backward(query, key, value, mask)
        ctx.settings = causal, rate, scale, seed
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, mask = ctx.saved_tensors
        causal, rate, scale, seed = ctx.settings
        with torch.autocast(query.device.type, enabled=False):
            grad, weighing = grad.contiguous(), _Weighing(query, key, mask, causal, rate, seed)
            exact = torch.promote_types(key.dtype, torch.float32)  # sums over blocks
            of_query = torch.empty_like(query)
            of_key, of_value = torch.zeros_like(key, dtype=exact), torch.zeros_like(value, dtype=exact)
            values = value.transpose(2, 3)
            for rows, block, limit in weighing:
                weights, choice = weighing.weights(rows, block, limit)
                asked = grad[rows, :, block]
                of_weights, used = asked @ values[rows, :, :, :limit], weights
                if choice is not None:
                    used = torch.ops.aten.native_dropout_backward(weights, choice, weighing.growth)
                    of_weights = torch.ops.aten.native_dropout_backward(of_weights, choice, weighing.growth)
                of_value[rows, :, :limit] += used.transpose(2, 3) @ asked
                of_scores = torch._softmax_backward_data(of_weights, weights, 3, weights.dtype)
                of_query[rows, :, block] = of_scores @ key[rows, :, :limit]
                of_key[rows, :, :limit] += of_scores.transpose(2, 3) @ query[rows, :, block]
        found = of_query.mul_(scale), of_key.to(key.dtype), of_value.to(value.dtype)
        return *found, None, None, None, None, None


class _Weighing:
    """The blocks in their order, the same forward and backward, and the weights of each."""

    def __init__(self, query: Tensor, key: Tensor, mask: Tensor | None, causal: bool, rate: float, seed: int) -> None:
        self.query, self.keys, self.mask = query, key.transpose(2, 3), mask
        self.causal, self.rate, self.growth = causal, rate, 1 / share_kept(rate)
        self.questions, self.places = query.shape[2], key.shape[2]
        self.draw = Generator(query.device).manual_seed(seed) if rate else None
        side = min(BLOCK, self.questions)
        self.triangle = query.new_full((side, side), -math.inf).triu_(1) if causal and mask is None else None

    def __iter__(self) -> Iterator[tuple[slice, slice, int]]:
        """Rows of the batch, questions, and how many places these see at most."""
        count, heads = self.query.shape[:2]
        together = max(1, WEIGHTS // (heads * min(BLOCK, self.questions) * self.places))
        for first in range(0, count, together):
            for start in range(0, self.questions, BLOCK):
                stop = min(start + BLOCK, self.questions)
                limit = self.places - self.questions + stop if self.causal else self.places
                yield slice(first, min(first + together, count)), slice(start, stop), limit

    def weights(self, rows: slice, block: slice, limit: int) -> tuple[Tensor, Tensor | None]:
        """Before dropout, and what it keeps."""
        scores = self.query[rows, :, block] @ self.keys[rows, :, :, :limit]
        if self.mask is not None:
            seen = self.mask if self.mask.shape[0] == 1 else self.mask[rows]
            seen = (seen if seen.shape[2] == 1 else seen[:, :, block])[..., :limit]
            if self.causal:
                seen = seen & causal_mask(block.stop - block.start, limit, seen.device)
            scores.masked_fill_(~seen, -math.inf).masked_fill_(~seen.any(3, keepdim=True), 0.0)
            weights = scores.softmax(3).masked_fill_(~seen, 0.0)
        else:
            if self.triangle is not None:
                side = block.stop - block.start
                scores[..., limit - side :] += self.triangle[:side, :side]
            weights = scores.softmax(3)
        if self.draw is None:
            return weights, None
        return weights, kept(tuple(weights.shape), self.rate, weights.device, self.draw)
