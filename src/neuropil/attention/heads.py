"""What every attention does with its questions, keys and values: heads side by side, each in its part of the width.

Networks differ in how they name and make the three; they share what happens then.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.attention.by_blocks import apart
from neuropil.attention.masks import causal_mask
from neuropil.attention.scaled import attend, attend_joined, attention_weights
from neuropil.attention.stretches import Stretches
from neuropil.errors import InputError

__all__ = ["AttentionHeads", "joined_linear"]


class AttentionHeads(nn.Module):
    """The part of attention between its linear layers.

    Source: Vaswani et al. 2017, section 3.2.2.
    Formula: `head_h = softmax(Q_h K_h^T / sqrt(d)) V_h`, heads side by side.

    Args:
        width: D, of all heads together.
        num_heads: H; each has `D / H` of the width.
        dropout: share of the weights that are left out while training.

    Raises:
        InputError: heads that do not divide the width, or a rate outside [0, 1).
    """

    recorder: Callable[[Tensor], None] | None

    def __init__(self, width: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if width < 1 or num_heads < 1 or width % num_heads:
            raise InputError(f"{num_heads} heads cannot share a width of {width}; give heads that divide it")
        if not 0 <= dropout < 1:
            raise InputError(f"a dropout rate of {dropout} was given; it is a share of weights, from 0 up to below 1")
        self.width, self.num_heads, self.weight_dropout = width, num_heads, dropout
        self.recorder = None

    def split(self, x: Tensor) -> Tensor:
        """`[N, T, D]` -> `[N, H, T, d]`, a view."""
        return x.view(*x.shape[:2], self.num_heads, -1).transpose(1, 2)

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, *, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        """Answers `[N, T, D]` to questions `[N, H, T, d]`, from keys and values `[N, H, S, d]`.

        Args:
            query: what is asked.
            key: by what places answer.
            value: what they answer.
            mask: bool, broadcast to `[N, H, T, S]`, true where a place may be seen.
            causal: none sees a place behind its own; the last question stands at the last place.
        """
        rate = self.weight_dropout if self.training else 0.0
        if self.recorder is None:
            found = attend(query, key, value, mask=mask, causal=causal, dropout=rate)
        else:
            weights = attention_weights(query, key, _whole(mask, causal, query, key))
            self.recorder(weights)
            found = F.dropout(weights, rate) @ value
        return found.transpose(1, 2).flatten(2)

    def mix_joined(self, joined: Tensor, *, mask: Tensor | None = None, causal: bool = False) -> Tensor:
        """Answers `[N, T, D]` of a sequence to itself, from questions, keys and values side by side, `[N, T, 3 D]`.

        Args:
            joined: of each token.
            mask: bool, broadcast to `[N, H, T, T]`, true where a place may be seen.
            causal: none sees a place behind its own.
        """
        found, weights = self._answers(joined, mask, causal)
        if self.recorder is not None and weights is not None:
            self.recorder(weights)
        return found

    def mix_stretches(self, joined: Tensor, stretches: Stretches, *, causal: bool = False) -> Tensor:
        """Answers `[n, D]` within each stretch of a flat list of tokens, from their questions, keys, values `[n, 3 D]`.

        Args:
            joined: questions, keys and values of each token side by side.
            stretches: which tokens see one another.
            causal: none sees a token behind its own.
        """
        pieces, seen_weights = [], []
        for group, rows in zip(stretches.groups, stretches.gather(joined), strict=True):
            mask = None if causal or group.there is None else group.there[:, None, None]
            found, weights = self._answers(rows, mask, causal)
            pieces.append(found)  # [G, L, D]
            if weights is not None:
                seen_weights.append(weights)
        if self.recorder is not None:
            self.recorder(stretches.square(seen_weights))
        return stretches.scatter(pieces)

    def _answers(self, joined: Tensor, mask: Tensor | None, causal: bool) -> tuple[Tensor, Tensor | None]:
        """And the weights, where they are recorded."""
        rate = self.weight_dropout if self.training else 0.0
        if self.recorder is None:
            return attend_joined(joined, self.num_heads, mask=mask, causal=causal, dropout=rate), None
        query, key, value = apart(joined, self.num_heads).unbind()
        weights = attention_weights(query, key, _whole(mask, causal, query, key))
        return (F.dropout(weights, rate) @ value).transpose(1, 2).flatten(2), weights

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        return f"width={self.width}, num_heads={self.num_heads}, weight_dropout={self.weight_dropout}"


def _whole(mask: Tensor | None, causal: bool, query: Tensor, key: Tensor) -> Tensor | None:
    """One mask of both, with all its numbers."""
    if not causal:
        return mask
    triangle = causal_mask(query.shape[2], key.shape[2], query.device)
    return triangle if mask is None else triangle & mask


def joined_linear(x: Tensor, layers: tuple[nn.Linear, ...]) -> Tensor:
    """Several linear layers of one input at once, their outputs side by side.

    Example:
        >>> joined_linear(torch.zeros(5, 4), (nn.Linear(4, 2), nn.Linear(4, 3))).shape
        torch.Size([5, 5])
    """
    weight = torch.cat([*(layer.weight for layer in layers)])
    return F.linear(x, weight, torch.cat([*(layer.bias for layer in layers)]))
