"""The linear layer for the test of every layer."""

from __future__ import annotations

from typing import Any

from neuropil.nn.linear import Linear
from nn.layer_cases import Array, LayerCase

__all__ = ["CASES"]


def _sums(layer: Any, x: Array) -> Array:
    found: Array = x @ layer.weight.detach().numpy().T
    return found if layer.bias is None else found + layer.bias.detach().numpy()


CASES = [
    LayerCase("linear", lambda: Linear(5, 7), (3, 5), _sums, any_size=False),
    LayerCase("linear, without biases", lambda: Linear(5, 7, bias=False), (5,), _sums, any_size=False),
    LayerCase("linear, many weights", lambda: Linear(257, 259), (257,), _sums, any_size=False),
]
