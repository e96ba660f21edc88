"""Weights from a folder as Hugging Face writes it, through a recipe and `neuropil convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from neuropil.errors import InputError
from neuropil.models import build_model
from neuropil.recipes.assembly import assemble
from neuropil.recipes.converting import convert_file
from neuropil.recipes.creating import create_model
from neuropil.recipes.recipe import Recipe
from neuropil.subwords.training import train_wordpiece
from neuropil.transfer.layout_writing import write_layout

LINES = [f"a {'fine' if n % 2 else 'bad'} long film {n}\t{'pos' if n % 2 else 'neg'}" for n in range(40)]

SMALL = {"num_layers": 1, "width": 16, "num_heads": 2, "hidden": 24, "context": 20}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pretrained")
    (root / "films.tsv").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    subwords = train_wordpiece(LINES, size=60)
    torch.manual_seed(0)
    network = build_model("bert", {"num_tokens": len(subwords.entries), **SMALL})
    write_layout(network, root / "bert", subwords=subwords.saved())
    return root


def recipe_of(folder: Path, **values: Any) -> Recipe:
    return Recipe().with_values({"data": str(folder / "films.tsv"), "weights": str(folder / "bert"), **values})


def same_body(first: nn.Module, second: nn.Module) -> bool:
    theirs = second.state_dict()
    body = {name: one for name, one in first.state_dict().items() if name.startswith("bert.")}
    return bool(body) and all(torch.equal(one, theirs[name]) for name, one in body.items())


def test_a_head_is_put_on_a_pretrained_body(folder: Path) -> None:
    told: list[str] = []
    made = assemble(recipe_of(folder, model="bert_classifier"), tell=told.append)
    assert same_body(made.model, create_model("bert", weights=folder / "bert"))
    data = made.recipe.section("data")
    assert (data["level"], data["max_length"], data["subwords"]) == ("wordpiece", 20, str(folder / "bert"))
    assert any("begins anew: classifier.bias, classifier.weight" in one for one in told)
    assert "transfer" not in made.recipe.sections  # everything learns together
    loss, _ = made.task.step(made.model, next(iter(made.train.epoch(0))), None)
    assert loss.isfinite()


def test_what_is_given_is_kept(folder: Path) -> None:
    made = assemble(recipe_of(folder, model="bert_classifier", **{"data.max_length": 9, "model.dropout": 0.3}))
    assert made.recipe.section("data")["max_length"] == 9 and made.recipe.section("model")["dropout"] == 0.3


def test_another_vocabulary_is_refused(folder: Path) -> None:
    others = {"data.level": "wordpiece", "data.size": 40, "data.max_length": 20}
    with pytest.raises(InputError, match=r"vocabulary of \d+ entries, but the network one of 40.*data.subwords="):
        assemble(recipe_of(folder, model="bert_classifier", **others))


def test_other_networks_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="whose weights do not fit TextClassifier"):
        assemble(recipe_of(folder, model="text_classifier"))


def test_a_folder_is_converted(folder: Path, tmp_path: Path) -> None:
    for name in (None, "bert"):
        target = tmp_path / f"{name}.safetensors"
        path, report, record = convert_file(str(folder / "bert"), name, output=target)
        assert path == target and report.complete and record.model == "bert"
        again = create_model("bert", weights=target)
        assert same_body(again, create_model("bert", weights=folder / "bert"))
    with pytest.raises(InputError, match=r"holds weights of bert .* not of gpt; use bert or bert_classifier"):
        convert_file(str(folder / "bert"), "gpt", output=tmp_path / "no.safetensors")
    with pytest.raises(InputError, match="folder without config"):
        convert_file(str(tmp_path), "bert", output=tmp_path / "no.safetensors")
