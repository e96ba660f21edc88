"""Every convolution for the test of every layer."""

from __future__ import annotations

from torch import nn

from nn.layer_cases import LayerCase

__all__ = ["CASES"]

CASES = [LayerCase("torch's convolution", lambda: nn.Conv2d(2, 3, 3), (2, 5, 7))]
