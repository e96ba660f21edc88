"""Learning rate and batch size found by trying: the run is left alone, and what is found works."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from neuropil.batches.batching import Batches
from neuropil.errors import InputError
from neuropil.nn.contracts import BatchLike
from neuropil.tasks.classification import Classification
from neuropil.training import finding
from neuropil.training.evaluating import evaluate
from neuropil.training.finding import find_batch_size, find_learning_rate
from training.test_speed import everything_of, unchanged
from training.workshop import CLASSES, TinyConvolution, network, pictures

TASK = Classification(CLASSES)


def stream(size: int = 32) -> Batches:
    return Batches(pictures(160), batch_size=size, seed=0)


def sgd(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=rate)


def adam(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=rate)


def test_the_range_test_leaves_the_run_alone() -> None:
    model = TinyConvolution().eval()
    before, generator = everything_of(model), torch.get_rng_state()
    find_learning_rate(model, TASK, stream(), sgd, steps=20)
    assert unchanged(before, everything_of(model))
    assert torch.equal(generator, torch.get_rng_state())


def test_shares_of_the_rate_are_kept_while_rates_are_tried() -> None:
    """Lower stages of a network that is fine-tuned learn at a share of the rate, in the trial too."""
    seen: list[list[float]] = []

    class Watched(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            seen.append([group["lr"] for group in self.param_groups])
            return super().step(closure)

    def make(model: nn.Module, rate: float) -> torch.optim.Optimizer:
        first, *others = model.parameters()
        return Watched([{"params": others, "lr": rate}, {"params": [first], "lr": 0.01 * rate}], lr=rate)

    find_learning_rate(TinyConvolution(), TASK, stream(), make, steps=20)
    assert len(seen) > 3 and all(low == pytest.approx(0.01 * high) for high, low in seen)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("maker", [sgd, adam])
@pytest.mark.parametrize("name", ["convolution", "perceptron"])
def test_the_rate_found_trains(name: str, maker: Any, seed: int) -> None:
    """Ten epochs at the suggestion go from chance (a loss of 1.1) to below 0.7, for two networks and two rules."""
    torch.manual_seed(seed)
    model = network(name)
    trial = find_learning_rate(model, TASK, stream(), maker)
    assert list(trial.rates) == sorted(trial.rates) and len(trial.rates) == len(trial.losses)
    assert trial.rates[0] < trial.suggested < trial.rates[-1] / 5
    optimizer = maker(model, trial.suggested)
    for epoch in range(10):
        for batch in stream().epoch(epoch):
            optimizer.zero_grad()
            loss, _ = TASK.step(model, batch, None)
            loss.backward()
            optimizer.step()
    scorer = evaluate(model, TASK, stream())
    assert scorer is not None and scorer.compute()["loss"] < 0.7


def test_the_same_answer_twice() -> None:
    model = network("convolution")
    trials = []
    for _ in range(2):
        torch.manual_seed(0)
        trials.append(find_learning_rate(model, TASK, stream(), sgd, steps=30))
    assert trials[0] == trials[1]


def test_a_loss_that_is_not_finite_is_refused() -> None:
    model = network("perceptron")
    with torch.no_grad():
        next(model.parameters()).fill_(math.inf)
    with pytest.raises(InputError, match="check the inputs' scale"):
        find_learning_rate(model, TASK, stream(), sgd)


# --- batch size ----------------------------------------------------------------------------------


def make_batch(size: int) -> BatchLike:
    return next(iter(Batches(pictures(size), batch_size=size, seed=0).epoch(0)))


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """Times that the test sets, by batch size."""
    times: dict[int, float] = {}

    def measure(model: Any, task: Any, batch: BatchLike, placement: Any) -> float:
        found = times[len(batch.targets)]
        if found < 0:
            raise MemoryError
        return found

    monkeypatch.setattr(finding, "_seconds", measure)
    return times


def test_doubling_ends_where_it_brings_little(seconds: dict[int, float]) -> None:
    seconds |= {16: 1.0, 32: 1.0, 64: 1.0, 128: 1.9, 256: 1.0}
    trial = find_batch_size(network("perceptron"), TASK, make_batch, samples=10**5, memory_bytes=1 << 40)
    assert (trial.sizes, trial.suggested) == ((16, 32, 64, 128), 64)


def test_twenty_steps_an_epoch_are_kept(seconds: dict[int, float]) -> None:
    seconds |= dict.fromkeys((16, 32, 64), 1.0)
    trial = find_batch_size(network("perceptron"), TASK, make_batch, samples=20 * 64, memory_bytes=1 << 40)
    assert trial.sizes == (16, 32, 64)
    assert find_batch_size(network("perceptron"), TASK, make_batch, samples=20, memory_bytes=1 << 40).suggested == 16


def test_memory_is_respected(seconds: dict[int, float]) -> None:
    """The limit is on what one sample keeps for the backward pass, times the size."""
    seconds |= {2**power: 1.0 for power in range(4, 12)}
    model = TinyConvolution()
    kept = finding._activation_bytes(model, make_batch(1), finding.Placement())
    assert kept > 4 * 8 * 144, "at least the convolution's output"
    for most in (16, 64, 200):
        trial = find_batch_size(model, TASK, make_batch, samples=10**5, memory_bytes=most * kept)
        assert max(trial.sizes) * kept <= most * kept < 2 * max(trial.sizes) * kept


def test_out_of_memory_ends_the_search(seconds: dict[int, float]) -> None:
    seconds |= {16: 1.0, 32: 1.0, 64: -1.0}
    model = network("perceptron")
    assert find_batch_size(model, TASK, make_batch, samples=10**5, memory_bytes=1 << 40).suggested == 32
    seconds[16] = -1.0
    with pytest.raises(InputError, match="not even a batch of 16 fits"):
        find_batch_size(model, TASK, make_batch, samples=10**5, memory_bytes=1 << 40)


def test_trying_sizes_leaves_the_run_alone() -> None:
    model = TinyConvolution().eval()
    before, generator = everything_of(model), torch.get_rng_state()
    trial = find_batch_size(model, TASK, make_batch, samples=20 * 32, memory_bytes=1 << 40)
    assert trial.suggested in trial.sizes
    assert unchanged(before, everything_of(model))
    assert torch.equal(generator, torch.get_rng_state())
