"""Duels: two competitors run in turn, A B B A ..., each in its own process, with a probe of the machine after each."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.intervals import NOISY
from benchmarks.machine import THREADS, probe
from benchmarks.records import Duel, Measurement, Pair
from benchmarks.run_one import STARTED

__all__ = ["BenchmarkError", "Session", "check_equal_work", "joined", "run_competitor"]

REPOSITORY = Path(__file__).parents[1]
REPEATS = 2
"""How often a pair is repeated at most where the probe says that the machine was busy."""
LONG_SECONDS = 60.0
"""A pair that takes longer is not repeated: a moment says little of minutes, over which the machine evens out."""


class BenchmarkError(RuntimeError):
    """A competitor failed, or the two sides did not do the same."""


def run_competitor(topic: str, name: str, seed: int) -> Measurement:
    """Run one competitor in a fresh process, with two threads.

    Raises:
        BenchmarkError: it failed.
    """
    threads = {f"{library}_NUM_THREADS": str(THREADS) for library in ("OMP", "MKL", "OPENBLAS")}
    environment = {**os.environ, **threads, "KERAS_BACKEND": "torch", STARTED: str(time.monotonic())}
    words = [sys.executable, "-m", "benchmarks.run_one", topic, name, str(seed)]
    done = subprocess.run(words, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"{topic} {name} failed with {done.returncode}:\n{done.stderr[-2000:]}")
    return Measurement(**json.loads(done.stdout.splitlines()[-1]))


def check_equal_work(duel: Duel, ours: Measurement, peer: Measurement) -> None:
    """Hold what both sides did against each other.

    Raises:
        BenchmarkError: another batch, another count of weights, another rule; or outcomes too far apart.
    """
    sides = f"{duel.ours} and {duel.peer}"
    if ours.work != peer.work:
        raise BenchmarkError(f"{sides} did not do the same work: {dict(ours.work)} and {dict(peer.work)}")
    if duel.outcome_within is None:
        return
    if ours.outcome is None or peer.outcome is None:
        raise BenchmarkError(f"{sides}: the outcomes shall be compared, but one is missing")
    if abs(ours.outcome - peer.outcome) > duel.outcome_within * abs(peer.outcome):
        raise BenchmarkError(f"{sides} came to different ends: {ours.outcome:g} and {peer.outcome:g}")


class Session:
    """A sitting at one machine: the best probe so far is what each pair's probe is held against.

    Args:
        tell: gets a line for each pair.
        measure_probe: speed of the machine at this moment.
        run: runs one competitor.
    """

    def __init__(
        self,
        tell: Callable[[str], None],
        measure_probe: Callable[[], float] = probe,
        run: Callable[[str, str, int], Measurement] = run_competitor,
    ) -> None:
        self.tell, self.measure_probe, self.run = tell, measure_probe, run
        self.best = measure_probe()

    def duel(self, topic: str, duel: Duel, pairs: int | None = None) -> list[Pair]:
        """Run the pairs of a duel; where the probe falls, a pair is repeated, and the least disturbed one counts.

        Args:
            topic: the name of the peer module.
            duel: who against whom.
            pairs: in place of the duel's own number.

        Raises:
            BenchmarkError: a competitor failed, or the sides did not do the same.
        """
        found: list[Pair] = []
        for number in range(pairs or duel.pairs):
            begin = time.monotonic()
            pair = self._pair(topic, duel, number)
            for _ in range(REPEATS):
                if pair.probe >= NOISY or time.monotonic() - begin > LONG_SECONDS:
                    break
                self.tell(f"  the probe fell to {pair.probe:.0%} of its best: the pair is repeated")
                pair = max(pair, self._pair(topic, duel, number), key=lambda one: one.probe)
            found.append(pair)
            self.tell(f"  {number + 1}: {_figures(duel.ours, pair.ours)} | {_figures(duel.peer, pair.peer)}")
        return found

    def _pair(self, topic: str, duel: Duel, number: int) -> Pair:
        order = (duel.ours, duel.peer) if number % 2 == 0 else (duel.peer, duel.ours)
        runs: dict[str, list[Measurement]] = {name: [] for name in order}
        speeds: list[float] = []
        for suffix in [f"-{part}" for part in duel.parts] or [""]:
            for name in order:
                runs[name].append(self.run(topic, f"{name}{suffix}", number))
                speeds.append(self.measure_probe())
        ours, peer = (joined(runs[name], duel.parts) for name in (duel.ours, duel.peer))
        check_equal_work(duel, ours, peer)
        self.best = max(self.best, *speeds)
        return Pair(ours, peer, min(speeds) / self.best)


def joined(found: Sequence[Measurement], parts: Sequence[str]) -> Measurement:
    """One measurement from those of the parts; of each figure that all parts have, the geometric mean, too.

    Example:
        >>> halves = [Measurement({"ms a": 2.0}, {"a": 1}), Measurement({"ms b": 8.0, "more": 1.0}, {"b": 1})]
        >>> one = joined(halves, ["a", "b"])
        >>> one.figures, one.work
        ({'ms a': 2.0, 'ms b': 8.0, 'more': 1.0, 'ms all': 4.0}, {'a': 1, 'b': 1})
    """
    if not parts:
        return found[0]
    figures = {name: value for one in found for name, value in one.figures.items()}
    names = [name.removesuffix(f" {parts[0]}") for name in found[0].figures if name.endswith(f" {parts[0]}")]
    for name in names:
        figures[f"{name} all"] = statistics.geometric_mean(figures[f"{name} {part}"] for part in parts)
    work = {name: value for one in found for name, value in one.work.items()}
    notes = {name: value for one in found for name, value in one.notes.items()}
    return Measurement(figures, work, notes=notes)


def _figures(name: str, measurement: Measurement) -> str:
    return f"{name} " + ", ".join(f"{figure} {value:.4g}" for figure, value in measurement.figures.items())
