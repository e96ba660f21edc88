"""Subwords through the whole house: trained, opened again, asked, scored, and gone on with to the last bit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neuropil
from neuropil.errors import InputError
from neuropil.recipes.assembly import assemble, build_network
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.signature import DataSignature
from neuropil.recipes.train import resume_run
from neuropil.sources.opening import guess_source

BERT = {"model.size": "tiny", "model.context": 48, "model.width": 16, "model.num_heads": 2, "model.hidden": 32}
GPT = {"model.num_layers": 2, "model.width": 16, "model.num_heads": 2, "model.context": 16}

REVIEWS = "".join(f"a {'fine' if n % 2 else 'bad'} long film {n}\t{'pos' if n % 2 else 'neg'}\n" for n in range(60))
TABLE = "one\ttwo\tsame\n" + "".join(
    f"The cat {n % 20}.\tA cat {n % 9}.\t{'no' if n % 2 else 'yes'}\n" for n in range(60)
)
TAGGED = "".join(f"the DET\nunusual{n % 7} ADJ\ncat NOUN\n\na DET\ndog NOUN\n\n" for n in range(30))
PAIRS = "".join(f"eine Katze schläft {n % 7}\ta cat sleeps {n % 7}\n" for n in range(60))
PROSE = "\n\n".join("\n".join(f"Text {d} has sentence {n}." for n in range(5)) for d in range(24))
ASKED = "question\tcontext\tanswer\n" + "".join(f"Who sleeps?\tHere cat {n} sleeps.\tcat {n}\n" for n in range(60))

MADE: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "texts": ("labelled_text", REVIEWS, "bert_classifier", {"data.level": "wordpiece", "data.size": 80, **BERT}),
    "pairs": ("labelled_text", TABLE, "bert_classifier", {"data.text": "one,two", "data.size": 80, **BERT}),
    "tags": ("tagged_text", TAGGED, "bert_tagger", {"data.level": "wordpiece", "data.size": 80, **BERT}),
    "byte tags": ("tagged_text", TAGGED, "tagger", {"data.level": "bpe", "data.size": 300, "model.width": 8}),
    "pretraining": ("pretraining_text", PROSE, "bert", {"data.max_length": 32, "data.size": 80, **BERT}),
    "questions": (
        "questions",
        ASKED,
        "bert_spans",
        {"data.size": 80, "data.max_length": 48, "data.max_question": 8, **BERT},
    ),
    "text": ("text", PROSE, "gpt", {"data.level": "bpe", "data.size": 300, "data.window": 16, **GPT}),
    "documents": ("text", PROSE, "gpt", {"data.documents": True, "data.window": 16, **GPT}),
    "parallel": (
        "parallel",
        PAIRS,
        "transformer",
        {
            "data.level": "bpe",
            "data.size": 300,
            "model.width": 16,
            "model.num_heads": 2,
            "model.num_layers": 1,
            "task.most": 9,
        },
    ),
}

ASK = {
    "texts": ("a fine film", "class"),
    "pairs": ("The cat 3 sleeps.\tA cat.", "class"),
    "tags": ("the unusual3 cat", "text"),
    "byte tags": ("the unusual3 cat", "text"),
    "pretraining": ("Text [MASK] has sentence 3.", "text"),
    "questions": ("Who sleeps?\tHere dog 5 sleeps.", "text"),
    "text": ("Text 3 has", "next"),
    "documents": ("Text 3 has", "next"),
    "parallel": ("eine Katze", "text"),
}


def recipe_of(kind: str, folder: Path, **values: Any) -> Recipe:
    source, content, model, options = MADE[kind]
    (folder / "a.tsv").write_text(content, encoding="utf-8")
    plain = {"epochs": 2, "batch_size": 8, "speed.mode": "plain", "data": source, "data.root": str(folder / "a.tsv")}
    return Recipe().with_values({**plain, "model": model, **options, **values})


@pytest.mark.parametrize("kind", MADE)
def test_a_step_is_taken_and_the_record_builds_the_same_network(kind: str, tmp_path: Path) -> None:
    parts = assemble(recipe_of(kind, tmp_path))
    batch = next(iter(parts.train.epoch(0)))
    loss, _ = parts.task.step(parts.model, batch, None)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite() and any(one.grad is not None and one.grad.any() for one in parts.model.parameters())
    again = DataSignature.from_json(parts.signature.to_json(), origin="here")
    assert again.encoding == dict(parts.signature.encoding) and again.num_outputs == parts.signature.num_outputs
    state = build_network(parts.recipe, again).state_dict()
    assert {name: one.shape for name, one in state.items()} == {
        name: one.shape for name, one in parts.model.state_dict().items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", MADE)
def test_a_run_is_trained_asked_scored_and_gone_on_with(kind: str, tmp_path: Path) -> None:
    values = {"training.save_every_steps": 3, "training.keep_checkpoints": 1000}
    run = neuropil.train(recipe_of(kind, tmp_path, **values), runs=tmp_path / "runs", progress=False)
    question, key = ASK[kind]
    assert isinstance(run.predict(question)[0].answer[key], str)
    other = run.evaluate(str(tmp_path / "a.tsv")).compute()
    assert np.isfinite(other["loss"]) and run.task.metric in run.evaluate().compute()
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


@pytest.mark.parametrize(
    ("kind", "model", "words"),
    [
        ("texts", "perceptron", "use model=bert_classifier"),
        ("tags", "perceptron", "use model=bert_tagger"),
        ("pretraining", "perceptron", "use model=bert"),
        ("questions", "perceptron", "use model=bert_spans"),
        ("text", "perceptron", "use model=gpt"),
        ("parallel", "perceptron", "use model=transformer"),
        ("pretraining", "bert_classifier", "use model=bert"),
        ("questions", "bert_classifier", "use model=bert_spans"),
    ],
)
def test_another_network_is_refused_by_name(kind: str, model: str, words: str, tmp_path: Path) -> None:
    recipe = recipe_of(kind, tmp_path).with_values({"model": {"name": model}})
    with pytest.raises(InputError, match=words):
        parts = assemble(recipe)
        parts.task.step(parts.model, next(iter(parts.train.epoch(0))), None)


def test_named_columns_of_texts_make_a_table_one_of_texts(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(TABLE, encoding="utf-8")
    assert guess_source(tmp_path / "a.tsv") != "labelled_text"
    recipe = Recipe().with_values(
        {"data": str(tmp_path / "a.tsv"), "data.text": "one,two", "data.size": 80, "model": "bert_classifier", **BERT}
    )
    parts = assemble(recipe)
    assert parts.signature.input_shape == (0, 2) and parts.signature.classes == ("no", "yes")
