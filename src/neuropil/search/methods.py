"""How the next trial's values are chosen: grid, random, greedy. Each is a function of the seed and the trials so far.

So a search that was killed goes on as if it had not been: nothing is drawn from a generator that would have to be
kept. Source: chapter, hyperparameters: "greedy search, at random among given ones, or just at random".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, Protocol

import numpy as np

from neuropil.errors import InputError
from neuropil.search.space import Choices, Parameter, Point, written

__all__ = ["WAIT", "Greedy", "Grid", "Method", "Random", "Told"]

MOST_POINTS = 100_000

WAIT: Literal["wait"] = "wait"
"""What a method says that must hear of running trials first."""


@dataclass(frozen=True, slots=True)
class Told:
    """A trial as methods see it.

    Args:
        values: by path.
        score: greater is better; `None` while it runs, and where it failed.
        running: whether it still runs.
    """

    values: Point
    score: float | None
    running: bool


class Method(Protocol):
    """Chooses the values of trials."""

    def propose(self, trials: Sequence[Told]) -> Point | Literal["wait"] | None:
        """The values of the next trial, `WAIT`, or `None` where there is nothing left to try.

        Args:
            trials: all so far, in their order; running ones too.
        """
        ...


def _shuffled(space: Sequence[Parameter], seed: int) -> list[Point]:
    """Every combination once, in an order drawn from the seed."""
    several = [parameter.several() for parameter in space]
    size = math.prod(len(one) for one in several)
    if size > MOST_POINTS:
        raise InputError(
            f"the space has {size:,} combinations; at most {MOST_POINTS:,} can be listed, use random or tpe"
        )
    points = [dict(zip((p.path for p in space), values, strict=True)) for values in product(*several)]
    order = np.random.Generator(np.random.Philox(key=seed)).permutation(size)
    return [points[place] for place in order]


class Grid:
    """Every combination once, in an order drawn from the seed, so that also a part of them covers the space.

    Args:
        space: choices, and ranges with `points`.
        seed: of the order.
        start: not used.

    Raises:
        InputError: a range without `points`, or too many combinations.

    Example:
        >>> grid = Grid([Choices("a", (1, 2)), Choices("b", (3, 4))], seed=0, start={})
        >>> trials = []
        >>> while (point := grid.propose(trials)) is not None:
        ...     trials.append(Told(point, 0.0, False))
        >>> len({tuple(one.values.items()) for one in trials})
        4
    """

    def __init__(self, space: Sequence[Parameter], *, seed: int, start: Point) -> None:
        self.points = _shuffled(space, seed)

    def propose(self, trials: Sequence[Told]) -> Point | Literal["wait"] | None:
        """The next combination."""
        return self.points[len(trials)] if len(trials) < len(self.points) else None


class Random:
    """Each trial's values drawn by (seed, number of the trial) from choices and ranges; choices alone without repeats.

    Args:
        space: choices and ranges.
        seed: of all draws.
        start: not used.
    """

    def __init__(self, space: Sequence[Parameter], *, seed: int, start: Point) -> None:
        self.space, self.seed = list(space), seed
        small = all(isinstance(one, Choices) for one in space)
        small = small and math.prod(len(one.several()) for one in space) <= MOST_POINTS
        self.points = _shuffled(space, seed) if small else None

    def propose(self, trials: Sequence[Told]) -> Point | Literal["wait"] | None:
        """The next draw."""
        if self.points is not None:
            return self.points[len(trials)] if len(trials) < len(self.points) else None
        draw = np.random.Generator(np.random.Philox(key=[self.seed, len(trials)]))
        return {one.path: one.draw(share) for one, share in zip(self.space, draw.random(len(self.space)), strict=True)}


class Greedy:
    """One path at a time: all its values are tried with the others as they are, the best is kept; then the next path.

    Goes through all paths again until a whole round changes nothing. The values of one path may be tried at once by
    several processes; which is best is known when all are done.

    Args:
        space: choices, and ranges with `points`.
        seed: not used; the order of the paths is that of the space.
        start: the values to begin with; of a path that is not there, or not among the values, the first one.

    Raises:
        InputError: a range without `points`.
    """

    def __init__(self, space: Sequence[Parameter], *, seed: int, start: Point) -> None:
        self.several = {one.path: list(one.several()) for one in space}
        known = {path: [written(value) for value in values] for path, values in self.several.items()}
        self.start: dict[str, Any] = {
            path: start[path] if path in start and written(start[path]) in known[path] else values[0]
            for path, values in self.several.items()
        }

    def propose(self, trials: Sequence[Told]) -> Point | Literal["wait"] | None:
        """What the walk, followed through the trials so far, asks for next."""
        done = {_key(trial.values): trial for trial in trials}
        here = dict(self.start)
        while True:
            before = dict(here)
            for path, values in self.several.items():
                points = [{**here, path: value} for value in values]
                new = next((point for point in points if _key(point) not in done), None)
                if new is not None:
                    return new
                tried = [done[_key(point)] for point in points]
                if any(one.running for one in tried):
                    return WAIT
                scores = [-math.inf if one.score is None else one.score for one in tried]
                own = scores[[_key(point) for point in points].index(_key(here))]
                if max(scores) > own:  # of equal ones the present value stays
                    here = points[scores.index(max(scores))]
            if here == before:
                return None


def _key(point: Point) -> str:
    return written(sorted((path, written(value)) for path, value in point.items()))
