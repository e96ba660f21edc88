"""Each verb answers, in words and as one JSON object."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli.conftest import Call
from neuropil.cli import VERBS, app
from neuropil.files import sha256_of
from neuropil.recipes import train as training

IRIS, PETS = "runs/classification/iris-perceptron-1", "runs/classification/pets-1"
PHOTOS, VALUES = "runs/classification/photos-1", "runs/regression/values-1"

QUESTIONS = {
    "evaluate its own part": (["evaluate", IRIS], {"run", "data", "metrics"}),
    "evaluate other data": (["evaluate", PETS, "data=pets.csv"], {"run", "data", "metrics"}),
    "predict a table": (["predict", PETS, "pets.csv"], {"predictions", "skipped"}),
    "predict a folder": (["predict", PHOTOS, "photos/red", "photos/blue/0.png"], {"predictions", "skipped"}),
    "predict values": (["predict", VALUES, "values.csv"], {"predictions", "skipped"}),
    "models": (["models", "*resnet1*"], {"models"}),
    "recipes": (["recipes"], {"recipes"}),
    "one recipe": (["recipes", "iris-perceptron"], {"name", "toml"}),
    "summary": (["summary", "lenet5", "num_classes=26"], {"model", "layers", "weights", "multiply_adds"}),
    "export": (
        ["export", "lenet5_modern", "num_classes=3", "--to", "net.pt2", "--force"],
        {"file", "format", "difference"},
    ),
    "export a run": (["export", PETS, "--format", "pt2", "--force"], {"file", "format", "difference"}),
    "export a line": (
        ["export", "Conv4 - ReLU - GAP - FC", "--shape", "3x9x9", "--to", "line.pt2", "--force"],
        {"file", "format", "difference"},
    ),
    "data show": (["data", "show", "iris"], {"source", "kind", "parts", "classes", "notes", "skipped"}),
    "data show pictures": (["data", "show", "photos", "--sheet", "sheet.png"], {"sheet", "parts"}),
    "data show values": (["data", "show", "values.csv", "target=y"], {"targets", "parts"}),
    "doctor": (["doctor"], {"packages", "complaints", "threads"}),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_one_json_object_and_nothing_else(question: str, call: Call) -> None:
    words, keys = QUESTIONS[question]
    answer = call(*words, "--json")
    found = json.loads(answer.out)
    assert answer.status == 0
    assert answer.err == ""
    assert answer.out.count("\n") == 1
    assert keys <= set(found)


@pytest.mark.parametrize(
    ("question", "piece"),
    [
        ("evaluate its own part", "its own test part"),
        ("evaluate other data", "accuracy"),
        ("predict a table", "60 predictions"),
        ("predict a folder", "photos/blue/0.png"),
        ("predict values", "line 81"),
        ("models", "resnet152"),
        ("recipes", "digits-lenet5"),
        ("one recipe", 'source = "iris"'),
        ("summary", "output"),
        ("export", "net.pt2: batches of 1 and 3 differ from the network by at most"),
        ("data show", "virginica"),
        ("data show pictures", "sheet: sheet.png"),
        ("data show values", "read as values"),
        ("doctor", "packages"),
    ],
)
def test_words_for_people(question: str, piece: str, call: Call) -> None:
    answer = call(*QUESTIONS[question][0])
    assert answer.status == 0
    assert piece in answer.out
    assert answer.err == ""


def test_figures_are_those_of_the_training(call: Call) -> None:
    """The test part's figures come out of `train`, `evaluate` and `results.json` alike."""
    trained = json.loads(call("train", "iris-perceptron", "epochs=2", "--json").out)
    again = json.loads(call("evaluate", trained["run"], "--json").out)
    assert again["data"] == "its own test part"
    assert again["metrics"] == trained["results"]["test"]
    assert Path(trained["report"]).is_file()


def test_training_in_words(call: Call) -> None:
    answer = call("train", "model=perceptron", "data=pets.csv", "target=kind", "epochs=2", "lr=0.01")
    assert answer.status == 0
    assert "test part: loss" in answer.out
    assert "neuropil predict runs/classification/perceptron-" in answer.out
    assert "'kind' holds 2 different texts, read as classes" in answer.err
    assert "epoch 2/2" in answer.err
    assert "Traceback" not in answer.err


