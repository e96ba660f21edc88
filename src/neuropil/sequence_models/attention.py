"""Looking back: which of what was read matters for the next word.

`N` sequences, `T` questions, `S` places that are remembered, of width `M`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal

from torch import Tensor, nn

from neuropil.errors import InputError

__all__ = ["AdditiveAttention", "AttentionName", "DotAttention", "make_attention"]

AttentionName = Literal["additive", "dot", "none"]


class _Attention(nn.Module, ABC):
    """A mean of what is remembered, by weights that a question gives."""

    @abstractmethod
    def keys(self, memory: Tensor) -> Tensor:
        """What of the scores does not depend on the question, `[N, S, A]`."""

    @abstractmethod
    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """How well each place answers each question, `[N, T, S]`."""

    def forward(
        self, query: Tensor, memory: Tensor, keys: Tensor, there: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The means `[N, T, M]`, and the weights `[N, T, S]`, which add up to 1.

        Args:
            query: questions, `[N, T, Q]`.
            memory: `[N, S, M]`.
            keys: of the memory.
            there: which places are no padding, bool `[N, S]`; all where left out.
        """
        scores = self.scores(query, keys)
        if there is not None:
            scores = scores.masked_fill(~there[:, None], -math.inf)
        weights = scores.softmax(2)
        return weights @ memory, weights


class AdditiveAttention(_Attention):
    """A small network scores each place.

    Source: Bahdanau, Cho and Bengio 2015, "Neural machine translation by jointly learning to align and translate",
    section 3.1 and appendix A.1.2.
    Formula: `e = v . tanh(W q + U h + b)`, weights softmax(e).

    Shape:
        query `[N, T, Q]`, memory `[N, S, M]` -> `[N, T, M]`, weights `[N, T, S]`.

    Args:
        query_width: Q.
        memory_width: M.
        width: of the small network's layer.

    Example:
        >>> import torch
        >>> layer, memory = AdditiveAttention(3, 5, 4), torch.zeros(2, 6, 5)
        >>> means, weights = layer(torch.zeros(2, 1, 3), memory, layer.keys(memory))
        >>> means.shape, weights.shape
        (torch.Size([2, 1, 5]), torch.Size([2, 1, 6]))
    """

    def __init__(self, query_width: int, memory_width: int, width: int) -> None:
        super().__init__()
        self.of_query = nn.Linear(query_width, width, bias=False)
        self.of_memory = nn.Linear(memory_width, width)
        self.score = nn.Linear(width, 1, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """`U h + b`."""
        found: Tensor = self.of_memory(memory)
        return found

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """`v . tanh(W q + U h + b)`."""
        hidden = self.of_query(query)[:, :, None] + keys[:, None]  # [N, T, S, width]
        found: Tensor = self.score(hidden.tanh())[..., 0]
        return found


class DotAttention(_Attention):
    """The product of question and place; where their widths differ, through a matrix.

    Source: Luong, Pham and Manning 2015, "Effective approaches to attention-based neural machine translation", equation
    8: `dot`, and `general` where the widths differ.
    Formula: `e = q . h`, or `e = q . W h`; weights softmax(e).

    Shape:
        query `[N, T, Q]`, memory `[N, S, M]` -> `[N, T, M]`, weights `[N, T, S]`.

    Args:
        query_width: Q.
        memory_width: M.

    Example:
        >>> import torch
        >>> layer, memory = DotAttention(2, 2), torch.tensor([[[20.0, 0.0], [0.0, 20.0]]])
        >>> layer(torch.tensor([[[20.0, 0.0]]]), memory, layer.keys(memory))[0]
        tensor([[[20.,  0.]]])
    """

    def __init__(self, query_width: int, memory_width: int) -> None:
        super().__init__()
        same = query_width == memory_width
        self.of_memory = nn.Identity() if same else nn.Linear(memory_width, query_width, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """`h`, or `W h`."""
        found: Tensor = self.of_memory(memory)
        return found

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """`q . h`."""
        return query @ keys.transpose(1, 2)


def make_attention(name: AttentionName, query_width: int, memory_width: int) -> _Attention | None:
    """An attention by its name, or none.

    Raises:
        InputError: there is no such attention.

    Example:
        >>> make_attention("none", 4, 4)
    """
    if name == "none":
        return None
    if name == "dot":
        return DotAttention(query_width, memory_width)
    if name != "additive":
        raise InputError(f"there is no attention {name!r}; allowed: additive, dot, none")
    return AdditiveAttention(query_width, memory_width, query_width)
