"""Sizes that recur: in 16 bits a processor's library makes a kernel for every new size of a product, and keeps it."""

from __future__ import annotations

import torch

__all__ = ["recurring"]

ROWS = 64


def recurring(count: int, device: torch.device) -> int:
    """So many rows, or up to the next multiple of 64 where autocast is on for a processor.

    Making a kernel takes about as long as a product of a thousand rows; batches of sentences have another number of
    tokens each time.

    Example:
        >>> recurring(100, torch.device("cpu"))
        100
        >>> with torch.autocast("cpu", torch.bfloat16):
        ...     recurring(100, torch.device("cpu"))
        128
    """
    if device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return count
    return -(-count // ROWS) * ROWS
