"""Learning rate and batch size found by trying, on a copy of the network; original and generators stay as they are."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from neuropil.errors import InputError
from neuropil.nn.contracts import BatchLike, BatchStream, Task
from neuropil.training.speed import Placement

__all__ = ["BatchSizeTrial", "RateTrial", "find_batch_size", "find_learning_rate"]

OptimizerMaker = Callable[[nn.Module, float], torch.optim.Optimizer]


@dataclass(frozen=True, slots=True)
class RateTrial:
    """A learning-rate range test.

    Args:
        rates: tried, rising geometrically.
        losses: smoothed, one a rate.
        suggested: the rate to use.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggested: float


@dataclass(frozen=True, slots=True)
class BatchSizeTrial:
    """Samples a second at each batch size tried, and the one to use."""

    sizes: tuple[int, ...]
    samples_per_second: tuple[float, ...]
    suggested: int


def find_learning_rate(
    model: nn.Module,
    task: Task,
    stream: BatchStream,
    make_optimizer: OptimizerMaker,
    *,
    placement: Placement | None = None,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
) -> RateTrial:
    """The range test: raise the rate each step until the loss explodes.

    The suggestion is the rate of steepest descent of the smoothed loss (Smith 2017, arXiv:1506.01186, section 3.3, in
    the form with one pass and an exponential rise), but at most a tenth of the rate of the smallest loss: close to
    where the loss explodes the steepest descent is often chance.

    Args:
        model: left as it is.
        task: its step gives the loss.
        stream: training batches; repeated if it has fewer than `steps`.
        make_optimizer: makes the rule for a network and a rate.
        placement: device, layout, precision.
        lowest: first rate.
        highest: last rate.
        steps: rates tried.

    Raises:
        InputError: the loss is not finite even at the lowest rate.
    """
    placement = placement or Placement()
    rates: list[float] = []
    losses: list[float] = []
    smooth = 0.0
    with torch.random.fork_rng(devices=[]):
        probe = copy.deepcopy(model).train()
        optimizer = make_optimizer(probe, lowest)
        starts = [group["lr"] for group in optimizer.param_groups]  # lower stages may have a share of the rate
        for number, batch in enumerate(_endless(stream)):
            if number == steps:
                break
            rate = lowest * (highest / lowest) ** (number / max(1, steps - 1))
            for group, start in zip(optimizer.param_groups, starts, strict=True):
                group["lr"] = start * rate / lowest
            loss = _train_once(probe, task, placement.place(batch), optimizer, placement)
            smooth = 0.9 * smooth + 0.1 * loss
            value = smooth / (1 - 0.9 ** (number + 1))
            if not math.isfinite(value) or (losses and value > 4 * min(losses)):
                break
            rates.append(rate)
            losses.append(value)
    if len(losses) < 3:
        raise InputError(f"the loss grows at once even at a learning rate of {lowest:g}; check the inputs' scale")
    slopes = [losses[i + 1] - losses[i - 1] for i in range(1, len(losses) - 1)]
    steepest = min(range(len(slopes)), key=slopes.__getitem__) + 1
    suggested = min(rates[steepest], rates[losses.index(min(losses))] / 10)
    return RateTrial(tuple(rates), tuple(losses), float(f"{suggested:.2g}"))


def find_batch_size(
    model: nn.Module,
    task: Task,
    make_batch: Callable[[int], BatchLike],
    *,
    samples: int,
    placement: Placement | None = None,
    memory_bytes: int,
    smallest: int = 16,
) -> BatchSizeTrial:
    """Double the batch until that brings less than 10 % more samples a second, or memory or data run out.

    Args:
        model: left as it is.
        task: its step is timed.
        make_batch: gives a batch of a size.
        samples: in the training part; at least 20 steps an epoch are kept.
        placement: device, layout, precision.
        memory_bytes: what activations and gradients may take, estimated from the inputs of the batch before.
        smallest: size to begin with.
    """
    placement = placement or Placement()
    sizes, speeds, size = [], [], min(smallest, samples)
    largest = max(size, samples // 20)
    with torch.random.fork_rng(devices=[]):
        probe = copy.deepcopy(model).train()
        while size <= largest:
            try:
                seconds = _seconds(probe, task, placement.place(make_batch(size)), placement)
            except (MemoryError, torch.OutOfMemoryError):
                break
            sizes.append(size)
            speeds.append(size / seconds)
            if len(speeds) > 1 and speeds[-1] < 1.10 * speeds[-2]:
                break
            if 2 * size * _activation_bytes(probe, make_batch(1), placement) > memory_bytes:
                break
            size *= 2
    if not sizes:
        raise InputError(f"not even a batch of {size} fits into memory; use a smaller network or smaller pictures")
    best = max(range(len(sizes)), key=lambda i: speeds[i] if i == 0 or speeds[i] > 1.10 * speeds[i - 1] else 0.0)
    return BatchSizeTrial(tuple(sizes), tuple(speeds), sizes[best])


def _endless(stream: BatchStream) -> Iterator[BatchLike]:
    epoch = 0
    while True:
        yield from stream.epoch(epoch)
        epoch += 1


def _train_once(
    model: nn.Module, task: Task, batch: BatchLike, optimizer: torch.optim.Optimizer, placement: Placement
) -> float:
    optimizer.zero_grad()
    with placement.precision_context():
        loss, _ = task.step(model, batch, None)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


def _seconds(model: nn.Module, task: Task, batch: BatchLike, placement: Placement) -> float:
    times = []
    for _ in range(4):
        start = time.perf_counter()
        model.zero_grad()
        with placement.precision_context():
            loss, _ = task.step(model, batch, None)
        loss.backward()  # type: ignore[no-untyped-call]
        times.append(time.perf_counter() - start)
    return min(times[1:])


def _activation_bytes(model: nn.Module, batch: BatchLike, placement: Placement) -> int:
    """Bytes that one sample's forward pass keeps for the backward pass."""
    kept = 0

    def note(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.element_size() * tensor.nelement()
        return tensor

    model.eval()  # batch normalisation refuses a batch of one in training
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), placement.precision_context():
        model(placement.place(batch).inputs)
    model.train()
    return kept
