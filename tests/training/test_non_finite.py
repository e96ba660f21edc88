"""Planted NaN and infinities: caught in their step, named, and got over by each policy."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neuropil.batches.batching import Batches
from neuropil.data.in_memory import InMemory
from neuropil.data.records import DataInfo
from neuropil.errors import NonFiniteError
from neuropil.optim import RULES, SCHEDULES
from neuropil.tasks.classification import Classification
from neuropil.tasks.regression import Regression
from neuropil.training.checkpoint import checkpoint_folders, load_checkpoint
from neuropil.training.loop import fit
from neuropil.training.plan import TrainingPlan
from neuropil.training.run_folder import RunFolder
from neuropil.training.seeding import seed_everything
from neuropil.training.signals import StopSignals
from neuropil.training.speed import Placement, SpeedPlan
from neuropil.training.stepping import Ingredients
from training.workshop import everything, ingredients, run_to_end

ROWS, WIDTH = 64, 6
PLAN = TrainingPlan(epochs=2, save_every_steps=1, save_every_seconds=1e9)


class Lambda(nn.Module):
    """A layer of one function; harmless in evaluation and before a given number of passes."""

    def __init__(self, function: Any, first: int = 0) -> None:
        super().__init__()
        self.function, self.first, self.passes = function, first, 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        self.passes += 1
        return self.function(x) if self.passes > self.first else x


class Between(nn.Module):
    """Two layers with an operation between them that is no layer."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.first, self.second, self.function = nn.Linear(WIDTH, 4), nn.Linear(4, 3), function

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.function(self.first(x)))


def rows(kind: str = "classes") -> InMemory:
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(ROWS, WIDTH)).astype(np.float32)
    if kind == "classes":
        return InMemory(inputs, draw.integers(0, 3, ROWS), DataInfo("rows", "table", "classes", (WIDTH,), tuple("abc")))
    values = inputs[:, :1].copy()
    return InMemory(inputs, values, DataInfo("rows", "table", "values", (WIDTH,), targets=("y",)))


def parts(model: nn.Module | None = None, *, samples: InMemory | None = None, lr: float = 0.01) -> Ingredients:
    samples = rows() if samples is None else samples
    torch.manual_seed(0)
    values = samples.info.target == "values"
    model = model or nn.Sequential(nn.Linear(WIDTH, 4), nn.ReLU(), nn.Linear(4, 1 if values else 3))
    return Ingredients(
        model=model,
        task=Regression(("y",)) if values else Classification(tuple("abc")),
        train=Batches(samples, batch_size=16, seed=0, shuffle=False),
        optimizer=RULES.build("sgd", model.parameters(), lr=lr),
        schedule=SCHEDULES.build("constant"),
        speed=SpeedPlan(Placement()),
    )


def layers_around(*layers: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(WIDTH, 4), *layers, nn.Linear(4, 3))


def planted_input() -> Ingredients:
    samples = rows()
    samples.inputs[37, 2] = math.nan
    return parts(samples=samples)


def planted_target() -> Ingredients:
    samples = rows("values")
    samples.targets[37, 0] = math.inf
    return parts(samples=samples)


def planted_weight() -> Ingredients:
    made = parts()
    with torch.no_grad():
        made.model[2].weight[0, 0] = math.inf  # type: ignore[index]
    return made


def planted_loss() -> Ingredients:
    class Task(Classification):
        def step(self, model: Any, batch: Any, carry: Any) -> Any:
            loss, carry = super().step(model, batch, carry)
            return loss / 0.0, carry

    return replace(parts(), task=Task(tuple("abc")))


def planted_loss_gradient() -> Ingredients:
    class Task(Classification):
        def step(self, model: Any, batch: Any, carry: Any) -> Any:
            return (model(batch.inputs) * 0.0).abs().sqrt().mean(), carry

    return replace(parts(), task=Task(tuple("abc")))


