"""Convolution whose kernels are not shared between places."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError

__all__ = ["LocallyConnected2d"]


class LocallyConnected2d(nn.Module):
    """A window moved over the input as in a convolution, but with weights of its own at each place.

    Source: LeCun 1989, "Generalization and network design strategies", figure 3; darknet's `[local]` layer, which
    stands before the last one of the YOLO v1 that is public today.
    Formula: `y[o, i, j] = b[o, i, j] + sum_{c, k, l} w[i, j, o, c, k, l] x[c, i s + k - p, j s + l - p]`.

    Shape:
        `[N, C, H, W]` of one fixed size -> `[N, O, H', W']`.

    Args:
        in_channels: C.
        out_channels: O.
        in_size: H and W.
        kernel_size: cells a side.
        stride: cells moved.
        padding: zeros on all sides.

    Raises:
        InputError: numbers below 1 (below 0 for padding), a window larger than the padded input; on call, another size.

    Example:
        >>> layer = LocallyConnected2d(2, 3, (4, 4), 3, padding=1)
        >>> tuple(layer.weight.shape), tuple(layer.bias.shape)
        ((16, 3, 18), (3, 4, 4))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        in_size: tuple[int, int],
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        super().__init__()
        if min(in_channels, out_channels, *in_size, kernel_size, stride) < 1 or padding < 0:
            raise InputError("channels, sizes and stride of a locally connected layer are 1 or more, its padding 0")
        if kernel_size > min(in_size) + 2 * padding:
            raise InputError(f"a window of {kernel_size} does not fit into {in_size[0]}x{in_size[1]} maps")
        self.in_channels, self.in_size = in_channels, in_size
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        height, width = ((side + 2 * padding - kernel_size) // stride + 1 for side in in_size)
        self.weight = nn.Parameter(
            torch.empty(height * width, out_channels, in_channels * kernel_size**2)
        )  # fmt: skip
        self.bias = nn.Parameter(torch.empty(out_channels, height, width))
        bound = 1 / math.sqrt(in_channels * kernel_size**2)
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def weight_fans(self) -> Iterable[tuple[Tensor, int, int]]:
        """The weight, with the connections of one unit."""
        _, out_channels, fan_in = self.weight.shape
        yield self.weight, fan_in, out_channels * self.kernel_size**2

    def biases(self) -> Iterable[Tensor]:
        """One a unit."""
        yield self.bias

    def multiply_adds(self, output_shape: tuple[int, ...]) -> int:
        """Each weight once."""
        return self.weight.numel()

    def forward(self, x: Tensor) -> Tensor:
        """Every place by its own weights."""
        if x.ndim != 4 or tuple(x.shape[1:]) != (self.in_channels, *self.in_size):
            wanted = [self.in_channels, *self.in_size]
            raise InputError(f"a locally connected layer for maps {wanted} got a batch of shape {list(x.shape)}")
        windows = F.unfold(x, self.kernel_size, padding=self.padding, stride=self.stride)  # [N, C k k, places]
        found = self.weight @ windows.permute(2, 1, 0)  # [places, O, N]
        return found.permute(2, 1, 0).reshape(-1, *self.bias.shape) + self.bias

    def extra_repr(self) -> str:
        """For `print`."""
        return f"{self.in_channels}, {self.weight.shape[1]}, in_size={self.in_size}, kernel_size={self.kernel_size}"
