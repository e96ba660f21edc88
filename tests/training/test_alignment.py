"""Matrix kernels round by the alignment of their inputs; so where a resumed run begins must not move a batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from neuropil.batches.batching import ALIGNMENT_BYTES, Batches
from neuropil.data.in_memory import InMemory
from neuropil.data.records import DataInfo
from neuropil.optim import RULES, SCHEDULES
from neuropil.tasks.classification import Classification
from neuropil.training.loop import fit
from neuropil.training.plan import TrainingPlan
from neuropil.training.run_folder import RunFolder
from neuropil.training.seeding import seed_everything
from neuropil.training.speed import Placement, SpeedPlan
from neuropil.training.stepping import Ingredients
from training.workshop import everything, run_to_end


def rows(count: int, width: int) -> InMemory:
    draw = np.random.default_rng(0)
    info = DataInfo("rows", "table", "classes", (width,), ("a", "b", "c"))
    return InMemory(draw.normal(size=(count, width)).astype(np.float32), draw.integers(0, 3, count), info)


@pytest.mark.parametrize("width", [1, 13, 145])
@pytest.mark.parametrize("workers", [0, 2])
def test_every_batch_is_aligned(width: int, workers: int) -> None:
    batches = Batches(rows(200, width), batch_size=30, seed=1, workers=workers)
    for start in range(len(batches)):
        for batch in batches.epoch(0, start):
            assert batch.inputs.data_ptr() % ALIGNMENT_BYTES == 0
            assert batch.targets.data_ptr() % ALIGNMENT_BYTES == 0


def wide_and_odd(width: int) -> Ingredients:
    seed_everything(5)
    model = nn.Sequential(nn.Linear(width, 5), nn.ReLU(), nn.Linear(5, 3))
    return Ingredients(
        model=model,
        task=Classification(("a", "b", "c")),
        train=Batches(rows(200, width), batch_size=30, seed=2),
        valid=Batches(rows(100, width), batch_size=30, seed=2, shuffle=False),
        optimizer=RULES.build("sgd", model.parameters(), lr=0.1),
        schedule=SCHEDULES.build("constant"),
        speed=SpeedPlan(Placement()),
    )


@pytest.mark.parametrize("width", [13, 145, 785])
@pytest.mark.parametrize("stop", range(1, 7))
def test_resume_is_exact_at_odd_widths(width: int, stop: int, tmp_path: Path) -> None:
    """Handed out as views of one chunk at any address, batches fail this after every odd step on common processors."""
    plan = TrainingPlan(epochs=2, save_every_steps=1, save_every_seconds=1e9)
    run_to_end(wide_and_odd(width), plan, tmp_path / "straight")
    (tmp_path / "broken").mkdir()
    run = RunFolder(tmp_path / "broken")
    for report in fit(wide_and_odd(width), plan, run=run):
        if report.step == stop:
            break
    run.close()
    run_to_end(wide_and_odd(width), plan, tmp_path / "broken")
    assert everything(tmp_path / "straight") == everything(tmp_path / "broken")


def test_alignment_is_why() -> None:
    """The same numbers from another address may give other digits: a note of the fact, wherever it is one."""
    torch.manual_seed(0)
    layer, values = nn.Linear(784, 5), torch.randn(30, 784)
    answers = set()
    for offset in range(16):
        memory = torch.empty(values.numel() + 16)[offset : offset + values.numel()].view(30, 784).copy_(values)
        answers.add(layer(memory).detach().numpy().tobytes())
    if len(answers) == 1:
        pytest.skip("this processor's kernels give the same digits at every address")
    aligned = {layer(values.clone()).detach().numpy().tobytes() for _ in range(16)}
    assert len(aligned) == 1
