"""What the titles of the built-in recipes claim, measured on the test part."""

from __future__ import annotations

import json
import math
import re
import statistics
import tarfile
from pathlib import Path
from typing import Any

import pytest

from neuropil.recipes.catalogue import find_recipe
from neuropil.recipes.running import start
from neuropil.recipes.train import carry_out, train

CLAIM = re.compile(
    r": (?:R² )?([\d.]+)( %)?(?: mAP)? (?:of|on) the test part, "
    r"(median of (?:three|five) seeds|mean of ten seeds|one seed)$"
)
WAYS = {
    "median of three seeds": (3, statistics.median),
    "median of five seeds": (5, statistics.median),
    "mean of ten seeds": (10, statistics.mean),
    "one seed": (1, statistics.mean),
}


def check(
    name: str, metric: str, least: float, runs: Path, *, within: float = 0.01, lowest: float = 0.0, **values: Any
) -> None:
    """The figure reaches what was asked for, and what the title says, but for what machines differ by."""
    recipe = find_recipe(name)
    stated = CLAIM.search(recipe.title)
    assert stated, recipe.title
    claimed = float(stated[1]) / (100 if stated[2] else 1)
    seeds, summary = WAYS[stated[3]]
    scores = []
    for seed in range(seeds):
        running = start(recipe.with_values({**values, "seed": seed}), runs=runs)
        scores.append(carry_out(running, lambda report: None, pictures=False).results["test"][metric])
    found = summary(scores)
    assert min(scores) >= lowest, scores
    assert found >= least, scores
    assert abs(found - claimed) < within, scores


@pytest.mark.slow
def test_iris(tmp_path: Path) -> None:
    check("iris-perceptron", "accuracy", 0.95, tmp_path)


@pytest.mark.slow
def test_red_wine(shared_data: Path, tmp_path: Path) -> None:
    table = shared_data / "tabular" / "winequality-red.csv"
    check("wine-quality-regression", "r2", 0.33, tmp_path, root=str(table))


@pytest.mark.proof
def test_digits(tmp_path: Path) -> None:
    check("digits-lenet5", "accuracy", 0.97, tmp_path)


@pytest.mark.proof
def test_mnist_fast(shared_data: Path, tmp_path: Path) -> None:
    check("mnist-fast", "accuracy", 0.99, tmp_path, within=0.001, root=str(shared_data / "mnist"))


@pytest.mark.proof
def test_mnist_lenet5(shared_data: Path, tmp_path: Path) -> None:
    check("mnist-lenet5", "accuracy", 0.985, tmp_path, within=0.002, root=str(shared_data / "mnist"))


@pytest.mark.proof
def test_fashion(shared_data: Path, tmp_path: Path) -> None:
    check("fashion-resnet", "accuracy", 0.92, tmp_path, within=0.005, root=str(shared_data / "fashion-mnist"))


@pytest.mark.proof
@pytest.mark.parametrize(
    ("name", "least", "valid_fraction"), [("cifar10-plain", 0.85, 0.02), ("cifar10-resnet20", 0.835, 0.1)]
)
def test_cifar10(name: str, least: float, valid_fraction: float, shared_data: Path, tmp_path: Path) -> None:
    """The whole set as JPEG pictures, which cost points."""
    with tarfile.open(shared_data / "cifar10" / "cifar10-jpeg.tar.xz") as archive:
        archive.extractall(tmp_path / "pictures", filter="data")
    values = {"data": str(tmp_path / "pictures"), "data.valid_fraction": valid_fraction}
    check(name, "accuracy", least, tmp_path, within=0.01, **values)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("name", "root", "least"),
    [
        ("tagging-english", "ud-english-ewt", 0.92),
        ("tagging-korean", "ud-korean-gsd", 0.85),
        ("sentiment-reviews", "sst2", 0.8),
        ("sentiment-korean", "nsmc", 0.78),
        ("sentiment-names", "names", 0.8),
    ],
)
def test_texts(name: str, root: str, least: float, shared_data: Path, tmp_path: Path) -> None:
    check(name, "accuracy", least, tmp_path, within=0.015, root=str(shared_data / root))


