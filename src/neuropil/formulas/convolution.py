"""Weighted sums over windows of `[N, C, H, W]`. Source: chapter, "CNN", "Convolution" and its kinds, "U-Net"."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "center_crop",
    "channel_shuffle",
    "convolution",
    "cross_correlation",
    "depthwise_separable_convolution",
    "flattened_convolution",
    "local_convolution",
    "same_padding",
    "same_padding_tensorflow",
    "separate",
    "spatially_separable_convolution",
    "transposed_convolution",
]

Array = np.ndarray[Any, np.dtype[np.float64]]
Two = tuple[int, int]
NONE, ONES = ((0, 0), (0, 0)), (1, 1)


def cross_correlation(
    x: Array,
    w: Array,
    b: Array | float = 0.0,
    padding: tuple[Two, Two] = NONE,
    stride: Two = ONES,
    dilation: Two = ONES,
    groups: int = 1,
) -> Array:
    """The chapter's `Conv2D` (rows 35-41, 43, 47): `y[o, i, j] = b[o] + sum w[o, c, k, l] x[c, i s + k d, j s + l d]`.

    Example:
        >>> cross_correlation(np.arange(9.0).reshape(1, 1, 3, 3), np.array([[[[1.0, 2.0]]]])).tolist()
        [[[[2.0, 5.0], [11.0, 14.0], [20.0, 23.0]]]]
    """
    span = tuple((size - 1) * step + 1 for size, step in zip(w.shape[2:], dilation, strict=True))
    x = np.pad(x, (*NONE, *padding))
    windows = np.lib.stride_tricks.sliding_window_view(x, span, axis=(2, 3))
    windows = windows[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    windows = windows.reshape(len(x), groups, -1, *windows.shape[2:])
    y = np.einsum("bgcijkl,gockl->bgoij", windows, w.reshape(groups, -1, *w.shape[1:]))
    return np.asarray(y.reshape(len(x), len(w), *y.shape[3:]) + np.reshape(b, (-1, 1, 1)))


def convolution(x: Array, w: Array) -> Array:
    """Convolution as mathematics has it (row 36): the kernel is turned round first. No framework does that.

    Example:
        >>> convolution(np.arange(9.0).reshape(1, 1, 3, 3), np.array([[[[1.0, 2.0]]]])).tolist()
        [[[[1.0, 4.0], [10.0, 13.0], [19.0, 22.0]]]]
    """
    return cross_correlation(x, w[:, :, ::-1, ::-1])


def transposed_convolution(
    x: Array,
    w: Array,
    b: Array | float = 0.0,
    cut: tuple[Two, Two] = NONE,
    stride: Two = ONES,
    dilation: Two = ONES,
    groups: int = 1,
    extra: Two = (0, 0),
) -> Array:
    """Deconvolution (row 42): `y[o, m s + k d, n s + l d] += w[c, o, k, l] x[c, m, n]`; then cut. w: `[C, O/G, K, L]`.

    Example:
        >>> transposed_convolution(np.array([[[[1.0, 2.0]]]]), np.ones((1, 1, 1, 2)), stride=(1, 2)).tolist()
        [[[[1.0, 1.0, 2.0, 2.0]]]]
    """
    (M, N), (K, L), (s, t), (d, e) = x.shape[2:], w.shape[2:], stride, dilation
    H, W = (M - 1) * s + d * (K - 1) + 1 + extra[0], (N - 1) * t + e * (L - 1) + 1 + extra[1]
    x, w = x.reshape(len(x), groups, -1, M, N), w.reshape(groups, -1, *w.shape[1:])
    y = np.zeros((len(x), groups, w.shape[2], H, W))
    for k, j in np.ndindex(K, L):
        part = np.einsum("bgcmn,gco->bgomn", x, w[..., k, j])
        y[..., k * d : k * d + (M - 1) * s + 1 : s, j * e : j * e + (N - 1) * t + 1 : t] += part
    y = y[..., cut[0][0] : H - cut[0][1], cut[1][0] : W - cut[1][1]]
    return np.asarray(y.reshape(len(x), -1, *y.shape[3:]) + np.reshape(b, (-1, 1, 1)))


def same_padding(kernel: int, dilation: int = 1) -> Two:
    """As many zeros on both sides as keep the size at stride 1 (row 38); needs `dilation (kernel - 1)` even.

    Example:
        >>> same_padding(5)
        (2, 2)
    """
    return dilation * (kernel - 1) // 2, dilation * (kernel - 1) // 2


def same_padding_tensorflow(size: int, kernel: int, stride: int = 1, dilation: int = 1) -> Two:
    """As few zeros as give `ceil(size / stride)` outputs (row 38), an odd one after.

    Example:
        >>> same_padding_tensorflow(224, 3, 2)
        (0, 1)
    """
    total = max((-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def depthwise_separable_convolution(
    x: Array, depthwise: Array, pointwise: Array, padding: tuple[Two, Two] = NONE, stride: Two = ONES
) -> Array:
    """Each channel alone, `[C, 1, K, L]`, then the channels mixed at each place, `[O, C, 1, 1]` (rows 44, 74).

    Example:
        >>> depthwise_separable_convolution(np.ones((1, 2, 3, 3)), np.ones((2, 1, 3, 3)), np.ones((1, 2, 1, 1))).item()
        18.0
    """
    maps = cross_correlation(x, depthwise, padding=padding, stride=stride, groups=x.shape[1])
    return cross_correlation(maps, pointwise)


def spatially_separable_convolution(x: Array, column: Array, row: Array) -> Array:
    """`k x 1`, then `1 x k` (row 45): the convolution with the outer product of the two.

    Example:
        >>> spatially_separable_convolution(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 1)), np.ones((1, 1, 1, 3))).item()
        9.0
    """
    return cross_correlation(cross_correlation(x, column), row)


def separate(kernel: Array) -> tuple[Array, Array, float]:
    """Column, row and what is left of the kernel without their product, as a share (row 45): 0 where it factorises.

    Slip corrected: not every kernel factorises; the best product is the first singular pair (Eckart and Young 1936).

    Example:
        >>> separate(np.eye(2))[2] ** 2  # the identity is half out of reach
        0.5000000000000001
    """
    U, S, V = np.linalg.svd(kernel)
    return U[:, 0] * np.sqrt(S[0]), V[0] * np.sqrt(S[0]), float(np.sqrt((S[1:] ** 2).sum() / (S**2).sum()))


def flattened_convolution(x: Array, lateral: Array, vertical: Array, horizontal: Array) -> Array:
    """Over the channels, `[O, C, 1, 1]`, down, `[O, 1, K, 1]`, and across, `[O, 1, 1, L]` (row 46).

    Example:
        >>> weights = np.ones((1, 2, 1, 1)), np.ones((1, 1, 3, 1)), np.ones((1, 1, 1, 3))
        >>> flattened_convolution(np.ones((1, 2, 3, 3)), *weights).item()
        18.0
    """
    maps = cross_correlation(cross_correlation(x, lateral), vertical, groups=len(lateral))
    return cross_correlation(maps, horizontal, groups=len(lateral))


def local_convolution(x: Array, w: Array, b: Array, padding: int = 0) -> Array:
    """A kernel of its own at each place (row 82, darknet's `local`): `y[o, i, j] = b[o, i, j] + sum w[i, j, o] x`.

    Example:
        >>> w = np.arange(2.0).reshape(2, 1, 1, 1, 1)
        >>> local_convolution(np.ones((1, 1, 1, 2)), w, np.zeros((1, 1, 2))).tolist()
        [[[[0.0, 1.0]]]]
    """
    size, columns = w.shape[-1], b.shape[2]
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    y = np.empty((len(x), *b.shape))
    for place, kernels in enumerate(w):
        i, j = divmod(place, columns)
        y[:, :, i, j] = np.einsum("nckl,ockl->no", x[:, :, i : i + size, j : j + size], kernels) + b[:, i, j]
    return y


def channel_shuffle(x: Array, groups: int) -> Array:
    """The channels of the groups dealt out (rows 48, 76): `y[k G + g] = x[g C / G + k]`.

    Example:
        >>> channel_shuffle(np.arange(6.0).reshape(1, 6), 2).tolist()
        [[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]]
    """
    return x.reshape(len(x), groups, -1, *x.shape[2:]).swapaxes(1, 2).reshape(x.shape)


def center_crop(x: Array, H: int, W: int) -> Array:
    """The middle of each map (row 88), which U-Net joins to the smaller maps of its right side.

    Example:
        >>> center_crop(np.arange(9.0).reshape(3, 3), 1, 1).tolist()
        [[4.0]]
    """
    top, left = (x.shape[-2] - H) // 2, (x.shape[-1] - W) // 2
    return x[..., top : top + H, left : left + W]
