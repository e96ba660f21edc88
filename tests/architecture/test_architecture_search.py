"""An architecture search from end to end: its trials, its journal, its winner, kills, the page, the command."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

import neuropil
from architecture.worker import TINY, run
from neuropil.architecture.found import ArchitectureFound
from neuropil.architecture.reward import reward
from neuropil.architecture.searching import search_architectures
from neuropil.cli import main
from neuropil.errors import InputError
from neuropil.recipes.recipe import Recipe

pytest.importorskip("optuna")

TESTS = Path(__file__).parents[1]
PATHS = os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": PATHS}
CREATED, ENDED = 4, 6
"""Operations of Optuna's journal."""


def journal_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trials.journal").read_text().splitlines()]


def ended(folder: Path) -> list[int]:
    """The trials that the journal says came to an end, as often as it says so."""
    return [line["trial_id"] for line in journal_of(folder) if line["op_code"] == ENDED]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> ArchitectureFound:
    return run(tmp_path_factory.mktemp("architecture"), 4)


@pytest.mark.slow
def test_trials_are_ordinary_runs_with_a_reward(found: ArchitectureFound) -> None:
    rows = list(csv.DictReader((found.folder / "trials.csv").read_text().splitlines()))
    assert [row["state"] for row in rows] == ["complete"] * 4 and len({row["blocks"] for row in rows}) == 4
    yardstick = json.loads((found.folder / "latency.json").read_text())["yardstick_ms"]
    for row, trial in zip(rows, found.trials, strict=True):
        trained = neuropil.load_run(found.folder / "runs" / "classification" / f"trial-{trial.number:04d}-1")
        assert trained.recipe.section("model")["blocks"] == row["blocks"]
        assert trained.results["valid"]["accuracy"] == trial.notes["accuracy"] == float(row["accuracy"])
        assert "test" not in trained.results, "nothing is chosen by the test part"
        assert trial.value == pytest.approx(reward(trial.notes["accuracy"], trial.notes["latency_ms"], yardstick))
    assert rows[0]["blocks"] == found.wanted.architecture.line(found.wanted.start())
    (beside,) = found.references
    assert beside.words == "mobilenet_v1 width=0.25" and beside.latency_ms > 0 and 0 <= beside.accuracy <= 1
    assert set(found.again) == {"best", beside.words}


@pytest.mark.slow
def test_the_winner_is_a_recipe_to_train(found: ArchitectureFound, tmp_path: Path) -> None:
    recipe = Recipe.from_file(found.folder / "best.toml")
    best = found.best
    assert best is not None and best.value == max(one.value or 0.0 for one in found.trials)
    assert recipe.section("model") == {"name": "searched", "blocks": found.wanted.blocks(best)}
    assert recipe.section("training")["epochs"] == 3 and "train_fraction" not in recipe.section("batches")
    trained = neuropil.train(recipe, runs=tmp_path, progress=False)
    assert trained.predict and "test" in trained.results
    page = (found.folder / "report.html").read_text()
    for said in ("neuropil train", "model.blocks=", "Accurate and fast", "mobilenet_v1 0.25", "ms, again"):
        assert said in page
    assert "<script" not in page


@pytest.mark.slow
def test_called_again_it_goes_on(found: ArchitectureFound) -> None:
    again, journal = (found.folder / "again.json").read_bytes(), ended(found.folder)
    more = run(found.folder, 4)
    assert (found.folder / "again.json").read_bytes() == again and ended(found.folder) == journal
    assert [one.values for one in more.trials] == [one.values for one in found.trials]
    with pytest.raises(InputError, match="holds a search with another method"):
        run(found.folder, 4, "random")


