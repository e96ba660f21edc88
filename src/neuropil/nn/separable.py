"""Convolutions that come apart: by channels and places (MobileNet), by rows and columns, by all three axes."""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.activation import ActivationName, make_activation
from neuropil.nn.convolution import Convolution1d, Convolution2d, PointwiseConvolution1d, PointwiseConvolution2d
from neuropil.nn.padding import Padding, per_axis

__all__ = [
    "DepthwiseSeparableConvolution1d",
    "DepthwiseSeparableConvolution2d",
    "FlattenedConvolution2d",
    "Separated",
    "SpatiallySeparableConvolution2d",
    "separate",
]


class _DepthwiseSeparable(nn.Sequential):
    """What layers of one and of two axes share: up to six named layers in a row."""

    convolution: ClassVar[type[Convolution1d] | type[Convolution2d]]
    pointwise_convolution: ClassVar[type[PointwiseConvolution1d] | type[PointwiseConvolution2d]]
    normalize: ClassVar[type[nn.BatchNorm1d] | type[nn.BatchNorm2d]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...] = 3,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: Padding = "same",
        dilation: int | tuple[int, ...] = 1,
        multiplier: int = 1,
        normalization: bool = True,
        activation: ActivationName | None = "relu",
    ) -> None:
        maps, bias = in_channels * multiplier, not normalization
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["depthwise"] = self.convolution(
            in_channels,
            maps,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=in_channels,
            bias=bias,
        )
        layers |= self._after("depthwise", maps, normalization, activation)
        layers["pointwise"] = self.pointwise_convolution(maps, out_channels, bias=bias)
        layers |= self._after("pointwise", out_channels, normalization, activation)
        super().__init__(layers)

    def _after(
        self, name: str, maps: int, normalization: bool, activation: ActivationName | None
    ) -> dict[str, nn.Module]:
        layers: dict[str, nn.Module] = {}
        if normalization:
            layers[f"{name}_normalization"] = self.normalize(maps)
        if activation is not None:
            layer = layers[f"{name}_activation"] = make_activation(activation)
            if isinstance(layer, nn.ReLU | nn.ReLU6):
                layer.inplace = True  # what it reads is needed by nothing else
        return layers


class DepthwiseSeparableConvolution1d(_DepthwiseSeparable):
    """`DepthwiseSeparableConvolution2d` along one axis.

    Shape:
        `[N, C, L]` -> `[N, O, L']`.

    Example:
        >>> DepthwiseSeparableConvolution1d(4, 8, 5)(torch.zeros(2, 4, 9)).shape
        torch.Size([2, 8, 9])
    """

    convolution = Convolution1d
    pointwise_convolution = PointwiseConvolution1d
    normalize = nn.BatchNorm1d


class DepthwiseSeparableConvolution2d(_DepthwiseSeparable):
    """MobileNet's block: each channel convolved alone, then the channels mixed by 1x1 kernels.

    Source: chapter, "Depthwise separable convolution", "MobileNet"; Howard et al. 2017, "MobileNets", section 3.1,
    figure 3.
    Formula: `relu(bn(pointwise(relu(bn(depthwise(x))))))`, at `1 / O + 1 / K^2` of the ordinary convolution's cost.

    Shape:
        `[N, C, H, W]` -> `[N, O, H', W']` as in `Convolution2d`.

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: of the depthwise convolution.
        stride: of the depthwise convolution; MobileNet's is 1 or 2.
        padding: of the depthwise convolution, as in `Convolution2d`; weights trained in TensorFlow need
            `same_tensorflow`.
        dilation: of the depthwise convolution.
        multiplier: maps made of each channel before they are mixed, at least 1.
        normalization: batch normalization after both; otherwise both have a bias.
        activation: after both; left out, the block is linear, as Keras' `SeparableConv2D`.

    Raises:
        InputError: as `Convolution2d`, or an unknown activation.

    Differs:
        Batch normalization is torch's; Keras' MobileNet has `eps` 0.001.

    Example:
        >>> block = DepthwiseSeparableConvolution2d(32, 64)
        >>> [name for name, _ in block.named_children()][:3]
        ['depthwise', 'depthwise_normalization', 'depthwise_activation']
        >>> block.depthwise.weight.numel() + block.pointwise.weight.numel()  # ordinary: 18432
        2336
    """

    convolution = Convolution2d
    pointwise_convolution = PointwiseConvolution2d
    normalize = nn.BatchNorm2d


