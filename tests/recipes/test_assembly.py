"""Names turned into live objects: every built-in recipe, and what is refused before data are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from neuropil import create_model
from neuropil.errors import InputError
from neuropil.recipes import assembly
from neuropil.recipes.assembly import assemble, check_recipe
from neuropil.recipes.catalogue import find_recipe, list_recipes
from neuropil.recipes.recipe import Recipe
from neuropil.sources import opening
from recipes.drawn_captions import draw_set

PLACES = {
    "mnist-fast": "mnist",
    "mnist-lenet5": "mnist",
    "fashion-resnet": "fashion-mnist",
    "bccd-yolo": "bccd/BCCD.zip",
    "membrane-unet": "membrane/membrane.zip",
    "wine-quality-regression": "tabular/winequality-red.csv",
    "photos-resnet18": "hymenoptera/hymenoptera224.zip",
    "photos-transfer": "hymenoptera/hymenoptera224.zip",
    "cifar10-plain": "cifar10",
    "cifar10-resnet20": "cifar10",
    "tagging-english": "ud-english-ewt",
    "tagging-korean": "ud-korean-gsd",
    "sentiment-reviews": "sst2",
    "sentiment-korean": "nsmc",
    "sentiment-names": "names",
    "translation-multi30k": "multi30k",
    "forecast-sunspots": "timeseries/monthly-sunspots.csv",
    "bert-finetune-reviews": "sst2",
    "bert-finetune-pairs": "pairs.tsv",
    "bert-finetune-tags": "ud-english-ewt",
    "transformer-translation": "multi30k",
    "language-shakespeare": "tinyshakespeare",
    "gpt-shakespeare": "tinyshakespeare",
    "caption-pictures": "",
}
"""The real data that the built-in recipes are for; the others bring theirs along. Captioned pictures are drawn."""

GIVEN = {"photos-transfer": "weights/mobilenet_v1_0.25_128.npz"}
"""Weights that a recipe wants to be given."""

IRIS = find_recipe("iris-perceptron")


@pytest.mark.parametrize("name", list_recipes())
def test_every_built_in_recipe_passes_its_check(name: str, tmp_path: Path) -> None:
    recipe = find_recipe(name).with_values({"data.root": str(tmp_path)} if name in PLACES else {})
    if name in GIVEN:
        with pytest.raises(InputError, match="names no network"):
            check_recipe(recipe)
        recipe = recipe.with_values({"model": "mobilenet_v1", "weights": "some.pth"})
    check_recipe(recipe)


def ready(name: str, shared_data: Path, tmp_path: Path) -> assembly.Assembly:
    if name not in PLACES:
        return assemble(find_recipe(name))
    root = shared_data / PLACES[name] if PLACES[name] else tmp_path / "drawn"
    if not PLACES[name]:
        draw_set(root, {"train": 40, "valid": 10, "test": 10}, seed=0)
    if not root.exists():
        pytest.skip(f"no {root}")
    given = {"weights": str(shared_data / GIVEN[name])} if name in GIVEN else {}
    return assemble(find_recipe(name).with_values({"data.root": str(root), **given}))


LARGE = (
    "bccd-yolo", "tagging-english", "sentiment-names", "translation-multi30k", "bert-finetune-tags", "gpt-text",
    "gpt-shakespeare", "transformer-translation",
)  # fmt: skip
MARKS = dict.fromkeys(("membrane-unet", "bert-pretrain"), pytest.mark.proof) | dict.fromkeys(LARGE, pytest.mark.slow)
EVERY = [pytest.param(name, marks=MARKS.get(name, ())) for name in list_recipes()]


@pytest.mark.parametrize("name", EVERY)
def test_every_built_in_recipe_takes_a_step(name: str, shared_data: Path, tmp_path: Path) -> None:
    """The network takes a batch of the recipe's own data, and its rule changes every weight."""
    parts = ready(name, shared_data, tmp_path)
    batch = next(iter(parts.train_batches(4).epoch(0)))
    assert len(batch.inputs) == 4
    rule, schedule = parts.make_optimizer(parts.model), parts.make_schedule()
    before = {key: value.detach().clone() for key, value in parts.model.named_parameters()}
    loss, _ = parts.task.step(parts.model, batch, None)
    loss.backward()
    rule.step()
    assert loss.isfinite()
    still = [key for key, value in parts.model.named_parameters() if torch.equal(value, before[key])]
    assert not [key for key in still if parts.model.get_parameter(key).grad.any()]
    assert schedule is not None
    assert len(parts.train) > 1


