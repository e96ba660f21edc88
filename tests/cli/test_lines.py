"""A network written as a line, from the command line: its table, a training with it, and what is pointed at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.test_verbs import Call

LENET = "Conv6@5 - ReLU - Pool2 - Conv16@5 - ReLU - Pool2 - FC120 - FC84 - FC10 - SM"
SMALL = "Conv4 - ReLU - Pool - FC16 - BN - ReLU - FC(SM)"


def test_the_table_of_a_line(call: Call) -> None:
    answer = call("summary", LENET)
    assert answer.status == 0 and answer.err == ""
    assert answer.out.startswith(f"{LENET}, for one sample of 1x32x32\n")
    total = next(line for line in answer.out.splitlines() if line.strip().startswith("total"))
    assert total.split() == ["total", "61,706", "416,520", "59,192"]
    found = json.loads(call("summary", "Conv - Pool - FC", "num_classes=3", "--shape", "3x64x48", "--json").out)
    assert found["line"] == "Conv32@3p1 - Pool2 - FC3" and found["input_shape"] == [3, 64, 48]
    assert [layer["output_shape"] for layer in found["layers"]] == [[32, 64, 48], [32, 32, 24], [24576], [3]]
    assert [layer["receptive_field"] for layer in found["layers"]] == [[3, 3], [4, 4], [4, 4], [66, 50]]


@pytest.mark.slow
def test_a_line_is_trained_evaluated_and_used(call: Call) -> None:
    trained = json.loads(call("train", f"model={SMALL}", "data=digits", "epochs=2", "lr=0.01", "--json").out)
    run = Path(trained["run"])
    assert run.name == "line-1" and trained["results"]["test"]["accuracy"] > 0.5
    evaluated = json.loads(call("evaluate", str(run), "--json").out)
    assert evaluated["metrics"] == trained["results"]["test"]
    again = json.loads(call("train", str(run / "recipe.toml"), "--json").out)
    assert again["results"]["test"] == trained["results"]["test"], "the written recipe repeats the run"
    assert SMALL in (run / "recipe.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "sentence", "line", "carets"),
    [
        (["summary", "Conv6@5 - Pol - FC"], "there is no layer 'Pol'", "Conv6@5 - Pol - FC", "          ^^^"),
        (["train", "model=Conv - Pol", "data=digits"], "did you mean 'Pool'?", "Conv - Pol", "       ^^^"),
        (["train", "model=Conv@99 - FC", "data=digits"], "Conv32@99 gets 1x8x8", "Conv@99 - FC", "^^^^^^^"),
        (["train", "model=Conv - FC7", "data=digits"], "but 10 outputs are wanted", "Conv - FC7", "       ^^^"),
    ],
)
def test_mistakes_are_pointed_at(words: list[str], sentence: str, line: str, carets: str, call: Call) -> None:
    before = sorted(Path().glob("runs/*/*"))
    answer = call(*words)
    assert answer.status == 2 and answer.out == "" and "Traceback" not in answer.err
    said = answer.err.splitlines()[-3:]
    assert said[0].startswith("neuropil: ") and sentence in said[0]
    assert said[1:] == [f"  {line}", f"  {carets}"]
    assert sorted(Path().glob("runs/*/*")) == before, "nothing is left behind"


def test_a_softmax_over_values_is_refused(call: Call) -> None:
    answer = call("train", "model=FC8 - ReLU - FC - SM", "data=diabetes", "epochs=1")
    assert answer.status == 2 and "these data's targets are values; leave SM out" in answer.err


def test_a_title_does_not_speak_of_another_network(call: Call) -> None:
    run = json.loads(call("train", "iris-perceptron", "model=FC8 - ReLU - FC", "epochs=1", "--json").out)["run"]
    assert 'title = ""' in (Path(run) / "recipe.toml").read_text(encoding="utf-8")


@pytest.mark.slow
def test_options_of_a_line(call: Call) -> None:
    answer = call("train", "model=Conv - FC", "model.lines=3", "data=digits")
    assert answer.status == 2 and "model 'line' has no option 'lines'; did you mean 'line'" in answer.err
    named = ["train", "model=line", "data=digits", "epochs=1", "--json"]
    assert "needs the option 'line'" in json.loads(call(*named).out)["error"]
    assert call(*named, f"model.line={SMALL}", "model.initialization=uniform").status == 0
