"""Results of batches put aside during an evaluation pass, and put together at its end."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuropil.errors import InputError

__all__ = ["Gathering", "at_least_single"]

Array = np.ndarray[Any, Any]

LOW_PRECISION = (torch.bfloat16, torch.float16)


def at_least_single(outputs: Tensor) -> Tensor:
    """Outputs of bf16 and fp16 as float32, others as they are: losses and metrics are never summed in half precision.

    Example:
        >>> at_least_single(torch.ones(1, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return outputs.float() if outputs.dtype in LOW_PRECISION else outputs


class Gathering:
    """Columns of per-sample results, kept on their device until they are asked for.

    Nothing is averaged batch by batch, so a smaller last batch weighs no more than its samples.

    Example:
        >>> found = Gathering()
        >>> found.add(np.array([4, 7]), losses=torch.tensor([1.0, 3.0]))
        >>> found.column("losses").mean(), found.indices
        (np.float64(2.0), array([4, 7]))
    """

    def __init__(self) -> None:
        self._indices: list[Array] = []
        self._columns: dict[str, list[Tensor]] = {}

    def add(self, indices: Array, **columns: Tensor) -> None:
        """Add one batch: `[N]` sample numbers, and tensors whose first axis is the samples'."""
        self._indices.append(indices)
        for name, values in columns.items():
            self._columns.setdefault(name, []).append(values.detach())

    @property
    def indices(self) -> Array:
        """`[n]` sample numbers in the order of the batches.

        Raises:
            InputError: no batch was added.
        """
        if not self._indices:
            raise InputError("there is nothing to measure: no batch was scored; give at least one sample")
        return np.concatenate(self._indices)

    def column(self, name: str) -> Array:
        """All of one column: whole numbers as they are, others as float64.

        Raises:
            InputError: no batch was added.
        """
        if name not in self._columns:
            raise InputError("there is nothing to measure: no batch was scored; give at least one sample")
        values = torch.cat(self._columns[name])
        if values.is_floating_point():
            values = values.double()
        found: Array = values.cpu().numpy()
        return found
