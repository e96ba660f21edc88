"""Scaled dot-product attention: the formula to read, and the same without the matrix of all weights.

`N` sequences, `H` heads, `T` questions, `S` places that are asked, of width `d` each.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from neuropil.attention.block_weights import BLOCK
from neuropil.attention.by_blocks import attend_by_blocks, attend_joined_by_blocks
from neuropil.attention.masks import causal_mask
from neuropil.compiled.serving import learns_in_bfloat16
from neuropil.errors import InputError

__all__ = ["attend", "attend_joined", "attention_weights"]

SHORT = 256
"""Places up to which bfloat16 learns faster by the block on a processor than by torch's own, causal mask or none."""


def attention_weights(query: Tensor, key: Tensor, mask: Tensor | None = None, scale: float | None = None) -> Tensor:
    """How much each question looks at each place: the formula, with all weights at once.

    Source: Vaswani et al. 2017, "Attention is all you need", section 3.2.1, equation 1.
    Formula: `softmax(Q K^T / sqrt(d))`; a place that may not be seen has weight 0, and a question that may see nothing
    has only weights of 0.

    Shape:
        query `[..., T, d]`, key `[..., S, d]`, mask bool, broadcast to `[..., T, S]` -> `[..., T, S]`.

    Args:
        query: what is asked.
        key: by what places answer.
        mask: true where a place may be seen; everywhere if left out.
        scale: of the products; `1 / sqrt(d)` if left out.

    Example:
        >>> q = torch.tensor([[1.0, 0.0]])
        >>> k = torch.tensor([[1.0, 0.0], [1.0, 0.0], [9.0, 9.0]])
        >>> attention_weights(q, k, torch.tensor([[True, True, False]]))
        tensor([[0.5000, 0.5000, 0.0000]])
        >>> attention_weights(q, k, torch.zeros(1, 3, dtype=torch.bool))
        tensor([[0., 0., 0.]])
    """
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * scale) @ key.transpose(-2, -1)
    if mask is None:
        return scores.softmax(-1)
    blind = ~mask.any(-1, keepdim=True)
    scores = scores.masked_fill(~mask, -math.inf).masked_fill(blind, 0.0)
    return scores.softmax(-1).masked_fill(~mask, 0.0)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    mask: Tensor | None = None,
    causal: bool = False,
    dropout: float = 0.0,
    scale: float | None = None,
) -> Tensor:
    """The mean of the values by the weights of `attention_weights`, without holding all those of a long sequence.

    `torch.nn.functional.scaled_dot_product_attention` computes it; where that would hold `T x S` numbers (a causal mask
    beside another or over remembered places, dropout), questions are answered by the block; so they are where bfloat16
    learns on a processor from a causal mask or from few places, as torch's own backward takes two to four times as long
    there.

    Source: Vaswani et al. 2017, section 3.2.1; without the matrix: Rabe and Staats 2021, Dao et al. 2022.
    Formula: `softmax(Q K^T / sqrt(d)) V`; 0, with gradients of 0, for a question that may see nothing.

    Shape:
        query `[N, H, T, d]`, key `[N, H, S, d]`, value `[N, H, S, e]`, mask `[N or 1, H or 1, T or 1, S]` ->
        `[N, H, T, e]`.

    Args:
        query: what is asked.
        key: by what places answer.
        value: what they answer.
        mask: bool, true where a place may be seen; everywhere if left out.
        causal: the last question stands at the last place, and none sees a place behind its own.
        dropout: share of the weights that are left out, 0 up to but not including 1.
        scale: of the products; `1 / sqrt(d)` if left out.

    Raises:
        InputError: a mask of numbers, or fewer places than questions for a causal one.

    Differs:
        torch's `is_causal` puts the first question at the first place; with as many places as questions it is the same.

    Example:
        >>> q = k = torch.zeros(1, 1, 2, 4)
        >>> attend(q, k, torch.tensor([1.0, 3.0]).view(1, 1, 2, 1), causal=True).flatten()
        tensor([1., 2.])
    """
    _check(mask)
    places, questions = key.shape[2], query.shape[2]
    if causal and questions > places:
        raise InputError(f"{questions} questions were asked of {places} places; a causal mask needs as many or more")
    causal = causal and questions > 1  # one question at the last place sees all
    half = key.dtype is value.dtype is torch.bfloat16 and learns_in_bfloat16(query)
    if dropout or (half and (causal or places <= SHORT)):
        return attend_by_blocks(query, key, value, mask, causal=causal, dropout=dropout, scale=scale)
    if not causal:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
    if mask is None and questions == places:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale)
    return _behind_others(query, key, value, mask, scale)


def attend_joined(
    joined: Tensor, heads: int, *, mask: Tensor | None = None, causal: bool = False, dropout: float = 0.0
) -> Tensor:
    """`attend` of a sequence to itself: each place's question, key and value side by side.

    Shape:
        `[N, T, 3 D]`, mask `[N or 1, H or 1, T or 1, T]` -> `[N, T, D]`, heads side by side.

    Args:
        joined: what one linear layer gave.
        heads: H.
        mask: bool, true where a place may be seen; everywhere if left out.
        causal: none sees a place behind its own.
        dropout: share of the weights that are left out, 0 up to but not including 1.

    Raises:
        InputError: a mask of numbers, or a rate outside [0, 1).

    Example:
        >>> attend_joined(torch.tensor([[[0.0, 0.0, 1.0], [0.0, 0.0, 3.0]]]), 1, causal=True).flatten()
        tensor([1., 2.])
    """
    by_blocks = dropout or (learns_in_bfloat16(joined) and (causal or joined.shape[1] <= SHORT))
    if by_blocks and not torch.compiler.is_compiling():
        _check(mask)
        return attend_joined_by_blocks(joined, heads, mask, causal=causal and joined.shape[1] > 1, dropout=dropout)
    # Not `apart`, whose way back copies once more where each of the three has its own gradient.
    query, key, value = (torch.unflatten(one, 2, (heads, -1)).transpose(1, 2) for one in joined.chunk(3, 2))
    return attend(query, key, value, mask=mask, causal=causal, dropout=dropout).transpose(1, 2).flatten(2)


def _check(mask: Tensor | None) -> None:
    if mask is not None and (mask.dtype is not torch.bool or mask.ndim != 4):
        raise InputError(
            f"a mask must be bool [N, H, T, S], true where a place may be seen, but {list(mask.shape)} of "
            f"{str(mask.dtype).removeprefix('torch.')} was given"
        )


def _behind_others(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float | None) -> Tensor:
    """Causal, over remembered places or beside another mask: the masks of a block of questions at a time."""
    questions, behind, found = query.shape[2], key.shape[2] - query.shape[2], []
    for start in range(0, questions, BLOCK):
        stop = min(start + BLOCK, questions)
        limit = behind + stop
        seen = causal_mask(stop - start, limit, query.device)[None, None]
        if mask is not None:
            seen = seen & (mask if mask.shape[2] == 1 else mask[:, :, start:stop])[..., :limit]
        part = query[:, :, start:stop], key[:, :, :limit], value[:, :, :limit]
        found.append(F.scaled_dot_product_attention(*part, seen, scale=scale))
    return found[0] if len(found) == 1 else torch.cat(found, 2)
