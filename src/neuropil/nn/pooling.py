"""Pooling that torch does not have."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["TrainableSubsampling"]


class TrainableSubsampling(nn.Module):
    """LeNet's pooling: each map has one coefficient and one bias for the sums of its blocks.

    Source: chapter, "LeNet"; LeCun et al. 1998, section II.B, layer S2.
    Formula: `y_c = w_c (sum of a size x size block of x_c) + b_c`; what does not fill a block is cropped.

    Shape:
        `[N, C, H, W]` -> `[N, C, H // size, W // size]`.

    Args:
        channels: maps, each with its own coefficient and bias.
        size: side of a block; blocks do not overlap.
        coefficient: where every coefficient starts; left out, at `1 / size^2`, which gives the mean of a block.
        bias: where every bias starts.

    Differs:
        The paper draws the coefficients from U(+-2.4 / size^2).

    Example:
        >>> pool = TrainableSubsampling(1)
        >>> pool(torch.arange(16.0).reshape(1, 1, 4, 4)).flatten().tolist()
        [2.5, 4.5, 10.5, 12.5]
    """

    def __init__(self, channels: int, size: int = 2, *, coefficient: float | None = None, bias: float = 0.0) -> None:
        super().__init__()
        self.size = size
        self.weight = nn.Parameter(torch.full((channels,), 1 / size**2 if coefficient is None else coefficient))
        self.bias = nn.Parameter(torch.full((channels,), bias))

    def forward(self, x: Tensor) -> Tensor:
        """Sum, weigh, shift."""
        sums = F.avg_pool2d(x, self.size, divisor_override=1)
        return sums * self.weight[:, None, None] + self.bias[:, None, None]

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        return f"{len(self.weight)}, size={self.size}"
