"""Processes of a search, killed at random moments and started again: no trial lost or doubled, each history exact."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")

TESTS = Path(__file__).parents[1]
PATHS = os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": PATHS}
SECONDS = 400
CREATED, ENDED = 4, 6
"""Operations of Optuna's journal."""


@dataclass
class Worker:
    """A process of the search, and what it says."""

    process: subprocess.Popen[bytes]
    said: Path

    def wait_for_work(self) -> bool:
        """Until it has begun a trial, or has ended without one to take."""
        limit = time.monotonic() + SECONDS
        while self.process.poll() is None and not self.said.stat().st_size:
            assert time.monotonic() < limit
            time.sleep(0.01)
        return self.process.poll() is None


def launch(folder: Path, said: Path, method: str, trials: int, epochs: int) -> Worker:
    words = [sys.executable, "-m", "search.worker", str(folder), method, str(trials), str(epochs)]
    with said.open("wb") as out:
        return Worker(subprocess.Popen(words, env=ENVIRONMENT, stdout=out, stderr=subprocess.STDOUT), said)


def finish(worker: Worker) -> None:
    assert worker.process.wait(timeout=SECONDS) == 0, worker.said.read_text()


def straight(folder: Path, method: str, trials: int, epochs: int) -> Path:
    finish(launch(folder, folder.with_suffix(".said"), method, trials, epochs))
    return folder


def killed(
    folder: Path, method: str, trials: int, epochs: int, *, workers: int, kills: int, draw: random.Random
) -> int:
    """So many processes on one folder, so many kills; how many of them fell while there was work."""
    number = fell = 0

    def begin() -> Worker:
        nonlocal number
        number += 1
        return launch(folder, folder.with_name(f"{folder.name}-{number}.said"), method, trials, epochs)

    crew = [begin() for _ in range(workers)]
    for _ in range(kills):
        place = draw.randrange(workers)
        if crew[place].wait_for_work():
            time.sleep(draw.uniform(0.0, 1.5))
            fell += crew[place].process.poll() is None
            crew[place].process.send_signal(signal.SIGKILL)
            crew[place].process.wait()
            crew[place] = begin()
    for worker in crew:
        finish(worker)
    return fell


def history(folder: Path) -> dict[str, Any]:
    """All that must be equal: what was tried, what came of it, and every run's files."""
    from neuropil.search.space import space_from_toml
    from neuropil.search.trials import Trials
    from search.workshop import SPACE

    trials = Trials(folder / "trials.journal", space_from_toml(SPACE), mode="max").all()
    told = {one.number: (str(one.values), one.state, one.value, sorted(one.by_epoch.items())) for one in trials}
    runs = {}
    for run in sorted((folder / "runs" / "classification").iterdir()):
        files = {name: (run / name).read_bytes() for name in ("recipe.toml", "metrics.jsonl", "results.json")}
        weights = (run / "checkpoints" / "last" / "model.safetensors").read_bytes()
        runs[run.name] = (files, hashlib.sha256(weights).hexdigest())
    return {"trials": told, "runs": runs, "best": (folder / "best.toml").read_bytes()}


def operations(folder: Path) -> tuple[int, Counter[int]]:
    """How many trials the journal creates, and how often each is ended."""
    lines = [json.loads(line) for line in (folder / "trials.journal").read_text().splitlines()]
    created = sum(line["op_code"] == CREATED for line in lines)
    return created, Counter(line["trial_id"] for line in lines if line["op_code"] == ENDED)


def check(killed_folder: Path, straight_folder: Path, trials: int) -> None:
    created, ended = operations(killed_folder)
    assert created == trials and sorted(ended) == list(range(trials)) and set(ended.values()) == {1}
    one, other = history(killed_folder), history(straight_folder)
    assert one["trials"] == other["trials"] and one["runs"] == other["runs"] and one["best"] == other["best"]
    assert list(one["runs"]) == [f"trial-{number:04d}-1" for number in range(trials)]


@pytest.mark.proof
def test_two_processes_and_three_kills(tmp_path: Path) -> None:
    size = ("random", 6, 80)
    fell = killed(tmp_path / "killed", *size, workers=2, kills=3, draw=random.Random(0))
    check(tmp_path / "killed", straight(tmp_path / "straight", *size), trials=6)
    assert fell >= 1


@pytest.mark.proof
def test_one_process_of_tpe_chooses_the_same_after_a_kill(tmp_path: Path) -> None:
    size = ("tpe", 13, 10)
    assert killed(tmp_path / "killed", *size, workers=1, kills=1, draw=random.Random(1)) >= 1
    check(tmp_path / "killed", straight(tmp_path / "straight", *size), trials=13)


@pytest.mark.proof
def test_two_processes_and_twenty_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = ("random", 30, 450)
    fell = killed(tmp_path / "killed", *size, workers=2, kills=20, draw=random.Random(7))
    check(tmp_path / "killed", straight(tmp_path / "straight", *size), trials=30)
    with capsys.disabled():
        print(f"\n2 processes, 20 kills, {fell} while at work: 30 trials, none lost, none doubled, all files equal")  # noqa: T201
    assert fell == 20
