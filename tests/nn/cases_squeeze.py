"""Squeeze and excitation for the test of every layer."""

from __future__ import annotations

from typing import Any

from neuropil.formulas.squeeze_excitation import excitation
from neuropil.nn.squeeze import SqueezeExcitation
from nn.layer_cases import Array, LayerCase

__all__ = ["CASES"]


def _excited(layer: Any, x: Array) -> Array:
    parts = (layer.fc1.weight[:, :, 0, 0], layer.fc1.bias, layer.fc2.weight[:, :, 0, 0], layer.fc2.bias)
    return excitation(x, *(part.detach().numpy() for part in parts))


CASES = [
    LayerCase("squeeze and excitation", lambda: SqueezeExcitation(12, 4), (12, 5, 7), _excited),
    LayerCase("squeeze and excitation, few channels", lambda: SqueezeExcitation(3), (3, 4, 4), _excited),
    LayerCase("squeeze and excitation, own width", lambda: SqueezeExcitation(6, hidden=5), (6, 4, 4), _excited),
]
