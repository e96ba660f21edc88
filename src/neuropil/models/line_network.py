"""A network from a line of text: the chapter's "Conv - ReLU - Pool - Conv - ReLU - Pool - FC - FC - SM".

Source: chapter, "Structure of a CNN", "LeNet", "AlexNet", which write their networks so. `neuropil.models.line_grammar`
reads the line; here its layers are built, each for the shape that arrives at it.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, zip_longest
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.models.line_grammar import ACTIVATION_NAMES, KINDS, Layer, join_layers, point_at, read_line
from neuropil.nn.activation import make_activation
from neuropil.nn.convolution import Convolution1d, Convolution2d, check_groups
from neuropil.nn.dropout import Dropout, SpatialDropout
from neuropil.nn.heads import linear_head
from neuropil.nn.initialization import InitializationName, initialize
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

__all__ = ["LineNetwork"]

Shape = tuple[int, ...]

USUAL_OUTPUTS = 10
MOST_VALUES = 2**31
"""Weights of a network, or values that one sample makes in one layer: 8 GiB of either."""
TOO_LARGE = f"with it, the network has more than {MOST_VALUES:,} weights, or values in one layer; give smaller sizes"

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
    "GN": lambda groups, channels: _group_normalization(groups, channels),
    "Drop": lambda rate, channels: Dropout(rate),
    "Flatten": lambda _, channels: nn.Flatten(1),
}
"""The layers that read maps or rows of numbers alike."""

OVERWRITTEN = ("FC", "BN", *CONVOLUTIONS)
"""Layers whose output a ReLU behind them may overwrite: nothing else reads it."""

ENDS_A_STAGE = (*POOLINGS, "Subsample")
NEVER_BELOW_ZERO = ("ReLU", "ReLU6", "Sigmoid", "HardSigmoid", "SepConv")
KEEPS_SIGNS = (*POOLINGS, "GlobalAvgPool", "GlobalMaxPool", "Norm", "Drop", "SpatialDrop", "Flatten")


class _Entry(NamedTuple):
    """One module of the network."""

    name: str
    module: nn.Module
    kind: str
    shape: Shape
    """What it gives for one sample."""


class LineNetwork(nn.Module):
    """The network that a line of text describes.

    Shape:
        `[N, *in_shape]` -> `[N, num_classes]`, or whatever the line's last layer gives.

    Args:
        line: see `neuropil.models.line_grammar`; a softmax at its end is kept in mind but not computed, since losses
            and tasks take logits.
        in_shape: of one sample: `(C, H, W)`, `(C, L)`, or `(D,)` for a line of fully connected layers.
        num_classes: outputs, which the line's last layer must have; a last FC without a number takes it (10 where
            this is left out too). 0 leaves a last FC out.
        initialization: how the weights start.

    Raises:
        InputError: the line cannot be read, or a layer cannot take what arrives at it; the message points at it.

    Example:
        >>> net = LineNetwork(line="Conv6@5 - ReLU - Pool2 - Conv16@5 - ReLU - Pool2 - FC120 - FC84 - FC10 - SM")
        >>> sum(p.numel() for p in net.parameters())
        61706
        >>> LineNetwork(line="Conv - ReLU - Pool - FC - FC - SM").line
        'Conv32@3p1 - ReLU - Pool2 - FC128 - FC10 - SM'
    """

    def __init__(
        self,
        *,
        line: str,
        in_shape: Shape = (1, 32, 32),
        num_classes: int | None = None,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        self.in_shape, self.initialization = tuple(in_shape), initialization
        layers = _with_outputs(read_line(line), num_classes)
        shapes = _shapes(line, layers, self.in_shape)
        _check_outputs(line, layers, shapes[-1], num_classes)
        entries = _entries(layers, shapes)
        ends = _stage_ends(entries)
        self.stages = nn.ModuleList(_in_a_row(entries[begin:end]) for begin, end in pairwise([0, *ends]))
        self.head = _in_a_row(entries[ends[-1] if ends else 0 :])
        self.widths = tuple(entries[end - 1].shape[0] for end in ends)
        self._fixed = len(in_shape) == 1 or any(entry.kind == "Flatten" for entry in entries)
        self._softmax = tuple(layer for layer in layers if layer.kind == "SM")
        self._layers = tuple(layer for layer in layers if layer.kind != "SM")
        initialize(self, initialization)
        if num_classes == 0 and self._classifier()[1] is not None:
            self.reset_classifier(0)

    @property
    def line(self) -> str:
        """The line with every size written out; it reads as this network again."""
        return join_layers(
            self._layers if isinstance(self._classifier()[1], _LeftOut) else self._layers + self._softmax
        )

    def __repr__(self) -> str:
        return f"LineNetwork(line={self.line!r}, in_shape={self.in_shape})"

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the FC at the end for a fresh one; 0 leaves it out.

        Raises:
            InputError: the line does not end in FC.
        """
        name, last = self._classifier()
        if last is None:
            raise InputError(f"the network {self.line!r} does not end in FC, so it has no classifier to exchange")
        width, first = last.in_features, next(self.parameters(), None)
        head = linear_head(width, num_classes, self.initialization, like=first) if num_classes else _LeftOut(width)
        self.head.add_module(name, head)
        changed = Layer("FC", num_classes) if num_classes else Layer("Flatten")
        self._layers = (*self._layers[:-1], changed)

    def features(self, x: Tensor) -> list[Tensor]:
        """What each stage gives: the layers up to a pooling, or up to the next FC where there are no maps."""
        self._check(x)
        return [x := stage(x) for stage in self.stages]

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        self._check(x)
        for stage in self.stages:
            x = stage(x)
        logits: Tensor = self.head(x)
        return logits

    def _classifier(self) -> tuple[str, nn.Linear | _LeftOut | None]:
        """The FC at the end, or what stands where one was."""
        name, last = next(reversed(list(self.head.named_children())), ("", None))
        return name, last if isinstance(last, nn.Linear | _LeftOut) else None

    def _check(self, x: Tensor) -> None:
        if self._fixed and tuple(x.shape[1:]) != self.in_shape:
            raise InputError(
                f"samples of {_in_words(tuple(x.shape[1:]))} were given to a network for {_in_words(self.in_shape)}; "
                f"build it with in_shape={tuple(x.shape[1:])}"
            )


