"""Convolution: the chapter's function, and layers for ordinary, dilated, grouped and 1x1 convolution in 1-D and 2-D."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.conv import _ConvNd

from neuropil.errors import InputError
from neuropil.nn.padding import Padding, per_axis, reach, resolve_padding, same_tensorflow

__all__ = [
    "Convolution1d",
    "Convolution2d",
    "PointwiseConvolution1d",
    "PointwiseConvolution2d",
    "check_groups",
    "check_input",
    "conv2d",
]


def conv2d(
    x: Tensor, w: Tensor, b: Tensor | None = None, p: tuple[int, int] = (0, 0), s: tuple[int, int] = (1, 1)
) -> Tensor:
    """The chapter's `Conv2D(X, W, w0, p, s)`: a weighted sum over each window, one map for each kernel.

    Source: chapter, "CNN", "Convolution".
    Formula: `y[o, i, j] = b[o] + sum_{c, k, l} w[o, c, k, l] x[c, i s_1 + k - p_1, j s_2 + l - p_2]`.

    Shape:
        x `[N, C, H, W]` or `[C, H, W]`, w `[O, C, K, L]`, b `[O]` -> `[N, O, H', W']` or `[O, H', W']` with
        `H' = (H + 2 p_1 - K) // s_1 + 1`.

    Args:
        x: pictures, or one picture.
        w: kernels; each reads all channels.
        b: what is added to each map; the chapter's `w0`.
        p: zeros on either side, in rows and columns.
        s: cells moved, down and to the right.

    Raises:
        InputError: shapes that do not fit one another, negative padding, a stride below 1.

    Differs:
        As in every framework this is cross-correlation: `neuropil.formulas.convolution.convolution` turns the kernel
        round first.

    Example:
        >>> conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3)).tolist()
        [[[[9.0, 9.0], [9.0, 9.0]]]]
        >>> conv2d(torch.ones(1, 4, 4), torch.ones(1, 1, 3, 3), p=(1, 1), s=(3, 3)).tolist()
        [[[4.0, 4.0], [4.0, 4.0]]]
    """
    padding, stride = per_axis(p, 2, "padding p", 0), per_axis(s, 2, "stride s")
    if w.ndim != 4:
        raise InputError(
            f"kernels of shape {list(w.shape)} were given; give [O, C, K, L]: maps, channels, rows, columns"
        )
    if b is not None and b.shape != w.shape[:1]:
        raise InputError(
            f"a bias of shape {list(b.shape)} was given to {list(w.shape)}; give one value a map, [{len(w)}]"
        )
    check_input(
        x, w.shape[1], w.shape, w.shape[2:], [n + 2 * pad for n, pad in zip(x.shape[-2:], padding, strict=True)]
    )
    return F.conv2d(x, w, b, stride, padding)


def check_input(
    x: Tensor, channels: int, weight: Sequence[int], window: Sequence[int], padded: Sequence[int] | None
) -> None:
    """Refuse an input that the kernels cannot read.

    Args:
        x: `[N, C, ...]` or `[C, ...]`.
        channels: what C must be.
        weight: shape of the kernels, for the message.
        window: cells that a kernel spans along each axis.
        padded: sizes of the input with its padding; where left out, no input is too small.

    Raises:
        InputError: a wrong number of axes or channels, or a window larger than the padded input.
    """
    axes = len(window)
    if x.ndim not in (axes + 1, axes + 2) or x.shape[-axes - 1] != channels:
        sizes = "H, W" if axes == 2 else "L"
        raise InputError(
            f"an input of shape {list(x.shape)} does not fit a weight of shape {list(weight)}; give [N, {channels}, "
            f"{sizes}] or one sample [{channels}, {sizes}], or make the convolution for the channels that there are"
        )
    if padded is not None and any(have < span for have, span in zip(padded, window, strict=True)):
        raise InputError(
            f"an input of shape {list(x.shape)}, padded to {list(padded)}, is smaller than the window "
            f"{list(window)} of a weight of shape {list(weight)}; give a larger input, more padding, or a "
            "smaller kernel or dilation"
        )


def check_groups(in_channels: int, out_channels: int, groups: int) -> None:
    """Refuse counts of channels that cannot be told into groups.

    Raises:
        InputError: a count below 1, or groups that do not divide both counts.
    """
    if min(in_channels, out_channels, groups) < 1:
        raise InputError(f"{in_channels} to {out_channels} channels in {groups} groups were asked for; give at least 1")
    if in_channels % groups or out_channels % groups:
        fitting = [n for n in range(1, min(in_channels, out_channels) + 1) if not (in_channels % n or out_channels % n)]
        raise InputError(
            f"{groups} groups do not divide {in_channels} input and {out_channels} output channels; "
            f"groups that do: {', '.join(map(str, fitting))}"
        )


class _Convolution(_ConvNd):
    """What layers of one and of two axes share: every kind of padding, messages, a fast way for grouped 1x1 kernels."""

    axes: ClassVar[int]
    convolve: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        *,
        stride: int | tuple[int, ...] = 1,
        padding: Padding = "valid",
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        check_groups(in_channels, out_channels, groups)
        kernel, spread = per_axis(kernel_size, self.axes, "kernel"), per_axis(dilation, self.axes, "dilation")
        amounts, step = resolve_padding(padding, kernel, spread), per_axis(stride, self.axes, "stride")
        super().__init__(in_channels, out_channels, kernel, step, 0, spread, groups, bias)  # type: ignore[call-arg, arg-type]
        self.amounts = amounts
        if amounts is not None and all(before == after for before, after in amounts):
            self.padding = tuple(before for before, _ in amounts)

    def forward(self, x: Tensor) -> Tensor:
        """Pad and convolve."""
        sizes = x.shape[x.ndim - self.axes :]
        amounts = self.amounts or same_tensorflow(sizes, self.kernel_size, self.stride, self.dilation)
        padded = [size + before + after for size, (before, after) in zip(sizes, amounts, strict=False)]
        check_input(x, self.in_channels, self.weight.shape, reach(self.kernel_size, self.dilation), padded)
        padding = tuple(before for before, _ in amounts)
        if any(before != after for before, after in amounts):
            x, padding = F.pad(x, [one for pair in reversed(amounts) for one in pair]), (0,) * self.axes
        if (
            self.groups > 1
            and max(self.kernel_size) == 1
            and not any(padding)
            and x.ndim == self.axes + 2
            and _suits_product(x)
        ):
            return self._grouped_product(x)
        return self.convolve(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _grouped_product(self, x: Tensor) -> Tensor:
        """A grouped 1x1 convolution as matrix products of `[O / G, C / G]` with `[C / G, positions]`."""
        for axis, step in enumerate(self.stride, start=2):
            x = x[(slice(None),) * axis + (slice(None, None, step),)] if step > 1 else x
        maps = x.reshape(x.shape[0], self.groups, self.in_channels // self.groups, -1)
        weight = self.weight.view(self.groups, self.out_channels // self.groups, -1)
        y = torch.matmul(weight, maps).view(x.shape[0], self.out_channels, *x.shape[2:])
        return y if self.bias is None else y + self.bias.view(-1, *(1,) * self.axes)

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        said: str = super().extra_repr()  # type: ignore[no-untyped-call]
        if self.amounts is None:
            return f"{said}, padding='same_tensorflow'"
        uneven = any(before != after for before, after in self.amounts)
        return f"{said}, padding={self.amounts}" if uneven else said


def _suits_product(x: Tensor) -> bool:
    """Whether matrix products are the faster way: on a processor, with one map after the other in memory.

    An exported network may run anywhere, so its graph keeps the convolution.
    """
    return x.device.type == "cpu" and x.is_contiguous() and not torch.compiler.is_exporting()


class Convolution1d(_Convolution, nn.Conv1d):
    """Convolution along one axis: `Convolution2d` of one row.

    Source: chapter, "CNN", "Convolution".

    Shape:
        `[N, C, L]` or `[C, L]` -> `[N, O, L']` or `[O, L']`, `L' = (L + before + after - d (k - 1) - 1) // s + 1`.

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: cells of a kernel.
        stride: cells moved.
        padding: as in `Convolution2d`.
        dilation: as in `Convolution2d`.
        groups: as in `Convolution2d`.
        bias: whether each map has a constant of its own.

    Raises:
        InputError: as `Convolution2d`.

    Example:
        >>> Convolution1d(2, 4, 3, padding="same", dilation=2)(torch.zeros(1, 2, 9)).shape
        torch.Size([1, 4, 9])
    """

    axes = 1
    convolve = staticmethod(F.conv1d)


class Convolution2d(_Convolution, nn.Conv2d):
    """Convolution: ordinary, dilated (`dilation`), grouped (`groups`) or depthwise (`groups=in_channels`).

    Source: chapter, "CNN", "Convolution" and its kinds; Yu and Koltun 2016 (dilation); Krizhevsky, Sutskever and Hinton
    2012, section 3.5 (groups).
    Formula: `y[o, i, j] = b[o] + sum_{c, k, l} w[o, c, k, l] x[c, i s + k d - p, j s + l d - p]`, `c` from o's group.

    Shape:
        `[N, C, H, W]` or `[C, H, W]` -> `[N, O, H', W']` or `[O, H', W']` with
        `H' = (H + before + after - d (k - 1) - 1) // s + 1`.

    Args:
        in_channels: C.
        out_channels: O, as many maps as there are kernels.
        kernel_size: one number, or rows and columns.
        stride: cells moved; 1 keeps the size, 2 halves it.
        padding: `valid` (none), `same` (`d (k - 1) / 2` zeros on all sides, for odd kernels), `same_tensorflow` (as few
            as give `ceil(size / stride)`, an odd one after, dependent on the input's size), a number for all sides, or
            for each axis a number or `(before, after)`.
        dilation: distance between the cells of a kernel; 1 is an ordinary one. Stacked layers of dilation 1, 2, 4, ...
            see twice as far with each layer, at the weights of one.
        groups: each group of kernels reads its own group of channels only, with a share `1 / groups` of the weights.
        bias: whether each map has a constant of its own.

    Raises:
        InputError: groups that do not divide both counts of channels, a wrong count or range of numbers, `same` for a
            kernel that has no middle; on call, wrong channels or an input smaller than the kernel.

    Differs:
        `torch.nn.Conv2d` has neither `same` beside a stride nor `same_tensorflow` nor uneven sides. Parameter names and
        start are torch's. On a processor 1x1 kernels in groups are matrix products.

    Example:
        >>> Convolution2d(3, 8, 3, stride=2, padding="same_tensorflow")(torch.zeros(1, 3, 9, 10)).shape
        torch.Size([1, 8, 5, 5])
        >>> Convolution2d(6, 9, 3, groups=3).weight.shape
        torch.Size([9, 2, 3, 3])
    """

    axes = 2
    convolve = staticmethod(F.conv2d)


class PointwiseConvolution1d(Convolution1d):
    """`PointwiseConvolution2d` along one axis.

    Shape:
        `[N, C, L]` -> `[N, O, L]`.

    Example:
        >>> PointwiseConvolution1d(8, 2)(torch.zeros(1, 8, 5)).shape
        torch.Size([1, 2, 5])
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__(in_channels, out_channels, 1, stride=stride, groups=groups, bias=bias)


class PointwiseConvolution2d(Convolution2d):
    """1x1 convolution: at each place the channels mixed linearly, a cheap embedding into fewer; a nonlinearity follows.

    Source: chapter, "1 * 1 convolution"; Lin, Chen and Yan 2014, "Network in network"; Szegedy et al. 2015, section 4.
    Formula: `y[o, i, j] = b[o] + sum_c w[o, c] x[c, i s, j s]`.

    Shape:
        `[N, C, H, W]` -> `[N, O, H', W']`, `H' = ceil(H / s)`.

    Args:
        in_channels: C.
        out_channels: O.
        stride: cells moved; above 1 places are left out unread.
        groups: as in `Convolution2d`; ShuffleNet's.
        bias: whether each map has a constant of its own.

    Raises:
        InputError: as `Convolution2d`.

    Example:
        >>> PointwiseConvolution2d(256, 64)(torch.zeros(1, 256, 7, 7)).shape
        torch.Size([1, 64, 7, 7])
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__(in_channels, out_channels, 1, stride=stride, groups=groups, bias=bias)