PLANTED: dict[str, tuple[Any, int, str]] = {
    "input": (planted_input, 3, "the inputs of sample 37 hold it already"),
    "target": (planted_target, 3, "the targets of sample 37 hold it already"),
    "weight": (planted_weight, 1, r"the weights '2\.weight' are not finite"),
    "log of 0": (
        lambda: parts(layers_around(Lambda(lambda x: torch.log(x * 0.0), 2))),
        3,
        r"layer '1' \(Lambda\) made the first one",
    ),
    "overflow": (
        lambda: parts(layers_around(nn.ReLU(), Lambda(lambda x: (x * 1e30).pow(3), 1))),
        2,
        r"layer '2' \(Lambda\) made the first one",
    ),
    "operation that is no layer": (
        lambda: parts(Between(lambda x: x / 0.0)),
        1,
        r"layer 'second' \(Linear\) made the first one",
    ),
    "backward of a layer": (
        lambda: parts(layers_around(Lambda(lambda x: torch.sqrt(x * 0.0)))),
        1,
        r"on its way back through layer '1' \(Lambda\)",
    ),
    "backward of an operation": (
        lambda: parts(Between(lambda x: torch.sqrt(x * 0.0))),
        1,
        r"in an operation between layer 'first' \(Linear\) and what follows it",
    ),
    "loss": (planted_loss, 1, "every layer's output is finite; the loss itself made it"),
    "gradient of the loss": (planted_loss_gradient, 1, "the gradient of the loss itself is not finite"),
    "norm": (
        lambda: parts(layers_around(Lambda(lambda x: x * 1e21))),
        1,
        "every batch's own gradient is finite, so their sum or its norm is too large for its type",
    ),
}


@pytest.mark.parametrize("what", PLANTED)
def test_stopped_in_its_step_and_named(what: str, tmp_path: Path) -> None:
    make, step, clause = PLANTED[what]
    folder = tmp_path / "run"
    with pytest.raises(NonFiniteError, match=clause) as refusal:
        run_to_end(make(), PLAN, folder)
    words = str(refusal.value)
    assert words.startswith(f"step {step}, epoch 1: ") and "\n" not in words
    saved = checkpoint_folders(folder / "checkpoints")
    assert [load_checkpoint(one).state["progress"]["step"] for one in saved] == list(range(1, step))[-2:]
    assert all(
        bool(torch.isfinite(tensor).all()) for one in saved for tensor in load_checkpoint(one).tensors["model"].values()
    )


def test_named_in_the_second_of_accumulated_batches() -> None:
    with pytest.raises(NonFiniteError, match="the inputs of sample 37 hold it already"):
        list(fit(planted_input(), TrainingPlan(epochs=1, accumulate=4)))


def test_an_exploding_rate_is_caught_one_step_later_and_never_saved(tmp_path: Path) -> None:
    """The loss and the gradient of step 1 are finite; its weights are not, and no checkpoint holds them."""
    with pytest.raises(NonFiniteError, match=r"step 1: '.*' is not finite, so nothing is saved"):
        run_to_end(parts(lr=1e39), PLAN, tmp_path / "saving")
    assert checkpoint_folders(tmp_path / "saving" / "checkpoints") == []
    with pytest.raises(NonFiniteError, match=r"step 2, epoch 1: .* the weights '.*' are not finite: an earlier step"):
        list(fit(parts(lr=1e39), TrainingPlan(epochs=1)))


def test_a_large_rate_is_caught_where_the_loss_breaks() -> None:
    with pytest.raises(NonFiniteError, match=r"step \d+, epoch 1: the (loss|gradient)"):
        list(fit(parts(lr=1e38), TrainingPlan(epochs=1)))


def test_exploding_in_the_last_step_is_not_saved(tmp_path: Path) -> None:
    plan = TrainingPlan(steps=1, save_every_seconds=1e9)
    with pytest.raises(NonFiniteError, match="so nothing is saved"):
        run_to_end(parts(lr=1e39), plan, tmp_path)
    assert not (tmp_path / "checkpoints" / "last").exists()


# --- skip ----------------------------------------------------------------------------------------


