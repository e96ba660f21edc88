"""`predict RUN --prompt`, `average` and `export --format huggingface`, as a user types them."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import neuropil
from cli.conftest import Call
from neuropil.errors import InputError
from neuropil.recipes.run import Run

pytestmark = pytest.mark.slow

TEXT = "so it goes, and on it goes.\nwho knows where it goes?\n\nnobody knows; it goes on.\n" * 30

RUNS: dict[str, dict[str, Any]] = {
    "letters": {"model": "language_model", "model.width": 16, "model.num_layers": 1},
    "words": {"model": "language_model", "model.width": 16, "model.num_layers": 1, "data.level": "word"},
    "gpt": {
        "model": "gpt", "data.level": "bpe", "data.size": 280, "data.window": 16, "model.width": 16,
        "model.num_layers": 1, "model.num_heads": 2, "model.context": 32, "training.save_every_steps": 5,
        "training.keep_checkpoints": 3,
    },
    "wordpieces": {
        "model": "gpt", "data.level": "wordpiece", "data.size": 80, "data.window": 16, "model.width": 16,
        "model.num_layers": 1, "model.num_heads": 2, "model.context": 32,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(place: Path) -> dict[str, Run]:
    (place / "goes.txt").write_text(TEXT, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        made = {}
        for name, values in RUNS.items():
            quick = {"data": "goes.txt", "speed": "plain", "training.steps": 25, "lr": 0.01, "batch_size": 8}
            made[name] = neuropil.train(neuropil.Recipe(name=name).with_values({**quick, **values}), progress=False)
    return {name: neuropil.load_run(place / run.folder.path) for name, run in made.items()}


@pytest.mark.parametrize("name", RUNS)
def test_the_prompt_stands_before_what_is_written(name: str, runs: dict[str, Run], call: Call) -> None:
    run = str(runs[name].folder.path)
    answer = call("predict", run, "--prompt", "so it", "--most", "12", "--greedy")
    assert answer.status == 0 and answer.out.startswith("so it") and answer.out.endswith("\n")
    written = runs[name].write_on("so it", most=12, greedy=True)
    assert answer.out == f"so it{written}\n" and written
    told = json.loads(call("predict", run, "--prompt", "so it", "--most", "12", "--greedy", "--json").out)
    assert told == {"prompt": "so it", "text": written}
    pieces = list(runs[name].writing_on("so it", most=12, greedy=True).pieces)
    assert len(pieces) > 2 and "".join(pieces) == written


@pytest.mark.parametrize("name", RUNS)
def test_an_empty_prompt_begins_a_text(name: str, runs: dict[str, Run]) -> None:
    first, again, other = (runs[name].write_on("", most=15, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_words_and_lines_are_set_as_they_were_read(runs: dict[str, Run]) -> None:
    text = runs["words"].write_on("so it", most=40, greedy=True)
    assert text.startswith(" ") and "<eos>" not in text and "<unk>" not in text
    assert not any(line.startswith(" ") for line in text.split("\n")[1:])
    assert "[SEP]" not in runs["wordpieces"].write_on("so it", most=40, seed=1)


def test_standard_input_is_a_prompt(runs: dict[str, Run], call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    run = str(runs["letters"].folder.path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"so it\n")))
    answer = call("predict", run, "--prompt", "-", "--most", "5", "--json")
    assert json.loads(answer.out)["prompt"] == "so it"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe")))
    assert "no UTF-8 text" in call("predict", run, "--prompt", "-").err


def test_it_stops_before_a_string(runs: dict[str, Run], call: Call) -> None:
    whole = runs["letters"].write_on("so it", most=80, greedy=True)
    stop = whole[7:11]
    answer = call(
        "predict", str(runs["letters"].folder.path), "--prompt", "so it", "--most", "80", "--greedy", "--stop", stop
    )
    assert answer.out == f"so it{whole[: whole.index(stop)]}\n"


def test_a_context_is_no_end(runs: dict[str, Run]) -> None:
    assert runs["gpt"].model.context == 32
    assert sum(1 for _ in runs["gpt"].writing_on("so", most=200, seed=1).pieces) > 60


def test_unknown_words_are_told(runs: dict[str, Run], call: Call) -> None:
    answer = call("predict", str(runs["words"].folder.path), "--prompt", "so xyzzy goes", "--most", "3")
    assert answer.status == 0 and "does not know the word 'xyzzy'; read as unknown" in answer.err
    assert answer.out.startswith("so xyzzy goes")


REFUSED: dict[str, tuple[str, list[str], str]] = {
    "unknown letters": ("letters", ["--prompt", "SO ÄÖ"], "never saw the characters 'S', 'O', 'Ä', 'Ö'"),
    "an unknown sign": ("wordpieces", ["--prompt", "so 한"], "holds signs that this run does not know"),
    "longer than the context": ("gpt", ["--prompt", "so it goes " * 40], "but this network reads 32 at most"),
    "no number of tokens": ("gpt", ["--prompt", "a", "--most", "0"], "give 1 or more"),
    "too cold": ("gpt", ["--prompt", "a", "--temperature", "0"], "temperature must be above 0"),
    "no tokens left": ("gpt", ["--prompt", "a", "--top-k", "0"], "top_k must be 1 or more"),
    "more than all": ("gpt", ["--prompt", "a", "--top-p", "2"], "top_p must be above 0"),
    "a penalty of 0": ("gpt", ["--prompt", "a", "--repetition-penalty", "0"], "repetition_penalty must be above 0"),
    "greedy and chance": ("gpt", ["--prompt", "a", "--greedy", "--top-k", "3"], "would do nothing"),
    "an empty stop": ("gpt", ["--prompt", "a", "--stop", ""], "none of them empty"),
    "a seed below 0": ("gpt", ["--prompt", "a", "--seed", "-1"], "whole number from 0"),
    "a file beside it": ("gpt", ["goes.txt", "--prompt", "a"], "leave files and --out out"),
    "options alone": ("gpt", ["goes.txt", "--most", "3"], "give --prompt TEXT"),
    "no average yet": ("letters", ["--prompt", "a", "--weights", "average"], "`neuropil average"),
    "a NUL byte": ("letters", ["--prompt", "a\0"], "NUL byte"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str, runs: dict[str, Run], call: Call) -> None:
    name, words, says = REFUSED[case]
    answer = call("predict", str(runs[name].folder.path), *words)
    assert answer.status == 2 and says in answer.err and answer.err.count("\n") == 1 and not answer.out


def test_other_runs_write_nothing(call: Call) -> None:
    answer = call("predict", "runs/classification/iris-perceptron-1", "--prompt", "so")
    assert answer.status == 2 and "targets are classes does not write on" in answer.err


def test_options_from_python_are_checked(runs: dict[str, Run]) -> None:
    with pytest.raises(InputError, match="has no option 'topk'"):
        runs["letters"].write_on("so", topk=3)
    with pytest.raises(InputError, match="must be a whole number"):
        runs["letters"].write_on("so", most="3")
    with pytest.raises(InputError, match="a prompt is a text"):
        runs["letters"].write_on(3)  # type: ignore[arg-type]


def test_an_average_is_made_and_used(runs: dict[str, Run], call: Call) -> None:
    run = str(runs["gpt"].folder.path)
    told = json.loads(call("average", run, "--last", "3", "--json").out)
    assert len(told["steps"]) == 3 and Path(told["checkpoint"]).is_dir()
    assert call("average", run, "--last", "3").out.startswith(run)
    figures = [json.loads(call("evaluate", run, "--weights", which, "--json").out) for which in ("average", "last")]
    assert figures[0] != figures[1]
    assert call("predict", run, "--prompt", "so", "--weights", "average").status == 0
    answer = call("average", run, "--last", "9")
    assert answer.status == 2 and "keeps 3 checkpoints, but the mean of 9" in answer.err


def test_a_run_is_written_for_transformers(runs: dict[str, Run], call: Call, tmp_path: Path) -> None:
    pytest.importorskip("oracle_shim")
    transformers = pytest.importorskip("transformers")
    run, folder = runs["gpt"], tmp_path / "out"
    answer = call("export", str(run.folder.path), "--to", str(folder), "--format", "huggingface")
    assert answer.status == 0 and str(folder / "config.json") in answer.out
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    for prompt in ("so it", "who knows", "it goes é on"):
        read = tokenizer(prompt, return_tensors="pt")
        with torch.no_grad():
            said = network.generate(**read, max_new_tokens=15, do_sample=False)[0, read.input_ids.shape[1] :]
        text = tokenizer.decode(said, skip_special_tokens=True)
        assert run.write_on(prompt, most=15, greedy=True) == text
    again = call("export", str(run.folder.path), "--to", str(folder), "--format", "huggingface")
    assert again.status == 2 and "is there already" in again.err
    values = {"data": "goes.txt", "weights": str(folder), "training.steps": 1, "lr": 1e-9, "speed": "plain"}
    trained = neuropil.train(neuropil.Recipe(name="again").with_values(values), runs=tmp_path, progress=False)
    assert trained.write_on("so it", most=15, greedy=True) == run.write_on("so it", most=15, greedy=True)


def test_a_run_goes_on_from_the_weights_of_another(runs: dict[str, Run], call: Call, tmp_path: Path) -> None:
    run = runs["gpt"]
    quick = ("data=goes.txt", "training.steps=1", "lr=1e-9", "speed=plain", "--runs", str(tmp_path), "--json")
    for _ in range(2):  # the second time the folder in the run is written anew
        answer = call("train", f"weights={run.folder.path}", *quick)
        assert answer.status == 0, answer.err
        assert f"were written to '{run.folder.path / 'huggingface'}'" in answer.err
    trained = neuropil.load_run(json.loads(answer.out)["run"])
    assert trained.write_on("so it", most=15, greedy=True) == run.write_on("so it", most=15, greedy=True)
    answer = call("train", f"weights={runs['letters'].folder.path}", *quick)
    assert answer.status == 2 and "is a run of language_model, and whole runs are taken of BERT and GPT" in answer.err


def test_bert_is_fine_tuned_from_its_run(place: Path, call: Call, tmp_path: Path) -> None:
    small = ("model.size=tiny", "training.steps=2", "--runs", str(tmp_path), "--json")
    pretrained = call("train", "bert-pretrain", "data.root=goes.txt", "data.size=80", "training.epochs=1", *small)
    assert pretrained.status == 0, pretrained.err
    run = json.loads(pretrained.out)["run"]
    rows = "".join(f"{text}\t{label}\n" for text, label in [("so it goes", "yes"), ("who knows", "no")] * 20)
    (place / "labelled.tsv").write_text("text\tlabel\n" + rows, encoding="utf-8")
    tuned = call("train", "bert-finetune-reviews", "data.root=labelled.tsv", f"weights={run}", "lr=1e-9", *small[1:])
    assert tuned.status == 0, tuned.err
    before, after = (neuropil.load_run(one).model.state_dict() for one in (run, json.loads(tuned.out)["run"]))
    name = "bert.embeddings.word_embeddings.weight"
    assert torch.allclose(before[name], after[name], atol=1e-6)


def test_a_pair_is_refused_where_single_texts_were_read(place: Path, call: Call, tmp_path: Path) -> None:
    small = ("model.size=tiny", "data.size=80", "training.steps=1", "--runs", str(tmp_path), "--json")
    for pairs in (True, False):
        values = ("data.root=goes.txt", f"data.next_sentence={str(pairs).lower()}")
        pretrained = call("train", "bert-pretrain", *values, *small)
        assert pretrained.status == 0, pretrained.err
        run = json.loads(pretrained.out)["run"]
        answer = call("predict", run, "so [MASK] goes")
        assert answer.status == 0, answer.err
        answer = call("predict", run, "so [MASK] goes\twho knows")
        refused = "this run was trained on single ones" in answer.err
        assert (answer.status, refused) == ((0, False) if pairs else (2, True)), answer.err


def test_what_has_no_form_there_is_refused(runs: dict[str, Run], call: Call, tmp_path: Path) -> None:
    for run, says in ((runs["letters"].folder.path, "LanguageModel has no form"), ("nope", "there is no run folder")):
        answer = call("export", str(run), "--to", str(tmp_path / "no"), "--format", "huggingface")
        assert answer.status == 2 and says in answer.err and not (tmp_path / "no").exists()