class _LeftOut(nn.Identity):
    """Stands where a classifier was, and remembers its width."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.in_features = in_features


def _with_outputs(layers: tuple[Layer, ...], num_classes: int | None) -> tuple[Layer, ...]:
    """The last FC with as many units as are wanted, where the line does not say."""
    wanted = num_classes or USUAL_OUTPUTS
    return tuple(
        replace(layer, number=wanted) if layer.kind == "FC" and layer.number is None else layer for layer in layers
    )


def _check_outputs(line: str, layers: tuple[Layer, ...], shape: Shape, num_classes: int | None) -> None:
    """Refuse a line that ends in something else than is wanted."""
    if layers[-1].kind == "SM" and len(shape) > 1:
        raise point_at(
            line,
            layers[-1],
            f"SM gets {_in_words(shape)}, but takes a row of numbers; put FC or GlobalAvgPool before it",
        )
    if num_classes and shape != (num_classes,):
        last = next(layer for layer in reversed(layers) if layer.kind != "SM")
        raise point_at(
            line,
            last,
            f"the line ends in {_in_words(shape)}, but {num_classes} outputs are wanted; let it end in "
            f"FC{num_classes}, or in FC, which gives as many as are wanted",
        )


def _shapes(line: str, layers: tuple[Layer, ...], in_shape: Shape) -> list[Shape]:
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
            raise point_at(line, layer, f"{layer} gets {_in_words(shapes[-1])}: {error}") from None
        shapes.append(shape)
    return shapes


def _measure(layer: Layer, shape: Shape) -> tuple[Shape, int]:
    """What a layer gives for one sample, and how many weights it has."""
    try:
        with torch.device("meta"), torch.no_grad():
            module, x = _build(layer, shape, biased=True).eval(), torch.empty(1, *shape)
            y = module(x.flatten(1) if layer.kind == "FC" else x)
    except (RuntimeError, OverflowError) as error:  # torch cannot even count so many values
        raise InputError(TOO_LARGE) from error
    return tuple(y.shape[1:]), sum(p.numel() for p in module.parameters())


def _entries(layers: tuple[Layer, ...], shapes: list[Shape]) -> list[_Entry]:
    """The modules, named by kind and number: conv1, relu1, pool1, conv2, ..."""
    entries: list[_Entry] = []
    counts: Counter[str] = Counter()

    def add(kind: str, module: nn.Module, shape: Shape) -> None:
        counts[kind] += 1
        if isinstance(module, nn.ReLU | nn.ReLU6) and entries and entries[-1].kind in OVERWRITTEN:
            module.inplace = True
        entries.append(_Entry(f"{kind.lower()}{counts[kind]}", module, kind, shape))

    for layer, behind, before, after in zip_longest(layers, layers[1:], shapes, shapes[1:]):
        if layer is None or layer.kind == "SM":
            break
        if layer.kind == "FC" and len(before) > 1:
            add("Flatten", nn.Flatten(1), (math.prod(before),))
        add(layer.kind, _build(layer, before, biased=behind is None or behind.kind != "BN"), after)
    return entries


def _stage_ends(entries: list[_Entry]) -> list[int]:
    """How many modules lie in front of each stage's end: a pooling, or an FC's predecessor where there are no maps."""
    maps = [number for number, entry in enumerate(entries, start=1) if len(entry.shape) > 1]
    if not maps:
        return [n for n, entry in enumerate(entries) if n and entry.kind == "FC" and entries[n - 1].kind != "Flatten"]
    return sorted({n for n in maps if entries[n - 1].kind in ENDS_A_STAGE} | {maps[-1]})


def _in_a_row(entries: list[_Entry]) -> nn.Sequential:
    return nn.Sequential(OrderedDict((entry.name, entry.module) for entry in entries))


def _build(layer: Layer, shape: Shape, *, biased: bool) -> nn.Module:
    """One layer for what arrives at it, with fresh weights."""
    kind, channels = layer.kind, shape[0]
    if kind in ACTIVATION_NAMES:
        return make_activation(ACTIVATION_NAMES[kind])
    if kind == "FC":
        if not isinstance(layer.number, int) or layer.number < 1:
            raise InputError(f"a layer of {layer.number} units was asked for; give at least 1")
        return nn.Linear(math.prod(shape), layer.number, bias=biased)
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
    options: dict[str, Any] = {"stride": layer.stride or 1, "padding": layer.padding}
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


def _group_normalization(groups: int, channels: int) -> nn.GroupNorm:
    check_groups(channels, channels, groups)
    return nn.GroupNorm(groups, channels)


def _in_words(shape: Shape) -> str:
    return "x".join(map(str, shape)) if len(shape) > 1 else f"{shape[0]} number{'s' * (shape[0] != 1)}"
