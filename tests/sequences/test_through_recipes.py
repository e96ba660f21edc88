"""Sequences through the whole house: assembled, a step taken, remembered, new texts read, refusals."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import neuropil
from neuropil.data.records import DataInfo
from neuropil.errors import InputError
from neuropil.recipes.assembly import Assembly, assemble, build_network, evaluation_batches
from neuropil.recipes.looking import look_at_data
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.signature import DataSignature
from neuropil.recipes.train import resume_run
from neuropil.sources.reading import open_labelled, read_inputs

TAGGED = "".join(f"the DET\ncat{n % 5} NOUN\nsleeps VERB\n\na DET\ndog NOUN\n\n" for n in range(20))
LABELLED = "".join(f"a {'fine' if n % 2 else 'bad'} long film {n}\t{'pos' if n % 2 else 'neg'}\n" for n in range(40))
PAIRS = "".join(f"eine Katze schläft {n % 7}\ta cat sleeps {n % 7}\n" for n in range(40))
SERIES = "day,temp,wind\n" + "".join(f"2024-{1 + n // 28:02}-{1 + n % 28:02},{n % 9},{n % 5}\n" for n in range(100))

FILES = {
    "tags": ("a.txt", TAGGED, "tagger", {"data.character_length": 5}),
    "classes": ("a.tsv", LABELLED, "text_classifier", {}),
    "next": ("a.txt", "so it goes.\nand on it goes.\n" * 30, "language_model", {"data.window": 8}),
    "tokens": ("a.tsv", PAIRS, "seq2seq", {}),
    "values": ("a.csv", SERIES, "forecaster", {"data.window": 6, "data.horizon": 2}),
    "captions": (
        "captions.csv",
        "image,caption\n" + "".join(f"p{n}.png,a blue dot\n" for n in range(9)),
        "captioner",
        {},
    ),
}


def written(kind: str, folder: Path) -> Path:
    name, text, _, _ = FILES[kind]
    (folder / name).write_text(text, encoding="utf-8")
    if kind != "captions":
        return folder / name
    for number in range(9):
        Image.new("RGB", (12, 10), (20 * number, 0, 90)).save(folder / f"p{number}.png")
    return folder


def recipe_of(kind: str, folder: Path, **values: Any) -> Recipe:
    _, _, model, options = FILES[kind]
    small = {"model": model, "data": str(written(kind, folder)), "model.width": 8, "batch_size": 8, **options, **values}
    if kind == "captions":
        small |= {"data.size": 32, "model.backbone": "resnet20"}
    return Recipe().with_values(small)


@pytest.fixture(scope="module")
def assembled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Assembly]:
    return {kind: assemble(recipe_of(kind, tmp_path_factory.mktemp(kind))) for kind in FILES}


@pytest.mark.parametrize("kind", FILES)
def test_a_step_is_taken_and_the_parts_are_scored(kind: str, assembled: dict[str, Assembly]) -> None:
    parts = assembled[kind]
    carry = None
    for batch, _ in zip(parts.train.epoch(0), range(2), strict=False):
        loss, carry = parts.task.step(parts.model, batch, carry)
        loss.backward()
    assert loss.isfinite()
    named = parts.model.named_parameters()
    assert [name for name, one in named if one.grad is not None and one.grad.any()]
    scorer = parts.task.scorer()
    parts.model.eval()
    with torch.no_grad():
        for batch in parts.test.epoch(0):  # type: ignore[union-attr]
            scorer.update(parts.model, batch)
    assert parts.task.metric in scorer.compute()


def test_batches_know_lengths_through_every_wrapping(assembled: dict[str, Assembly]) -> None:
    """What a source is opened as is wrapped to tell how it was read; that must not cost the buckets and lanes."""
    for kind in ("tags", "classes", "tokens"):
        parts = assembled[kind]
        for batch in parts.train.epoch(0):
            ids = batch.inputs[..., 0] if batch.inputs.ndim == 3 else batch.inputs
            assert (ids != 0).sum(1).max() == ids.shape[1]
    rows = [batch.indices.tolist() for batch in assembled["next"].train.epoch(0)]
    assert rows[1] == [one + 1 for one in rows[0][: len(rows[1])]]


@pytest.mark.parametrize("kind", FILES)
def test_what_a_run_remembers_is_enough_to_build_it_again(kind: str, assembled: dict[str, Assembly]) -> None:
    parts = assembled[kind]
    again = DataSignature.from_json(parts.signature.to_json(), origin="here")
    assert again.num_outputs == parts.signature.num_outputs
    assert again.encoding == dict(parts.signature.encoding)
    state = build_network(parts.recipe, again).state_dict()
    assert {name: one.shape for name, one in state.items()} == {
        name: one.shape for name, one in parts.model.state_dict().items()
    }


def test_series_are_normalised_by_column_with_the_training_rows(assembled: dict[str, Assembly]) -> None:
    parts = assembled["values"]
    own = parts.splits.info.encoding
    batch = next(iter(parts.train.epoch(0)))
    raw, _ = parts.splits.train.fetch(batch.indices)
    wanted = (raw - np.array(own["mean"])) / np.array(own["std"])
    assert np.allclose(batch.inputs.numpy(), wanted, atol=1e-5)
    assert parts.signature.num_outputs == 4


def test_new_texts_are_read_as_the_training_texts_were(
    assembled: dict[str, Assembly], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = assembled["tags"].signature.info("prediction")
    (tmp_path / "new.txt").write_text("the dog sleeps\n\na cat1 barks!\n", encoding="utf-8")
    read = read_inputs([str(tmp_path / "new.txt")], info)
    assert read.tokens == (("the", "dog", "sleeps"), ("a", "cat1", "barks", "!"))
    assert read.names == ("line 1", "line 3") and read.skipped[0].where == "line 2"
    assert read.arrays.shape == (2, 4, 6) and not read.arrays[0, 3].any()
    train = assembled["tags"].splits.train
    assert (read.arrays[0, 0] == train.fetch(np.array([0]))[0][0, 0]).all()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"eine Katze\n")))
    read = read_inputs(["-"], assembled["tokens"].signature.info("prediction"))
    assert read.arrays[0, -1] == 3
    read = read_inputs(["a fine film", "bad"], assembled["classes"].signature.info("prediction"))
    assert read.names == ("a fine film", "bad") and read.arrays.shape == (2, 3)
    for given, words in (
        (["no.txt"], "no text file 'no.txt'"),
        ([str(tmp_path)], "no text file"),
        ([" "], "no text file"),
    ):
        with pytest.raises(InputError, match=words):
            read_inputs(given, info)


def test_the_last_rows_of_a_series_are_what_is_foretold_from(assembled: dict[str, Assembly], tmp_path: Path) -> None:
    info = assembled["values"].signature.info("prediction")
    path = tmp_path / "new.csv"
    path.write_text("wind,day,temp\n" + "".join(f"{n},2025-01-{n:02},{-n}\n" for n in range(10, 20)), encoding="utf-8")
    read = read_inputs([str(path)], info)
    assert read.arrays[0, :, 1].tolist() == [14, 15, 16, 17, 18, 19]
    assert read.arrays[0, :, 0].tolist() == [-14, -15, -16, -17, -18, -19]
    path.write_text("day,temp,wind\n2025-01-01,1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="has 1 rows, but 6 are looked at"):
        read_inputs([str(path)], info)


@pytest.mark.parametrize("kind", FILES)
def test_other_data_to_evaluate_on(kind: str, assembled: dict[str, Assembly], tmp_path: Path) -> None:
    parts, info = assembled[kind], assembled[kind].signature.info("other")
    samples = open_labelled(str(written(kind, tmp_path)), info)
    batches = evaluation_batches(samples, parts.signature.normalization)
    assert batches is not None and sum(len(batch.inputs) for batch in batches.epoch(0)) == len(samples)
    if kind == "tags":
        (tmp_path / "b.txt").write_text("a DET\nhm FOO\n", encoding="utf-8")
        with pytest.raises(InputError, match=r"b\.txt, line 2: the tag 'FOO' does not occur"):
            open_labelled(str(tmp_path / "b.txt"), info)


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("classes", {"model": "resnet18"}, "'resnet18' takes no texts, but these samples are some; use model=text_cl"),
        ("tags", {"model": "perceptron"}, "use model=tagger"),
        ("values", {"model": "tagger"}, r"'tagger' takes texts, but one of these samples is \[6, 2\] numbers"),
        ("values", {"model": "resnet18"}, "use model=forecaster"),
        ("tokens", {"task": "classification"}, "targets are tokens; use task=translation"),
        ("next", {"augment": "flip"}, "augmentation is for pictures, but .* holds sequences"),
    ],
)
def test_refusals(kind: str, values: dict[str, Any], words: str, tmp_path: Path) -> None:
    recipe = recipe_of(kind, tmp_path)
    if "model" in values:
        recipe = recipe.with_values({"model": {"name": values["model"]}})
    else:
        recipe = recipe.with_values(values)
    with pytest.raises(InputError, match=words):
        assemble(recipe)


def test_a_look_at_sequences(tmp_path: Path) -> None:
    found = look_at_data(str(written("tags", tmp_path)))
    assert found["kind"] == "sequences"
    assert sum(part["samples"] for part in found["parts"].values()) == 40
    assert sum(part["by_class"]["VERB"] for part in found["parts"].values()) == 20


@pytest.mark.slow
def test_a_run_from_end_to_end(tmp_path: Path) -> None:
    """Trained, reported, opened again, asked and scored."""
    recipe = recipe_of("tags", tmp_path).with_values({"epochs": 2, "speed.mode": "plain", "optimizer.lr": 0.05})
    run = neuropil.train(recipe, runs=tmp_path / "runs", progress=False)
    answer = run.predict("the dog sleeps")[0].answer
    assert answer["text"].startswith("the/") and len(answer["tags"]) == 3
    assert run.evaluate().compute()["accuracy"] > 0.5


def test_a_sheet_of_captions(tmp_path: Path) -> None:
    found = look_at_data(str(written("captions", tmp_path)), ["size=32"], tmp_path / "sheet.png")
    assert Path(found["sheet"]).stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["next", "tags", "tokens"])
def test_a_run_resumed_in_the_middle_of_an_epoch_is_the_whole_one(kind: str, tmp_path: Path) -> None:
    """Carried states, buckets and lanes go on to the last bit."""
    values = {"epochs": 2, "speed.mode": "plain", "training.save_every_steps": 3, "training.keep_checkpoints": 1000}
    run = neuropil.train(recipe_of(kind, tmp_path).with_values(values), runs=tmp_path / "runs", progress=False)
    whole = run.folder.path
    part = whole.with_name("part")
    shutil.copytree(whole, part, symlinks=True)
    saved = sorted(one for one in (part / "checkpoints").iterdir() if one.name.startswith("step-"))
    for one in (part / "checkpoints").iterdir():
        if one != saved[1]:
            one.unlink() if one.is_symlink() or one.is_file() else shutil.rmtree(one)
    resume_run(part, progress=False)
    weights = [(folder / "checkpoints" / "last" / "model.safetensors").read_bytes() for folder in (whole, part)]
    assert weights[0] == weights[1]
    assert (whole / "metrics.jsonl").read_bytes() == (part / "metrics.jsonl").read_bytes()


def test_no_vocabulary_in_the_record_is_said() -> None:
    with pytest.raises(InputError, match="no 'vocabulary'"):
        read_inputs(
            ["some text"], DataInfo("x", "sequences", "classes", (0,), encoding={"level": "word", "lower": False})
        )
