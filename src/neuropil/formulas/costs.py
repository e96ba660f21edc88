"""What a convolution costs, counted. Source: chapter, "MobileNet" ("Computational cost"), "VGGNet"."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "convolution_weights", "dense_weights", "flattened_weights", "output_size", "receptive_field", "separable_cost",
    "separable_share", "separable_weights", "spatial_weights", "stack_weights", "standard_cost",
]  # fmt: skip


def output_size(size: int, kernel: int, padding: tuple[int, int] = (0, 0), stride: int = 1, dilation: int = 1) -> int:
    """Cells along one axis of a feature map (rows 37-39): `(n + before + after - d (k - 1) - 1) // s + 1`.

    Example:
        >>> output_size(224, 7, (3, 3), 2)
        112
    """
    return (size + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1


def standard_cost(D_K: int, M: int, N: int, D_F: int) -> int:
    """Multiply-adds of a convolution (row 75): `D_K D_K M N D_F D_F`. Source: Howard et al. 2017, equation 2.

    Slip corrected: the chapter has a third `D_F` in place of `N`.

    Example:
        >>> standard_cost(3, 32, 64, 112)
        231211008
    """
    return D_K * D_K * M * N * D_F * D_F


def separable_cost(D_K: int, M: int, N: int, D_F: int) -> int:
    """Multiply-adds of a depthwise separable one (row 75): `D_K D_K M D_F D_F + M N D_F D_F`. Source: equation 5.

    Example:
        >>> separable_cost(3, 32, 64, 112)
        29302784
    """
    return D_K * D_K * M * D_F * D_F + M * N * D_F * D_F


def separable_share(D_K: int, N: int) -> float:
    """Share of the standard cost that is left (row 75): `1 / N + 1 / D_K^2`.

    Example:
        >>> round(1 / separable_share(3, 512), 1)  # "8 to 9 times less"
        8.8
    """
    return 1 / N + 1 / D_K**2


def stack_weights(kernel: int, layers: int = 1, channels: int = 1) -> int:
    """Weights of so many convolutions on one another (row 62), `layers k^2 C^2`: 27 C^2 against 49 C^2.

    Example:
        >>> stack_weights(3, layers=3), stack_weights(7)
        (27, 49)
    """
    return layers * kernel**2 * channels**2


def receptive_field(layers: Sequence[tuple[int, int, int]]) -> int:
    """Cells of the input that one output sees along an axis (row 56), by `(kernel, stride, dilation)` of each layer.

    Two 3x3 see as far as a 5x5, three as a 7x7. Slip corrected: the field is the same, not what can be computed.

    Example:
        >>> [receptive_field([(3, 1, 1)] * depth) for depth in (1, 2, 3)]
        [3, 5, 7]
    """
    field, step = 1, 1
    for kernel, stride, dilation in layers:
        field += dilation * (kernel - 1) * step
        step *= stride
    return field


def convolution_weights(D_K: int, M: int, N: int, groups: int = 1, bias: bool = False) -> int:
    """Weights of a convolution (rows 35, 47): `D_K^2 M N / g`, and one constant a map; the picture's size is not in it.

    Example:
        >>> convolution_weights(5, 1, 6, bias=True), convolution_weights(3, 256, 256, groups=8)
        (156, 73728)
    """
    return D_K**2 * M * N // groups + bias * N


def dense_weights(n: int, m: int, bias: bool = True) -> int:
    """Weights of a fully connected layer of n values into m (row 34): `(n + 1) m`.

    Example:
        >>> dense_weights(9216, 4096)  # AlexNet's first
        37752832
    """
    return (n + bias) * m


def separable_weights(D_K: int, M: int, N: int) -> int:
    """Weights of a depthwise separable convolution (row 74): `D_K^2 M + M N`.

    Example:
        >>> separable_weights(3, 512, 512)
        266752
    """
    return D_K**2 * M + M * N


def spatial_weights(D_K: int, M: int, N: int) -> int:
    """Weights of `k x 1` on M maps and `1 x k` on the N maps of that (row 45): `D_K M N + D_K N^2`.

    Example:
        >>> spatial_weights(3, 64, 64), convolution_weights(3, 64, 64)
        (24576, 36864)
    """
    return D_K * M * N + D_K * N * N


def flattened_weights(D_K: int, M: int, N: int) -> int:
    """Weights of a flattened convolution (row 46): `(M + 2 D_K) N`, over the maps, down, across.

    Example:
        >>> flattened_weights(3, 64, 64)
        4480
    """
    return (M + 2 * D_K) * N
