"""Regularised evolution: a child of the best of a few, the oldest dies.

Source: Real, Aggarwal, Huang, Le 2019, "Regularized evolution for image classifier architecture search", algorithm 1;
chapter, AutoML. No model survives by one lucky training: whoever is old dies, however good.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from neuropil.search.methods import Told
from neuropil.search.space import Choices, Parameter, Point, written

__all__ = ["Evolution"]

POPULATION, TOURNAMENT, FIRST = 12, 4, 4
"""The paper has 100 and 25 for 20,000 trials; here are dozens. The first 4 have no parents."""

ATTEMPTS = 200


class Evolution:
    """The start, 3 random trials; then each is the best of 4 of the last 12 with one value changed.

    A function of the seed and the trials so far, as all methods. Nothing is tried twice.

    Args:
        space: choices and ranges.
        seed: of all draws.
        start: the first trial, where it names every path with one of its values.

    Differs:
        The paper may train the same network again; here what was tried already is drawn anew. It begins with as many
        random ones as the population has; here that grows from 4, so that few trials go further.

    Example:
        >>> evolution = Evolution([Choices("a", (1, 2)), Choices("b", (3, 4))], seed=0, start={"a": 2, "b": 3})
        >>> evolution.propose([])
        {'a': 2, 'b': 3}
    """

    def __init__(self, space: Sequence[Parameter], *, seed: int, start: Point) -> None:
        self.space, self.seed, self.start = list(space), seed, start
        finite = [one for one in space if isinstance(one, Choices)]
        self.size = math.prod(len(one.values) for one in finite) if len(finite) == len(self.space) else math.inf

    def propose(self, trials: Sequence[Told]) -> Point | Literal["wait"] | None:
        """The next child; while there are few trials, a random point."""
        known = {_key(trial.values) for trial in trials}
        if len(known) >= self.size:
            return None
        if not trials and self._start_is_a_point():
            return {one.path: self.start[one.path] for one in self.space}
        draw = np.random.Generator(np.random.Philox(key=[self.seed, len(trials)]))
        living = [trial for trial in trials if trial.score is not None][-POPULATION:]
        for _ in range(ATTEMPTS):
            grown = len(trials) >= FIRST and living
            point = self._child(living, draw) if grown else self._anyone(draw)
            if _key(point) not in known:
                return point
        while _key(point := self._anyone(draw)) in known:  # all near the best are known
            pass
        return point

    def _anyone(self, draw: np.random.Generator) -> dict[str, object]:
        return {one.path: one.draw(share) for one, share in zip(self.space, draw.random(len(self.space)), strict=True)}

    def _child(self, living: Sequence[Told], draw: np.random.Generator) -> dict[str, object]:
        """A copy of the tournament's winner, with another value at one place."""
        entrants = draw.choice(len(living), size=min(TOURNAMENT, len(living)), replace=False)
        winner = max((living[place] for place in sorted(entrants)), key=lambda trial: trial.score or 0.0)
        values, one = dict(winner.values), self.space[int(draw.integers(len(self.space)))]
        if isinstance(one, Choices):
            others = [value for value in one.values if written(value) != written(values[one.path])]
            values[one.path] = others[int(draw.integers(len(others)))] if others else values[one.path]
        else:
            values[one.path] = one.draw(float(draw.random()))
        return values

    def _start_is_a_point(self) -> bool:
        return all(
            one.path in self.start
            and (
                not isinstance(one, Choices)
                or written(self.start[one.path]) in [written(value) for value in one.values]
            )
            for one in self.space
        )


def _key(point: Point) -> str:
    return written(sorted((path, written(value)) for path, value in point.items()))
