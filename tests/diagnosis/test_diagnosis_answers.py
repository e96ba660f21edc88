"""What a reader gets: lines, one JSON object, a page; and one sentence where there is nothing to diagnose."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import neuropil
from diagnosis.planted_runs import run_of
from neuropil.cli import main
from neuropil.diagnosis.records import FAULTS
from neuropil.errors import InputError

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def slow_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose learning rate is a ten-thousandth of what it should be."""
    return run_of(tmp_path_factory.mktemp("planted"), "learning_rate_too_low")


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["diagnose", *words])
        seen = capsys.readouterr()
        return int(left.value.code or 0), seen.out, seen.err

    return run


def test_lines_and_json_and_page(slow_run: Path, call: Call, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in slow_run.rglob("*") if path.is_file()}
    page = tmp_path / "report.html"
    status, out, _ = call(str(slow_run), "--json", "--out", str(page))
    answer = json.loads(out)
    assert status == 0 and answer["run"] == str(slow_run)
    (finding,) = answer["findings"]
    assert set(finding) == {"fault", "layer", "evidence", "change", "numbers"} and finding["fault"] in FAULTS
    assert finding["change"].startswith("lr=") and finding["numbers"]["better"] > 1e4 * finding["numbers"]["rate"] / 11
    html = page.read_text(encoding="utf-8")
    assert "Learning rate too low" in html and html.count("<svg") >= 2 and "<script" not in html
    assert {path: path.read_bytes() for path in slow_run.rglob("*") if path.is_file()} == before
    status, out, _ = call(str(slow_run))
    assert status == 0 and "learning_rate_too_low" in out and "to try:   lr=" in out


def test_a_run_that_broke_before_its_first_checkpoint(tmp_path: Path) -> None:
    found = neuropil.diagnose(run_of(tmp_path, "learning_rate_too_high"))
    assert found.faults[0] == "learning_rate_too_high"


def test_what_is_no_run_is_refused_in_a_sentence(slow_run: Path, call: Call, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    damaged = Path(shutil.copytree(slow_run, tmp_path / "damaged"))
    (damaged / "metrics.jsonl").write_text('{"event": "step", "step": 1}\n{"event": \n')
    gone = Path(shutil.copytree(slow_run, tmp_path / "gone"))
    recipe = (gone / "recipe.toml").read_text()
    (gone / "recipe.toml").write_text(recipe.replace("good.csv", "elsewhere.csv"))
    for folder, words in (
        (tmp_path / "nowhere", "there is no run folder"),
        (tmp_path / "empty", "not a run folder"),
        (damaged, "metrics.jsonl"),
        (gone, "elsewhere.csv"),
    ):
        status, out, error = call(str(folder))
        assert status == 2 and out == "" and words in error and error.count("\n") == 1 and "Traceback" not in error


def test_changed_data_and_data_in_memory_are_refused(slow_run: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(slow_run, tmp_path / "changed"))
    signature = json.loads((changed / "data.json").read_text())
    signature["classes"] = ["fir", "elm", "oak"]
    (changed / "data.json").write_text(json.dumps(signature))
    with pytest.raises(InputError, match="are not what they were"):
        neuropil.diagnose(changed)
    recipe = (changed / "recipe.toml").read_text()
    source = next(line for line in recipe.splitlines() if line.startswith("source"))
    (changed / "recipe.toml").write_text(recipe.replace(source, 'source = "in memory"'))
    with pytest.raises(InputError, match="in memory"):
        neuropil.diagnose(changed)


def test_a_page_that_cannot_be_written(slow_run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        neuropil.diagnose(slow_run, tmp_path / "no" / "folder" / "page.html")
