"""From a recipe to a finished run: what it leaves behind, and that repeating it gives the same to the last bit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from torch.utils.data import TensorDataset

import neuropil
from neuropil.errors import InputError
from neuropil.files import sha256_of
from neuropil.recipes.in_memory import splits_of
from neuropil.recipes.run import Run

X, y = load_iris(return_X_y=True)

FILES = ("recipe.toml", "environment.json", "data.json", "metrics.jsonl", "results.csv", "results.json", "report.html")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """LeNet-5 on the digits, two epochs, with what draws random numbers: augmentation and mixup."""
    words = ["augment=shift_crop,mixup", "training.average_decay=0.9", "penalty.l1=1e-6"]
    folder = tmp_path_factory.mktemp("runs")
    return neuropil.train("digits-lenet5", *words, epochs=2, batch_size=128, runs=folder, progress=False)


@pytest.fixture(scope="module")
def again(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run's own resolved recipe, carried out elsewhere."""
    folder = tmp_path_factory.mktemp("again")
    return neuropil.train(run.folder.path / "recipe.toml", runs=folder, progress=False)


def weights(run: Run) -> dict[str, str]:
    return {
        str(path.relative_to(run.folder.path)): sha256_of(path)
        for path in sorted(run.folder.path.glob("checkpoints/*-*/*.safetensors"))
    }


def test_a_run_folder_holds_all_that_is_promised(run: Run) -> None:
    folder = run.folder.path
    assert [name for name in FILES if not (folder / name).is_file()] == []
    assert {"loss.svg", "loss.png", "accuracy.svg", "confusion.svg"} <= {
        one.name for one in (folder / "plots").iterdir()
    }
    assert {one.name.split("-")[0] for one in (folder / "checkpoints").iterdir()} == {"best", "last", "step"}
    assert list(folder.glob("events.out.tfevents.*")), "TensorBoard events"
    assert not list(folder.rglob("*.tmp*"))


def test_the_report_stands_alone(run: Run) -> None:
    text = (run.folder.path / "report.html").read_text(encoding="utf-8")
    assert "<svg" in text
    assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", text)


def test_tensorboard_reads_the_events(run: Run) -> None:
    loading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = loading.EventAccumulator(str(run.folder.path))
    events.Reload()
    losses = [tag for tag in events.Tags()["scalars"] if "loss" in tag]
    assert losses
    assert all(np.isfinite(event.value) for tag in losses for event in events.Scalars(tag))


def test_results_agree_with_one_another(run: Run) -> None:
    results = json.loads((run.folder.path / "results.json").read_text())
    assert results["test"] == run.evaluate().compute()
    rows = [row for row in run.history if row["event"] == "epoch"]
    assert len(rows) == 2
    assert results["best_step"] == max(row["step"] for row in rows if row["is_best"])
    lines = (run.folder.path / "results.csv").read_text().splitlines()
    assert len(lines) == 3


def test_a_repeated_run_has_the_same_weights_to_the_last_bit(run: Run, again: Run) -> None:
    assert weights(run)
    assert weights(run) == weights(again)
    assert (run.folder.path / "recipe.toml").read_bytes() == (again.folder.path / "recipe.toml").read_bytes()
    assert run.results == again.results
    assert run.history == again.history


def test_a_repeated_run_has_the_same_report_but_for_the_machine(run: Run, again: Run) -> None:
    def comparable(one: Run) -> str:
        text = (one.folder.path / "report.html").read_text(encoding="utf-8")
        rest, number = re.subn(r'<section id="machine">.*?</section>', "", text, flags=re.DOTALL)
        assert number == 1
        return rest.replace(str(one.folder.path), "RUN")

    assert comparable(run) == comparable(again)


@pytest.mark.slow
def test_another_seed_is_another_run(run: Run, tmp_path: Path) -> None:
    other = neuropil.train(run.folder.path / "recipe.toml", seed=1, runs=tmp_path, progress=False)
    assert weights(other) != weights(run)


def test_predictions_from_an_array_and_from_disk_agree(run: Run) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (3, 1, 32, 32), dtype=np.uint8)
    here = run.predict(pictures)
    there = neuropil.load_run(run.folder.path).predict(torch.from_numpy(pictures))
    assert here == there
    assert [one.name for one in here] == ["sample 0", "sample 1", "sample 2"]
    assert all(sum(chance for _, chance in one.answer["top"]) <= 1 + 1e-6 for one in here)
    assert run.predict([]) == []