def test_skipping_leaves_no_trace() -> None:
    """Batch normalisation forgets the bad batch; weights and optimizer do not move; training goes on."""
    samples = rows()
    samples.inputs[37, 2] = math.nan
    model = nn.Sequential(nn.BatchNorm1d(WIDTH), nn.Linear(WIDTH, 3))
    made = replace(parts(model, samples=samples), optimizer=RULES.build("adam", model.parameters(), lr=0.01))
    sentences: list[str] = []
    seen = [
        (report, [t.detach().clone() for t in model.state_dict().values()])
        for report in fit(made, TrainingPlan(epochs=2, non_finite="skip"), tell=sentences.append)
    ]
    (before, old), (bad, kept), (after, new) = seen[1:4]
    assert math.isfinite(before.loss) and not math.isfinite(bad.loss) and math.isfinite(after.loss)
    assert all(torch.equal(a, b) for a, b in zip(old, kept, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(kept, new, strict=True))
    assert all(bool(torch.isfinite(t).all()) for t in seen[-1][1])
    assert len(sentences) == 2 and sentences[0].startswith("step 3 was skipped: the loss became nan")
    assert int(made.optimizer.state_dict()["state"][0]["step"]) == 6
    assert seen[-1][0].train_loss is not None and math.isfinite(seen[-1][0].train_loss)


def test_skipping_for_ever_stops_with_the_cause() -> None:
    samples = rows()
    samples.inputs[:, 0] = math.nan
    sentences: list[str] = []
    with pytest.raises(NonFiniteError, match="the inputs of sample"):
        list(fit(parts(samples=samples), TrainingPlan(epochs=9, non_finite="skip"), tell=sentences.append))
    assert len(sentences) == 10


# --- rollback ------------------------------------------------------------------------------------


def test_rollback_goes_to_the_start_of_the_epoch_at_half_the_rate() -> None:
    torch.manual_seed(1)
    model = layers_around(Lambda(lambda x: x * math.nan, 6))
    first_bad = 7  # the third step of the second epoch
    kept: dict[int, list[Tensor]] = {}
    rates = []
    sentences: list[str] = []

    def heal(sentence: str) -> None:
        sentences.append(sentence)
        model[1].function = lambda x: x  # type: ignore[union-attr, assignment]

    for report in fit(parts(model), TrainingPlan(epochs=3, non_finite="rollback"), tell=heal):
        kept[report.step] = [p.detach().clone() for p in model.parameters()]
        rates.append(report.learning_rate)
    assert all(torch.equal(a, b) for a, b in zip(kept[first_bad], kept[4], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(kept[first_bad - 1], kept[4], strict=True))
    assert rates == [0.01] * first_bad + [0.005] * (12 - first_bad)
    assert len(sentences) == 1 and sentences[0].startswith("step 7: the loss became nan; back to the weights")


def test_rolling_back_for_ever_stops() -> None:
    sentences: list[str] = []
    plan = TrainingPlan(epochs=9, non_finite="rollback")
    with pytest.raises(NonFiniteError, match=r"layer '1' \(Lambda\) made the first one"):
        list(fit(parts(layers_around(Lambda(lambda x: x * math.nan, 2))), plan, tell=sentences.append))
    assert len(sentences) == 5


@pytest.mark.parametrize("saving", [{}, {"save_every_steps": 1}], ids=["rarely", "each step"])
def test_weights_broken_by_the_last_step_of_an_epoch(saving: dict[str, int], tmp_path: Path) -> None:
    """They are neither saved nor taken for a place to go back to, however often the run saves."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(WIDTH, 4), nn.Linear(4, 3))
    made = parts(model)
    step = made.optimizer.step

    def wild(*arguments: Any) -> Any:
        answer = step(*arguments)
        wild.steps += 1  # type: ignore[attr-defined]
        if wild.steps == 4:  # type: ignore[attr-defined]
            with torch.no_grad():
                model[0].weight[0, 0] = math.inf
        return answer

    wild.steps = 0  # type: ignore[attr-defined]
    made.optimizer.step = wild  # type: ignore[method-assign]
    plan = TrainingPlan(epochs=3, non_finite="rollback", save_every_seconds=1e9, **saving)  # type: ignore[arg-type]
    sentences: list[str] = []
    reports = run_to_end(made, plan, tmp_path / "run", tell=sentences.append)
    assert [sentence.partition(":")[0] for sentence in sentences] == ["step 5"]
    assert reports[-1].ending == "done" and math.isfinite(reports[-1].loss)
    assert bool(torch.isfinite(model[0].weight).all())


@pytest.mark.parametrize("policy", ["skip", "rollback"])
@pytest.mark.parametrize("stop", [5, 7, 8, 11])
def test_resume_is_exact_around_a_bad_batch(policy: Any, stop: int, tmp_path: Path) -> None:
    def made() -> Ingredients:
        found = ingredients(model="convolution")
        found.train.samples.inputs = found.train.samples.inputs.astype(np.float32) / 255  # type: ignore[attr-defined]
        seed_everything(3)
        found.train.augment = None  # type: ignore[attr-defined]
        found.train.samples.inputs[77, 0, 3, 3] = math.nan  # type: ignore[attr-defined]
        return found

    plan = TrainingPlan(epochs=2, non_finite=policy, save_every_steps=2, save_every_seconds=1e9)
    run_to_end(made(), plan, tmp_path / "straight")
    for how in ("killed", "stopped"):
        folder = tmp_path / how
        folder.mkdir()
        run, signals = RunFolder(folder), StopSignals()
        for report in fit(made(), plan, run=run, stop=signals):
            if report.step == stop and how == "killed":
                break
            if report.step == stop:
                signals.requested = 15
        run.close()
        run_to_end(made(), plan, folder)
        assert everything(tmp_path / "straight") == everything(folder)
    state = load_checkpoint(tmp_path / "straight" / "checkpoints" / "last").state["progress"]
    assert state["skipped_steps"] + state["rollbacks"] == 2
