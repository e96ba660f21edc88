"""Reward against the paper's own words, the front against brute force, latency against itself."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neuropil.architecture.latency import Stopwatch, interleaved
from neuropil.architecture.reward import pareto_front, reward
from neuropil.errors import InputError
from neuropil.models import create_model


def test_the_papers_example() -> None:
    """Section 3: doubling the latency usually brings about 5 % more accuracy, so both models have the same reward."""
    slow, fast = reward(0.5 * 1.05, 2.0, 1.0), reward(0.5, 1.0, 1.0)
    assert slow == pytest.approx(fast, rel=2e-3)


def test_a_hard_target() -> None:
    """Equation 2 with (alpha, beta) = (0, -1): accuracy alone up to the target, "sharply penalize" above."""
    assert reward(0.7, 0.1, 1.0, "hard") == reward(0.7, 1.0, 1.0, "hard") == 0.7
    assert reward(0.7, 1.4, 1.0, "hard") == pytest.approx(0.5)


def test_the_front_is_that_of_brute_force() -> None:
    draw = np.random.default_rng(0)
    for size in (1, 5, 60):
        points = [(float(a), float(b)) for a, b in draw.integers(0, 9, (size, 2))]
        kept = {one for one in points if not any(o != one and o[0] <= one[0] and o[1] >= one[1] for o in points)}
        front = pareto_front(points)
        assert {points[place] for place in front} == kept and len(front) == len(kept)
        assert [points[place][0] for place in front] == sorted(points[place][0] for place in front)
    assert pareto_front([]) == []


class Clock(nn.Module):
    """A network that takes as long as it is told, by a clock of its own; on a busy machine all take longer."""

    now, load = 0.0, 1.0

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def forward(self, x: Tensor) -> Tensor:
        Clock.now += self.seconds * Clock.load
        return x


def test_a_slower_machine_gives_the_same_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = SimpleNamespace(perf_counter=lambda: Clock.now, thread_time=lambda: Clock.now)
    monkeypatch.setattr("neuropil.architecture.latency.time", clocks)
    watch = Stopwatch(Clock(0.001), (1, 2, 2))
    assert watch.yardstick_ms == pytest.approx(1.0)
    assert watch.milliseconds(Clock(0.0025)) == pytest.approx(2.5)
    monkeypatch.setattr(Clock, "load", 3.0)
    assert watch.milliseconds(Clock(0.0025)) == pytest.approx(2.5)
    assert Stopwatch(Clock(0.001), (1, 2, 2), yardstick_ms=4.0).milliseconds(Clock(0.002)) == pytest.approx(8.0)


def test_slow_networks_have_fewer_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = SimpleNamespace(perf_counter=lambda: Clock.now, thread_time=lambda: Clock.now)
    monkeypatch.setattr("neuropil.architecture.latency.time", clocks)
    assert [len(interleaved([Clock(seconds)], torch.zeros(1))[0]) for seconds in (0.01, 0.4, 99.0)] == [20, 6, 3]


def test_waiting_does_not_count_on_one_thread() -> None:
    class Sleeper(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            time.sleep(0.005)
            return x

    (times,) = interleaved([Sleeper()], torch.zeros(1), rounds=3)
    assert max(times) < 2.5


@pytest.mark.slow
def test_a_network_beside_itself_and_a_wider_one() -> None:
    before = torch.get_num_threads()
    base, twin = create_model("searched", in_channels=1), create_model("searched", in_channels=1)
    wide = create_model("searched", in_channels=1, blocks="cn_c64 - cn_r2_s2_c128 - cn_r2_s2_c256 - cn_r2_s2_c384")
    watch = Stopwatch(base, (1, 28, 28))
    assert watch.milliseconds(twin) == pytest.approx(watch.yardstick_ms, rel=0.3)
    assert watch.milliseconds(wide) > 3 * watch.yardstick_ms
    assert torch.get_num_threads() == before


def test_samples_that_do_not_fit() -> None:
    with pytest.raises(InputError, match="does not fit a weight"):
        Stopwatch(create_model("searched", in_channels=1), (3, 8, 8))
