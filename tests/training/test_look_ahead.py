"""Nesterov's rule leaves the point ahead of its weights in the network; what is evaluated and kept are the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from neuropil.optim.chapter import NesterovMomentum
from neuropil.optim.one_pass import kernel_for
from neuropil.recipes import run as recipes_run
from neuropil.training.checkpoint import load_checkpoint
from neuropil.training.evaluating import evaluate
from neuropil.training.loop import fit
from neuropil.training.plan import TrainingPlan
from training.test_exactness import compare, killed_at
from training.workshop import ingredients, run_to_end

NEEDS_COMPILER = pytest.mark.skipif(kernel_for(NesterovMomentum.equation) is None, reason="there is no C compiler")
PLAN = TrainingPlan(epochs=3, save_every_seconds=1e9)


def weights_by_definition(model: nn.Module, rule: torch.optim.Optimizer, alpha: float = 0.9) -> dict[str, Tensor]:
    """w = p + αΔ of what lies in the network and in the rule's state."""
    moved = {name: p.detach() + alpha * rule.state[p]["delta"] for name, p in model.named_parameters()}
    return {**{name: one.detach().clone() for name, one in model.state_dict().items()}, **moved}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.allclose(one[name], other[name], atol=1e-7) for name in one)


def test_the_evaluation_and_the_best_weights_are_the_rules_weights(tmp_path: Path) -> None:
    made = ingredients(rule="nag", options={"lr": 0.05})
    best, told = None, None
    (tmp_path / "run").mkdir()
    run = recipes_run.RunFolder(tmp_path / "run")
    for report in fit(made, PLAN, run=run):
        if report.evaluation is None:
            continue
        wanted = weights_by_definition(made.model, made.optimizer)
        point = {name: one.detach().clone() for name, one in made.model.state_dict().items()}
        assert not same(point, wanted)
        made.model.load_state_dict(wanted)
        scorer = evaluate(made.model, made.task, made.valid)
        made.model.load_state_dict(point)
        assert scorer is not None
        assert report.evaluation.metrics["loss"] == pytest.approx(scorer.compute()["loss"], rel=1e-5)
        if report.evaluation.is_best:
            best, told = wanted, report.step
    run.close()
    kept = load_checkpoint(tmp_path / "run" / "checkpoints" / "best")
    assert told is not None and best is not None
    assert kept.folder.resolve().name == f"best-{told:08d}"
    assert same(kept.tensors["model"], best)
    last = load_checkpoint(tmp_path / "run" / "checkpoints" / "last")
    assert same(last.tensors["use"], weights_by_definition(made.model, made.optimizer))
    assert all(torch.equal(last.tensors["model"][name], one) for name, one in made.model.state_dict().items())
    assert same(last.weights(), last.tensors["use"])


def test_the_average_is_one_of_the_rules_weights() -> None:
    made = ingredients(rule="nag", options={"lr": 0.05}, average=True)
    assert made.average is not None
    averages: dict[str, Any] = {name: one.clone() for name, one in made.average.state_tensors().items()}
    for number, report in enumerate(fit(made, TrainingPlan(steps=5))):
        wanted = weights_by_definition(made.model, made.optimizer)
        decay = min(0.9, (1 + number) / (10 + number))
        for name, one in wanted.items():
            if one.is_floating_point():
                averages[name] = decay * averages[name] + (1 - decay) * one
        assert report.step == number + 1
    found = made.average.state_tensors()
    for name, one in wanted.items():
        if one.is_floating_point():
            assert torch.allclose(found[name], averages[name], atol=1e-6), name


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=NEEDS_COMPILER)])
def test_resuming_is_exact(average: bool, compiled: bool, tmp_path: Path) -> None:
    plan = TrainingPlan(epochs=3, save_every_steps=4, save_every_seconds=1e9)

    def made() -> Any:
        return ingredients(rule="nag", options={"lr": 0.05, "compiled": compiled or None}, average=average)

    run_to_end(made(), plan, tmp_path / "straight")
    killed_at(14, made(), plan, tmp_path / "broken")
    run_to_end(made(), plan, tmp_path / "broken")
    compare(tmp_path / "straight", tmp_path / "broken")


def test_other_rules_keep_nothing_besides(tmp_path: Path) -> None:
    run_to_end(ingredients(rule="momentum", options={"lr": 0.05}), PLAN, tmp_path)
    assert "use" not in load_checkpoint(tmp_path / "checkpoints" / "last").tensors
