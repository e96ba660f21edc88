"""Pooling: one value for a window of a map. Stochastic pooling has its own file."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.nn.windows import Axis, Padding, Sizes, WindowPooling, pads_of, taps_of

__all__ = ["AveragePooling", "GlobalAveragePooling", "GlobalMaxPooling", "MaxPooling", "TrainableSubsampling"]

_AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}

WORTH_TURNING = 8
"""Channels from which on maps lie side by side while they are pooled: torch then takes a third of the time or less."""


class MaxPooling(WindowPooling):
    """The largest value of each window.

    Source: chapter, "Pooling"; `MaxPooling((K, L))` is its `maxPooling(mat, K, L)` for every map.
    Formula: `y = max of the window`; padding is never the largest.

    Shape:
        `[N, C, L]`, `[N, C, H, W]` or `[N, C, D, H, W]` -> the same with `(length + padding - extent) // stride + 1`
        windows along each axis, `extent = (kernel_size - 1) dilation + 1`; rounded up with `ceil_mode`.

    Args:
        kernel_size, stride, padding, dilation, ceil_mode: see `WindowPooling`.

    Raises:
        InputError: see `WindowPooling`.

    Differs:
        `torch.nn.MaxPool1d` to `MaxPool3d` with the same settings, to the bit; they take no padding of more than half a
        window, none of unequal sides and no `"same"`.

    Example:
        >>> MaxPooling((2, 2))(torch.arange(15.0).reshape(1, 1, 3, 5)).tolist()  # the rest is cropped
        [[[[6.0, 8.0]]]]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pool."""
        axes = self.axes_of(x)
        sizes, strides = [axis.size for axis in axes], [axis.stride for axis in axes]
        dilations = [axis.dilation for axis in axes]
        if all(axis.before == axis.after <= axis.extent // 2 for axis in axes):
            return _MAX[len(axes)](x, sizes, strides, [axis.before for axis in axes], dilations, self.ceil_mode)
        least = -math.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
        return _MAX[len(axes)](F.pad(x, pads_of(axes), value=least), sizes, strides, [0] * len(axes), dilations, False)


def _max_2d(
    x: Tensor, sizes: list[int], strides: list[int], pads: list[int], dilations: list[int], ceil: bool
) -> Tensor:
    """torch's, on a processor by the quicker of its two ways."""
    quick = x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16) and not torch.compiler.is_compiling()
    if not quick or x.ndim != 4 or x.shape[1] < WORTH_TURNING or not x.is_contiguous():
        return F.max_pool2d(x, sizes, strides, pads, dilations, ceil)
    found: Tensor
    found, _ = _MaxPool2dTurned.apply(x, (sizes, strides, pads, dilations, ceil))  # type: ignore[no-untyped-call]
    return found


class _MaxPool2dTurned(torch.autograd.Function):
    """Pooled with the channels last, which torch does for many at once; back by the places in the ordinary order."""

    @staticmethod
    def forward(x: Tensor, options: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
        y, places = torch.ops.aten.max_pool2d_with_indices(x.contiguous(memory_format=torch.channels_last), *options)
        return y.contiguous(), places.contiguous()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        (x, ctx.options), (_, places) = inputs, output
        ctx.mark_non_differentiable(places)
        ctx.save_for_backward(x, places)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        x, places = ctx.saved_tensors
        back = torch.ops.aten.max_pool2d_with_indices_backward
        found: Tensor = back(gradients[0].contiguous(), x, *ctx.options, places)
        return found, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], x: Tensor, options: tuple[Any, ...]) -> tuple[Any, tuple[int, int]]:
        """All members' pictures as one batch."""
        members = x.movedim(in_dims[0], 0)
        found = _MaxPool2dTurned.apply(members.flatten(0, 1), options)  # type: ignore[no-untyped-call]
        return tuple(one.unflatten(0, members.shape[:2]) for one in found), (0, 0)


_MAX: dict[int, Callable[..., Tensor]] = {1: F.max_pool1d, 2: _max_2d, 3: F.max_pool3d}


