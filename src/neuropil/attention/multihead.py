"""Multi-head attention of a sequence to itself or to another one."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.attention.cache import KeyValueCache
from neuropil.attention.heads import AttentionHeads
from neuropil.errors import InputError
from neuropil.nn.linear import through

__all__ = ["MultiHeadAttention"]


class MultiHeadAttention(AttentionHeads):
    """Several attentions side by side, each in its own part of the width, and a linear layer behind.

    Source: Vaswani et al. 2017, section 3.2.2.
    Formula: `[head_1 ... head_H] W_O`, `head_h = attention(x W_Q, m W_K, m W_V)`.

    Shape:
        x `[N, T, D]`, memory `[N, S, D]` -> `[N, T, D]`.

    Args:
        width: D.
        num_heads: H, which divide D.
        dropout: share of the weights left out while training.
        bias: of the four linear layers.

    Raises:
        InputError: heads that do not divide the width.

    Differs:
        Weights begin as Glorot's uniform over the three joined matrices and biases as 0, as `torch.nn` has it; the
        paper does not say. A question that may see nothing gets the bias of the last layer; torch gives NaN.

    Example:
        >>> import torch
        >>> layer, x = MultiHeadAttention(8, 2), torch.randn(1, 5, 8)
        >>> layer(x, causal=True).shape, layer(x[:, :1], x).shape
        (torch.Size([1, 5, 8]), torch.Size([1, 1, 8]))
    """

    def __init__(self, width: int, num_heads: int, *, dropout: float = 0.0, bias: bool = True) -> None:
        super().__init__(width, num_heads, dropout)
        self.joined = nn.Linear(width, 3 * width, bias)
        """Questions, keys and values in one matrix."""
        self.behind = nn.Linear(width, width, bias)
        nn.init.xavier_uniform_(self.joined.weight)
        nn.init.xavier_uniform_(self.behind.weight)
        if bias:
            nn.init.zeros_(self.joined.bias)
            nn.init.zeros_(self.behind.bias)

    def forward(
        self, x: Tensor, memory: Tensor | None = None, *, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        """Attention of `x` to the memory, or to itself where there is none.

        Args:
            x: `[N, T, D]`.
            memory: `[N, S, D]`.
            mask: bool, broadcast to `[N, H, T, S]`, true where a place may be seen; see `neuropil.attention.masks`.
            causal: none sees a place behind its own.
        """
        self._check(x, memory)
        if memory is None:
            mixed = self.mix_joined(self.joined(x), mask=mask, causal=causal)
        else:
            mixed = self.mix(self.questions(x), *self.remembered(memory), mask=mask, causal=causal)
        return through(self.behind, mixed)

    def further(self, x: Tensor, cache: KeyValueCache, *, mask: Tensor | None = None) -> tuple[Tensor, KeyValueCache]:
        """The next tokens of a sequence `[N, T, D]`, which see one another and what the cache remembers, causally."""
        query, key, value = map(self.split, through(self.joined, x).chunk(3, 2))
        cache, keys, values = cache.extended(key, value)
        return through(self.behind, self.mix(query, keys, values, mask=mask, causal=True)), cache

    def questions(self, x: Tensor) -> Tensor:
        """Of `x` alone, `[N, H, T, d]`."""
        weight, bias = self.joined.weight[: self.width], self.joined.bias
        return self.split(F.linear(x, weight, None if bias is None else bias[: self.width]))

    def remembered(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of a memory, `[N, H, S, d]` each, which need be computed but once."""
        weight, bias = self.joined.weight[self.width :], self.joined.bias
        both = F.linear(memory, weight, None if bias is None else bias[self.width :])
        key, value = both.chunk(2, 2)
        return self.split(key), self.split(value)

    def look(self, x: Tensor, remembered: tuple[Tensor, Tensor], mask: Tensor | None = None) -> Tensor:
        """Attention of `x` to what `remembered` gave."""
        return through(self.behind, self.mix(self.questions(x), *remembered, mask=mask))

    def _check(self, x: Tensor, memory: Tensor | None) -> None:
        for name, one in (("x", x), ("memory", memory)):
            if one is not None and (one.ndim != 3 or one.shape[2] != self.width):
                raise InputError(f"{name} must be [N, T, {self.width}], but {list(one.shape)} was given")
