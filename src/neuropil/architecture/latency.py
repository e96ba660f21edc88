"""Latency on this machine: passes of a network alternate with those of a yardstick, and the ratio counts.

A machine that is slower for a while, since others use it too, slows both. The yardstick's own time is measured once a
search and kept, so that numbers of different hours, and of different processes, can be compared. On one thread the
clock is the thread's own: while another program has the processor it stands still. On several it is the wall's.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["Stopwatch", "interleaved", "ratio_to"]

WARM_UP, ROUNDS, UNTIMED, TIMED = 10, 20, 2, 8
"""Passes before all; rounds; in each, passes that fill the caches again, and those whose mean counts.

Single passes will not do: where the allocator puts the maps changes from one to the next, and with it the time by half.
"""

MOST_SECONDS = 20.0
"""Rounds of slow networks end then."""


def interleaved(networks: list[nn.Module], x: Tensor, *, rounds: int = ROUNDS, threads: int = 1) -> list[list[float]]:
    """Milliseconds of forward passes, in fp32 and inference mode, the networks taking turns.

    Args:
        networks: set to evaluation.
        x: one batch.
        rounds: turns of each, of 8 passes that count; at least 3 where they take longer than 20 seconds.
        threads: that compute a pass.

    Returns:
        For each network the time of a pass in each round.
    """
    found: list[list[float]] = [[] for _ in networks]
    clock = time.thread_time if threads == 1 else time.perf_counter
    with _threads(threads), torch.inference_mode():
        for network in networks:
            network.eval()
            for _ in range(WARM_UP):
                network(x)
        begun = time.perf_counter()
        for done in range(rounds):
            if done >= 3 and time.perf_counter() - begun > MOST_SECONDS:
                break
            for network, times in zip(networks, found, strict=True):
                for _ in range(UNTIMED):
                    network(x)
                start = clock()
                for _ in range(TIMED):
                    network(x)
                times.append(1000 * (clock() - start) / TIMED)
    return found


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def ratio_to(times: list[float], yardstick: list[float]) -> float:
    """The median of a network's time by the yardstick's, each pair from one round.

    Example:
        >>> ratio_to([2.0, 8.0, 2.2], [1.0, 4.0, 1.0])  # the machine was busy in the second round
        2.0
    """
    return statistics.median(mine / its for mine, its in zip(times, yardstick, strict=True))


class Stopwatch:
    """Measures networks beside a yardstick.

    Args:
        yardstick: the network that all are compared with.
        shape: of one sample, `[C, H, W]`.
        batch: samples in a pass.
        threads: that compute it.
        yardstick_ms: its own time where that is known already.
    """

    def __init__(
        self,
        yardstick: nn.Module,
        shape: tuple[int, ...],
        *,
        batch: int = 1,
        threads: int = 1,
        yardstick_ms: float | None = None,
    ) -> None:
        self.yardstick, self.threads = yardstick, threads
        self.x = torch.randn(batch, *shape, generator=torch.Generator().manual_seed(0))
        self.yardstick_ms = yardstick_ms or self._own_ms()

    def _own_ms(self) -> float:
        return statistics.median(interleaved([self.yardstick], self.x, threads=self.threads)[0])

    def milliseconds(self, network: nn.Module, *, rounds: int = ROUNDS) -> float:
        """A network's latency: its ratio to the yardstick, times the yardstick's own."""
        mine, its = interleaved([network, self.yardstick], self.x, rounds=rounds, threads=self.threads)
        return ratio_to(mine, its) * self.yardstick_ms
