"""Normalizations, activations and dropout for the test of every layer."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from torch import nn

from neuropil.formulas import activation, dropout
from neuropil.formulas import normalization as formulas
from neuropil.nn import ACTIVATIONS
from neuropil.nn.dropout import Dropout, SpatialDropout
from neuropil.nn.normalization import BatchNormalization, LocalResponseNormalization
from nn.layer_cases import Array, LayerCase

__all__ = ["CASES"]


def _drawn(make: Any, *args: Any, **options: Any) -> nn.Module:
    """A normalization with random scales, shifts and stored statistics."""
    layer: nn.Module = make(*args, **options)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    if isinstance(layer, BatchNormalization):
        layer.running_mean.normal_()
        layer.running_var.uniform_(0.5, 2)
    return layer


def _case(name: str, shape: tuple[int, ...], make: Any, *args: Any, **options: Any) -> LayerCase:
    """A case whose layer is `make(*args)` with random weights."""
    return LayerCase(name, partial(_drawn, make, *args), shape, **options)


def _affine(layer: Any) -> tuple[Array, Array]:
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


def _stored(layer: Any, x: Array) -> Array:
    mean, variance = layer.running_mean.numpy(), layer.running_var.numpy()
    return formulas.batch_normalization_inference(x, *_affine(layer), mean, variance, layer.eps)


def _of_batch(layer: Any, x: Array) -> Array:
    return formulas.batch_normalization(x, *_affine(layer), layer.eps)[0]


def _response(divisor: int, layer: Any, x: Array) -> Array:
    return formulas.local_response_normalization(x, layer.size, layer.alpha / divisor, layer.beta, layer.k)


def _layer(layer: Any, x: Array) -> Array:
    return formulas.layer_normalization(x, *_affine(layer), layer.eps)


def _group(layer: Any, x: Array) -> Array:
    return formulas.group_normalization(x, *_affine(layer), layer.num_groups, layer.eps)


def _rms(layer: Any, x: Array) -> Array:
    return formulas.rms_normalization(x, layer.weight.detach().numpy(), layer.eps)


def _whole(layer: Any, x: Array) -> Array:
    return dropout.dropout(x, None, layer.form, layer.rate)


def _softmax(layer: Any, x: Array) -> Array:
    return np.moveaxis(activation.softmax(np.moveaxis(x, 1, -1)), -1, 1)


def _activation(name: str) -> LayerCase:
    formula = getattr(activation, name, None)
    plain = None if formula is None else lambda layer, x: formula(x)
    return LayerCase(name, partial(ACTIVATIONS.build, name), (3, 5, 2), _softmax if name == "softmax" else plain)


BATCH: dict[str, Any] = {"formula": _stored, "training_formula": _of_batch}

CASES = [
    _case("batch normalization of vectors", (5,), BatchNormalization, 5, batch_of_one=False, **BATCH),
    _case("batch normalization of sequences", (3, 4), BatchNormalization, 3, "torch", **BATCH),
    _case("batch normalization of maps", (3, 5, 4), BatchNormalization, 3, "chapter", 0.99, 1e-3, **BATCH),
    _case("batch normalization of volumes", (2, 3, 2, 3), BatchNormalization, 2, **BATCH),
    _case("local response", (7, 3, 4), LocalResponseNormalization, formula=partial(_response, 1)),
    _case(
        "local response of vectors", (6,), LocalResponseNormalization, 3, 0.5, 0.6, 1.0, formula=partial(_response, 1)
    ),
    _case(
        "local response over all maps", (3, 5), LocalResponseNormalization, 9, 2.0, 0.75, 0.5, "library",
        formula=partial(_response, 9),
    ),
    _case("layer normalization", (4, 6), nn.LayerNorm, 6, formula=_layer, any_size=False),
    _case("group normalization", (6, 3, 4), nn.GroupNorm, 3, 6, formula=_group),
    _case("rms normalization", (4, 6), nn.RMSNorm, 6, 1e-5, formula=_rms, any_size=False),
    *[
        LayerCase(f"{kind.__name__} {form} per {per}", partial(kind, 0.3, form, per), (3, 4, 5), _whole, random=True)
        for kind in (Dropout, SpatialDropout)
        for form, per in (("chapter", "batch"), ("srivastava", "epoch"), ("inverted", "sample"))
    ],
    *map(_activation, ACTIVATIONS),
]  # fmt: skip
