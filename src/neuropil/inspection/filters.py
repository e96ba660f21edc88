"""The first thing a network does to a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

__all__ = ["first_filters"]


def first_filters(model: nn.Module) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    """A copy of the kernels of the first convolution over pictures, or None where a network has none.

    Source: chapter, "Feature map": each filter gives one map of where its pattern stands.

    Shape:
        `[filters, channels, height, width]`, float32.

    Example:
        >>> first_filters(nn.Sequential(nn.Conv2d(3, 16, 5), nn.Conv2d(16, 8, 3))).shape
        (16, 3, 5, 5)
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            return layer.weight.detach().float().cpu().numpy().copy()
    return None
