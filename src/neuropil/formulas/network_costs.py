"""What whole networks cost, by the layers that their papers print. Source: chapter, "Weights and memory of AlexNet".

The chapter has its table as a picture; these are the papers': Krizhevsky et al. 2012, section 3.5; Simonyan and
Zisserman 2015, table 1; Szegedy et al. 2015, table 1; Howard et al. 2017, table 1; LeCun et al. 1998, section II.B.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from neuropil.formulas.costs import convolution_weights, dense_weights, output_size, separable_weights, standard_cost

__all__ = [
    "ALEXNET", "GOOGLENET", "LENET", "MOBILENET", "VGG16", "Layer", "LayerCost", "auxiliary_weights", "googlenet_cost",
    "googlenet_weights", "inception_weights", "layer_costs", "mobilenet_weights", "residual_unit_cost",
    "shuffle_unit_cost",
]  # fmt: skip


class Layer(NamedTuple):
    """A convolution of N maps, or a fully connected layer of N values where the kernel is 0; then a pooling or none."""

    name: str
    N: int
    kernel: int = 0
    stride: int = 1
    padding: int = 0
    groups: int = 1
    pooled: tuple[int, int] = (1, 1)
    """Window and stride of the pooling behind it."""


class LayerCost(NamedTuple):
    """What one layer costs for one picture."""

    name: str
    weights: int
    multiply_adds: int
    outputs: int


ALEXNET = (
    Layer("conv1", 96, 11, 4, pooled=(3, 2)), Layer("conv2", 256, 5, padding=2, groups=2, pooled=(3, 2)),
    Layer("conv3", 384, 3, padding=1), Layer("conv4", 384, 3, padding=1, groups=2),
    Layer("conv5", 256, 3, padding=1, groups=2, pooled=(3, 2)), Layer("fc6", 4096), Layer("fc7", 4096),
    Layer("fc8", 1000),
)  # fmt: skip
VGG16 = (
    *(
        Layer(f"conv{block}_{place}", maps, 3, padding=1, pooled=(2, 2) if place == depth else (1, 1))
        for block, (maps, depth) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1)
        for place in range(1, depth + 1)
    ),
    Layer("fc6", 4096), Layer("fc7", 4096), Layer("fc8", 1000),
)  # fmt: skip
GOOGLENET = (
    (192, 64, 96, 128, 16, 32, 32), (256, 128, 128, 192, 32, 96, 64), (480, 192, 96, 208, 16, 48, 64),
    (512, 160, 112, 224, 24, 64, 64), (512, 128, 128, 256, 24, 64, 64), (512, 112, 144, 288, 32, 64, 64),
    (528, 256, 160, 320, 32, 128, 128), (832, 256, 160, 320, 32, 128, 128), (832, 384, 192, 384, 48, 128, 128),
)  # fmt: skip
"""Maps into each inception module; of 1x1; before and of 3x3; before and of 5x5; behind the pooling."""
MOBILENET = (
    (32, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), *((512, 512),) * 5, (512, 1024), (1024, 1024)
)  # fmt: skip
"""Maps into and out of each separable convolution."""
LENET = (("C1", 156), ("S2", 12), ("C3", 1516), ("S4", 32), ("C5", 48120), ("F6", 10164))
"""Weights as LeCun et al. print them; the layer of ten answers, whose weights there are fixed, is left out."""


def layer_costs(layers: Sequence[Layer], channels: int, side: int) -> list[LayerCost]:
    """Weights, multiply-adds and outputs of each layer (row 55), followed through the picture's sizes.

    Example:
        >>> found = layer_costs(ALEXNET, 3, 227)
        >>> sum(one.weights for one in found), found[0].outputs, found[5].weights
        (60965224, 290400, 37752832)
    """
    found = []
    for one in layers:
        if one.kernel:
            side = output_size(side, one.kernel, (one.padding, one.padding), one.stride)
            weights = convolution_weights(one.kernel, channels, one.N, one.groups, bias=True)
            cost = standard_cost(one.kernel, channels, one.N, side) // one.groups
        else:
            weights, cost = dense_weights(channels * side**2, one.N), channels * side**2 * one.N
            side = 1
        found.append(LayerCost(one.name, weights, cost, one.N * side**2))
        channels, side = one.N, output_size(side, one.pooled[0], stride=one.pooled[1])
    return found


def inception_weights(
    M: int, one: int, before_3: int, three: int, before_5: int, five: int, pooled: int, bias: bool = True
) -> int:
    """Weights of an inception module (row 64): 1x1 convolutions before the larger kernels keep them few.

    Example:
        >>> inception_weights(192, 64, 96, 128, 16, 32, 32)
        163696
    """
    pairs = ((1, M, one), (1, M, before_3), (3, before_3, three), (1, M, before_5), (5, before_5, five), (1, M, pooled))
    return sum(convolution_weights(kernel, into, out, bias=bias) for kernel, into, out in pairs)


def googlenet_weights(num_classes: int = 1000) -> int:
    """Weights of GoogLeNet without auxiliary classifiers (row 66): three convolutions, nine modules, one dense layer.

    Slip corrected: the chapter has "10 % more than AlexNet"; they are 11 % *of* AlexNet's.

    Example:
        >>> round(googlenet_weights() / sum(one.weights for one in layer_costs(ALEXNET, 3, 227)), 3)
        0.115
    """
    stem = sum(convolution_weights(k, M, N, bias=True) for k, M, N in ((7, 3, 64), (1, 64, 64), (3, 64, 192)))
    return stem + sum(inception_weights(*row) for row in GOOGLENET) + dense_weights(1024, num_classes)


def googlenet_cost(num_classes: int = 1000) -> int:
    """Multiply-adds of GoogLeNet at 224x224 (row 63): two modules see 28x28 places, five 14x14, two 7x7.

    Example:
        >>> googlenet_cost()
        1582671872
    """
    stem = standard_cost(7, 3, 64, 112) + standard_cost(1, 64, 64, 56) + standard_cost(3, 64, 192, 56)
    sides = (28, 28, 14, 14, 14, 14, 14, 7, 7)
    modules = sum(inception_weights(*row, bias=False) * side**2 for row, side in zip(GOOGLENET, sides, strict=True))
    return stem + modules + 1024 * num_classes


def auxiliary_weights(M: int, hidden: int = 1024, num_classes: int = 1000) -> int:
    """Weights of an auxiliary classifier (row 65): 128 maps of 1x1, two dense layers behind 4x4 of them.

    Example:
        >>> auxiliary_weights(512) + auxiliary_weights(528)
        6379728
    """
    dense = dense_weights(128 * 4 * 4, hidden) + dense_weights(hidden, num_classes)
    return convolution_weights(1, M, 128, bias=True) + dense


def mobilenet_weights(separable: bool = True, num_classes: int = 1000) -> int:
    """Weights of MobileNet (row 74), or of the same with ordinary convolutions: Howard et al. 2017, table 4.

    Two more for each map of each normalization.

    Example:
        >>> [round(mobilenet_weights(kind) / 1e6, 1) for kind in (True, False)]  # printed: 4.2 and 29.3
        [4.2, 29.3]
    """
    found = convolution_weights(3, 3, 32) + 2 * 32 + dense_weights(1024, num_classes)
    for M, N in MOBILENET:
        found += separable_weights(3, M, N) + 2 * (M + N) if separable else convolution_weights(3, M, N) + 2 * N
    return found


def residual_unit_cost(c: int, m: int, side: int) -> int:
    """Multiply-adds of a residual bottleneck (rows 41, 67): `h w (2 c m + 9 m^2)`. Source: Zhang et al. 2018, 3.2.

    Example:
        >>> residual_unit_cost(256, 64, 56)
        218365952
    """
    return side**2 * (2 * c * m + 9 * m * m)


def shuffle_unit_cost(c: int, m: int, g: int, side: int) -> int:
    """Multiply-adds of a ShuffleNet unit (row 76): `h w (2 c m / g + 9 m)`. Source: Zhang et al. 2018, section 3.2.

    Example:
        >>> shuffle_unit_cost(240, 60, 3, 28)
        7949760
    """
    return side**2 * (2 * c * m // g + 9 * m)
