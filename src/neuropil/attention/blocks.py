"""The Transformer's blocks: attention and feed-forward layers, each with a shortcut and a normalization."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from neuropil.attention.cache import KeyValueCache
from neuropil.attention.chance import QuickDropout
from neuropil.attention.multihead import MultiHeadAttention
from neuropil.errors import InputError
from neuropil.nn.activation import make_activation
from neuropil.nn.linear import through

__all__ = ["DecoderBlock", "EncoderBlock", "FeedForward", "FeedForwardActivation"]

FeedForwardActivation = Literal["relu", "gelu", "gelu_tanh"]


class FeedForward(nn.Module):
    """Two linear layers at each place for itself, with an activation between.

    Source: Vaswani et al. 2017, section 3.3, equation 2; GELU: Hendrycks and Gimpel 2016.
    Formula: `max(0, x W_1 + b_1) W_2 + b_2`.

    Shape:
        `[..., D]` -> the same.

    Args:
        width: D.
        hidden: width between the layers, 4 D in the paper.
        activation: `relu`, `gelu` (exact), or `gelu_tanh`.

    Raises:
        InputError: a width below 1.

    Example:
        >>> import torch
        >>> FeedForward(4, 16)(torch.zeros(2, 3, 4)).shape
        torch.Size([2, 3, 4])
    """

    def __init__(self, width: int, hidden: int, activation: FeedForwardActivation = "relu") -> None:
        super().__init__()
        if width < 1 or hidden < 1:
            raise InputError(f"widths of {width} and {hidden} were given; give 1 or more")
        self.inner = nn.Linear(width, hidden)
        self.activation = make_activation(activation)
        self.outer = nn.Linear(hidden, width)
        for layer in (self.inner, self.outer):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Both layers."""
        return through(self.outer, self.activation(through(self.inner, x)))


class _Block(nn.Module):
    """Sublayers, and around each a shortcut, dropout and a normalization, before or behind."""

    def __init__(self, width: int, num_sublayers: int, dropout: float, norm_first: bool, eps: float) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps) for _ in range(num_sublayers))
        self.dropout = QuickDropout(dropout)

    def before(self, x: Tensor, number: int) -> Tensor:
        """What sublayer `number` reads."""
        found: Tensor = self.norms[number](x) if self.norm_first else x
        return found

    def behind(self, x: Tensor, found: Tensor, number: int) -> Tensor:
        """What sublayer `number` found, added to what it read."""
        x = x + self.dropout(found)
        result: Tensor = x if self.norm_first else self.norms[number](x)
        return result


class EncoderBlock(_Block):
    """Attention of a sequence to itself, and a feed-forward layer.

    Source: Vaswani et al. 2017, section 3.1 and figure 1; before the sublayers: Wang et al. 2019, "Learning deep
    Transformer models", Xiong et al. 2020.
    Formula: `x <- norm(x + dropout(sublayer(x)))`, or `x + dropout(sublayer(norm(x)))`.

    Shape:
        `[N, T, D]` -> the same.

    Args:
        width: D.
        num_heads: of the attention.
        hidden: of the feed-forward layer.
        activation: of the feed-forward layer.
        dropout: of what each sublayer finds.
        norm_first: normalize before the sublayers, not behind.
        eps: of the normalizations.

    Raises:
        InputError: a number out of its range.

    Differs:
        As in the paper, dropout is at the sublayers' outputs alone; `torch.nn.TransformerEncoderLayer` has some at the
        weights of attention and within the feed-forward layer, too.

    Example:
        >>> import torch
        >>> EncoderBlock(8, 2, 32)(torch.zeros(1, 5, 8)).shape
        torch.Size([1, 5, 8])
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        hidden: int,
        *,
        activation: FeedForwardActivation = "relu",
        dropout: float = 0.0,
        norm_first: bool = False,
        eps: float = 1e-5,
    ) -> None:
        super().__init__(width, 2, dropout, norm_first, eps)
        self.attention = MultiHeadAttention(width, num_heads)
        self.feed_forward = FeedForward(width, hidden, activation)

    def forward(self, x: Tensor, mask: Tensor | None = None, *, causal: bool = False) -> Tensor:
        """Both sublayers; see `MultiHeadAttention` for masks."""
        x = self.behind(x, self.attention(self.before(x, 0), mask=mask, causal=causal), 0)
        return self.behind(x, self.feed_forward(self.before(x, 1)), 1)


class DecoderBlock(_Block):
    """Attention of a sequence to what it has written, attention to what was read, and a feed-forward layer.

    Source, Formula, Raises, Differs: as `EncoderBlock`.

    Shape:
        x `[N, T, D]`, memory `[N, S, D]` -> `[N, T, D]`.

    Args:
        width: D.
        num_heads: of both attentions.
        hidden: of the feed-forward layer.
        activation: of the feed-forward layer.
        dropout: of what each sublayer finds.
        norm_first: normalize before the sublayers, not behind.
        eps: of the normalizations.

    Example:
        >>> import torch
        >>> DecoderBlock(8, 2, 32)(torch.zeros(1, 5, 8), torch.zeros(1, 3, 8)).shape
        torch.Size([1, 5, 8])
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        hidden: int,
        *,
        activation: FeedForwardActivation = "relu",
        dropout: float = 0.0,
        norm_first: bool = False,
        eps: float = 1e-5,
    ) -> None:
        super().__init__(width, 3, dropout, norm_first, eps)
        self.attention = MultiHeadAttention(width, num_heads)
        self.memory_attention = MultiHeadAttention(width, num_heads)
        self.feed_forward = FeedForward(width, hidden, activation)

    def forward(
        self, x: Tensor, memory: Tensor, memory_mask: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """All three sublayers, over a whole sequence.

        Args:
            x: what is written.
            memory: what was read.
            memory_mask: bool, broadcast to `[N, H, T, S]`: which of it may be seen.
            mask: the same for what is written, `[N, H, T, T]`, beside that none sees what comes behind it.
        """
        x = self.behind(x, self.attention(self.before(x, 0), mask=mask, causal=True), 0)
        x = self.behind(x, self.memory_attention(self.before(x, 1), memory, mask=memory_mask), 1)
        return self.behind(x, self.feed_forward(self.before(x, 2)), 2)

    def step(
        self, x: Tensor, cache: KeyValueCache, remembered: tuple[Tensor, Tensor], memory_mask: Tensor | None = None
    ) -> tuple[Tensor, KeyValueCache]:
        """The next tokens `[N, T, D]` behind those of the cache.

        Args:
            x: what is written next.
            cache: what was written.
            remembered: keys and values of what was read, by `memory_attention.remembered`.
            memory_mask: which of it may be seen.
        """
        found, cache = self.attention.further(self.before(x, 0), cache)
        x = self.behind(x, found, 0)
        x = self.behind(x, self.memory_attention.look(self.before(x, 1), remembered, memory_mask), 1)
        return self.behind(x, self.feed_forward(self.before(x, 2)), 2), cache
