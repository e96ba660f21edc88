"""How long things take on this machine: side by side, in turn, as medians with their spread."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from neuropil.errors import InputError

__all__ = ["MOST_ROUNDS", "Timing", "race"]

MOST_ROUNDS = 41


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one call.

    Args:
        median: of all rounds.
        low: a quarter of the rounds took less.
        high: a quarter took more.
        num_rounds: how many there were.
        processor_share: of one processor that this process had while it was measured: well below 1, others had it (or
            the function waits by itself); above 1, several threads worked.
    """

    median: float
    low: float
    high: float
    num_rounds: int
    processor_share: float


def race(
    runs: Mapping[str, Callable[[], object]],
    *,
    num_rounds: int = 7,
    least_seconds: float = 0.002,
    seconds: float = 0.0,
) -> dict[str, Timing]:
    """Time some functions in turn, so that what else the machine does meets all of them alike.

    Each is called once before, and in each round as often as `least_seconds` need; every second round goes backwards.
    What a function leaves on a GPU is not waited for.

    Args:
        runs: what to call, by name.
        num_rounds: at least, 3 or more.
        least_seconds: of one measurement, above what the clock can tell apart; short ones are seldom interrupted.
        seconds: how long further rounds go on, up to `MOST_ROUNDS`.

    Raises:
        InputError: nothing to call, or fewer than three rounds.

    Example:
        >>> found = race({"some": lambda: sum(range(100)), "many": lambda: sum(range(10000))}, num_rounds=3)
        >>> found["some"].median < found["many"].median
        True
    """
    if not runs or num_rounds < 3:
        raise InputError(f"{len(runs)} functions and {num_rounds} rounds were given; give one or more, and 3 or more")
    repeats = {name: max(1, math.ceil(least_seconds / max(_seconds(run, 2) / 2, 1e-9))) for name, run in runs.items()}
    found: dict[str, list[float]] = {name: [] for name in runs}
    worked = dict.fromkeys(runs, 0.0)
    collecting, begun, place = gc.isenabled(), time.perf_counter(), 0
    gc.disable()
    try:
        while place < num_rounds or (place < MOST_ROUNDS and time.perf_counter() - begun < seconds):
            for name in list(runs) if place % 2 == 0 else reversed(list(runs)):
                before = time.process_time()
                found[name].append(_seconds(runs[name], repeats[name]) / repeats[name])
                worked[name] += (time.process_time() - before) / repeats[name]
            place += 1
    finally:
        if collecting:
            gc.enable()
    return {name: _timing(some, worked[name]) for name, some in found.items()}


def _seconds(run: Callable[[], object], times: int) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        run()
    return time.perf_counter() - begun


def _timing(seconds: list[float], worked: float) -> Timing:
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return Timing(median, low, high, len(seconds), worked / sum(seconds))
