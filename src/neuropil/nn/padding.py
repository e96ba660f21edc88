"""How much is put around an input before a window moves over it, and what is cut off in the middle of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from torch import Tensor

from neuropil.errors import InputError

__all__ = ["Amounts", "Padding", "center_crop", "per_axis", "reach", "resolve_padding", "same_tensorflow"]

Amounts: TypeAlias = tuple[tuple[int, int], ...]
"""Zeros before and after, one pair an axis."""

Padding: TypeAlias = Literal["valid", "same", "same_tensorflow"] | int | tuple[int | tuple[int, int], ...]
"""A word, one number for all sides, or for each axis a number or `(before, after)`."""


def per_axis(value: int | Sequence[int], axes: int, what: str, least: int = 1) -> tuple[int, ...]:
    """One whole number for each axis.

    Raises:
        InputError: another count of numbers, or one below the least.

    Example:
        >>> per_axis(3, 2, "kernel")
        (3, 3)
    """
    values = (value,) * axes if isinstance(value, int) else tuple(value)
    if len(values) != axes or min(values) < least:
        raise InputError(f"{what} {value} was given; give {axes} whole number{'s' * (axes > 1)} of at least {least}")
    return values


def reach(kernel: Sequence[int], dilation: Sequence[int]) -> tuple[int, ...]:
    """How many cells of the input a kernel spans along each axis: `dilation (kernel - 1) + 1`.

    Example:
        >>> reach((3, 3), (1, 2))
        (3, 5)
    """
    return tuple(step * (size - 1) + 1 for size, step in zip(kernel, dilation, strict=True))


def resolve_padding(padding: Padding, kernel: Sequence[int], dilation: Sequence[int]) -> Amounts | None:
    """Zeros before and after on each axis; `None` for `same_tensorflow`, which depends on the size of the input.

    Raises:
        InputError: an unknown word, negative or too few numbers, or `same` where both sides cannot get as much.

    Example:
        >>> resolve_padding("same", (3, 5), (2, 1))
        ((2, 2), (2, 2))
    """
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "same_tensorflow":
        return None
    if padding == "same":
        totals = [span - 1 for span in reach(kernel, dilation)]
        if any(total % 2 for total in totals):
            raise InputError(
                f"padding 'same' puts as much before as after, but kernel {tuple(kernel)} with dilation "
                f"{tuple(dilation)} needs {totals} zeros; take an odd kernel, 'same_tensorflow' or (before, after)"
            )
        return tuple((total // 2, total // 2) for total in totals)
    values = (padding,) * len(kernel) if isinstance(padding, int) else tuple(padding)
    if any(isinstance(value, str) for value in values):
        raise InputError(f"padding {padding!r} was given; it is 'valid', 'same', 'same_tensorflow' or numbers")
    pairs = tuple((value, value) if isinstance(value, int) else (value[0], value[1]) for value in values)
    if len(pairs) != len(kernel) or min(min(pair) for pair in pairs) < 0:
        raise InputError(f"padding {padding} was given; give {len(kernel)} numbers or pairs of at least 0")
    return pairs


def same_tensorflow(
    sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Amounts:
    """TensorFlow's `SAME`: as few zeros as give `ceil(size / stride)` outputs, an odd one after.

    Source: TensorFlow's guide to neural networks, "Padding".
    Formula: `total = max((ceil(n / s) - 1) s + d (k - 1) + 1 - n, 0)`, before `total // 2`.

    Differs:
        `same` puts `d (k - 1) / 2` on both sides whatever the stride. With stride 2 and an even input both give the
        same size from windows that stand one cell apart, so weights of one do not fit the other.

    Example:
        >>> same_tensorflow((224, 225), (3, 3), (2, 2), (1, 1))
        ((0, 1), (1, 1))
    """
    spans = reach(kernel, dilation)
    totals = [max((-(-n // s) - 1) * s + span - n, 0) for n, s, span in zip(sizes, stride, spans, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)


def center_crop(x: Tensor, size: Sequence[int]) -> Tensor:
    """The middle of the last axes: what U-Net keeps of its left side where the right one has become smaller.

    Source: chapter, "U-Net"; Ronneberger, Fischer and Brox 2015, figure 1 ("copy and crop").

    Shape:
        `[..., H, W]` -> `[..., size[0], size[1]]`, a view; as many last axes as there are sizes.

    Args:
        x: any tensor.
        size: what is left, at most what is there; of an odd difference one more is cut off at the end.

    Raises:
        InputError: a size larger than the input's, below 1, or more sizes than axes.

    Example:
        >>> import torch
        >>> center_crop(torch.arange(16.0).reshape(4, 4), (2, 2)).tolist()
        [[5.0, 6.0], [9.0, 10.0]]
    """
    there = tuple(x.shape[x.ndim - len(size) :])
    if len(there) != len(size) or any(not 1 <= want <= have for want, have in zip(size, there, strict=True)):
        raise InputError(
            f"the middle {tuple(size)} of {list(x.shape)} was asked for; give for each of the last axes a size from 1 "
            "up to what is there"
        )
    for axis, (want, have) in enumerate(zip(size, there, strict=True), start=x.ndim - len(size)):
        x = x.narrow(axis, (have - want) // 2, want)
    return x
