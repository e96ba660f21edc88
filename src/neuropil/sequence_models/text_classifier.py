"""One answer about a whole text: sentiment, topic, kind.

Source: chapter, RNN, mapping (c): one result at the end. What is read off the recurrent layers: their last state (Dai
and Le 2015), the mean or the largest value over all words (Conneau et al. 2017, section 3.2), or a mean whose weights
are learned (Yang et al. 2016, "Hierarchical attention networks", section 2.2).
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.linear import linear_head
from neuropil.sequence_models.tokens import (
    CellName,
    Embedding,
    checked_ids,
    dropout_of_vectors,
    lengths_of,
    positive,
    recurrent,
)  # fmt: skip

__all__ = ["TextClassifier", "WeightedMean"]


class WeightedMean(nn.Module):
    """The mean of a sequence's vectors by weights that they themselves give.

    Source: Yang et al. 2016, equations 5 to 7.
    Formula: `u_t = tanh(W h_t + b)`, `a = softmax(u . v)`, `sum_t a_t h_t`.

    Shape:
        `[N, T, D]`, and which of them count, bool `[N, T]` -> `[N, D]`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)

    def weights(self, x: Tensor, there: Tensor) -> Tensor:
        """Of each vector, `[N, T]`; they add up to 1."""
        scores: Tensor = self.score(self.hidden(x).tanh())[..., 0]
        return scores.masked_fill(~there, -math.inf).softmax(1)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """The mean."""
        return (self.weights(x, there)[..., None] * x).sum(1)


class TextClassifier(nn.Module):
    """Word vectors, recurrent layers, one vector of it all, a linear layer.

    Shape:
        int64 `[N, T]`, 0 behind the end -> logits `[N, num_classes]`.

    Args:
        num_tokens: words of the vocabulary.
        num_classes: outputs; 0 leaves the last layer out.
        cell: of the recurrent layers.
        width: of the layer, a half of it in each direction where there are two.
        num_layers: recurrent layers.
        bidirectional: read from both sides.
        embedding_width: of a word's vector.
        pooling: one vector of all: the `last` state of each direction, `mean`, `max`, or `attention`.
        dropout: share of the values before, between and behind the recurrent layers left out while training.
        variational: one choice of them for all words of a text.

    Raises:
        InputError: a number out of its range; on call, ids that do not fit.

    Example:
        >>> TextClassifier(num_tokens=9, num_classes=2)(torch.tensor([[4, 8, 0], [5, 6, 7]])).shape
        torch.Size([2, 2])
    """

    in_shape: ClassVar[tuple[int, ...]] = (200,)

    def __init__(
        self,
        *,
        num_tokens: int,
        num_classes: int = 2,
        cell: CellName = "lstm",
        width: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        embedding_width: int = 100,
        pooling: Literal["last", "mean", "max", "attention"] = "max",
        dropout: float = 0.5,
        variational: bool = False,
    ) -> None:
        super().__init__()
        positive(width=width)
        if bidirectional and width % 2:
            raise InputError(f"width is {width}; two directions share it, so give an even number")
        self.embedding = Embedding(num_tokens, embedding_width)
        self.before = dropout_of_vectors(dropout, variational)
        self.recurrent = recurrent(
            cell, embedding_width, width // 2 if bidirectional else width, num_layers=num_layers,
            bidirectional=bidirectional, dropout=dropout, variational=variational,
        )  # fmt: skip
        self.pooling = pooling
        self.attention = WeightedMean(width) if pooling == "attention" else None
        self.behind = dropout_of_vectors(dropout, variational=False)
        self.widths = (width,)
        self.head = linear_head(width, num_classes, "glorot_normal")

    def features(self, x: Tensor) -> list[Tensor]:
        """The vector of each text, `[N, width]`."""
        ids = checked_ids(x, 2, "[N, T]")
        lengths = lengths_of(ids)
        vectors = self.before(self.embedding(ids))  # [N, T, embedding_width]
        outputs, state = self.recurrent(vectors, lengths=lengths)  # [N, T, width]
        if self.pooling == "last":
            h = state if isinstance(state, Tensor) else state[0]
            directions = 2 if self.recurrent.bidirectional else 1
            return [torch.cat(list(h[-directions:]), 1)]
        places = torch.arange(ids.shape[1], device=ids.device)
        there = places < (places.new_full((len(ids), 1), len(places)) if lengths is None else lengths[:, None])
        if self.attention is not None:
            return [self.attention(outputs, there)]
        if self.pooling == "max":
            return [outputs.masked_fill(~there[..., None], -math.inf).amax(1)]
        return [(outputs * there[..., None]).sum(1) / there.sum(1, keepdim=True)]

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[N, num_classes]`."""
        logits: Tensor = self.head(self.behind(self.features(x)[0]))
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        self.head = linear_head(self.widths[0], num_classes, "glorot_normal", like=next(self.parameters()))
