"""`neuropil draw`: each kind writes one file; bad input ends in one sentence and status 2, and writes none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cli.conftest import Call

PHOTOS, PETS = "runs/classification/photos-1", "runs/classification/pets-1"


@pytest.mark.parametrize(
    ("words", "file", "told"),
    [
        (["network", "lenet5"], "lenet5.html", "One sample of 1×32×32"),
        (["network", "Conv4@3 - ReLU - FC(SM)", "--shape", "1x8x8", "--to", "own.svg"], "own.svg", "4 edges|edges"),
        (["step", "softmax"], "step.html", "The error is 0.349012"),  # log(1 + e^1 + e^-2): scores 1, 2, -1
        (["time", "rnn", "gru", "--steps", "6"], "time.html", "bias of 6"),
        (["paths", "beale", "--steps", "5"], "paths.html", "Learning rates"),
        (["flow", "iris-perceptron", "--steps", "4"], "flow.html", "Strongest: "),
        (["run", PHOTOS], f"{PHOTOS}/pictures.html", "The network says"),
        (["costs", "--only", "62,115", "--no-times"], "costs.html", "2 claims of the chapter, tried: 2 borne out"),
        (["costs", "--only", "googlenet", "--no-times", "--out", "c.svg"], "c.svg", "googlenet: wrong"),
        (["attention", "looks.npz", "--to", "looks.svg"], "looks.svg", "A row is a word"),
    ],
)
def test_each_kind_writes_a_file(words: list[str], file: str, told: str, place: Path, call: Call) -> None:
    np.savez(place / "looks.npz", weights=np.full((1, 2, 3, 3), 1 / 3))
    if words[1] == "softmax":
        told = f"The error is {np.log(np.exp([1.0, 2.0, -1.0]).sum()) - 1:.6g}"[:19]
    (place / file).unlink(missing_ok=True)
    answer = call("draw", *words)
    assert answer.status == 0, answer.err
    assert answer.out.splitlines()[0] == file
    assert any(one in answer.out for one in told.split("|"))
    assert (place / file).read_text(encoding="utf-8").startswith("<svg" if file.endswith("svg") else "<!doctype html>")


def test_an_answer_as_json(call: Call) -> None:
    answer = call("draw", "network", "lenet5", "--to", "a.html", "--json")
    assert json.loads(answer.out)["file"] == "a.html"


def test_costs_as_json(call: Call) -> None:
    answer = json.loads(call("draw", "costs", "--only", "separable", "--no-times", "--json").out)
    (claim,) = answer["claims"]
    assert (claim["holds"], claim["in_part"]) == (True, True)
    printed = next(line for line in claim["lines"] if "prints" in line["what"])
    assert (printed["measured"], printed["expected"], printed["agrees"]) == (462422016, 12644352, False)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "draw"),
        (["netwrk", "lenet5"], "there is no command 'draw netwrk'; did you mean 'network'?"),
        (["network", "lenet6", "--to", "bad.html"], "did you mean 'lenet5'"),
        (["network", "lenet5", "num_clases=3", "--to", "bad.html"], "num_clases"),
        (["network", "lenet5", "--shape", "big", "--to", "bad.html"], "'big' is no shape"),
        (["network", "lenet5", "--to", "bad.pdf"], "should end in .html"),
        (["step", "neurn", "--to", "bad.html"], "did you mean 'neuron'"),
        (["step", "resnet110", "--to", "bad.html"], "more than the 600 that a picture shows"),
        (["time", "lsmt", "--to", "bad.html"], "did you mean 'lstm'"),
        (["paths", "valey", "--to", "bad.html"], "did you mean 'valley'"),
        (["flow", "iris-perceptrn", "--to", "bad.html"], "did you mean 'iris-perceptron'"),
        (["flow", "iris-perceptron", "--steps", "0", "--to", "bad.html"], "0 were asked for"),
        (["run", "runs/nowhere", "--to", "bad.html"], "there is no run folder"),
        (["run", PETS, "--to", "bad.html"], "drawn of runs that classify pictures"),
        (["run", PHOTOS, "nowhere.png", "--to", "bad.html"], "nowhere.png"),
        (["run", PHOTOS, "--layer", "nowhere", "--to", "bad.html"], "no layer 'nowhere'"),
        (["costs", "--only", "stakcs", "--to", "bad.html"], "did you mean 'stacks'"),
        (["costs", "--only", "5", "--no-times", "--to", "bad.html"], "no claim here is about No. 5"),
        (["costs", "--only", "62", "--to", "bad.pdf"], "should end in .html"),
        (["attention", "nowhere.npz", "--to", "bad.html"], "cannot be read as .npz"),
    ],
)
def test_bad_input_is_refused(words: list[str], sentence: str, place: Path, call: Call) -> None:
    answer = call("draw", *words)
    if not words:
        assert "network" in answer.out  # the help
        return
    assert answer.status == 2, answer.out
    assert any(one in answer.err for one in sentence.split("|")), answer.err
    assert len(answer.err.splitlines()) == 1
    assert not (place / "bad.html").exists() and not (place / "bad.pdf").exists()
