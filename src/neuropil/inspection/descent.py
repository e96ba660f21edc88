"""The way of an update rule over a loss surface of two weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neuropil.errors import InputError

__all__ = ["SURFACES", "Descent", "Surface", "descend", "heights"]

Array = np.ndarray[Any, Any]
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Surface:
    """A loss of two weights.

    Args:
        formula: as a person writes it.
        loss: of both weights.
        start: where ways begin.
        box: least and greatest first weight, least and greatest second.
        least: where the loss is least; none where it falls without end.
    """

    formula: str
    loss: Loss
    start: tuple[float, float]
    box: tuple[float, float, float, float]
    least: tuple[float, float] | None


SURFACES = {
    "valley": Surface("a²/2 + 10 b²", lambda a, b: a**2 / 2 + 10 * b**2, (-4.0, 1.4), (-5, 5, -2, 2), (0, 0)),
    "rosenbrock": Surface(
        "(1 - a)² + 5 (b - a²)²",
        lambda a, b: (1 - a) ** 2 + 5 * (b - a**2) ** 2,
        (-1.5, 1.0),
        (-2, 2, -1.2, 3),
        (1, 1),
    ),
    "beale": Surface(
        "(1.5 - a + ab)² + (2.25 - a + ab²)² + (2.625 - a + ab³)²",
        lambda a, b: (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2,
        (1.0, 1.5),
        (-1, 4, -1.2, 2),
        (3, 0.5),
    ),
    "saddle": Surface("a² - b²", lambda a, b: a**2 - b**2, (-1.6, 0.01), (-2, 2, -2, 2), None),
}


@dataclass(frozen=True, slots=True)
class Descent:
    """One way.

    Args:
        rule: its name.
        points: `[S + 1, 2]`, the start first; up to where a number was no longer finite.
        losses: `[S + 1]`.
    """

    rule: str
    points: Array
    losses: Array


def descend(
    name: str, rule: Callable[[Sequence[Tensor]], torch.optim.Optimizer], surface: Surface, steps: int
) -> Descent:
    """Follow an update rule from the surface's start.

    Source: chapter, the update rules (rows 20, 25-32).

    Args:
        name: of the rule.
        rule: makes the update rule of both weights. One that shows its weights by `at_weights` (Nesterov's, whose
            parameters look ahead) is followed at these.
        surface: the loss.
        steps: from 1 on.

    Raises:
        InputError: no steps.

    Example:
        >>> way = descend("sgd", lambda w: torch.optim.SGD(w, lr=0.1), SURFACES["valley"], 1)
        >>> way.points[1].round(6).tolist()
        [-3.6, -1.4]
    """
    if steps < 1:
        raise InputError(f"a way needs 1 step or more, but {steps} were given")
    weights = [nn.Parameter(torch.tensor(one, dtype=torch.float64)) for one in surface.start]
    optimizer = rule(weights)
    points = [list(surface.start)]
    with torch.enable_grad():
        for _ in range(steps):
            optimizer.zero_grad()
            surface.loss(*weights).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            point = _point(optimizer, weights)
            if not np.isfinite(point).all() or np.abs(point).max() > 1e6:
                break
            points.append(point)
    found = np.array(points)
    with torch.no_grad():
        losses = surface.loss(torch.from_numpy(found[:, 0]), torch.from_numpy(found[:, 1])).numpy()
    return Descent(name, found, losses)


def heights(surface: Surface, columns: int = 121, rows: int = 81) -> Array:
    """The loss over the surface's box: `[rows, columns]`, the second weight growing by row, the first by column.

    Example:
        >>> heights(SURFACES["saddle"], 3, 3).tolist()
        [[0.0, -4.0, 0.0], [4.0, 0.0, 4.0], [0.0, -4.0, 0.0]]
    """
    left, right, low, high = surface.box
    a = torch.linspace(left, right, columns, dtype=torch.float64)
    b = torch.linspace(low, high, rows, dtype=torch.float64)
    found: Array = surface.loss(a[None, :], b[:, None]).expand(rows, columns).numpy()
    return found


def _point(optimizer: torch.optim.Optimizer, weights: Sequence[Tensor]) -> list[float]:
    if hasattr(optimizer, "at_weights"):
        with optimizer.at_weights():
            return [weight.item() for weight in weights]
    return [weight.item() for weight in weights]
