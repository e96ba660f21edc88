"""The choice of layout and precision: measured on a copy, fixed settings respected, short runs left alone."""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from neuropil.batches.batching import Batches
from neuropil.nn.contracts import BatchLike
from neuropil.tasks.classification import Classification
from neuropil.training import speed
from neuropil.training.speed import Placement, SpeedPlan, choose_speed
from training.workshop import CLASSES, TinyConvolution, network, pictures

TASK = Classification(CLASSES)


def one_batch() -> BatchLike:
    return next(iter(Batches(pictures(16), batch_size=16, seed=0).epoch(0)))


def everything_of(model: nn.Module) -> list[Any]:
    state = {name: (tensor.clone(), tensor.stride()) for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    return [state, modes, [p.grad for p in model.parameters()]]


def unchanged(before: list[Any], after: list[Any]) -> bool:
    same = all(torch.equal(before[0][n][0], after[0][n][0]) and before[0][n][1] == after[0][n][1] for n in before[0])
    return same and before[1:] == after[1:]


def test_nothing_of_the_run_is_touched() -> None:
    model = TinyConvolution().eval()
    before, states = everything_of(model), (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy())  # type: ignore[index]
    plan = choose_speed(model, TASK, one_batch(), steps=10**5)
    assert len(plan.measured) > 1, "several were tried"
    assert unchanged(before, everything_of(model))
    assert torch.equal(states[0], torch.get_rng_state()) and states[1] == random.getstate()
    assert (states[2] == np.random.get_state()[1]).all()  # type: ignore[index]


def test_a_short_run_is_not_probed() -> None:
    plan = choose_speed(TinyConvolution(), TASK, one_batch(), steps=10)
    assert plan.placement == Placement() and not plan.compile
    assert len(plan.measured) == 1 and "too little to repay" in plan.in_words()


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("steps", [1, 10**5])
def test_fixed_settings_stay(channels_last: bool, precision: Any, steps: int) -> None:
    plan = choose_speed(
        TinyConvolution(), TASK, one_batch(), steps, precision=precision, channels_last=channels_last, compile=False
    )
    assert plan.placement == Placement("cpu", channels_last, precision) and not plan.compile


def test_rows_have_no_layout() -> None:
    plan = choose_speed(network("perceptron"), TASK, one_batch(), steps=10**5, precision="fp32")
    assert [name for name, _ in plan.measured] == ["fp32, ordinary layout"]


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, bool, bool], float]:
    """Times that the test sets: by precision, channels last, compiled."""
    times: dict[tuple[str, bool, bool], float] = {}

    def measure(model: Any, task: Any, batch: Any, placement: Placement, *, use_compile: bool = False) -> float:
        found = times[placement.precision, placement.channels_last, use_compile]
        if found < 0:
            raise RuntimeError("the compiler failed")
        return found

    monkeypatch.setattr(speed, "_milliseconds", measure)
    monkeypatch.setattr(speed, "supports_bf16", lambda device: True)
    return times


def choice(times: dict[tuple[str, bool, bool], float], steps: int, compile: bool | None = None) -> SpeedPlan:
    return choose_speed(TinyConvolution(), TASK, one_batch(), steps, compile=compile)


@pytest.mark.parametrize("best", [("fp32", False), ("fp32", True), ("bf16", False), ("bf16", True)])
def test_the_fastest_is_taken(best: tuple[Any, bool], timed: dict[tuple[str, bool, bool], float]) -> None:
    timed |= {(kind, layout, False): 10.0 for kind in ("fp32", "bf16") for layout in (False, True)}
    timed[(*best, False)] = 5.0
    plan = choice(timed, steps=10**4)
    assert (plan.placement.precision, plan.placement.channels_last) == best
    assert len(plan.measured) == 4 and "5.0 ms a step, the fastest of 4" in plan.reason


@pytest.mark.parametrize(
    ("setting", "least"), [(("fp32", True), 1.03), (("bf16", False), 1.05), (("bf16", True), 1.03 * 1.05)]
)
def test_what_is_not_plain_must_gain(
    setting: tuple[Any, bool], least: float, timed: dict[tuple[str, bool, bool], float]
) -> None:
    for time, taken in ((9.99 / least, True), (10.01 / least, False)):
        timed |= {(kind, layout, False): 11.0 for kind in ("fp32", "bf16") for layout in (False, True)}
        timed["fp32", False, False] = 10.0
        timed[(*setting, False)] = time
        plan = choice(timed, steps=10**4, compile=False)
        assert (plan.placement != Placement()) is taken
        assert ("the fastest of 4" if taken else "the plainest of the fastest of 4") in plan.reason


def test_what_is_close_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Placement] = []
    slow_at_first = iter([10.0, 9.0, 20.0, 20.0, 8.0, 7.0])  # plain, channels last, bf16, both; then the first two

    def measure(model: Any, task: Any, batch: Any, placement: Placement, *, use_compile: bool = False) -> float:
        tried.append(placement)
        return next(slow_at_first)

    monkeypatch.setattr(speed, "_milliseconds", measure)
    monkeypatch.setattr(speed, "supports_bf16", lambda device: True)
    plan = choice({}, steps=10**4, compile=False)
    assert tried[4:] == [Placement(channels_last=True), Placement()]
    assert plan.placement == Placement() and dict(plan.measured)["fp32, ordinary layout"] == 7.0


@pytest.mark.parametrize(
    ("compiled", "steps", "taken", "words"),
    [
        (5.0, 10**6, True, "compiling costs 0 s and saves 5000 s"),
        (11.0, 10**6, False, "would save -1000 s"),
        (-1.0, 10**6, False, r"compiling failed \(RuntimeError\)"),
    ],
)
def test_compiling_must_repay_itself(
    compiled: float, steps: int, taken: bool, words: str, timed: dict[tuple[str, bool, bool], float]
) -> None:
    timed |= {(kind, layout, False): 10.0 for kind in ("fp32", "bf16") for layout in (False, True)}
    timed["fp32", False, True] = compiled
    plan = choice(timed, steps)
    assert plan.compile is taken
    assert re.search(words, plan.reason)


def test_compiling_is_not_tried_for_minutes_of_work(timed: dict[tuple[str, bool, bool], float]) -> None:
    timed |= {(kind, layout, False): 10.0 for kind in ("fp32", "bf16") for layout in (False, True)}
    plan = choice(timed, steps=80_000)  # 800 s; the fixture has no time for a compiled step
    assert not plan.compile


def test_placing() -> None:
    batch = one_batch()
    assert Placement().place(batch) is batch
    placed = Placement("cpu", True).place(batch)
    assert torch.equal(placed.inputs, batch.inputs) and (placed.indices == batch.indices).all()
    model = Placement("cpu", True).place_model(nn.Conv2d(3, 4, 3))
    assert model.weight.is_contiguous(memory_format=torch.channels_last)  # type: ignore[union-attr, operator]
    with Placement(precision="bf16").precision_context():
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == torch.bfloat16
    with Placement().precision_context():
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == torch.float32
