"""Schedules against torch.optim.lr_scheduler."""

from __future__ import annotations

import json
import math
import warnings
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as oracle

from neuropil.errors import InputError
from neuropil.optim import SCHEDULES
from neuropil.optim.schedules import Plateau, Schedule

TOTAL = 97


def torch_rates(make: Any, steps: int = TOTAL) -> list[float]:
    """The rates that a torch scheduler gives, the base rate being 1."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler, rates = make(optimizer), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the optimizer took no step
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            if len(rates) < steps:
                scheduler.step()
    return rates


def rates(name: str, steps: int = TOTAL, **options: Any) -> list[float]:
    schedule: Schedule = SCHEDULES.build(name, **options)
    return [schedule.factor(step, steps) for step in range(steps)]


def close(wanted: list[float]) -> Any:
    return pytest.approx(wanted, rel=1e-9, abs=1e-14)


def test_constant() -> None:
    assert rates("constant") == [1.0] * TOTAL


@pytest.mark.parametrize(("every", "factor"), [(10, 0.5), (1, 0.9), (200, 0.1)])
def test_step(every: int, factor: float) -> None:
    assert rates("step", every_steps=every, factor=factor) == close(
        torch_rates(lambda o: oracle.StepLR(o, every, factor))
    )


def test_step_by_a_part_of_the_run() -> None:
    wanted = torch_rates(lambda o: oracle.StepLR(o, 25, 0.2), steps=100)
    assert rates("step", steps=100, every_fraction=0.25, factor=0.2) == close(wanted)
    assert rates("step", steps=90) == close(torch_rates(lambda o: oracle.StepLR(o, 30, 0.1), steps=90))
    assert rates("step", steps=2, every_fraction=0.01) == close([1.0, 0.1])


@pytest.mark.parametrize("final", [0.0, 0.1])
def test_cosine(final: float) -> None:
    wanted = torch_rates(lambda o: oracle.CosineAnnealingLR(o, T_max=TOTAL, eta_min=final))
    assert rates("cosine", final_fraction=final) == close(wanted)


@pytest.mark.parametrize("final", [0.0, 0.1])
def test_linear(final: float) -> None:
    wanted = torch_rates(lambda o: oracle.LinearLR(o, start_factor=1.0, end_factor=final, total_iters=TOTAL))
    assert rates("linear", final_fraction=final) == close(wanted)


def test_exponential() -> None:
    wanted = torch_rates(lambda o: oracle.ExponentialLR(o, gamma=0.05 ** (1 / TOTAL)))
    assert rates("exponential", final_fraction=0.05) == close(wanted)


@pytest.mark.parametrize(("shape", "strategy"), [("cosine", "cos"), ("linear", "linear")])
@pytest.mark.parametrize(("peak", "steps"), [(0.3, TOTAL), (0.5, 10), (0.25, 8), (0.1, 20), (0.9, 33)])
def test_one_cycle(shape: str, strategy: str, peak: float, steps: int) -> None:
    def make(optimizer: torch.optim.Optimizer) -> Any:
        return oracle.OneCycleLR(
            optimizer, 1.0, steps, pct_start=peak, div_factor=20, final_div_factor=50, anneal_strategy=strategy,
            cycle_momentum=False,
        )  # fmt: skip

    found = rates("one_cycle", steps, peak_fraction=peak, start_fraction=1 / 20, final_fraction=1 / 1000, shape=shape)
    assert found == close(torch_rates(make, steps))


def test_one_cycle_by_default_is_torchs() -> None:
    wanted = torch_rates(lambda o: oracle.OneCycleLR(o, 1.0, TOTAL, cycle_momentum=False))
    assert rates("one_cycle") == close(wanted)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_very_short_runs(steps: int) -> None:
    for name in SCHEDULES:
        found = rates(name, steps)
        assert all(0 < one <= 1 for one in found), name
    assert all(0 < one <= 1 for one in rates("cosine", steps, warmup_steps=5))


@pytest.mark.parametrize(
    ("name", "later"),
    [
        ("constant", lambda o, n: oracle.ConstantLR(o, 1.0, 1)),
        ("cosine", lambda o, n: oracle.CosineAnnealingLR(o, n)),
        ("linear", lambda o, n: oracle.LinearLR(o, 1.0, 0.0, n)),
        ("exponential", lambda o, n: oracle.ExponentialLR(o, 0.01 ** (1 / n))),
        ("step", lambda o, n: oracle.StepLR(o, round(n / 3), 0.1)),
    ],
)
def test_warm_up(name: str, later: Any) -> None:
    """A straight line up to 1 at the tenth step, then the schedule over what is left."""

    def make(optimizer: torch.optim.Optimizer) -> Any:
        first = oracle.LinearLR(optimizer, 0.1, 1.0, 9)
        return oracle.SequentialLR(optimizer, [first, later(optimizer, 90)], [10])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = torch_rates(make, 100)
    assert rates(name, 100, warmup_steps=10) == close(wanted)
    assert rates(name, 100, warmup_fraction=0.1) == close(wanted)


@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize(("patience", "gain"), [(0, 0.0), (2, 0.0), (3, 0.05)])
def test_plateau(mode: str, patience: int, gain: float) -> None:
    generator = torch.Generator().manual_seed(patience)
    metrics = torch.rand(80, generator=generator).tolist()
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    peer = oracle.ReduceLROnPlateau(
        optimizer, mode, 0.5, patience, threshold=gain, threshold_mode="abs", min_lr=0.0, eps=0.0
    )  # type: ignore[arg-type]
    schedule = SCHEDULES.build("plateau", mode=mode, factor=0.5, patience=patience, min_gain=gain)
    for metric in metrics:
        schedule.observe(metric)
        peer.step(metric)
        assert schedule.factor(3, 10) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        schedule = _through_json(schedule, mode=mode, factor=0.5, patience=patience, min_gain=gain)


def _through_json(schedule: Plateau, **options: Any) -> Plateau:
    fresh = Plateau(**options)
    fresh.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    return fresh


def test_plateau_takes_nan_for_no_gain() -> None:
    schedule = Plateau(patience=1, factor=0.5)
    for metric in (math.nan, math.inf, 0.5):
        schedule.observe(metric)
    assert schedule.state_dict() == {"reductions": 1, "best": 0.5, "waited": 0}


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "plateau"])
def test_stateless_schedules_ignore_the_metric(name: str) -> None:
    schedule = SCHEDULES.build(name)
    before = [schedule.factor(step, 9) for step in range(9)]
    for _ in range(50):
        schedule.observe(0.0)
    assert [schedule.factor(step, 9) for step in range(9)] == before
    assert schedule.state_dict() == {}
    schedule.load_state_dict({})
    with pytest.raises(InputError, match="saves nothing, but"):
        schedule.load_state_dict(Plateau().state_dict())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("constant", {"warmup_steps": -1}, "warmup_steps must be at least 0, but -1"),
        ("constant", {"warmup_fraction": 1.0}, "warmup_fraction must be at least 0 and below 1"),
        ("constant", {"warmup_steps": 1, "warmup_fraction": 0.1}, "both 1 and 0.1 were given"),
        ("cosine", {"final_fraction": 1.1}, "final_fraction must lie from 0 to 1"),
        ("linear", {"final_fraction": -0.1}, "final_fraction must lie from 0 to 1"),
        ("exponential", {"final_fraction": 0.0}, "never comes to 0"),
        ("step", {"every_steps": 0}, "every_steps must be at least 1"),
        ("step", {"every_fraction": 0.0}, "every_fraction must be above 0"),
        ("step", {"every_fraction": 0.5, "every_steps": 3}, "both 3 and 0.5"),
        ("step", {"factor": 0.0}, "factor must be above 0"),
        ("one_cycle", {"peak_fraction": 1.0}, "peak_fraction must be above 0 and below 1"),
        ("one_cycle", {"start_fraction": 2.0}, "start_fraction must lie from 0 to 1"),
        ("one_cycle", {"shape": "line"}, "did you mean 'linear'"),
        ("plateau", {"factor": 1.0}, "factor must be above 0 and below 1"),
        ("plateau", {"patience": -1}, "patience must be at least 0"),
        ("plateau", {"min_gain": -0.1}, "min_gain must be at least 0"),
        ("plateau", {"mode": "most"}, "mode"),
        ("cosine", {"final_fracton": 0.1}, "did you mean 'final_fraction'"),
    ],
)
def test_refuses(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SCHEDULES.build(name, **options)


def test_plateau_refuses_a_state_of_another_kind() -> None:
    with pytest.raises(InputError, match="go on with the schedule that the run began with"):
        Plateau().load_state_dict({})


def test_those_of_transformers_against_hugging_face() -> None:
    """Theirs counts steps from 0 and so begins at a rate of 0; ours is one step ahead while it rises."""
    peer = pytest.importorskip("transformers")
    wanted = torch_rates(lambda o: peer.get_inverse_sqrt_schedule(o, num_warmup_steps=20), TOTAL + 1)
    assert rates("noam", warmup_steps=20) == close(wanted[1:])
    wanted = torch_rates(lambda o: peer.get_linear_schedule_with_warmup(o, 20, TOTAL), TOTAL + 1)
    assert rates("linear_warmup", warmup_steps=20) == close([*wanted[1:21], *wanted[20:TOTAL]])
    assert rates("linear_warmup", warmup_fraction=0.2) == rates("linear", warmup_fraction=0.2)


def test_the_transformers_rate_by_its_equation() -> None:
    found = rates("noam", steps=9000, warmup_steps=4000, width=512)
    wanted = [512**-0.5 * min(s**-0.5, s * 4000**-1.5) for s in range(1, 9001)]
    assert found == close(wanted)
    for options in ({"warmup_steps": 0}, {"width": 0}):
        with pytest.raises(InputError, match="1 or more"):
            SCHEDULES.build("noam", **options)
