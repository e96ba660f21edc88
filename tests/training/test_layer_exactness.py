"""Layers that draw random numbers or keep averages resume to the last bit, in every form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from neuropil.nn.dropout import Dropout, SpatialDropout
from neuropil.nn.normalization import BatchNormalization, LocalResponseNormalization
from neuropil.training.loop import fit
from neuropil.training.plan import TrainingPlan
from neuropil.training.run_folder import RunFolder
from training import workshop
from training.workshop import everything, ingredients, run_to_end

PLAN = TrainingPlan(epochs=3, save_every_seconds=1e9, save_every_steps=4)

FORMS = ("chapter", "srivastava", "inverted")
PERS = ("batch", "sample", "epoch")


def network(dropout: nn.Module, normalization: nn.Module) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), normalization, LocalResponseNormalization(), nn.ReLU(), dropout,
        nn.MaxPool2d(4), nn.Flatten(), nn.Linear(72, 3),
    )  # fmt: skip


CASES: list[Any] = [
    *[(lambda f=form, p=per: network(Dropout(0.3, f, p), nn.Identity())) for form in FORMS for per in PERS],
    *[(lambda p=per: network(SpatialDropout(0.3, per=p), nn.Identity())) for per in PERS],
    *[
        (lambda f=form: network(Dropout(), BatchNormalization(8, f)))
        for form in ("chapter", "average", "paper", "torch")
    ],
]


@pytest.mark.parametrize("make", CASES, ids=range(len(CASES)))
@pytest.mark.parametrize("step", [14, 10])
def test_a_run_killed_mid_epoch_or_at_its_end_is_the_same(
    make: Any, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten steps an epoch, saved after every fourth."""
    monkeypatch.setattr(workshop, "network", lambda name: make())
    run_to_end(ingredients(), PLAN, tmp_path / "straight")
    (tmp_path / "broken").mkdir()
    run = RunFolder(tmp_path / "broken")
    for report in fit(ingredients(), PLAN, run=run):
        if report.step == step:
            break
    run.close()
    run_to_end(ingredients(), PLAN, tmp_path / "broken")
    for mine, theirs in zip(everything(tmp_path / "straight"), everything(tmp_path / "broken"), strict=True):
        assert mine == theirs
