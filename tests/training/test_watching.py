"""Warnings while a run trains: each is given once, saved, and not given where all is well."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from neuropil.recipes.running import start
from neuropil.recipes.train import carry_out, read_recipe
from neuropil.training.watching import LOOK_EVERY, LOOK_FIRST, Watch


class Said:
    """What a watch said."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str | None]] = []

    def __call__(self, fault: str, layer: str | None, sentence: str) -> None:
        assert sentence
        self.rows.append((fault, layer))


def test_falling_loss_and_steady_gradients_say_nothing() -> None:
    watch = Watch(nn.Linear(2, 2), said := Said())
    for step in range(400):
        watch.begin(step)
        watch.end(2.0 * 0.99**step + 0.1, 1.0 + 0.5 * (step % 3))
    assert said.rows == []


@pytest.mark.parametrize(
    ("fault", "loss", "norm"),
    [
        ("exploding_gradient", lambda step: 1.0, lambda step: 1e4 if step == 90 else 1.0),
        ("vanishing_gradient", lambda step: 1.0, lambda step: 1e-9),
        ("learning_rate_too_high", lambda step: 1.0 + 0.05 * step, lambda step: 1.0),
    ],
)
def test_each_kind_is_said_once(fault, loss, norm) -> None:  # type: ignore[no-untyped-def]
    watch = Watch(nn.Linear(2, 2), said := Said())
    for step in range(300):
        watch.begin(step)
        watch.end(loss(step), norm(step))
    assert said.rows == [(fault, None)]


@pytest.mark.parametrize(("squash", "fault"), [(nn.ReLU, "dead_relu"), (nn.Tanh, "saturated_activation")])
def test_layers_are_looked_at_twice(squash: type[nn.Module], fault: str) -> None:
    net = nn.Sequential(nn.Linear(4, 8), squash())
    nn.init.constant_(net[0].bias, -100.0)
    healthy = nn.Sequential(nn.Linear(4, 8), squash())
    for model, wanted in ((net, [(fault, "1")]), (healthy, [])):
        watch = Watch(model, said := Said())
        for step in range(LOOK_FIRST + LOOK_EVERY + 1):
            watch.begin(step)
            model(torch.randn(32, 4))
            watch.end(1.0, 1.0)
            assert step >= LOOK_FIRST + LOOK_EVERY or said.rows == []
        assert said.rows == wanted
        assert not model[1]._forward_hooks


def test_a_watch_goes_on_where_it_was_saved() -> None:
    whole, begun, resumed = (Watch(nn.Linear(2, 2), Said()) for _ in range(3))
    figures = [(1.0 + 0.01 * step, 1.0 + step % 7) for step in range(200)]
    for figure in figures:
        whole.end(*figure)
    for figure in figures[:77]:
        begun.end(*figure)
    resumed.put(json.loads(json.dumps(begun.state())))
    for figure in figures[77:]:
        resumed.end(*figure)
    assert resumed.state() == whole.state()


@pytest.mark.parametrize("on", [True, False])
def test_warnings_stand_in_the_runs_log_and_can_be_left_out(on: bool, tmp_path: Path) -> None:
    words = ["optimizer=sgd", "lr=5", "epochs=12", "speed=plain", f"training.warnings={str(on).lower()}"]
    running = start(read_recipe(["iris-perceptron", *words]), runs=tmp_path)
    run = carry_out(running, lambda report: None, pictures=False)
    rows = [row for row in run.history if row["event"] == "warning"]
    assert bool(rows) == on
    if on:
        assert {"step", "fault", "layer", "says"} < set(rows[0])
        assert run.evaluate().compute()["loss"] > 0