class AveragePooling(WindowPooling):
    """The mean of each window.

    Source: chapter, "Pooling".
    Formula: `y = (sum of the window) / n`; `n` counts all its elements or, without `count_include_pad`, those in the
    input. What `ceil_mode` adds beyond the padding is never counted.

    Shape:
        As `MaxPooling`.

    Args:
        kernel_size, stride, padding, dilation, ceil_mode: see `WindowPooling`.
        count_include_pad: whether padding counts as zeros (torch's and Caffe's default) or not at all (ONNX', Keras').

    Raises:
        InputError: see `WindowPooling`.

    Differs:
        `torch.nn.AvgPool1d` to `AvgPool3d` with the same settings, to the bit; they take no dilation, no padding of
        more than half a window, none of unequal sides and no `"same"`.

    Example:
        >>> x = torch.ones(1, 1, 2, 2)
        >>> AveragePooling(2, padding=1)(x).flatten().tolist()
        [0.25, 0.25, 0.25, 0.25]
        >>> AveragePooling(2, padding=1, count_include_pad=False)(x).flatten().tolist()
        [1.0, 1.0, 1.0, 1.0]
    """

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Padding = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        """Pool."""
        axes = self.axes_of(x)
        if all(axis.dilation == 1 and axis.before == axis.after <= axis.size // 2 for axis in axes):
            sizes, strides = [axis.size for axis in axes], [axis.stride for axis in axes]
            pads = [axis.before for axis in axes]
            return _AVERAGE[len(axes)](x, sizes, strides, pads, self.ceil_mode, self.count_include_pad)
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        total = reduce(torch.add, taps_of(F.pad(wide, pads_of(axes)), axes))
        for number, axis in enumerate(axes, start=2):
            counts = torch.tensor(self._counts(axis), dtype=wide.dtype, device=x.device)
            total = total / counts.reshape(-1, *(1,) * (x.ndim - number - 1))
        return total.to(x.dtype)

    def _counts(self, axis: Axis) -> list[int]:
        """How many elements of each window count along an axis."""
        first, end = (-axis.before, axis.length + axis.after) if self.count_include_pad else (0, axis.length)
        windows = (range(start, start + axis.extent, axis.dilation) for start in axis.starts)
        return [sum(first <= place < end for place in window) for window in windows]

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        return super().extra_repr() + ("" if self.count_include_pad else ", count_include_pad=False")


class _GlobalPooling(nn.Module):
    """One value for a whole map."""

    def __init__(self, keep_axes: bool = False) -> None:
        super().__init__()
        self.keep_axes = keep_axes

    def axes_of(self, x: Tensor) -> tuple[int, ...]:
        """The axes that vanish."""
        if x.ndim < 3 or 0 in x.shape[2:]:
            raise InputError(
                f"{list(x.shape)} has no maps to pool; give [N, C, L] or [N, C, H, W], each at least 1 long"
            )
        return tuple(range(2, x.ndim))

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        return "keep_axes=True" if self.keep_axes else ""


class GlobalAveragePooling(_GlobalPooling):
    """The mean of each map, whatever its size: what stands before the head of most networks since 2014.

    Source: Lin, Chen and Yan 2014, "Network in network", section 3.2; chapter, squeeze and excitation.
    Formula: `y_c = mean of x_c`.

    Shape:
        `[N, C, ...]` -> `[N, C]`, or `[N, C, 1, ...]` with `keep_axes`.

    Args:
        keep_axes: keep the pooled axes with length 1.

    Raises:
        InputError: an input without maps.

    Example:
        >>> GlobalAveragePooling()(torch.arange(8.0).reshape(1, 2, 2, 2)).tolist()
        [[1.5, 5.5]]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pool."""
        return x.mean(dim=self.axes_of(x), keepdim=self.keep_axes)


class GlobalMaxPooling(_GlobalPooling):
    """The largest value of each map, whatever its size.

    Formula: `y_c = max of x_c`; the gradient is shared by elements that are equally large.

    Shape:
        `[N, C, ...]` -> `[N, C]`, or `[N, C, 1, ...]` with `keep_axes`.

    Args:
        keep_axes: keep the pooled axes with length 1.

    Raises:
        InputError: an input without maps.

    Example:
        >>> GlobalMaxPooling()(torch.arange(8.0).reshape(1, 2, 2, 2)).tolist()
        [[3.0, 7.0]]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pool."""
        return x.amax(dim=self.axes_of(x), keepdim=self.keep_axes)


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

    Raises:
        InputError: no map, a block without a side; on call, another number of maps, or maps smaller than a block.

    Differs:
        The paper draws the coefficients from U(+-2.4 / size^2).

    Example:
        >>> pool = TrainableSubsampling(1)
        >>> pool(torch.arange(16.0).reshape(1, 1, 4, 4)).flatten().tolist()
        [2.5, 4.5, 10.5, 12.5]
    """

    def __init__(self, channels: int, size: int = 2, *, coefficient: float | None = None, bias: float = 0.0) -> None:
        super().__init__()
        if min(size, channels) < 1:
            raise InputError(f"subsampling of {channels} maps by blocks of side {size} was asked for; give at least 1")
        self.size = size
        self.weight = nn.Parameter(torch.full((channels,), 1 / size**2 if coefficient is None else coefficient))
        self.bias = nn.Parameter(torch.full((channels,), bias))

    def forward(self, x: Tensor) -> Tensor:
        """Sum, weigh, shift."""
        channels = len(self.weight)
        if x.ndim != 4 or x.shape[1] != channels or min(x.shape[2:]) < self.size:
            raise InputError(
                f"{list(x.shape)} was given to the subsampling of {channels} maps by {self.size}x{self.size} blocks; "
                f"give [N, {channels}, H, W] with H and W at least {self.size}"
            )
        weight = self.weight * self.size**2  # of means, as torch's sums (divisor_override) are lost on the way to ONNX
        return F.avg_pool2d(x, self.size) * weight[:, None, None] + self.bias[:, None, None]

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        return f"{len(self.weight)}, size={self.size}"