def test_a_shown_recipe_is_a_recipe(call: Call, place: Path) -> None:
    (place / "mine.toml").write_text(call("recipes", "iris-perceptron").out)
    assert call("train", "mine.toml", "epochs=1", "name=mine").status == 0


def test_standard_input_is_a_file_like_any_other(call: Call, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for run, name in ((PETS, "pets.csv"), (PHOTOS, "photos/red/0.png")):
        named = json.loads(call("predict", run, name, "--json").out)
        for words in (["-"], []):
            typed = io.BytesIO((place / name).read_bytes())
            monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=typed, isatty=lambda: False))
            given = json.loads(call("predict", run, *words, "--json").out)
            assert [one["class"] for one in given["predictions"]] == [one["class"] for one in named["predictions"]]


def test_skipped_files_are_named_and_the_others_answered(call: Call, place: Path) -> None:
    (place / "no.png").write_text("hello")
    answer = call("predict", PHOTOS, "no.png", "photos/red/0.png", "--json")
    found = json.loads(answer.out)
    assert answer.status == 0
    assert [one["name"] for one in found["predictions"]] == ["photos/red/0.png"]
    assert [one["name"] for one in found["skipped"]] == ["no.png"]
    assert "skipped no.png: it is not a" in answer.err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_go_on(
    number: signal.Signals, status: int, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["train", "iris-perceptron", "epochs=3", f"name=stopped-{status}", "--json"]
    straight = Path(json.loads(call(*words).out)["run"])
    watch = training._Watcher.__call__

    def stop_at_step_ten(self, running, report):
        watch(self, running, report)
        if report.step == 10:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(training._Watcher, "__call__", stop_at_step_ten)
        stopped = call(*words)
    assert stopped.status == status
    assert stopped.out == ""
    last = stopped.err.splitlines()[-1]
    assert "interrupted by signal" in last
    folder = Path(last.split("neuropil resume ")[1])
    assert call("resume", str(folder)).status == 0
    weights = [sorted(one.glob("checkpoints/step-*"))[-1] / "model.safetensors" for one in (straight, folder)]
    assert sha256_of(weights[0]) == sha256_of(weights[1])


def test_resuming_a_finished_run_says_so_and_changes_nothing(call: Call, place: Path) -> None:
    run = place / IRIS
    before = {name: (run / name).read_bytes() for name in ("results.json", "metrics.jsonl", "results.csv")}
    answer = call("resume", IRIS)
    assert answer.status == 0
    assert "had ended" in answer.err
    assert {name: (run / name).read_bytes() for name in before} == before


@pytest.mark.parametrize("verb", [*VERBS, "data show"])
def test_every_verb_explains_itself(verb: str, call: Call) -> None:
    answer = call(*verb.split(), "--help")
    assert answer.status == 0
    assert f"Usage: neuropil {verb}" in answer.out
    assert "--json" in answer.out


def test_help_and_version(call: Call) -> None:
    assert all(verb in call("--help").out for verb in VERBS)
    assert call("--version").out.strip() == str(app.version)


def test_a_reader_that_leaves_is_no_error() -> None:
    """As in `neuropil recipes | head -0`: the other end of standard output is closed."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        command = [sys.executable, "-m", "neuropil.cli", "recipes", "--json"]
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_counts_stand_beside_the_papers(call: Call) -> None:
    answer = call("models", "mobilenet_v1", "--counts", "--json")
    found = json.loads(answer.out)["counts"]
    assert [one["printed"]["multiply_adds"] for one in found][:4] == ["569 M", "325 M", "149 M", "41 M"]
    assert [round(one["multiply_adds"] / 1e6) for one in found][:4] == [569, 325, 149, 41]
    assert "569 M" in call("models", "mobilenet_v1", "--counts").out
    assert "the paper: 4.2 M weights, 569 M multiply-adds" in call("summary", "mobilenet_v1").out
    assert "the paper:" not in call("summary", "mobilenet_v1", "width=0.3").out
