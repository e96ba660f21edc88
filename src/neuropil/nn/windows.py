"""Where the windows of a pooling stand."""

from __future__ import annotations

from itertools import product
from math import ceil
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

from neuropil.errors import InputError

__all__ = ["Axis", "Padding", "Sizes", "WindowPooling", "pads_of", "taps_of"]

Sizes = int | tuple[int, ...]
Padding = Literal["same"] | int | tuple[int | tuple[int, int], ...]


class Axis(NamedTuple):
    """The windows along one axis: `num_windows` of them, the first one starting `before` places ahead of the input."""

    length: int
    size: int
    stride: int
    dilation: int
    before: int
    after: int
    num_windows: int

    @property
    def extent(self) -> int:
        """Places from a window's first element to its last, both counted."""
        return (self.size - 1) * self.dilation + 1

    @property
    def behind(self) -> int:
        """Places by which the last window reaches beyond the input; `ceil_mode` lets it reach past the padding."""
        return max(0, (self.num_windows - 1) * self.stride + self.extent - self.before - self.length)

    @property
    def starts(self) -> list[int]:
        """Where in the input each window starts; below 0 in the padding."""
        return [window * self.stride - self.before for window in range(self.num_windows)]


class WindowPooling(nn.Module):
    """What all poolings over windows share: their settings, and words for what does not fit.

    Args:
        kernel_size: the window's side, or its sides along each axis.
        stride: from one window to the next; left out, the window's own sides: no overlap and no gaps.
        padding: places added on both sides of each axis; a tuple has for each axis a number or a pair (before, after);
            `"same"` adds what makes the output `ceil(length / stride)` long, the odd place behind.
        dilation: from one element of a window to the next; 1 leaves no gaps.
        ceil_mode: keep a last window that is only partly filled (it must start in the input or ahead of it);
            otherwise what fills no window is cropped.

    Raises:
        InputError: a setting below its least value, a tuple that has not one value for each axis, padding that holds a
            whole window, or a window that does not fit into the padded input.
    """

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Padding = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation, self.ceil_mode = padding, dilation, ceil_mode
        for name, given in (("kernel_size", kernel_size), ("stride", self.stride), ("dilation", dilation)):
            if min((given,) if isinstance(given, int) else given, default=0) < 1:
                raise InputError(f"{name} = {given} was given; it is a whole number, or one for each axis, from 1 up")

    def axes_of(self, x: Tensor) -> list[Axis]:
        """The windows along each axis of `[N, C, ...]`."""
        num_axes = x.ndim - 2
        if not 1 <= num_axes <= 3:
            raise InputError(f"{list(x.shape)} was given to a pooling; give [N, C, L], [N, C, H, W] or [N, C, D, H, W]")
        sizes, strides, dilations = (
            _for_each_axis(name, getattr(self, name), num_axes) for name in ("kernel_size", "stride", "dilation")
        )
        extents = [(size - 1) * dilation + 1 for size, dilation in zip(sizes, dilations, strict=True)]
        if self.padding == "same":
            gaps = [
                max(0, (ceil(length / stride) - 1) * stride + extent - length)
                for length, stride, extent in zip(x.shape[2:], strides, extents, strict=True)
            ]
            pads = [(gap // 2, gap - gap // 2) for gap in gaps]
        else:
            given = _for_each_axis("padding", self.padding, num_axes)
            pads = [(one, one) if isinstance(one, int) else one for one in given]
        for pair, extent in zip(pads, extents, strict=True):
            if not 0 <= min(pair) <= max(pair) < extent:
                raise InputError(
                    f"padding = {self.padding} was given for a window that is {extent} places long, which would then "
                    f"lie in padding alone; give 0 to {extent - 1}"
                )
        places = zip(x.shape[2:], sizes, strides, dilations, pads, strict=True)
        return [self._axis(x, *place) for place in places]

    def _axis(self, x: Tensor, length: int, size: int, stride: int, dilation: int, pads: tuple[int, int]) -> Axis:
        before, after = pads
        room = before + length + after - (size - 1) * dilation - 1
        count = (room + (stride - 1 if self.ceil_mode else 0)) // stride + 1
        if self.ceil_mode and (count - 1) * stride >= length + before:
            count -= 1
        least = 1 if size == 1 else dilation  # a shorter input may lie between two elements of a window
        if count < 1 or length < least:
            dilated = "" if self.dilation == 1 else f" (dilation {self.dilation})"
            raise InputError(
                f"a window of {self.kernel_size}{dilated} does not fit into the input {list(x.shape)} with padding "
                f"{self.padding}; give larger maps, a smaller kernel_size or more padding"
            )
        return Axis(length, size, stride, dilation, before, after, count)

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        shown = [f"{self.kernel_size}, stride={self.stride}"]
        shown += [f"padding={self.padding!r}"] if self.padding != 0 else []
        shown += [f"dilation={self.dilation}"] if self.dilation != 1 else []
        return ", ".join([*shown, "ceil_mode=True"] if self.ceil_mode else shown)


def _for_each_axis(name: str, given: int | tuple[Any, ...], num_axes: int) -> tuple[Any, ...]:
    values = (given,) * num_axes if isinstance(given, int) else given
    if len(values) != num_axes:
        raise InputError(f"{name} = {given} was given for maps with {num_axes} axes; give {num_axes} values or one")
    return values


def pads_of(axes: list[Axis]) -> list[int]:
    """What `F.pad` must add so that all windows lie within, last axis first."""
    return [places for axis in reversed(axes) for places in (axis.before, axis.behind)]


def taps_of(padded: Tensor, axes: list[Axis]) -> list[Tensor]:
    """Views `[N, C, windows along each axis]`: the first element of all windows, the second, and so on by rows."""
    views = []
    for corner in product(*(range(0, axis.extent, axis.dilation) for axis in axes)):
        view = padded
        for dim, (start, axis) in enumerate(zip(corner, axes, strict=True), start=2):
            view = view.narrow(dim, start, (axis.num_windows - 1) * axis.stride + 1)
        index: tuple[Any, ...] = (..., *(slice(None, None, axis.stride) for axis in axes))
        views.append(view[index])
    return views
