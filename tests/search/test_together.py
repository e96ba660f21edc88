"""Runs that take their steps together are the separate runs, but for the last digits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from neuropil.recipes.catalogue import find_recipe
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.running import start
from neuropil.search.comparing import compare
from neuropil.search.comparison import Comparison
from neuropil.search.joining import seconds_each_way, why_apart
from neuropil.training.checkpoint import newest_checkpoint
from search.workshop import RULES, iris

TOLERANCE = 1e-4


def weights(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint, _ = newest_checkpoint(folder / "checkpoints")
    assert checkpoint is not None
    return checkpoint.tensors["model"] | {
        f"state {name}": tensor for name, tensor in checkpoint.tensors["state"].items() if tensor.is_floating_point()
    }


def furthest(one: Comparison, other: Comparison) -> float:
    """The largest difference of any weight or number of a rule's state of any run."""
    worst = 0.0
    for mine, theirs in zip(one.outcomes, other.outcomes, strict=True):
        assert mine.cell == theirs.cell
        a, b = weights(mine.folder), weights(theirs.folder)
        assert a.keys() == b.keys() and len(a) >= 4
        worst = max(worst, *(float((a[name].double() - b[name].double()).abs().max()) for name in a))
        assert [row["step"] for row in mine.history] == [row["step"] for row in theirs.history]
    return worst


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Together wherever it is possible, however long that takes on a busy machine."""
    monkeypatch.setattr("neuropil.search.comparing.MARGIN", float("inf"))


@pytest.mark.slow
@pytest.mark.usefixtures("always")
def test_nine_rules_of_five_seeds(tmp_path: Path) -> None:
    recipe = iris("steps=50", "task.label_smoothing=0.1", "optimizer=adam")
    together = compare(recipe, [RULES], seeds=5, folder=tmp_path / "together")
    alone = compare(recipe, [RULES], seeds=5, folder=tmp_path / "alone", together=False)
    assert "45 runs of perceptron took their steps together" in together.how[0] and not alone.how
    assert furthest(together, alone) < TOLERANCE
    for mine, theirs in zip(together.outcomes, alone.outcomes, strict=True):
        assert mine.results["ending"] == theirs.results["ending"] == "done"
        assert mine.figure("valid", "loss") == pytest.approx(theirs.figure("valid", "loss"), abs=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(
    "words",
    [
        ["training.clip_norm=0.5", "schedule=one_cycle"],
        ["training.clip_value=0.02", "optimizer.weight_decay=0.1", "training.patience_epochs=1", "epochs=6"],
        ["model.activation=tanh", "model.hidden=[6,5]", "batches.drop_last=true", "task.class_weights=[1.0,2.0,3.0]"],
    ],
)
def test_options_of_the_loop(words: list[str], tmp_path: Path) -> None:
    vary = ["optimizer.lr=0.02,0.2", "model.initialization=he,xavier"]
    together = compare(iris(*words), vary, folder=tmp_path / "together")
    alone = compare(iris(*words), vary, folder=tmp_path / "alone", together=False)
    assert "4 runs of perceptron took their steps together" in together.how[0]
    assert furthest(together, alone) < TOLERANCE


@pytest.mark.usefixtures("always")
def test_values_too(tmp_path: Path) -> None:
    rows = [f"{a:.3f},{b:.3f},{2 * a - b:.3f}" for a, b in torch.randn(60, 2, generator=torch.manual_seed(0)).tolist()]
    (tmp_path / "values.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    words = ["model=perceptron", f"data={tmp_path / 'values.csv'}", "data.target=y", "epochs=3", "speed=plain"]
    recipe = Recipe(name="values").with_overrides(words)
    together, alone = (
        compare(recipe, ["optimizer=sgd,adam"], seeds=2, folder=tmp_path / str(way), together=way)
        for way in (True, False)
    )
    assert "4 runs of perceptron took their steps together" in together.how[0]
    assert furthest(together, alone) < TOLERANCE and together.metric == "r2"


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (iris("model.dropout=0.2"), "a layer Dropout"),
        (iris("model.batch_norm=true"), "a layer BatchNormalization"),
        (iris("penalty.l2=0.01"), "penalty"),
        (iris("training.average_decay=0.9"), "moving average"),
        (iris("training.accumulate=2"), "several batches"),
        (iris("training.non_finite=skip"), "not finite"),
        (iris("schedule=plateau"), "hangs on its metric"),
        (find_recipe("digits-lenet5"), "a layer"),
        (iris("model.hidden=[700]"), "5,603 weights are too many"),
        (iris("model.hidden=[700]", "steps=200"), None),
        (iris("model.hidden=[2000]", "steps=200"), "16,003 weights are too many"),
        (iris(), None),
    ],
)
def test_what_is_carried_out_one_by_one(recipe: Recipe, said: str | None, tmp_path: Path) -> None:
    running = start(recipe, runs=tmp_path)
    running.folder.close()
    reason = why_apart(running)
    assert reason is None if said is None else reason is not None and said in reason


def test_an_operation_that_cannot_be_stacked_is_found_by_the_probe(tmp_path: Path) -> None:
    """The rule lets it through; random numbers within a stack do not pass."""

    class Drawing(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.layer(x) + torch.rand(3)
            return out

    running = start(iris(), runs=tmp_path)
    running.folder.close()
    object.__setattr__(running.assembly, "model", Drawing())
    together, alone = seconds_each_way([running, running])
    assert together == float("inf") and 0 < alone < 10


def test_where_it_is_slower_runs_go_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neuropil.search.comparing.seconds_each_way", lambda group: (1.0, 1.1))
    found = compare(iris("steps=200"), ["optimizer=sgd,adam"], folder=tmp_path)
    assert "were carried out one by one" in found.how[0] and "1000.0 ms together" in found.how[0]
    assert [one.results["ending"] for one in found.outcomes] == ["done", "done"]
