"""Tables, signals and series that the plantings train on, drawn from fixed seeds and written as files.

NumPy only. Each function gives the words of `[data]` that open its file.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["kinds", "rings", "series", "signals", "table", "values", "write_npz"]

Array = np.ndarray[Any, Any]


def write_npz(path: Path, x: Array, y: Array, **data: Any) -> dict[str, Any]:
    """Arrays as a file, and how to open it: three fifths to train, a fifth each to validate and to test."""
    np.savez(path, x=x, y=y)
    return {"source": str(path), "valid_fraction": 0.2, "test_fraction": 0.2, **data}


def kinds(
    count: int, classes: int, features: int, *, seed: int, spread: float = 1.0, shares: Sequence[float] | None = None
) -> tuple[Array, Array]:
    """Clouds of points: a centre a class, normal noise of deviation `spread` around it."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(classes, features)) * 1.5
    labels = draw.choice(classes, size=count, p=shares)
    return (centres[labels] + spread * draw.normal(size=(count, features))).astype(np.float32), labels.astype(np.int64)


def rings(count: int, *, seed: int, classes: int = 2, noise: float = 0.08) -> tuple[Array, Array]:
    """Rings around one another in two dimensions: no straight line tells them apart."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, count)
    angle, radius = draw.uniform(0, 2 * np.pi, count), 0.5 + labels + noise * draw.normal(size=count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).astype(np.float32), labels


def values(count: int, features: int, *, seed: int, noise: float = 0.1) -> tuple[Array, Array]:
    """Numbers to foretell: a smooth curve of a few inputs, noise besides."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(count, features))
    y = 2 * x[:, 0] - x[:, 1] * x[:, 2] + np.sin(2 * x[:, 1])
    return x.astype(np.float32), (y + noise * draw.normal(size=count)).astype(np.float32)


def signals(count: int, *, seed: int, length: int = 64, noise: float = 0.5) -> tuple[Array, Array]:
    """Waves `[n, 1, length]` of three kinds: sine, square, saw; of any phase and of several frequencies."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, count)
    turns = draw.uniform(2, 4, (count, 1)) * np.arange(length) / length + draw.uniform(size=(count, 1))
    waves = [np.sin(2 * np.pi * turns), np.sign(np.sin(2 * np.pi * turns)), 2 * (turns % 1) - 1]
    chosen = np.choose(labels[:, None], waves) + noise * draw.normal(size=turns.shape)
    return chosen[:, None].astype(np.float32), labels


def table(path: Path, x: Array, y: Sequence[Any] | Array, **data: Any) -> dict[str, Any]:
    """A CSV file of some rows, the target in its last column."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"measure{number}" for number in range(x.shape[1])), "target"])
        writer.writerows([*(f"{value:.6g}" for value in row), one] for row, one in zip(x.tolist(), y, strict=True))
    return {"source": "csv", "root": str(path), "valid_fraction": 0.2, "test_fraction": 0.2, **data}


def series(path: Path, columns: dict[str, Array], **data: Any) -> dict[str, Any]:
    """A CSV file of a row a day."""
    first = date(2020, 1, 1)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["day", *columns])
        for number, row in enumerate(zip(*columns.values(), strict=True)):
            writer.writerow([(first + timedelta(number)).isoformat(), *(f"{value:.6g}" for value in row)])
    return {"source": "series", "root": str(path), "valid_fraction": 0.2, "test_fraction": 0.2, **data}