@pytest.mark.slow
def test_a_kill_between_latency_and_training_keeps_the_latency(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal has it before the training begins; it is not measured again."""

    class Killed(BaseException):
        pass

    with monkeypatch.context() as patch:
        patch.setattr(
            "neuropil.search.searching.Worker.trained", lambda self, recipe, hear=None: (_ for _ in ()).throw(Killed)
        )
        with pytest.raises(Killed):
            run(tmp_path, 1)
    lines = journal_of(tmp_path)
    noted = [line["user_attr"]["latency_ms"] for line in lines if "latency_ms" in line.get("user_attr", {})]
    assert run(tmp_path, 1).trials[0].notes["latency_ms"] == noted[0] and len(noted) == 1


def launch(folder: Path, trials: int) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "architecture.worker", str(folder), str(trials), "random"]
    with folder.with_suffix(".said").open("ab") as out:
        return subprocess.Popen(words, env=ENVIRONMENT, stdout=out, stderr=subprocess.STDOUT)


@pytest.mark.proof
def test_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    """What `random` tries does not hang on latencies, so the history must be that of a search nobody killed."""
    straight, killed, draw = tmp_path / "straight", tmp_path / "killed", random.Random(0)
    assert launch(straight, 9).wait(timeout=600) == 0, straight.with_suffix(".said").read_text()
    fell = 0
    for _ in range(4):
        before = killed.with_suffix(".said").stat().st_size if killed.with_suffix(".said").exists() else 0
        process = launch(killed, 9)
        while process.poll() is None and killed.with_suffix(".said").stat().st_size == before:
            time.sleep(0.02)
        time.sleep(draw.uniform(0.0, 2.0))
        fell += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert launch(killed, 9).wait(timeout=600) == 0, killed.with_suffix(".said").read_text()
    assert fell >= 3
    assert sum(line["op_code"] == CREATED for line in journal_of(killed)) == 9
    assert sorted(ended(killed)) == list(range(9))
    runs = sorted(one.relative_to(straight) for one in (straight / "runs" / "classification").iterdir())
    assert runs == sorted(one.relative_to(killed) for one in (killed / "runs" / "classification").iterdir())
    for place in runs:
        for name in ("recipe.toml", "metrics.jsonl", "results.json", "checkpoints/last/model.safetensors"):
            assert (straight / place / name).read_bytes() == (killed / place / name).read_bytes(), place / name


def test_what_is_no_pictures_is_refused(tmp_path: Path) -> None:
    from neuropil.architecture.plan import architecture_plan

    for words in (["model=perceptron", "data=diabetes"], ["model=perceptron", "data=iris", "data.valid_fraction=0.2"]):
        recipe = Recipe().with_overrides([*words, "epochs=1"])
        with pytest.raises(InputError, match=r"takes pictures|is for pictures with classes"):
            search_architectures(architecture_plan(recipe, TINY), trials=1, folder=tmp_path / words[1])


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(words)
    seen = capsys.readouterr()
    return int(left.value.code or 0), seen.out, seen.err


@pytest.mark.slow
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    space = '[architecture]\nbase = "cn_c8 - cn_s2_c16"\nepochs = 1\ntrain_fraction = 0.3\nreferences = []\n'
    Path("space.toml").write_text(space)
    words = ["search", "digits-lenet5", "speed=plain", "--space", "space.toml", "--trials", "2"]
    status, out, err = call(capsys, *words)
    assert status == 0 and "best of 2 networks" in out and "neuropil train searches/digits-lenet5/best.toml" in out
    assert "trial 1: accuracy" in err and "ms, reward" in err and "0 to go" in err
    status, out, _ = call(capsys, *words, "--json")
    assert status == 0 and {"reward", "accuracy", "latency_ms", "blocks"} <= set(json.loads(out)["trials"][0])
    assert tomllib.loads(Path("searches/digits-lenet5/best.toml").read_text())["training"]["epochs"] == 30


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--space", "architecture", "--halving"], "--halving compares accuracies alone"),
        (["--space", "architecture", "--method", "evolve"], "no search method is named 'evolve'"),
        (["--space", "architecture", "--trials", "0"], "trials must be at least 1"),
        (["--space", "architektur"], "cannot be read"),
    ],
)
def test_bad_input_ends_in_one_sentence(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = call(capsys, "search", "digits-lenet5", *words)
    assert status == 2 and said in err and "Traceback" not in err and not out and err.count("\n") == 1
