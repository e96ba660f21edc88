"""Memory that autograd keeps against torch's profiler; products against torch's layers; races in turn."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from neuropil.errors import InputError
from neuropil.formulas.sequence_costs import bptt_bytes
from neuropil.inspection.kept_memory import KeptMemory
from neuropil.inspection.products import longest_chain
from neuropil.inspection.racing import MOST_ROUNDS, race
from neuropil.recurrent.cells import VanillaRNN
from neuropil.recurrent.truncation import truncated_steps


def allocated(run: object) -> int:
    """Bytes that are still allocated after a computation whose loss is held, by torch's profiler."""
    assert callable(run)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        loss = run()
    found = sum(one.self_cpu_memory_usage for one in profiler.key_averages())
    del loss
    return int(found)


@pytest.mark.parametrize("steps", [8, 40])
def test_bptt_keeps_what_the_profiler_finds(steps: int) -> None:
    layer, x = VanillaRNN(16, 32), torch.zeros(4, steps, 16)

    def loss() -> Tensor:
        outputs: Tensor = layer(x)[0]
        return outputs.sum()

    with KeptMemory(layer.parameters()) as kept:
        held = loss()
    assert kept.now == bptt_bytes(steps, 4, 16, 32)
    del held
    assert kept.now == 0
    assert allocated(loss) == kept.peak + 4  # the loss itself


def test_a_chain_keeps_an_output_a_link() -> None:
    x = torch.ones(1000, requires_grad=True)

    def chain() -> Tensor:
        y = x
        for _ in range(5):
            y = y.tanh()
        return y.sum()

    with KeptMemory() as kept:
        held = chain()
    assert kept.now == 5 * 4000
    assert allocated(chain) == kept.now + 4
    held.backward()  # type: ignore[no-untyped-call]
    assert (kept.now, kept.peak) == (0, 20_000)


def test_gradients_stay_as_they_are() -> None:
    def gradients() -> list[Tensor]:
        torch.manual_seed(0)
        layer, x = VanillaRNN(3, 4), torch.randn(2, 5, 3, requires_grad=True)
        (first,) = torch.autograd.grad(layer(x)[0].square().sum(), x, create_graph=True)
        return [first, *torch.autograd.grad(first.square().sum(), [x, *layer.parameters()], allow_unused=True)]

    plain = gradients()
    with KeptMemory():
        counted = gradients()
    assert all(a is b is None or torch.equal(a, b) for a, b in zip(plain, counted, strict=True))


def test_weights_that_are_there_anyway_do_not_count() -> None:
    layer, x = nn.Linear(50, 50), torch.ones(2, 50, requires_grad=True)
    with KeptMemory() as every, KeptMemory(layer.parameters()) as without:
        layer(x).sum()
    assert without.peak == x.numel() * 4
    assert every.peak == 0  # the inner one sees it first
    with KeptMemory() as every:
        layer(x).sum()
    assert every.peak == x.numel() * 4 + layer.weight.numel() * 4


def test_a_window_bounds_memory_and_products() -> None:
    layer, peaks = VanillaRNN(8, 8), []
    for steps in (20, 60):
        with KeptMemory(layer.parameters()) as kept:
            for _, outputs, _ in truncated_steps(layer, torch.zeros(2, steps, 8), window=5):
                assert longest_chain(outputs) == 5
                outputs.sum().backward()  # type: ignore[no-untyped-call]
        peaks.append(kept.peak)
    assert peaks[0] == peaks[1] == bptt_bytes(5, 2, 8, 8)


def test_chains_of_torchs_layers() -> None:
    x = torch.zeros(2, 9, 8)
    assert longest_chain(nn.RNN(8, 8, batch_first=True)(x)[0]) == 9
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    assert longest_chain(attention(x, x, x, need_weights=True)[0]) == 4
    assert longest_chain(attention(x, x, x, need_weights=False)[0]) == 4
    assert longest_chain(torch.ones(2)) == 0


def test_a_race_goes_in_turn_and_back() -> None:
    calls: list[str] = []
    race({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, num_rounds=3, least_seconds=0)
    assert "".join(calls) == "aabb" + "ab" + "ba" + "ab"


def test_a_race_finds_how_long_things_sleep() -> None:
    found = race({"short": lambda: time.sleep(0.001), "long": lambda: time.sleep(0.02)}, num_rounds=3)
    assert found["long"].median >= 0.02 and found["short"].median >= 0.001
    assert found["short"].median < found["long"].median
    assert all(one.low <= one.median <= one.high and one.num_rounds == 3 for one in found.values())
    assert found["long"].processor_share < 0.5  # it sleeps


def test_a_race_goes_on_for_as_long_as_it_may() -> None:
    rounds = [race({"a": lambda: None}, num_rounds=3, least_seconds=0, seconds=one)["a"].num_rounds for one in (0, 5)]
    assert rounds == [3, MOST_ROUNDS]


def test_races_without_runners_or_rounds_are_refused() -> None:
    with pytest.raises(InputError, match="3 or more"):
        race({}, num_rounds=5)
    with pytest.raises(InputError, match="3 or more"):
        race({"a": lambda: None}, num_rounds=2)