@pytest.mark.proof
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("file", ["monthly-sunspots.csv", "daily-min-temperatures.csv"])
def test_a_forecast_is_better_than_none(file: str, seed: int, shared_data: Path, tmp_path: Path) -> None:
    recipe = find_recipe("forecast-sunspots").with_values(
        {"root": str(shared_data / "timeseries" / file), "seed": seed}
    )
    running = start(recipe, runs=tmp_path)
    found = carry_out(running, lambda report: None, pictures=False).results["test"]["rmse"]
    (said,) = [note for note in running.assembly.splits.info.notes if "without learning" in note]
    assert found < min(float(one) for one in re.findall(r"by ([\d.]+)", said)), said


@pytest.mark.proof
def test_blood_cells(shared_data: Path, tmp_path: Path) -> None:
    root = str(shared_data / "bccd" / "BCCD.zip")
    check("bccd-yolo", "map50", 0.7, tmp_path, within=0.03, lowest=0.7, root=root)


@pytest.mark.proof
def test_membranes(shared_data: Path, tmp_path: Path) -> None:
    """Six slices that play no part in training, not even in the choice of an epoch: the last one counts."""
    recipe = find_recipe("membrane-unet")
    stated = re.search(r"Dice ([\d.]+) on six of thirty slices", recipe.title)
    assert stated
    running = start(recipe.with_values({"root": str(shared_data / "membrane" / "membrane.zip")}), runs=tmp_path)
    carry_out(running, lambda report: None, pictures=False)
    lines = (running.folder.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    last = [row for row in map(json.loads, lines) if row["event"] == "epoch"][-1]
    assert last["valid_dice_membrane"] >= 0.78
    assert last["valid_dice_membrane"] == pytest.approx(float(stated[1]), abs=0.015)


@pytest.mark.proof
def test_ants_and_bees(shared_data: Path, tmp_path: Path) -> None:
    """What the README says of few photos: validation pictures, median of three seeds."""
    stated = re.search(r"([\d.]+) % of the validation pictures", find_recipe("photos-transfer").title)
    assert stated
    weights = str(shared_data / "weights" / "mobilenet_v1_0.5_160.npz")
    scores = [
        train(data=str(shared_data / "hymenoptera"), weights=weights, seed=seed, runs=tmp_path, progress=False)
        .results["valid"]["accuracy"]
        for seed in range(3)
    ]  # fmt: skip
    assert min(scores) >= 0.91, scores
    assert statistics.median(scores) == pytest.approx(float(stated[1]) / 100, abs=0.02), scores


@pytest.mark.proof
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_shakespeare(seed: int, shared_data: Path, tmp_path: Path) -> None:
    """Nats a character on the last tenth; the nine before it are all read, or its play's names would be new."""
    recipe = find_recipe("language-shakespeare").with_values(
        {"root": str(shared_data / "tinyshakespeare"), "seed": seed}
    )
    run = carry_out(start(recipe, runs=tmp_path), lambda report: None, pictures=False)
    assert run.results["test"]["loss"] <= 1.55


@pytest.mark.proof
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("name", "least"), [("translation-multi30k", 25), ("transformer-translation", 30)])
def test_translation(name: str, least: float, seed: int, shared_data: Path, tmp_path: Path) -> None:
    recipe = find_recipe(name).with_values({"root": str(shared_data / "multi30k"), "seed": seed})
    run = carry_out(start(recipe, runs=tmp_path), lambda report: None, pictures=False)
    assert run.results["test"]["bleu"] >= least


@pytest.mark.proof
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_shakespeare_by_attention(seed: int, shared_data: Path, tmp_path: Path) -> None:
    """Nats a character, all of the subwords' over all characters."""
    recipe = find_recipe("gpt-shakespeare").with_values({"root": str(shared_data / "tinyshakespeare"), "seed": seed})
    run = carry_out(start(recipe, runs=tmp_path), lambda report: None, pictures=False)
    assert run.results["test"]["bits_per_character"] * math.log(2) <= 1.50
