"""Every pooling for the test of every layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from neuropil.formulas import pooling as formulas
from neuropil.nn.pooling import (
    AveragePooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
    MaxPooling,
    TrainableSubsampling,
)
from neuropil.nn.stochastic_pooling import StochasticPooling
from nn.layer_cases import Array, LayerCase

__all__ = ["CASES"]

Formula = Callable[[nn.Module, Array], Array]


def _each_map(formula: Callable[..., Array], *args: Any, **options: Any) -> Formula:
    """The formula of one map for all of `[N, C, H, W]`."""

    def whole(layer: nn.Module, x: Array) -> Array:
        return np.array([[formula(mat, *args, **options) for mat in sample] for sample in x])

    return whole


def _each_line(formula: Callable[..., Array], *args: Any) -> Formula:
    """The formula of one map for all of `[N, C, L]`."""

    def whole(layer: nn.Module, x: Array) -> Array:
        return np.array([[formula(line[None], 1, *args)[0] for line in sample] for sample in x])

    return whole


def _largest(mat: Array, K: int, L: int, stride: int, padding: int) -> Array:
    return np.asarray(formulas.windows(mat, K, L, stride, padding, fill=-np.inf).max(axis=2))


def _subsampling(layer: nn.Module, x: Array) -> Array:
    assert isinstance(layer, TrainableSubsampling)
    settings = list(zip(layer.weight.tolist(), layer.bias.tolist(), strict=True))
    maps = [
        [formulas.subsampling(mat, *setting) for mat, setting in zip(sample, settings, strict=True)] for sample in x
    ]
    return np.array(maps)


def _trained_subsampling() -> nn.Module:
    layer = TrainableSubsampling(3)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return layer


def _stochastic(name: str, formula: Formula | None, shape: tuple[int, ...], *args: Any, **options: Any) -> LayerCase:
    return LayerCase(
        name,
        lambda: StochasticPooling(*args, **options),
        shape,
        formula,
        positive_input=True,
        random=True,
    )


def _plain(name: str, make: Callable[[], nn.Module], shape: tuple[int, ...], formula: Formula | None) -> LayerCase:
    return LayerCase(name, make, shape, formula, training_formula=formula)


_INFERENCE = formulas.stochastic_pooling_inference
_MEAN = formulas.average_pooling

CASES = [
    _plain("max", lambda: MaxPooling((2, 3)), (3, 7, 8), _each_map(formulas.max_pooling, 2, 3)),
    _plain("max, padded", lambda: MaxPooling(3, 2, 1), (3, 7, 8), _each_map(_largest, 3, 3, 2, 1)),
    _plain("max, much padded", lambda: MaxPooling(3, 2, 2), (3, 7, 8), _each_map(_largest, 3, 3, 2, 2)),
    _plain("max, same", lambda: MaxPooling(3, 2, "same", 2, True), (3, 7, 8), None),
    _plain("max, lines", lambda: MaxPooling(3, 2), (3, 9), _each_line(_largest, 3, 2, 0)),
    _plain("average", lambda: AveragePooling(3, 2, 1), (3, 7, 8), _each_map(_MEAN, 3, 3, 2, 1)),
    _plain(
        "average, padding not counted",
        lambda: AveragePooling(3, 2, 1, count_include_pad=False),
        (3, 7, 8),
        _each_map(_MEAN, 3, 3, 2, 1, count_padding=False),
    ),
    _plain(
        "average, much padding not counted",
        lambda: AveragePooling((3, 4), 2, 2, count_include_pad=False),
        (3, 7, 8),
        _each_map(_MEAN, 3, 4, 2, 2, count_padding=False),
    ),
    _plain("average, much padded", lambda: AveragePooling(3, 1, 2), (3, 7, 8), _each_map(_MEAN, 3, 3, 1, 2)),
    _plain("average, same", lambda: AveragePooling(2, 1, "same", 2, True, False), (3, 7, 8), None),
    _plain("average, lines", lambda: AveragePooling(3, 2), (3, 9), _each_line(_MEAN, 3, 2)),
    _plain("global average", GlobalAveragePooling, (3, 5, 7), lambda _, x: formulas.global_average_pooling(x)),
    _plain("global max", GlobalMaxPooling, (3, 5, 7), lambda _, x: formulas.global_max_pooling(x)),
    _plain("trainable subsampling", _trained_subsampling, (3, 7, 9), _subsampling),
    _stochastic("stochastic", _each_map(_INFERENCE, 3, 3, 2), (3, 7, 9), 3, 2),
    _stochastic("stochastic, padded", _each_map(_INFERENCE, 3, 4, 2, 2), (3, 7, 8), (3, 4), 2, 2),
    _stochastic("stochastic, same", None, (3, 7, 8), 2, 3, "same", ceil_mode=True),
    _stochastic("stochastic, lines", _each_line(_INFERENCE, 3, 2), (3, 9), 3, 2),
]