class SpatiallySeparableConvolution2d(nn.Sequential):
    """A `k x 1` and a `1 x k` convolution in place of a `k x k`: `2 k` weights for `k^2`.

    Source: chapter, "Spatially separable convolution"; Szegedy et al. 2016, "Rethinking", section 3.2 (asymmetric).
    Formula: `K = column row^T`; the layer is the convolution with the kernels `sum_m row[o, m] column[m, c]`.

    Shape:
        `[N, C, H, W]` -> `[N, O, H', W']` as in `Convolution2d`.

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: one number, or rows and columns.
        stride: one number, or down and to the right.
        padding: as in `Convolution2d`.
        groups: as in `Convolution2d`, of both; `in_channels` gives each channel one kernel that comes apart.
        bias: whether each map has a constant of its own; the columns have none.

    Raises:
        InputError: as `Convolution2d`.

    Differs:
        Only kernels of rank 1 come apart; `separate` says how much of a given one is lost. Nothing stands between the
        two, where the paper has normalization and ReLU.

    Example:
        >>> layer = SpatiallySeparableConvolution2d(1, 1, 3, padding="valid", bias=False)
        >>> column, row, _ = separate(torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]))  # Sobel's
        >>> _ = layer.vertical.weight.data.copy_(column), layer.horizontal.weight.data.copy_(row)
        >>> layer(torch.arange(9.0).reshape(1, 1, 3, 3)).round().item()
        -8.0
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        *,
        stride: int | tuple[int, int] = 1,
        padding: Padding = "same",
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        (rows, columns), (down, right) = per_axis(kernel_size, 2, "kernel"), per_axis(stride, 2, "stride")
        above, beside = _by_axis(padding)
        super().__init__(
            OrderedDict(
                vertical=Convolution2d(
                    in_channels,
                    out_channels,
                    (rows, 1),
                    stride=(down, 1),
                    padding=above,
                    groups=groups,
                    bias=False,
                ),
                horizontal=Convolution2d(
                    out_channels,
                    out_channels,
                    (1, columns),
                    stride=(1, right),
                    padding=beside,
                    groups=groups,
                    bias=bias,
                ),
            )
        )


class FlattenedConvolution2d(nn.Sequential):
    """Three convolutions with one axis each: over the channels, down, across; `C + K + L` weights a map for `C K L`.

    Source: chapter, "Flattened convolution"; Jin, Dundar and Culurciello 2014, arXiv 1412.5474, section 3.
    Formula: the convolution with the kernels `lateral[o, c] vertical[o, k] horizontal[o, l]`.

    Shape:
        `[N, C, H, W]` -> `[N, O, H', W']` as in `Convolution2d`.

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: one number, or rows and columns.
        stride: one number, or down and to the right.
        padding: as in `Convolution2d`.
        bias: whether each map has a constant of its own; the first two steps have none.

    Raises:
        InputError: as `Convolution2d`.

    Differs:
        From `DepthwiseSeparableConvolution2d` by the order, channels first, and in that its kernels come apart too.

    Example:
        >>> layer = FlattenedConvolution2d(16, 32, bias=False)
        >>> sum(weight.numel() for weight in layer.parameters())  # ordinary: 4608
        704
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        *,
        stride: int | tuple[int, int] = 1,
        padding: Padding = "same",
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.lateral = PointwiseConvolution2d(in_channels, out_channels, bias=False)
        apart = SpatiallySeparableConvolution2d(
            out_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            groups=out_channels,
            bias=bias,
        )
        self.vertical, self.horizontal = apart.vertical, apart.horizontal


class Separated(NamedTuple):
    """A kernel as the product of a column and a row, and the share of it that the product misses."""

    column: Tensor
    row: Tensor
    residual: Tensor


def separate(kernel: Tensor, tolerance: float = 1e-5) -> Separated:
    """The column and the row whose product is nearest to a kernel.

    Source: chapter, "Spatially separable convolution"; Eckart and Young 1936.
    Formula: `K = column row^T + rest`; the residual is `||rest|| / ||K||`, by the sums of squares.

    Shape:
        `[..., K, L]` -> column `[..., K, 1]`, row `[..., 1, L]`, residual `[...]`.

    Args:
        kernel: one kernel, or many, each taken apart by itself.
        tolerance: the largest residual, 0 to 1 (takes any kernel).

    Raises:
        InputError: fewer than two axes, or a kernel that does not come apart within the tolerance.

    Example:
        >>> column, row, _ = separate(torch.tensor([[1.0, 2.0], [3.0, 6.0]]))
        >>> (column @ row).round(decimals=4).tolist()
        [[1.0, 2.0], [3.0, 6.0]]
    """
    if kernel.ndim < 2:
        raise InputError(f"a kernel of shape {list(kernel.shape)} was given; give [K, L], or [..., K, L] for many")
    left, values, right = torch.linalg.svd(kernel, full_matrices=False)
    whole = values.square().sum(-1)
    residual = (values[..., 1:].square().sum(-1) / whole.clamp_min(torch.finfo(whole.dtype).tiny)).sqrt()
    worst = residual.max().item()
    if worst > tolerance:
        raise InputError(
            f"a kernel of shape {list(kernel.shape)} does not come apart into a column and a row: the nearest product "
            f"misses {worst:.3g} of it; allow that by tolerance={worst:.2g}, or keep the ordinary convolution"
        )
    root = values[..., :1, None].sqrt()
    return Separated(left[..., :, :1] * root, right[..., :1, :] * root, residual)


def _by_axis(padding: Padding) -> tuple[Padding, Padding]:
    """The padding of the columns' convolution and that of the rows'."""
    if isinstance(padding, str):
        return padding, padding
    values = (padding, padding) if isinstance(padding, int) else tuple(padding)
    if len(values) != 2:
        raise InputError(f"padding {padding} was given; give a number, or one for each of two axes")
    above, beside = values
    return (above, 0), (0, beside)
