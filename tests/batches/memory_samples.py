"""Samples in memory, for tests of batches that should not depend on how files are read."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuropil.data.records import DataInfo

Array = np.ndarray[Any, Any]


class MemorySamples:
    """Arrays as samples; keeps a record of what was fetched."""

    def __init__(self, inputs: Array, targets: Array, *, classes: tuple[str, ...] = (), columns: tuple[str, ...] = ()):
        kind = "images" if inputs.ndim == 4 else "table"
        self.inputs, self.targets = inputs, targets
        self.info = DataInfo(
            source="memory",
            kind=kind,
            target="classes" if classes else "values",
            input_shape=inputs.shape[1:],
            classes=classes,
            columns=columns,
        )
        self.asked: list[Array] = []

    def __len__(self) -> int:
        return len(self.inputs)

    def name(self, index: int) -> str:
        return f"row {index + 1}"

    def fetch(self, indices: Array, draws: Array | None = None) -> tuple[Array, Array]:
        self.asked.append(indices)
        return self.inputs[indices], self.targets[indices]


def pictures(count: int, shape: tuple[int, ...] = (3, 8, 8), classes: int = 4) -> MemorySamples:
    """Random pictures and class numbers."""
    random = np.random.default_rng(count)
    inputs = random.integers(0, 256, (count, *shape), dtype=np.uint8)
    targets = random.integers(0, classes, count)
    return MemorySamples(inputs, targets, classes=tuple("abcdefgh"[:classes]))


def table(count: int, width: int = 5) -> MemorySamples:
    """A table of random numbers whose first column is the row number."""
    random = np.random.default_rng(count)
    inputs = random.normal(size=(count, width)).astype(np.float32)
    inputs[:, 0] = np.arange(count)
    return MemorySamples(inputs, random.normal(size=(count, 1)).astype(np.float32))
