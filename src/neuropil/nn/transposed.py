"""Transposed convolution, which the chapter calls deconvolution: an output larger than the input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.conv import _ConvTransposeNd

from neuropil.errors import InputError
from neuropil.nn.convolution import check_groups, check_input
from neuropil.nn.padding import Amounts, Padding, per_axis, reach, resolve_padding

__all__ = ["TransposedConvolution1d", "TransposedConvolution2d"]


class _TransposedConvolution(_ConvTransposeNd):
    """What layers of one and of two axes share."""

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
        output_padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        check_groups(in_channels, out_channels, groups)
        kernel, step = per_axis(kernel_size, self.axes, "kernel"), per_axis(stride, self.axes, "stride")
        spread = per_axis(dilation, self.axes, "dilation")
        extra = per_axis(output_padding, self.axes, "output padding", 0)
        cuts = _cuts(padding, kernel, step, spread)
        if padding in ("same", "same_tensorflow"):
            if any(extra):
                raise InputError(
                    f"output padding {extra} was given beside padding {padding!r}, which chooses it; leave it"
                )
            extra = tuple(max(s - span, 0) for s, span in zip(step, reach(kernel, spread), strict=True))
        if any(e >= max(s, d) for e, s, d in zip(extra, step, spread, strict=True)):
            raise InputError(
                f"output padding {extra} was given; it is below the stride {step} or the dilation {spread}"
            )
        even = tuple(min(cut) for cut in cuts)
        super().__init__(in_channels, out_channels, kernel, step, even, extra, groups, bias, spread)  # type: ignore[call-arg]
        self.cuts = cuts

    def forward(self, x: Tensor) -> Tensor:
        """Spread every input over a window of the output, add up, cut."""
        check_input(x, self.in_channels, self.weight.shape, self.kernel_size, None)
        lengths = [
            (n - 1) * step + span + extra - sum(cut)
            for n, step, span, extra, cut in zip(
                x.shape[x.ndim - self.axes :],
                self.stride,
                reach(self.kernel_size, self.dilation),
                self.output_padding,
                self.cuts,
                strict=True,
            )
        ]
        if min(lengths) < 1:
            raise InputError(
                f"of an input of shape {list(x.shape)}, padding {self.cuts} leaves an output of {lengths}; "
                "give a larger input or less padding"
            )
        y = self.convolve(
            x, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation
        )
        for axis, (before, after) in enumerate(self.cuts, start=y.ndim - self.axes):
            if before != after:
                even = min(before, after)
                y = y.narrow(axis, before - even, y.shape[axis] - before - after + 2 * even)
        return y

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        uneven = any(before != after for before, after in self.cuts)
        said: str = super().extra_repr()  # type: ignore[no-untyped-call]
        return f"{said}, padding={self.cuts}" if uneven else said


def _cuts(padding: Padding, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Amounts:
    """What is cut off before and after on each axis."""
    if padding not in ("same", "same_tensorflow"):
        cuts = resolve_padding(padding, kernel, dilation)
        return cuts or ()
    totals = [span - step for span, step in zip(reach(kernel, dilation), stride, strict=True)]
    if padding == "same" and any(total < 0 or total % 2 for total in totals):
        raise InputError(
            f"padding 'same' cuts as much before as after, but kernel {tuple(kernel)} with stride {tuple(stride)} and "
            f"dilation {tuple(dilation)} has {totals} cells too many; take kernel - stride even, or 'same_tensorflow'"
        )
    return tuple((max(total, 0) // 2, max(total, 0) - max(total, 0) // 2) for total in totals)


class TransposedConvolution1d(_TransposedConvolution, nn.ConvTranspose1d):  # type: ignore[misc]
    """`TransposedConvolution2d` along one axis.

    Shape:
        `[N, C, L]` or `[C, L]` -> `[N, O, L']` or `[O, L']`.

    Example:
        >>> import torch
        >>> TransposedConvolution1d(4, 2, 4, stride=2, padding="same")(torch.zeros(1, 4, 5)).shape
        torch.Size([1, 2, 10])
    """

    axes = 1
    convolve = staticmethod(F.conv_transpose1d)


class TransposedConvolution2d(_TransposedConvolution, nn.ConvTranspose2d):  # type: ignore[misc]
    """Makes maps larger: each input value lays the kernel, times itself, over the output; what overlaps is added.

    Source: chapter, "Deconvolution"; Dumoulin and Visin 2016, chapter 4; Long, Shelhamer and Darrell 2015, section 3.3.
    Formula: `y[o, i, j] = b[o] + sum w[c, o, k, l] x[c, m, n]` over all with `i = m s + k d - p`, `j = n s + l d - p`.
    Its matrix is that of a convolution from O to C channels, transposed, which does not undo that convolution.

    Shape:
        `[N, C, H, W]` or `[C, H, W]` -> `[N, O, H', W']` or `[O, H', W']` with
        `H' = (H - 1) s + d (k - 1) + 1 + output_padding - before - after`.

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: one number, or rows and columns.
        stride: how far apart the kernels are laid: the factor of enlargement.
        padding: what is cut off: `valid` (nothing), `same` and `same_tensorflow` (down to `H s`; the first from both
            sides alike and refused where that cannot be, the second an odd one at the end), numbers or pairs as in
            `Convolution2d`.
        output_padding: further rows and columns at the end, fewer than the stride.
        dilation: distance between the cells of a kernel.
        groups: as in `Convolution2d`.
        bias: whether each map has a constant of its own.

    Raises:
        InputError: as `Convolution2d`; `same` with an odd number of cells to cut; too much output padding.

    Differs:
        Parameter names, start and shape of the weight `[C, O / groups, K, L]` are torch's; `torch.nn.ConvTranspose2d`
        has no words for padding and no uneven sides. A kernel that the stride does not divide lays unequal numbers of
        windows on neighbouring cells, seen as a checkerboard (Odena, Dumoulin and Olah 2016).

    Example:
        >>> import torch
        >>> TransposedConvolution2d(1, 1, 3, stride=2, padding="same_tensorflow")(torch.zeros(1, 1, 4, 5)).shape
        torch.Size([1, 1, 8, 10])
    """

    axes = 2
    convolve = staticmethod(F.conv_transpose2d)
