"""Stochastic pooling: a window's value is drawn from it."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.nn.windows import Axis, Padding, Sizes, WindowPooling, pads_of, taps_of

__all__ = ["StochasticPooling"]

_AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


class StochasticPooling(WindowPooling):
    """While training draws one element of each window, large ones more often; inference takes the expected value.

    Source: chapter, "Pooling"; Zeiler and Fergus 2013, "Stochastic pooling for regularization of deep convolutional
    neural networks" (arXiv 1301.3557), sections 3.1 and 3.2, equations 2 to 6.
    Formula: with `p_i = a_i / sum_k a_k` over the window, training gives `a_l`, `l ~ p`, and sends the gradient to the
    element drawn; inference gives `sum_i p_i a_i`. A window of zeros gives 0 and no gradient.

    Each window has a uniform draw `u` of its own and takes the first element whose running sum exceeds `u` times the
    window's sum, so that overlapping windows are independent of each other, as in the paper. (One draw for each element
    of the input, `argmax a_i / E_i` with exponential `E_i`, would bind overlapping windows together, and was slower.)

    Shape:
        As `MaxPooling`, without dilation.

    Args:
        kernel_size, stride, padding, ceil_mode: see `WindowPooling`; padding is never drawn and weighs nothing.

    Raises:
        InputError: negative values, whole numbers, or as `WindowPooling`. Under `torch.compile` and `torch.export`,
            where Python code cannot look at values, a negative element makes its windows NaN instead.

    Differs:
        A window that holds NaN or infinity gives NaN, in training and inference. Half precision adds in float32, to
        choose exactly; the value is the element itself. Random numbers come from torch's generator of the input's
        device, whose state is saved with a run, in the order in which the output lies in memory.

    Example:
        >>> pool = StochasticPooling(2)
        >>> x = torch.tensor([[[[1.0, 0.0], [0.0, 3.0]]]])
        >>> pool(x).item() in (1.0, 3.0), pool.eval()(x).item()  # 1/4 x 1 + 3/4 x 3
        (True, 2.5)
    """

    def __init__(
        self, kernel_size: Sizes, stride: Sizes | None = None, padding: Padding = 0, ceil_mode: bool = False
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode=ceil_mode)

    def forward(self, x: Tensor) -> Tensor:
        """Draw (training) or weigh (inference)."""
        axes, x = self.axes_of(x), _non_negative(x)
        padded = x if self.padding == 0 and not self.ceil_mode else F.pad(x, pads_of(axes))
        return _drawn(padded, axes) if self.training else _expected(padded, axes)


def _non_negative(x: Tensor) -> Tensor:
    if not x.is_floating_point():
        kind = str(x.dtype).removeprefix("torch.")
        raise InputError(f"{kind} values were given to stochastic pooling, which needs fractions; use x.float()")
    if x.is_meta:
        return x  # a shape without values
    if torch.compiler.is_compiling():
        return x.where(x >= 0, math.nan)
    if x.numel() and (least := x.detach().amin().item()) < 0:
        raise InputError(
            f"a value of {least:g} was given to stochastic pooling, which draws with probability proportional to the "
            "value; give values from 0 up, as ReLU before it does"
        )
    return x


def _drawn(padded: Tensor, axes: list[Axis]) -> Tensor:
    with torch.no_grad():
        taps = taps_of(_wide(padded), axes)
        share = 0.5 ** len(taps).bit_length()  # a power of two: the sums are scaled exactly and do not overflow
        total = taps[0] * share
        for tap in taps[1:]:
            total.add_(tap, alpha=share)
        threshold = torch.rand_like(total) * total
        running = torch.zeros_like(total)
        passed = torch.zeros_like(total, dtype=torch.uint8 if len(taps) <= 256 else torch.int64)
        for tap in taps[:-1]:
            running.add_(tap, alpha=share)
            passed.add_(running <= threshold)
        positions = _places(padded, axes)[passed.int()].add_(_first_places(padded, axes))
        factor = total.sign() + total * 0  # 1; 0 for a window of zeros; NaN where the window holds NaN or infinity
    return _taken(padded, positions) * factor.to(padded.dtype)


def _expected(padded: Tensor, axes: list[Axis]) -> Tensor:
    """`sum a^2 / sum a` of maps scaled to at most 1, whose squares do not overflow."""
    wide = _wide(padded)
    peak = wide.detach().amax(dim=tuple(range(2, wide.ndim)), keepdim=True)
    scale = peak.where(peak.isfinite() & (peak > 0), 1)
    scaled, mean = wide / scale, _AVERAGE[len(axes)]
    sizes, strides = [axis.size for axis in axes], [axis.stride for axis in axes]
    sums, squares = mean(scaled, sizes, strides), mean(scaled * scaled, sizes, strides)
    return (scale * squares / sums.where(sums != 0, 1)).to(padded.dtype)


def _first_places(padded: Tensor, axes: list[Axis]) -> Tensor:
    """Where in a flat map each window starts."""
    return _flat([torch.arange(axis.num_windows, device=padded.device) * axis.stride for axis in axes], padded)


def _places(padded: Tensor, axes: list[Axis]) -> Tensor:
    """Where in a flat map each element of a window lies, counted from the first."""
    return _flat([torch.arange(axis.size, device=padded.device) for axis in axes], padded).flatten()


def _flat(along: list[Tensor], padded: Tensor) -> Tensor:
    flat = torch.zeros((), dtype=torch.int64, device=padded.device)
    for places, length in zip(along, padded.shape[2:], strict=True):
        flat = flat[..., None] * length + places
    return flat


def _taken(padded: Tensor, positions: Tensor) -> Tensor:
    """The elements at flat positions, read in the order in which they lie in memory."""
    by_channel = padded.movedim(1, -1)
    if by_channel.is_contiguous() and not padded.is_contiguous():
        chosen = positions.movedim(1, -1)
        return by_channel.flatten(1, -2).gather(1, chosen.flatten(1, -2)).view(chosen.shape).movedim(-1, 1)
    return padded.flatten(2).gather(2, positions.flatten(2)).view(positions.shape)


def _wide(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
