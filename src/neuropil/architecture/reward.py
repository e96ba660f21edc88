"""MnasNet's reward, and which points of accuracy and latency no other one beats.

Source: Tan et al. 2019, equations 2 and 3; chapter, "MnasNet".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

__all__ = ["EXPONENTS", "pareto_front", "reward"]

EXPONENTS = {"soft": (-0.07, -0.07), "hard": (0.0, -1.0)}
"""Of latency by target, up to the target and above it."""


def reward(accuracy: float, latency: float, target: float, kind: Literal["soft", "hard"] = "soft") -> float:
    """Accuracy, less where the network is slow.

    Formula: `ACC (LAT / T)^w`, w = -0.07 (soft: twice as slow must be 5 % better), or 0 up to T and -1 above (hard).

    Example:
        >>> round(reward(0.9, 2.0, 1.0), 4), round(0.9 * 2**-0.07, 4)
        (0.8574, 0.8574)
        >>> reward(0.9, 0.5, 1.0, "hard"), reward(0.9, 2.0, 1.0, "hard")
        (0.9, 0.45)
    """
    below, above = EXPONENTS[kind]
    exponent = below if latency <= target else above
    return accuracy * math.pow(latency / target, exponent)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The places of those points (latency, accuracy) that no other is as fast and as accurate as, and one of it more.

    From fast to slow; of equal points the first.

    Example:
        >>> pareto_front([(1.0, 0.8), (2.0, 0.9), (2.5, 0.85), (1.0, 0.7)])
        [0, 1]
    """
    order = sorted(range(len(points)), key=lambda place: (points[place][0], -points[place][1], place))
    front: list[int] = []
    for place in order:
        if not front or points[place][1] > points[front[-1]][1]:
            front.append(place)
    return front
