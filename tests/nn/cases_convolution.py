"""Every convolution for the test of every layer; the formulas of one axis are those of two with a single row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from neuropil.formulas import convolution as formulas
from neuropil.nn.convolution import Convolution1d, Convolution2d, PointwiseConvolution1d, PointwiseConvolution2d
from neuropil.nn.padding import same_tensorflow
from neuropil.nn.separable import (
    DepthwiseSeparableConvolution1d,
    DepthwiseSeparableConvolution2d,
    FlattenedConvolution2d,
    SpatiallySeparableConvolution2d,
)
from neuropil.nn.shuffled import ChannelShuffle, ShuffledGroupedConvolution1d, ShuffledGroupedConvolution2d
from neuropil.nn.transposed import TransposedConvolution1d, TransposedConvolution2d
from nn.layer_cases import LayerCase

__all__ = ["CASES"]

Array = np.ndarray[Any, np.dtype[np.float64]]


def as_rows(value: Any) -> Array:
    """`[N, C, L]` as `[N, C, 1, L]`."""
    array = value.detach().numpy() if hasattr(value, "detach") else value
    return array[:, :, None] if array.ndim == 3 else array


def two(values: tuple[int, ...], of_a_row: int) -> tuple[int, int]:
    """Numbers of one axis as those of two."""
    return (of_a_row, values[0]) if len(values) == 1 else (values[0], values[1])


def ordinary(layer: nn.Module, x: Array) -> Array:
    """Any `Convolution1d` or `Convolution2d`."""
    assert isinstance(layer, Convolution1d | Convolution2d)
    amounts = layer.amounts or same_tensorflow(x.shape[2:], layer.kernel_size, layer.stride, layer.dilation)
    y = formulas.cross_correlation(
        as_rows(x),
        as_rows(layer.weight),
        0.0 if layer.bias is None else layer.bias.detach().numpy(),
        amounts if len(amounts) == 2 else ((0, 0), *amounts),
        two(layer.stride, 1),
        two(layer.dilation, 1),
        layer.groups,
    )
    return y[:, :, 0] if x.ndim == 3 else y


def transposed(layer: nn.Module, x: Array) -> Array:
    """Any `TransposedConvolution1d` or `TransposedConvolution2d`."""
    assert isinstance(layer, TransposedConvolution1d | TransposedConvolution2d)
    y = formulas.transposed_convolution(
        as_rows(x),
        as_rows(layer.weight),
        0.0 if layer.bias is None else layer.bias.detach().numpy(),
        layer.cuts if len(layer.cuts) == 2 else ((0, 0), *layer.cuts),
        two(layer.stride, 1),
        two(layer.dilation, 1),
        layer.groups,
        two(layer.output_padding, 0),
    )
    return y[:, :, 0] if x.ndim == 3 else y


def shuffled(layer: nn.Module, x: Array) -> Array:
    assert isinstance(layer, Convolution1d | Convolution2d)
    return formulas.channel_shuffle(ordinary(layer, x), layer.groups)


def separable(layer: nn.Module, x: Array) -> Array:
    """Without normalization and activation, where the padding is `same`."""
    assert isinstance(layer, DepthwiseSeparableConvolution2d)
    weights = layer.depthwise.weight.detach().numpy(), layer.pointwise.weight.detach().numpy()
    pad = layer.depthwise.padding
    y = formulas.depthwise_separable_convolution(x, *weights, ((pad[0],) * 2, (pad[1],) * 2), layer.depthwise.stride)
    return y + layer.pointwise.bias.detach().numpy()[:, None, None]


def linear_separable() -> nn.Module:
    layer = DepthwiseSeparableConvolution2d(3, 4, stride=2, normalization=False, activation=None)
    nn.init.zeros_(layer.depthwise.bias)
    return layer


def with_statistics(layer: nn.Module) -> nn.Module:
    """Batch normalization as after a training: no value is one that would not show."""
    for part in layer.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            for value in (part.weight, part.bias, part.running_mean, part.running_var):
                nn.init.uniform_(value, 0.5, 1.5)
    return layer


def normalized(layer: nn.Module, x: Array) -> Array:
    """A normalization in evaluation, and ReLU."""
    assert isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)
    gamma, beta, mean, variance = (
        value.detach().numpy().reshape(-1, *(1,) * (x.ndim - 2))
        for value in (layer.weight, layer.bias, layer.running_mean, layer.running_var)
    )
    return np.maximum(gamma * (x - mean) / np.sqrt(variance + layer.eps) + beta, 0)


def normalized_separable(layer: nn.Module, x: Array) -> Array:
    assert isinstance(layer, DepthwiseSeparableConvolution1d | DepthwiseSeparableConvolution2d)
    maps = normalized(layer.depthwise_normalization, ordinary(layer.depthwise, x))
    return normalized(layer.pointwise_normalization, ordinary(layer.pointwise, maps))


def spatial(layer: nn.Module, x: Array) -> Array:
    assert isinstance(layer, SpatiallySeparableConvolution2d)
    (above, beside) = (layer.vertical.padding[0], layer.horizontal.padding[1])
    weights = layer.vertical.weight.detach().numpy(), layer.horizontal.weight.detach().numpy()
    y = formulas.spatially_separable_convolution(np.pad(x, ((0, 0), (0, 0), (above,) * 2, (beside,) * 2)), *weights)
    return y + layer.horizontal.bias.detach().numpy()[:, None, None]


def flattened(layer: nn.Module, x: Array) -> Array:
    assert isinstance(layer, FlattenedConvolution2d)
    (above, beside) = (layer.vertical.padding[0], layer.horizontal.padding[1])
    weights = [one.weight.detach().numpy() for one in (layer.lateral, layer.vertical, layer.horizontal)]
    y = formulas.flattened_convolution(np.pad(x, ((0, 0), (0, 0), (above,) * 2, (beside,) * 2)), *weights)
    return y + layer.horizontal.bias.detach().numpy()[:, None, None]


def dealt(layer: nn.Module, x: Array) -> Array:
    assert isinstance(layer, ChannelShuffle)
    return formulas.channel_shuffle(x, layer.groups)


def case(
    name: str, make: Callable[[], nn.Module], shape: tuple[int, ...], formula: Callable[[nn.Module, Array], Array]
) -> LayerCase:
    return LayerCase(name, make, shape, formula)


LINE, MAPS, MANY = (2, 9), (2, 5, 7), (6, 5, 7)

CASES = [
    case("convolution", lambda: Convolution2d(2, 3, 3), MAPS, ordinary),
    case("convolution same", lambda: Convolution2d(2, 3, (3, 5), padding="same", dilation=(2, 1)), MAPS, ordinary),
    case("convolution same stride", lambda: Convolution2d(2, 3, 3, padding="same", stride=2), MAPS, ordinary),
    case(
        "convolution same_tensorflow",
        lambda: Convolution2d(2, 3, (3, 4), padding="same_tensorflow", stride=2),
        MAPS,
        ordinary,
    ),
    case(
        "convolution uneven padding",
        lambda: Convolution2d(2, 3, 3, padding=((0, 2), 1), bias=False, stride=(1, 2)),
        MAPS,
        ordinary,
    ),
    case("convolution dilated", lambda: Convolution2d(2, 2, 3, dilation=2, padding=2), MAPS, ordinary),
    case("convolution grouped", lambda: Convolution2d(6, 9, 3, groups=3, padding=1), MANY, ordinary),
    case("convolution depthwise", lambda: Convolution2d(6, 12, 3, groups=6), MANY, ordinary),
    case("convolution 1-D", lambda: Convolution1d(2, 3, 3, dilation=2, padding="same"), LINE, ordinary),
    case(
        "convolution 1-D same_tensorflow",
        lambda: Convolution1d(2, 3, 4, stride=2, padding="same_tensorflow"),
        LINE,
        ordinary,
    ),
    case("convolution 1-D grouped", lambda: Convolution1d(6, 9, 3, groups=3), (6, 9), ordinary),
    case("pointwise", lambda: PointwiseConvolution2d(2, 5, stride=2), MAPS, ordinary),
    case("pointwise grouped", lambda: PointwiseConvolution2d(6, 9, groups=3), MANY, ordinary),
    case(
        "pointwise grouped stride",
        lambda: PointwiseConvolution2d(6, 9, groups=3, stride=2, bias=False),
        MANY,
        ordinary,
    ),
    case("pointwise 1-D", lambda: PointwiseConvolution1d(2, 5), LINE, ordinary),
    case("pointwise 1-D grouped", lambda: PointwiseConvolution1d(6, 4, groups=2, stride=2), (6, 9), ordinary),
    case("transposed", lambda: TransposedConvolution2d(2, 3, 3, stride=2), MAPS, transposed),
    case("transposed same", lambda: TransposedConvolution2d(2, 3, 4, stride=2, padding="same"), MAPS, transposed),
    case(
        "transposed same_tensorflow",
        lambda: TransposedConvolution2d(2, 3, (3, 2), stride=(2, 3), padding="same_tensorflow"),
        MAPS,
        transposed,
    ),
    case(
        "transposed all options",
        lambda: TransposedConvolution2d(
            6, 4, 3, stride=(2, 3), padding=((1, 0), 2), output_padding=1, dilation=2, groups=2, bias=False
        ),
        MANY,
        transposed,
    ),
    case("transposed 1-D", lambda: TransposedConvolution1d(2, 3, 3, stride=2, padding=1), LINE, transposed),
    case(
        "transposed 1-D same_tensorflow",
        lambda: TransposedConvolution1d(2, 3, 3, stride=2, padding="same_tensorflow"),
        LINE,
        transposed,
    ),
    case("depthwise separable linear", linear_separable, (3, 5, 7), separable),
    case(
        "depthwise separable",
        lambda: with_statistics(DepthwiseSeparableConvolution2d(3, 4, stride=2)),
        (3, 5, 7),
        normalized_separable,
    ),
    case(
        "depthwise separable same_tensorflow",
        lambda: with_statistics(
            DepthwiseSeparableConvolution2d(3, 4, 5, stride=2, padding="same_tensorflow", multiplier=2)
        ),
        (3, 5, 8),
        normalized_separable,
    ),
    case(
        "depthwise separable 1-D",
        lambda: with_statistics(DepthwiseSeparableConvolution1d(3, 4)),
        (3, 9),
        normalized_separable,
    ),
    case("spatially separable", lambda: SpatiallySeparableConvolution2d(2, 3, (3, 5)), MAPS, spatial),
    case("flattened", lambda: FlattenedConvolution2d(2, 3, (5, 3)), MAPS, flattened),
    case("shuffled grouped", lambda: ShuffledGroupedConvolution2d(6, 9, 3, groups=3), MANY, shuffled),
    case("shuffled pointwise", lambda: ShuffledGroupedConvolution2d(6, 12, 1, groups=3), MANY, shuffled),
    case("shuffled grouped 1-D", lambda: ShuffledGroupedConvolution1d(6, 4, 3, groups=2), (6, 9), shuffled),
    case("channel shuffle", lambda: ChannelShuffle(3), MANY, dealt),
]
