"""Loaded weights, a new classifier, and pictures of one's own: by one call, exact on resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import neuropil
from neuropil.errors import InputError
from neuropil.models import create_model
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.running import start
from neuropil.recipes.train import carry_out, resume_run, train
from neuropil.training.checkpoint import load_checkpoint
from neuropil.transfer.converting import convert_weights
from neuropil.transfer.records import Preprocessing, WeightRecord

CLASSES = ("left", "right")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bright square on the one side or the other."""
    root, draw = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for place, name in enumerate(CLASSES):
        for part, count in (("train", 12), ("val", 6)):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = draw.integers(0, 120, (40, 50, 3), dtype=np.uint8)
                pixels[10:30, 25 * place : 25 * place + 25] += 120
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network for seven classes with statistics of its own, and its record."""
    folder = tmp_path_factory.mktemp("weights")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = create_model("mobilenet_v1", width=0.25, num_classes=7)
        network.train()(torch.randn(8, 3, 32, 32))
    torch.save(network.state_dict(), folder / "plain.pth")
    record = WeightRecord(
        model="mobilenet_v1",
        source="a test",
        options={"width": 0.25, "num_classes": 7},
        preprocessing=Preprocessing(32, 0.9, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "bicubic"),
    )
    again = create_model("mobilenet_v1", width=0.25, num_classes=7)
    convert_weights(again, folder / "plain.pth", folder / "known.safetensors", record)
    return folder


def run(photos: Path, tmp_path: Path, **values: Any) -> neuropil.Run:
    options = {"epochs": 3, "batch_size": 8, "progress": False, "runs": tmp_path, **values}
    return train(data=str(photos), **options)


def same(name: str, before: dict[str, Tensor], after: dict[str, Tensor]) -> bool:
    return torch.equal(before[name], after[name])


@pytest.mark.slow
def test_frozen_features_stay_to_the_last_bit(photos: Path, weights: Path, tmp_path: Path) -> None:
    before = torch.load(weights / "plain.pth", weights_only=True)
    done = run(photos, tmp_path, weights=str(weights / "known.safetensors"), freeze="features")
    last = load_checkpoint(done.folder.checkpoints / "last").tensors["model"]
    changed = {name for name in before if before[name].shape != last[name].shape or not same(name, before, last)}
    assert changed == {"classifier.weight", "classifier.bias"}


@pytest.mark.slow
def test_the_record_fills_in_what_is_left_open(photos: Path, weights: Path, tmp_path: Path) -> None:
    done = run(photos, tmp_path, weights=str(weights / "known.safetensors"))
    recipe = done.recipe
    assert recipe.section("model")["name"] == "mobilenet_v1" and recipe.section("model")["width"] == 0.25
    assert recipe.section("data") | {"source": ""} == {
        "source": "", "size": 32, "crop_share": 0.9, "interpolation": "bicubic",
    }  # fmt: skip
    assert recipe.section("batches")["mean"] == [0.5] * 3
    assert recipe.section("transfer") == {"method": "fine_tune"}
    assert done.signature.normalization is not None and done.signature.normalization.std == (0.25,) * 3
    assert done.signature.encoding["crop_share"] == 0.9
    assert recipe.name == "mobilenet_v1"


@pytest.mark.slow
def test_what_is_given_wins(photos: Path, weights: Path, tmp_path: Path) -> None:
    done = run(photos, tmp_path, weights=str(weights / "known.safetensors"), transfer="all",
               **{"data.size": 40, "batches.normalize": "channel"})  # fmt: skip
    assert done.signature.input_shape == (3, 40, 40) and done.recipe.section("transfer") == {"method": "all"}
    assert done.signature.normalization is not None and done.signature.normalization.std != (0.25,) * 3


@pytest.mark.slow
def test_unknown_weights_need_their_network(photos: Path, weights: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names no network"):
        run(photos, tmp_path, weights=str(weights / "plain.pth"))
    done = run(photos, tmp_path, weights=str(weights / "plain.pth"), model={"name": "mobilenet_v1", "width": 0.25},
               **{"data.size": 32})  # fmt: skip
    assert done.recipe.section("transfer") == {"method": "fine_tune"}


@pytest.mark.slow
def test_fine_tuning_learns(photos: Path, weights: Path, tmp_path: Path) -> None:
    """From random weights, so that the body has far to go; mirrored pictures would be of the other class."""
    words = {"transfer.head_epochs": 1, "transfer.body_rate": 1.0, "transfer.lower_rate": 1.0}
    done = run(photos, tmp_path, weights=str(weights / "known.safetensors"), epochs=12, lr=0.01, augment=[], **words)
    assert done.results["valid"]["accuracy"] >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("stop_after", [2, 5])
def test_a_resumed_run_ends_with_the_same_weights(photos: Path, weights: Path, tmp_path: Path, stop_after: int) -> None:
    """Stopped while the classifier learns alone, and after everything thawed; what was left out stays left out."""
    words: dict[str, Any] = {"epochs": 3, "batch_size": 8, "augment": [], "transfer.head_epochs": 1}
    words |= {"data": str(photos), "weights": str(weights / "known.safetensors"), "training.save_every_steps": 1}
    recipe = Recipe().with_values(words)
    whole = carry_out(start(recipe, runs=tmp_path / "a"), lambda report: None, pictures=False)
    running = start(recipe, runs=tmp_path / "b")
    for report in running.reports():
        if report.step == stop_after:
            break
    resumed = resume_run(running.folder.path, progress=False)
    first, second = (load_checkpoint(one.folder.checkpoints / "last").tensors["model"] for one in (whole, resumed))
    assert first.keys() == second.keys() and all(same(name, first, second) for name in first)


def test_freezing_without_weights_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name them with weights=FILE"):
        run(photos, tmp_path, model="resnet20", freeze="features")
    with pytest.raises(InputError, match="did you mean 'features'"):
        run(photos, tmp_path, model="resnet20", freeze="feature")


@pytest.mark.slow
def test_mean_and_std_belong_together(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="belong together"):
        run(photos, tmp_path, model="resnet20", **{"batches.mean": [0.5, 0.5, 0.5]})
    done = run(photos, tmp_path, model={"name": "resnet20", "width": 4}, epochs=1,
               **{"batches.mean": [0.5, 0.5, 0.5], "batches.std": [0.5, 0.5, 0.5], "data.size": 32})  # fmt: skip
    assert done.signature.normalization is not None and done.signature.normalization.mean == (0.5,) * 3


@pytest.mark.slow
def test_a_run_goes_on_without_the_weights_that_it_began_from(photos: Path, weights: Path, tmp_path: Path) -> None:
    copy = tmp_path / "w.safetensors"
    copy.write_bytes((weights / "known.safetensors").read_bytes())
    words: dict[str, Any] = {"epochs": 2, "batch_size": 8, "data": str(photos), "weights": str(copy)}
    recipe = Recipe().with_values({**words, "training.save_every_steps": 1})
    whole = carry_out(start(recipe, runs=tmp_path / "a"), lambda report: None, pictures=False)
    running = start(recipe, runs=tmp_path / "b")
    for report in running.reports():
        if report.step == 2:
            break
    copy.unlink()
    resumed = resume_run(running.folder.path, progress=False)
    first, second = (load_checkpoint(one.folder.checkpoints / "last").tensors["model"] for one in (whole, resumed))
    assert all(same(name, first, second) for name in first)
