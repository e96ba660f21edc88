"""The weights of a block of questions: forward, and again for the way back.

`N` sequences, `H` heads, `T` questions, `S` places of width `d`; `N` and `H` are one axis of tensors here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from neuropil.attention.chance import kept, share_kept
from neuropil.attention.masks import causal_mask
from neuropil.compiled.serving import is_looped, softmax_loops

__all__ = ["BLOCK", "Block", "BlockWeights", "product"]

BLOCK = 128
"""Questions that are answered at once, where there are more than two blocks of them."""

WEIGHTS = 2**19
"""Weights that are held at once at most, where one row of the batch has not more; of sequences of one block four times
as many, as products of many small matrices are quicker together. Where these are all there are, they are kept.
"""


class Block(NamedTuple):
    """Some questions of some sequences.

    Args:
        number: of the block.
        rows: of the batch.
        flat: the same, with each row's heads.
        questions: which.
        limit: places that these see at most.
    """

    number: int
    rows: slice
    flat: slice
    questions: slice
    limit: int


class BlockWeights:
    """The blocks in their order, the same forward and backward, and the weights of each.

    Shape:
        query `[N H, T, d]`, key `[N H, S, d]`, mask bool `[N or 1, H or 1, T or 1, S]`.

    Args:
        query: what is asked.
        key: by what places answer.
        mask: which places may be seen.
        heads: H.
        causal: none sees a place behind its own.
        rate: of dropout.
        scale: of the scores.
        seed: of its choices.
        kept: what forward kept: of a batch of one block its weights, of more blocks what the compiled loops need to
            make each one's weights again; `None` forward.
    """

    def __init__(
        self, query: Tensor, key: Tensor, mask: Tensor | None, *, heads: int, causal: bool, rate: float, scale: float,
        seed: int, kept: list[Tensor] | None = None,
    ) -> None:  # fmt: skip
        self.query, self.keys, self.heads, self.mask = query, key.transpose(1, 2), heads, mask
        self.scale = scale
        self.causal, self.rate, self.growth = causal, rate, 1 / share_kept(rate)
        self.count, self.questions, self.places = len(query) // heads, query.shape[1], key.shape[1]
        self.draw = Generator(query.device).manual_seed(seed) if rate else None
        self.side = self.questions if self.questions <= 2 * BLOCK else BLOCK
        self.once = 0 < self.side == self.questions
        self.most = 4 * WEIGHTS if self.once else WEIGHTS
        self.whole = self.once and len(query) * self.side * self.places <= self.most
        looped = mask is None and (is_looped(query) if kept is None or self.whole else bool(kept))
        self.loops = softmax_loops() if looped else None
        self.triangle = None
        if causal and mask is None and self.loops is None and not (self.whole and kept):
            self.triangle = query.new_full((self.side, self.side), -math.inf).triu_(1)
        self.kept = [] if kept is None else kept

    def __iter__(self) -> Iterator[Block]:
        together = max(1, self.most // max(1, self.heads * self.side * self.places))
        number = 0
        for first in range(0, self.count, together):
            last = min(first + together, self.count)
            for start in range(0, self.questions, max(1, self.side)):
                stop = min(start + self.side, self.questions)
                limit = self.places - self.questions + stop if self.causal else self.places
                flat = slice(first * self.heads, last * self.heads)
                yield Block(number, slice(first, last), flat, slice(start, stop), limit)
                number += 1

    def weights(self, block: Block) -> Tensor:
        """Before dropout, `[n H, t, limit]`."""
        scores = self._scores(block)
        if self.loops is None:
            scores = self._softmax(scores, block)
        else:
            sums = self.loops.softmax_in_place(scores, causal=self.causal)
            if not self.whole:
                self.kept.append(sums)
        if self.whole:
            self.kept.append(scores)
        return scores

    def weights_and_back(self, block: Block, grad: Tensor) -> tuple[Tensor, Tensor]:
        """The weights again, and from their gradient, which may be overwritten, that of the scores."""
        weights = self.kept[0] if self.whole else self._scores(block)
        if self.loops is None:
            weights = weights if self.whole else self._softmax(weights, block)
            return weights, torch._softmax_backward_data(grad, weights, 2, weights.dtype)
        self.loops.softmax_back(weights, grad, None if self.whole else self.kept[block.number], causal=self.causal)
        return weights, grad

    def choice(self, block: Block) -> Tensor | None:
        """Which weights dropout keeps; to be asked once a block, in their order."""
        if self.draw is None:
            return None
        shape = (block.flat.stop - block.flat.start, block.questions.stop - block.questions.start, block.limit)
        return kept(shape, self.rate, self.query.device, self.draw)

    def _scores(self, block: Block) -> Tensor:
        asked, keys = self.query[block.flat, block.questions], self.keys[block.flat, :, : block.limit]
        scores = asked.new_empty(*asked.shape[:2], keys.shape[2])
        product(asked, keys, scores, self.scale)
        return scores

    def _softmax(self, scores: Tensor, block: Block) -> Tensor:
        side = scores.shape[1]
        if self.mask is None:
            if self.triangle is not None:
                scores[..., block.limit - side :] += self.triangle[:side, :side]
            return scores.softmax(2)
        seen = self.mask if self.mask.shape[0] == 1 else self.mask[block.rows]
        seen = (seen if seen.shape[2] == 1 else seen[:, :, block.questions])[..., : block.limit]
        if self.causal:
            seen = seen & causal_mask(side, block.limit, seen.device)
        scores = scores.view(-1, self.heads, *scores.shape[1:])
        scores.masked_fill_(~seen, -math.inf).masked_fill_(~seen.any(3, keepdim=True), 0.0)
        return scores.softmax(3).masked_fill_(~seen, 0.0).flatten(0, 1)


def product(a: Tensor, b: Tensor, place: Tensor, factor: float = 1.0) -> None:
    """Products of matrices `[B, n, k]`, `[B, k, m]`, times a factor, put into `[B, n, m]`."""
    if factor == 1:
        torch.bmm(a, b, out=place)
    else:
        torch.baddbmm(place, a, b, beta=0, alpha=factor, out=place)
