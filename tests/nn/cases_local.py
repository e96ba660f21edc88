"""Locally connected layers for the test of every layer."""

from __future__ import annotations

from typing import Any

from neuropil.formulas.convolution import local_convolution
from neuropil.nn.local import LocallyConnected2d
from nn.layer_cases import Array, LayerCase

__all__ = ["CASES"]


def _local(layer: Any, x: Array) -> Array:
    weight, bias = (one.detach().numpy() for one in (layer.weight, layer.bias))
    kernels = weight.reshape(*weight.shape[:2], layer.in_channels, layer.kernel_size, layer.kernel_size)
    return local_convolution(x, kernels, bias, layer.padding)


CASES = [
    LayerCase("local", lambda: LocallyConnected2d(3, 4, (5, 6), 3), (3, 5, 6), _local, any_size=False),
    LayerCase(
        "local, padded", lambda: LocallyConnected2d(2, 3, (4, 4), 3, padding=1), (2, 4, 4), _local, any_size=False
    ),
]
