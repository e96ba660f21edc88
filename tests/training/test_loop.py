"""The loop: how long it goes on, what a step is, when it evaluates, logs, saves and ends."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neuropil.data.records import Batch
from neuropil.errors import CheckpointError, InputError
from neuropil.nn.contracts import BatchLike
from neuropil.optim import RULES, SCHEDULES
from neuropil.optim.averaging import WeightAverage
from neuropil.optim.penalties import Penalty
from neuropil.tasks.classification import Classification
from neuropil.training.checkpoint import load_checkpoint
from neuropil.training.evaluating import evaluate
from neuropil.training.loop import fit
from neuropil.training.plan import TrainingPlan
from neuropil.training.reports import StepReport
from neuropil.training.run_folder import RunFolder
from neuropil.training.signals import StopSignals
from neuropil.training.speed import Placement, SpeedPlan
from neuropil.training.stepping import Ingredients
from training.workshop import ingredients, run_to_end

CLASSES = ("a", "b", "c")


class Fixed:
    """Batches of given sizes over the same rows in the same order, in any float type."""

    def __init__(self, sizes: list[int], dtype: torch.dtype = torch.float32) -> None:
        draw = torch.Generator().manual_seed(0)
        count = sum(sizes)
        self.inputs = torch.randn(count, 5, generator=draw, dtype=torch.float64).to(dtype)
        self.targets = torch.randint(0, 3, (count,), generator=draw)
        self.ends = np.cumsum([0, *sizes]).tolist()

    def __len__(self) -> int:
        return len(self.ends) - 1

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        for first, last in list(zip(self.ends, self.ends[1:], strict=False))[start:]:
            yield Batch(self.inputs[first:last], self.targets[first:last], np.arange(first, last))


def parts(
    sizes: list[int],
    *,
    dtype: torch.dtype = torch.float32,
    rule: str = "sgd",
    schedule: str = "constant",
    valid: bool = False,
    **more: Any,
) -> Ingredients:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).to(dtype)
    return Ingredients(
        model=model,
        task=Classification(CLASSES),
        train=Fixed(sizes, dtype),
        valid=Fixed([7, 2], dtype) if valid else None,
        optimizer=RULES.build(rule, model.parameters(), lr=0.1),
        schedule=SCHEDULES.build(schedule),
        speed=SpeedPlan(Placement()),
        **more,
    )


def weights(made: Ingredients) -> Tensor:
    return torch.cat([p.detach().flatten() for p in made.model.parameters()])


# --- how long ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "steps", "epochs"),
    [
        ({"epochs": 3}, 30, [10, 20, 30]),
        ({"epochs": 1}, 10, [10]),
        ({"epochs": 2, "accumulate": 3}, 8, [4, 8]),
        ({"epochs": 2, "accumulate": 10}, 2, [1, 2]),
        ({"epochs": 2, "accumulate": 99}, 2, [1, 2]),
        ({"steps": 25}, 25, [10, 20, 25]),
        ({"steps": 20}, 20, [10, 20]),
        ({"steps": 3}, 3, [3]),
        ({"steps": 5, "accumulate": 4}, 5, [3, 5]),
        ({"epochs": 5, "evaluate_every_epochs": 2}, 50, [20, 40, 50]),
    ],
    ids=str,
)
def test_total_steps_and_evaluations(options: dict[str, Any], steps: int, epochs: list[int]) -> None:
    reports = list(fit(parts([4] * 10, valid=True), TrainingPlan(**options)))
    assert [report.step for report in reports] == list(range(1, steps + 1))
    assert {report.total_steps for report in reports} == {steps}
    assert [report.step for report in reports if report.evaluation] == epochs
    assert [report.ending for report in reports] == [None] * (steps - 1) + ["done"]


def test_counts_of_a_report() -> None:
    reports = list(fit(parts([4, 4, 3]), TrainingPlan(epochs=2, accumulate=2)))
    assert [(report.samples, report.epoch) for report in reports] == [(8, 0), (3, 1), (8, 1), (3, 2)]
    assert [report.train_loss is not None for report in reports] == [False, True, False, True]
    assert reports[1].train_loss == pytest.approx((8 * reports[0].loss + 3 * reports[1].loss) / 11)


# --- a step --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-12), (torch.float32, 1e-6)], ids=str)
@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_accumulation_is_the_large_batch(dtype: torch.dtype, close: float, rule: str) -> None:
    """Uneven batches, the last group smaller: the mean is over samples, not over batches."""
    small, large = parts([4, 4, 4, 3, 5, 1], dtype=dtype, rule=rule), parts([12, 9], dtype=dtype, rule=rule)
    penalty = Penalty(l2=0.01)
    accumulated = list(fit(replace(small, penalty=penalty), TrainingPlan(epochs=3, accumulate=3)))
    at_once = list(fit(replace(large, penalty=penalty), TrainingPlan(epochs=3)))
    assert (weights(small) - weights(large)).abs().max() < close
    for one, other in zip(accumulated, at_once, strict=True):
        assert one.loss == pytest.approx(other.loss, abs=close)
        assert one.gradient_norm == pytest.approx(other.gradient_norm, abs=close)


def test_a_step_is_that_of_plain_torch() -> None:
    made, sizes = parts([4, 3], dtype=torch.float64), [4, 3]
    plain = parts(sizes, dtype=torch.float64)
    rule = torch.optim.SGD(plain.model.parameters(), lr=0.1)
    for batch in plain.train.epoch(0):
        rule.zero_grad()
        nn.functional.cross_entropy(plain.model(batch.inputs), batch.targets).backward()
        torch.nn.utils.clip_grad_norm_(plain.model.parameters(), 0.05)
        rule.step()
    reports = list(fit(made, TrainingPlan(epochs=1, clip_norm=0.05)))
    assert (weights(made) - weights(plain)).abs().max() < 1e-7
    assert all(report.gradient_norm > 0.05 for report in reports), "the norm before clipping is what is told"


def test_clipping_by_value_is_that_of_plain_torch() -> None:
    made, plain = parts([4, 4]), parts([4, 4])
    for batch in plain.train.epoch(0):
        plain.optimizer.zero_grad()
        plain.task.step(plain.model, batch, None)[0].backward()
        torch.nn.utils.clip_grad_value_(plain.model.parameters(), 0.02)
        plain.optimizer.step()
    reports = list(fit(made, TrainingPlan(epochs=1, clip_value=0.02)))
    assert torch.equal(weights(made), weights(plain))
    assert not torch.equal(weights(made), weights(parts([4, 4])))
    assert all(report.gradient_norm > 0.02 for report in reports), "the norm before clipping is what is told"


def test_clipping_bounds_the_step() -> None:
    made = parts([4])
    before = weights(made)
    list(fit(made, TrainingPlan(steps=1, clip_norm=1e-3)))
    assert (weights(made) - before).norm().item() == pytest.approx(0.1 * 1e-3, rel=1e-3)


def test_the_schedule_is_applied() -> None:
    reports = list(fit(parts([4] * 5, schedule="cosine"), TrainingPlan(epochs=2)))
    factors = [SCHEDULES.build("cosine").factor(step, 10) for step in range(10)]
    assert [report.learning_rate for report in reports] == pytest.approx([0.1 * factor for factor in factors])
    assert len(set(factors)) > 5


# --- evaluating ----------------------------------------------------------------------------------


def test_evaluation_leaves_the_run_as_it_is() -> None:
    made = ingredients(average=False)
    assert made.valid is not None
    made.model.train()
    made.model.norm.eval()  # type: ignore[union-attr, operator]
    before = {name: tensor.clone() for name, tensor in made.model.state_dict().items()}
    modes = [module.training for module in made.model.modules()]
    generator = torch.get_rng_state()
    evaluate(made.model, made.task, made.valid)
    assert torch.equal(generator, torch.get_rng_state())
    assert modes == [module.training for module in made.model.modules()]
    assert all(torch.equal(before[name], tensor) for name, tensor in made.model.state_dict().items())
    assert all(p.grad is None for p in made.model.parameters())


def test_evaluating_more_often_changes_no_weight(tmp_path: Path) -> None:
    found = []
    for every in (1, 3):
        made = ingredients()
        list(fit(made, TrainingPlan(epochs=3, evaluate_every_epochs=every)))
        found.append(weights(made))
    assert torch.equal(*found)


def test_the_average_is_what_is_evaluated() -> None:
    made = parts([4, 4], valid=True)
    assert made.valid is not None
    made = replace(made, average=WeightAverage(made.model, 0.9))
    (*_, last) = fit(made, TrainingPlan(epochs=2))
    live = evaluate(made.model, made.task, made.valid)
    assert made.average is not None and live is not None and last.evaluation is not None
    with made.average.swap(made.model):
        averaged = evaluate(made.model, made.task, made.valid)
    assert averaged is not None
    assert dict(last.evaluation.metrics) == averaged.compute() != live.compute()


def test_the_best_weights_are_kept(tmp_path: Path) -> None:
    """The best checkpoint scores what its evaluation said, also where later epochs are worse."""
    made = parts([4] * 4, valid=True, rule="adam")
    reports = run_to_end(made, TrainingPlan(epochs=12), tmp_path)
    best = max(report.step for report in reports if report.evaluation and report.evaluation.is_best)
    checkpoint = load_checkpoint(tmp_path / "checkpoints" / "best")
    told = next(report.evaluation for report in reports if report.step == best)
    made.model.load_state_dict(checkpoint.tensors["model"])
    scorer = evaluate(made.model, made.task, made.valid)  # type: ignore[arg-type]
    assert scorer is not None and told is not None
    assert scorer.compute() == dict(told.metrics)
    assert checkpoint.folder.resolve().name == f"best-{best:08d}"


class Falling(Classification):
    """Scores that follow a script."""

    script: tuple[float, ...] = ()

    def scorer(self) -> Any:
        real, task = super().scorer(), self

        class Scripted:
            def update(self, model: nn.Module, batch: BatchLike) -> None:
                real.update(model, batch)

            def compute(self) -> dict[str, float]:
                value, *rest = task.script
                task.script = tuple(rest)
                return {"loss": 1.0, task.metric: value}

            def details(self) -> Any:
                return real.details()

        return Scripted()


def scripted(script: list[float], **options: Any) -> list[StepReport]:
    task = Falling(CLASSES)
    task.script = tuple(script)
    return list(fit(replace(parts([4, 4], valid=True), task=task), TrainingPlan(**options)))


def test_early_stopping() -> None:
    reports = scripted([0.1, 0.5, 0.4, 0.6, 0.6, 0.5, 0.2], epochs=50, patience_epochs=3)
    assert reports[-1].ending == "early stopping" and reports[-1].step == 14
    assert [r.evaluation.is_best for r in reports if r.evaluation] == [True, True, False, True, False, False, False]


def test_patience_counts_epochs_not_evaluations() -> None:
    reports = scripted([0.5, 0.4, 0.3], epochs=50, patience_epochs=4, evaluate_every_epochs=2)
    assert (reports[-1].ending, reports[-1].step) == ("early stopping", 12)


def test_a_metric_that_is_no_number_is_never_the_best() -> None:
    reports = scripted([math.nan, 0.2, math.nan, 0.3], epochs=4)
    assert [r.evaluation.is_best for r in reports if r.evaluation] == [False, True, False, True]


# --- ending --------------------------------------------------------------------------------------


def test_a_stop_request_ends_after_its_step(tmp_path: Path) -> None:
    made, stop = ingredients(), StopSignals()
    tmp_path.joinpath("run").mkdir()
    run = RunFolder(tmp_path / "run")
    reports = []
    for report in fit(made, TrainingPlan(epochs=3), run=run, stop=stop):
        reports.append(report)
        if report.step == 13:
            stop.requested = 15
    run.close()
    assert [report.step for report in reports] == list(range(1, 15))
    assert (reports[-1].ending, reports[-1].signal) == ("interrupted", 15)
    assert load_checkpoint(tmp_path / "run" / "checkpoints" / "last").state["progress"]["step"] == 14


def test_a_stop_request_without_a_folder() -> None:
    stop = StopSignals()
    stop.requested = 2
    (last,) = fit(ingredients(), TrainingPlan(epochs=3), stop=stop)
    assert (last.step, last.ending, last.signal) == (1, "interrupted", 2)


@pytest.mark.parametrize("every", [1, 5])
def test_killed_in_the_last_evaluation_of_a_run_of_steps(every: int, tmp_path: Path) -> None:
    """A checkpoint at the last step, in the middle of an epoch, must not lead to one step more."""
    plan = TrainingPlan(steps=5, save_every_steps=every, save_every_seconds=1e9)

    class Killed(Exception):  # noqa: N818
        pass

    class Task(Classification):
        def scorer(self) -> Any:
            raise Killed

    with pytest.raises(Killed):
        run_to_end(replace(ingredients(), task=Task(CLASSES)), plan, tmp_path / "run")
    reports = run_to_end(ingredients(), plan, tmp_path / "run")
    assert (reports[-1].step, reports[-1].ending) == (5, "done")
    assert load_checkpoint(tmp_path / "run" / "checkpoints" / "last").state["progress"]["step"] == 5


# --- the log -------------------------------------------------------------------------------------


def test_log_rows(tmp_path: Path) -> None:
    run_to_end(parts([4] * 4, valid=True), TrainingPlan(epochs=3, log_every_steps=2), tmp_path)
    rows = [
        json.loads(line, parse_constant=pytest.fail) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()
    ]
    assert [(row["event"], row["step"]) for row in rows] == [
        *(("step", 2), ("step", 4), ("epoch", 4), ("step", 6), ("step", 8), ("epoch", 8)),
        *(("step", 10), ("step", 12), ("epoch", 12)),
    ]
    assert set(rows[0]) == {"event", "step", "loss", "lr", "gradient_norm"}
    assert {"epoch", "train_loss", "lr", "valid_loss", "valid_accuracy", "is_best"} <= set(rows[2])


def test_another_network_is_refused(tmp_path: Path) -> None:
    run_to_end(parts([4, 4]), TrainingPlan(epochs=1), tmp_path)
    other = replace(parts([4, 4]), model=nn.Linear(5, 3))
    with pytest.raises(CheckpointError, match="is not of this run"):
        run_to_end(other, TrainingPlan(epochs=2), tmp_path)


# --- the plan ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either epochs or steps"),
        ({"epochs": 1, "steps": 1}, "either epochs or steps"),
        ({"epochs": 0}, r"training\.epochs must be at least 1, but 0"),
        ({"steps": -3}, r"training\.steps must be at least 1"),
        ({"epochs": 1, "accumulate": 0}, r"training\.accumulate"),
        ({"epochs": 1, "patience_epochs": 0}, r"training\.patience_epochs"),
        ({"epochs": 1, "evaluate_every_epochs": 0}, r"training\.evaluate_every_epochs"),
        ({"epochs": 1, "save_every_steps": 0}, r"training\.save_every_steps"),
        ({"epochs": 1, "keep_checkpoints": 0}, r"training\.keep_checkpoints"),
        ({"epochs": 1, "log_every_steps": 0}, r"training\.log_every_steps"),
        ({"epochs": 1, "clip_norm": 0.0}, r"training\.clip_norm must be above 0"),
        ({"epochs": 1, "clip_norm": math.nan}, r"training\.clip_norm"),
        ({"epochs": 1, "clip_value": 0.0}, r"training\.clip_value must be above 0, but 0\.0 .*leave it out"),
        ({"epochs": 1, "clip_norm": 1.0, "clip_value": 0.5}, r"clip_norm=1\.0 and training\.clip_value=0\.5 .*one way"),
        ({"epochs": 1, "average_decay": 1.0}, r"training\.average_decay"),
        ({"epochs": 1, "save_every_seconds": -1.0}, r"training\.save_every_seconds"),
        ({"epochs": 1, "save_every_seconds": math.nan}, r"training\.save_every_seconds"),
    ],
    ids=str,
)
def test_refusals(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        TrainingPlan(**options)


def test_no_batch_is_refused() -> None:
    with pytest.raises(InputError, match="gives no batch"):
        fit(parts([]), TrainingPlan(epochs=1))
