"""The layers of a line, each built for the shape that arrives at it.

`shapes_along` runs a line on shapes alone, so that what cannot fit is refused before any memory is taken.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from itertools import zip_longest
from typing import Any, NamedTuple

import torch
from torch import nn

from neuropil.errors import InputError
from neuropil.models.line_grammar import ACTIVATION_NAMES, KINDS, Layer, point_at
from neuropil.nn.activation import make_activation
from neuropil.nn.convolution import Convolution1d, Convolution2d, check_groups
from neuropil.nn.dropout import SpatialDropout, todays_dropout
from neuropil.nn.normalization import BatchNormalization, LocalResponseNormalization
from neuropil.nn.pooling import AveragePooling, GlobalAveragePooling, GlobalMaxPooling, MaxPooling, TrainableSubsampling
from neuropil.nn.separable import (
    DepthwiseSeparableConvolution1d,
    DepthwiseSeparableConvolution2d,
    FlattenedConvolution2d,
    SpatiallySeparableConvolution2d,
)
from neuropil.nn.shuffled import ShuffledGroupedConvolution1d, ShuffledGroupedConvolution2d
from neuropil.nn.stochastic_pooling import StochasticPooling
from neuropil.nn.transposed import TransposedConvolution1d, TransposedConvolution2d

__all__ = ["ENDS_A_STAGE", "Entry", "Shape", "build_layers", "shape_in_words", "shapes_along"]

Shape = tuple[int, ...]

MOST_VALUES = 2**31
"""Weights of a network, or values that one sample makes in one layer: 8 GiB of either."""
TOO_LARGE = f"with it, the network has more than {MOST_VALUES:,} weights, or values in one layer; give smaller sizes"

UNCOUNTABLE = re.compile("overflow|invalid .*size|too large|numel|out of range|exceed", re.IGNORECASE)
"""What torch says where it cannot even count the values."""

CONVOLUTIONS: dict[str, tuple[Callable[..., nn.Module] | None, Callable[..., nn.Module]]] = {
    "Conv": (Convolution1d, Convolution2d),
    "TConv": (TransposedConvolution1d, TransposedConvolution2d),
    "DWConv": (Convolution1d, Convolution2d),
    "SepConv": (DepthwiseSeparableConvolution1d, DepthwiseSeparableConvolution2d),
    "SpatialConv": (None, SpatiallySeparableConvolution2d),
    "FlatConv": (None, FlattenedConvolution2d),
    "ShuffleConv": (ShuffledGroupedConvolution1d, ShuffledGroupedConvolution2d),
}
"""Along one axis, and along two."""

POOLINGS: dict[str, Callable[..., nn.Module]] = {
    "Pool": MaxPooling,
    "AvgPool": AveragePooling,
    "StochasticPool": StochasticPooling,
}

ON_MAPS: dict[str, Callable[[Any, int], nn.Module]] = {
    "Subsample": lambda size, channels: TrainableSubsampling(channels, size),
    "GlobalAvgPool": lambda _, channels: GlobalAveragePooling(),
    "GlobalMaxPool": lambda _, channels: GlobalMaxPooling(),
    "SpatialDrop": lambda rate, channels: SpatialDropout(rate),
}
"""The other layers that need maps, from their number and the channels that arrive."""

ON_ANYTHING: dict[str, Callable[[Any, int], nn.Module]] = {
    "Norm": lambda size, channels: LocalResponseNormalization(size),
    "BN": lambda _, channels: BatchNormalization(channels),
    "Drop": lambda rate, channels: todays_dropout(rate),
    "Flatten": lambda _, channels: nn.Flatten(1),
}
"""The layers that read maps or rows of numbers alike."""

OVERWRITTEN = ("FC", "BN", *(kind for kind in CONVOLUTIONS if kind != "SepConv"))
"""Layers whose output a ReLU behind them may overwrite: nothing else reads it. SepConv ends in a ReLU of its own."""

ENDS_A_STAGE = (*POOLINGS, "Subsample")
NEVER_BELOW_ZERO = ("ReLU", "ReLU6", "Sigmoid", "HardSigmoid", "SepConv")
KEEPS_SIGNS = (*POOLINGS, "GlobalAvgPool", "GlobalMaxPool", "Norm", "Drop", "SpatialDrop", "Flatten")


class Entry(NamedTuple):
    """One module of the network."""

    name: str
    module: nn.Module
    kind: str
    shape: Shape
    """What it gives for one sample."""


def shapes_along(line: str, layers: tuple[Layer, ...], in_shape: Shape) -> list[Shape]:
    """What arrives at each layer, and what the last one gives. Nothing is computed and no memory taken."""
    if not 1 <= len(in_shape) <= 3 or min(in_shape) < 1:
        raise InputError(f"in_shape = {in_shape} was given; it is (C, H, W), (C, L) or (D,), each from 1 up")
    shapes, weights, below_zero = [in_shape], 0, False
    for layer in layers:
        if layer.kind == "SM":
            continue
        if below_zero and layer.kind == "StochasticPool":
            raise point_at(line, layer, f"{layer} draws in proportion to values from 0 up; put ReLU before it")
        below_zero = layer.kind not in NEVER_BELOW_ZERO and (below_zero or layer.kind not in KEEPS_SIGNS)
        try:
            shape, more = _measure(layer, shapes[-1])
            weights += more
            if max(weights, math.prod(shape)) > MOST_VALUES:
                raise InputError(TOO_LARGE)
        except InputError as error:
            raise point_at(line, layer, f"{layer} gets {shape_in_words(shapes[-1])}: {error}") from None
        shapes.append(shape)
    return shapes


def _measure(layer: Layer, shape: Shape) -> tuple[Shape, int]:
    """What a layer gives for one sample, and how many weights it has."""
    try:
        with torch.device("meta"), torch.no_grad():
            module, x = _build(layer, shape, biased=True).eval(), torch.empty(1, *shape)
            y = module(x.flatten(1) if layer.kind == "FC" else x)
    except (RuntimeError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(TOO_LARGE if UNCOUNTABLE.search(reason) else f"torch refuses it: {reason}") from error
    return tuple(y.shape[1:]), sum(p.numel() for p in module.parameters())


def build_layers(layers: tuple[Layer, ...], shapes: list[Shape]) -> list[Entry]:
    """The modules, named by kind and number: conv1, relu1, pool1, conv2, ..."""
    entries: list[Entry] = []
    counts: Counter[str] = Counter()

    def add(kind: str, module: nn.Module, shape: Shape) -> None:
        counts[kind] += 1
        if isinstance(module, nn.ReLU | nn.ReLU6) and entries and entries[-1].kind in OVERWRITTEN:
            module.inplace = True
        entries.append(Entry(f"{kind.lower()}{counts[kind]}", module, kind, shape))

    for layer, behind, before, after in zip_longest(layers, layers[1:], shapes, shapes[1:]):
        if layer is None or layer.kind == "SM":
            break
        if layer.kind == "FC" and len(before) > 1:
            add("Flatten", nn.Flatten(1), (math.prod(before),))
        add(layer.kind, _build(layer, before, biased=behind is None or behind.kind != "BN"), after)
    return entries


def _build(layer: Layer, shape: Shape, *, biased: bool) -> nn.Module:
    """One layer for what arrives at it, with fresh weights."""
    kind, channels = layer.kind, shape[0]
    if kind in ACTIVATION_NAMES:
        return make_activation(ACTIVATION_NAMES[kind])
    if kind == "FC":
        if not isinstance(layer.number, int) or layer.number < 1:
            raise InputError(f"a layer of {layer.number} units was asked for; give at least 1")
        return nn.Linear(math.prod(shape), layer.number, bias=biased)
    if kind == "GN":
        return _group_normalization(int(layer.number), shape)  # type: ignore[arg-type]
    if kind in ON_ANYTHING:
        return ON_ANYTHING[kind](layer.number, channels)
    if len(shape) == 1:
        raise InputError("it needs maps, (C, H, W) or (C, L); move it before the first FC or global pooling")
    if kind in ON_MAPS:
        return ON_MAPS[kind](layer.number, channels)
    if kind in POOLINGS:
        return POOLINGS[kind](layer.number, layer.stride, layer.padding)
    return _convolution(layer, shape, biased)


def _convolution(layer: Layer, shape: Shape, biased: bool) -> nn.Module:
    kind, channels, taken = layer.kind, shape[0], KINDS[layer.kind].options
    layer_class = CONVOLUTIONS[kind][len(shape) - 2]
    if layer_class is None:
        raise InputError("it needs maps with two axes, (C, H, W)")
    options: dict[str, Any] = {"stride": 1 if layer.stride is None else layer.stride, "padding": layer.padding}
    if "d" in taken:
        options["dilation"] = layer.dilation
    if "g" in taken:
        options["groups"] = layer.groups
    if "b" in taken:
        options["bias"] = biased if layer.bias is None else layer.bias
    if kind == "DWConv":
        options["groups"] = channels
    maps = channels if layer.number is None else layer.number
    return layer_class(channels, maps, layer.kernel, **options)


def _group_normalization(groups: int, shape: Shape) -> nn.GroupNorm:
    check_groups(shape[0], shape[0], groups)
    if math.prod(shape) == groups:
        raise InputError(f"{groups} groups of one value each would all become 0; take fewer groups")
    return nn.GroupNorm(groups, shape[0])


def shape_in_words(shape: Shape) -> str:
    """A shape as a message says it.

    Example:
        >>> shape_in_words((6, 14, 14)), shape_in_words((120,))
        ('6x14x14', '120 numbers')
    """
    return "x".join(map(str, shape)) if len(shape) > 1 else f"{shape[0]} number{'s' * (shape[0] != 1)}"