DATA = {
    "arrays": (X, y),
    "tensors": (torch.tensor(X), torch.tensor(y)),
    "a Dataset": TensorDataset(torch.tensor(X, dtype=torch.float32), torch.tensor(y)),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", DATA)
def test_data_from_python(kind: str, tmp_path: Path) -> None:
    quick = {"epochs": 1, "runs": tmp_path, "progress": False}
    trained = neuropil.train("iris-perceptron", data=DATA[kind], **quick)
    assert trained.evaluate((X, y)).compute()["accuracy"] == pytest.approx(
        float(np.mean([one.answer["class"] == str(label) for one, label in zip(trained.predict(X), y, strict=True)]))
    )
    for use in (trained.evaluate, lambda: neuropil.resume_run(trained.folder.path, progress=False)):
        with pytest.raises(InputError, match="handed over in memory and are gone"):
            use()


@pytest.mark.parametrize("data", [5, (X,), [1, 2], {1, 2}])
def test_data_that_are_none(data: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give a"):
        neuropil.train("iris-perceptron", data=data, runs=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


def test_what_was_left_open_is_settled_in_the_recipe(tmp_path: Path) -> None:
    values = {"batch_size": "auto", "lr": "auto", "speed": "auto", "epochs": 1, "runs": tmp_path, "progress": False}
    trained = neuropil.train("iris-perceptron", **values)
    assert isinstance(trained.recipe.section("batches")["batch_size"], int)
    assert isinstance(trained.recipe.section("optimizer")["lr"], float)
    assert trained.recipe.section("speed")["mode"] == "plain"
    assert trained.recipe.section("speed")["precision"] in ("fp32", "bf16")


@pytest.mark.parametrize(
    "words",
    [
        ["batch_size=full"],
        ["optimizer=sgd", "lr=0.1", "training.accumulate=2", "training.clip_norm=1"],
        ["schedule=plateau", "training.patience_epochs=1"],
        ["task.label_smoothing=0.1", "precision=bf16"],
        ["steps=5", "training.evaluate_every_epochs=1"],
    ],
    ids=" ".join,
)
def test_ways_to_train(words: list[str], tmp_path: Path) -> None:
    trained = neuropil.train("iris-perceptron", *words, runs=tmp_path, progress=False, **_short(words))
    assert np.isfinite(trained.results["test"]["loss"])
    for word in words:
        if "." in word.partition("=")[0]:
            section, _, key = word.partition("=")[0].partition(".")
            assert str(trained.recipe.section(section)[key]) == word.partition("=")[2]


def _short(words: list[str]) -> dict[str, int]:
    return {} if any(word.startswith("steps") for word in words) else {"epochs": 2}


def test_reports_reach_the_caller(tmp_path: Path) -> None:
    seen = []
    neuropil.train("iris-perceptron", epochs=2, runs=tmp_path, progress=False, on_report=seen.append)
    assert [report.step for report in seen] == list(range(1, seen[-1].total_steps + 1))
    assert seen[-1].ending == "done"


def test_every_public_name_is_there() -> None:
    for name in neuropil.__all__:
        assert getattr(neuropil, name) is not None
    assert sorted(neuropil.__all__) == dir(neuropil)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        neuropil.nonsense  # noqa: B018


@pytest.mark.parametrize("module", ["neuropil", "neuropil.cli"])
def test_importing_loads_neither_torch_nor_numpy(module: str) -> None:
    code = f"import {module}, sys; print(*sorted({{'torch', 'numpy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.slow
def test_training_without_a_recipe(tmp_path: Path) -> None:
    run = neuropil.train(model="FC8 - ReLU - FC(SM)", data=(X, y), epochs=1, runs=tmp_path, progress=False)
    assert run.folder.path.name == "line-1" and run.recipe.title == ""
    model = {"name": "perceptron", "hidden": [4]}
    named = neuropil.train(model=model, data=(X, y), epochs=1, runs=tmp_path, progress=False)
    assert named.folder.path.name == "perceptron-1"
    with pytest.raises(InputError, match="the recipe names no network"):
        neuropil.train(data=(X, y), runs=tmp_path, progress=False)


def test_a_last_batch_of_one_picture_is_told_in_words(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (26, 3, 32, 32), dtype=np.uint8)
    labels = np.arange(26) % 2
    size = len(splits_of((pictures, labels)).train) - 1
    with pytest.raises(InputError, match=r"a batch of 1 leaves batch normalization one value a channel, .*drop_last"):
        neuropil.train(
            model={"name": "resnet18", "width": 4}, data=(pictures, labels), batch_size=size, epochs=1,
            runs=tmp_path, progress=False, speed={"mode": "plain"},
        )  # fmt: skip


def test_pictures_that_a_network_cannot_read_are_told_before_training(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'alexnet' needs pictures of 39 pixels a side or more, but these are 8x8"):
        neuropil.train(model={"name": "alexnet", "hidden": 4}, data="digits", runs=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())