def test_the_check_reads_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("data were read")

    monkeypatch.setattr(assembly, "open_source", fail)
    monkeypatch.setattr(opening, "open_source", fail)
    check_recipe(IRIS)
    for word in ("lr=-1", "optimizer.lr=abc", "schedule.warmup_fraction=7", "penalty.l1=-1", "epochs=0", "device=tpu"):
        with pytest.raises(InputError):
            assemble(IRIS.with_overrides([word]))


def test_the_seed_alone_decides_the_weights() -> None:
    torch.manual_seed(1)
    first = assemble(IRIS).model.state_dict()
    torch.manual_seed(2)
    second = assemble(IRIS).model.state_dict()
    other = assemble(IRIS.with_values({"seed": 1})).model.state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_full_batch_and_sizes() -> None:
    assert len(assemble(IRIS.with_values({"batch_size": "full"})).train) == 1
    assert len(assemble(IRIS.with_values({"batch_size": 10**6})).train) == 1
    assert len(assemble(IRIS.with_values({"batch_size": 50})).train) == 3  # 105 samples


def test_data_decide_the_networks_ends() -> None:
    shapes = [value.shape for value in assemble(IRIS).model.parameters()]
    assert shapes[0] == (16, 4)
    assert shapes[-1] == (3,)
    with pytest.raises(InputError, match="has no option 'num_classes'"):
        check_recipe(IRIS.with_values({"model.num_classes": 4}))


def saved(path: Path, **options: object) -> tuple[str, dict[str, torch.Tensor]]:
    state = create_model("perceptron", **options).state_dict()
    save_file(state, path)
    return str(path), state


def test_weights_from_a_file(tmp_path: Path) -> None:
    path, state = saved(tmp_path / "w.safetensors", in_features=4, num_classes=3, hidden=[16])
    told: list[str] = []
    model = assemble(IRIS.with_values({"weights": path}), tell=told.append).model
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert told == []


def test_weights_with_another_number_of_classes(tmp_path: Path) -> None:
    path, state = saved(tmp_path / "w.safetensors", in_features=4, num_classes=7, hidden=[16])
    told: list[str] = []
    model = assemble(IRIS.with_values({"weights": path}), tell=told.append).model
    fresh = assemble(IRIS).model.state_dict()
    for key, value in model.state_dict().items():
        assert torch.equal(value, fresh[key] if key.startswith("head.") else state[key])
    assert ["has 7 outputs" in told[0], "fine_tune" in told[1], len(told)] == [True, True, 2]
    assert "has 7 outputs, these data need 3" in told[0]


@pytest.mark.parametrize("options", [{"in_features": 5, "hidden": [16]}, {"in_features": 4, "hidden": [16, 16]}])
def test_weights_that_differ_elsewhere_are_refused(options: dict[str, object], tmp_path: Path) -> None:
    path, _ = saved(tmp_path / "w.safetensors", num_classes=7, **options)
    with pytest.raises(InputError, match="do not fit Perceptron"):
        assemble(IRIS.with_values({"weights": path}))


def test_a_recipe_of_data_in_memory_is_not_repeated() -> None:
    with pytest.raises(InputError, match="handed over in memory"):
        check_recipe(Recipe().with_values({"model": "perceptron", "data": "arrays"}))


def test_balanced_class_weights_come_from_the_training_part() -> None:
    parts = assemble(IRIS.with_overrides(["task.class_weights=balanced"]))
    counts = parts.signature.class_counts
    assert counts == tuple(np.bincount(parts.splits.train.targets)) and len(counts) == 3
    weights = parts.task.target_weights(torch.arange(3))  # type: ignore[attr-defined]
    assert weights.tolist() == pytest.approx([sum(counts) / (3 * count) for count in counts])
    with pytest.raises(InputError, match="can be 'balanced' or a list of numbers, but 'balancd'"):
        assemble(IRIS.with_overrides(["task.class_weights=balancd"]))
    with pytest.raises(InputError, match="no option 'class_counts'"):
        check_recipe(IRIS.with_values({"task.name": "classification", "task.class_counts": [1, 2, 3]}))
