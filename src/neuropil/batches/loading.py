"""Arrays into batches in one call."""

from __future__ import annotations

from typing import Any

from neuropil.batches.batching import Batches
from neuropil.data.arrays import array_samples

__all__ = ["tensor_loader"]


def tensor_loader(x: Any, y: Any, *, batch_size: int = 64, shuffle: bool = True, seed: int = 0) -> Batches:
    """Pairs to a data set and a loader in one call (chapter: `TensorDataset` and `DataLoader`).

    Args:
        x: inputs; see `from_arrays`.
        y: targets, likewise.
        batch_size: samples in a batch.
        shuffle: a new order each epoch.
        seed: of the order.

    Raises:
        InputError: the arrays cannot be used, or the batch size is less than 1.

    Example:
        >>> import numpy as np
        >>> loader = tensor_loader(np.zeros((100, 3)), np.arange(100) % 2)
        >>> [tuple(batch.inputs.shape) for batch in loader.epoch(0)]
        [(64, 3), (36, 3)]
    """
    return Batches(array_samples(x, y), batch_size=batch_size, shuffle=shuffle, seed=seed)
