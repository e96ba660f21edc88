"""`neuropil compare` and `neuropil search` as typed: answers, refusals, and bad input in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from neuropil.cli import main

RECIPE = ["iris-perceptron", "data.valid_fraction=0.2", "epochs=1"]


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(words)
    seen = capsys.readouterr()
    return int(left.value.code or 0), seen.out, seen.err


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("space.toml").write_text("[optimizer]\nname = ['sgd', 'adam']\n")
    Path("broken.toml").write_text("[optimizer]\nlr = {low = 1.0, high = 0.1}\n")


def test_compare_answers(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(capsys, "compare", *RECIPE, "--vary", "optimizer=sgd,adam", "--seeds", "2", "--json")
    answer = json.loads(out)
    assert status == 0 and len(answer["runs"]) == 4 and Path(answer["report"]).is_file()
    status, out, err = call(capsys, "compare", *RECIPE, "--vary", "optimizer=sgd,adam", "--seeds", "2")
    assert status == 0 and "4 of 4 runs are there already" in err
    assert "comparisons/iris-perceptron/report.html" in out


def test_search_answers(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna")
    words = ["search", *RECIPE, "--space", "space.toml", "--method", "grid", "--trials", "5"]
    status, out, _ = call(capsys, *words)
    assert status == 0 and "best of 2 trials" in out and "neuropil train searches/iris-perceptron/best.toml" in out
    status, out, _ = call(capsys, *words, "--json")
    assert status == 0 and [one["state"] for one in json.loads(out)["trials"]] == ["complete"] * 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare", *RECIPE], "compare needs"),
        (["compare", *RECIPE, "--vary", "optimizer"], "write PATH=VALUE,VALUE"),
        (["compare", "none", "--vary", "optimizer=sgd,adam"], "no recipe is named 'none'"),
        (["search", *RECIPE], "search needs"),
        (["search", *RECIPE, "--space", "none.toml"], "cannot be read"),
        (["search", *RECIPE, "--space", "broken.toml"], "optimizer.lr goes from 1.0 to 0.1"),
        (["search", *RECIPE, "--space", "space.toml", "--method", "gird"], "did you mean 'grid'"),
    ],
)
def test_bad_input_ends_in_one_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = call(capsys, *words)
    assert status == 2 and said in err and "Traceback" not in err and not out
    assert err.count("\n") == 1
