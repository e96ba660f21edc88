"""The command line, killed at random moments and resumed, ends as the run that was never stopped, bit for bit."""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

pytest.importorskip("sklearn")

COMMAND = [sys.executable, "-m", "neuropil.cli"]
WORDS = ["train", "digits-lenet5", "training.epochs=4", "training.save_every_steps=7"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "COLUMNS": "200"}
SECONDS = 240


def launch(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *words], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, complaints = process.communicate(timeout=SECONDS)
    return process.returncode, complaints


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + SECONDS
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < limit, f"{path} did not appear"
        time.sleep(0.002)


def folder_in(runs: Path) -> Path:
    return runs / "classification" / "digits-lenet5-1"


@dataclass(frozen=True)
class Outcome:
    """What must be equal."""

    weights: str
    best_weights: str
    metrics: bytes
    table: bytes
    results: bytes
    report: str


def outcome(folder: Path) -> Outcome:
    def digest(kind: str) -> str:
        return hashlib.sha256((folder / "checkpoints" / kind / "model.safetensors").read_bytes()).hexdigest()

    report = (folder / "report.html").read_text(encoding="utf-8")
    report, machines = re.subn(r'<section id="machine">.*?</section>', "", report, flags=re.DOTALL)
    assert machines == 1
    files = [(folder / name).read_bytes() for name in ("metrics.jsonl", "results.csv", "results.json")]
    return Outcome(digest("last"), digest("best"), files[0], files[1], files[2], report)


def differing(one: Outcome, other: Outcome) -> list[str]:
    return [field.name for field in fields(Outcome) if getattr(one, field.name) != getattr(other, field.name)]


@dataclass(frozen=True)
class Straight:
    """The run that was never stopped, and for how long it trained."""

    folder: Path
    seconds: float


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Straight:
    runs = tmp_path_factory.mktemp("straight")
    process = launch(*WORDS, "--runs", str(runs))
    wait_for(folder_in(runs) / "recipe.toml", process)
    begun = time.monotonic()
    wait_for(folder_in(runs) / "results.json", process)
    seconds = time.monotonic() - begun
    status, complaints = finish(process)
    assert status == 0, complaints
    return Straight(folder_in(runs), seconds)


def kill_and_resume(runs: Path, straight: Straight, draw: random.Random, kills: int) -> tuple[int, int]:
    """Train, be killed so often, resume to the end.

    Returns:
        How many kills fell into the training, and how many of them before the first checkpoint.
    """
    words, fell, early = [*WORDS, "--runs", str(runs)], 0, 0
    for _ in range(kills):
        process = launch(*words)
        wait_for(folder_in(runs) / "recipe.toml", process)
        time.sleep(draw.uniform(0.0, straight.seconds) * (0.85 if words[0] == "train" else 1.5))
        process.send_signal(signal.SIGKILL)
        status, _ = finish(process)
        assert status in (-signal.SIGKILL, 0)
        if status:
            fell += 1
            early += not (folder_in(runs) / "checkpoints" / "last").exists()
        words = ["resume", str(folder_in(runs))]
    status, complaints = finish(launch(*words))
    assert status == 0, complaints
    return fell, early


@pytest.mark.proof
@pytest.mark.parametrize("seed", [0, 1])
def test_killed_and_resumed(seed: int, straight: Straight, tmp_path: Path) -> None:
    fell, _ = kill_and_resume(tmp_path, straight, random.Random(seed), kills=1)
    assert fell == 1
    assert differing(outcome(folder_in(tmp_path)), outcome(straight.folder)) == []


@pytest.mark.proof
def test_killed_before_the_first_checkpoint(straight: Straight, tmp_path: Path) -> None:
    class Soon(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return 0.0

    assert kill_and_resume(tmp_path, straight, Soon(), kills=1) == (1, 1)
    assert differing(outcome(folder_in(tmp_path)), outcome(straight.folder)) == []


@pytest.mark.proof
def test_ten_killed_runs(straight: Straight, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw = random.Random(2)
    found = [kill_and_resume(tmp_path / str(run), straight, draw, kills=1 + run % 2) for run in range(10)]
    wanted = outcome(straight.folder)
    different = {run: differing(outcome(folder_in(tmp_path / str(run))), wanted) for run in range(10)}
    same = sum(not names for names in different.values())
    with capsys.disabled():
        kills, early = sum(fell for fell, _ in found), sum(early for _, early in found)
        print(  # noqa: T201
            f"\n10 runs on the command line, {kills} times killed ({early} before the first checkpoint) and resumed: "
            f"{same} equal to the straight run; model.safetensors {wanted.weights[:16]}…"
        )
    assert same == 10, different
    assert all(fell >= 1 for fell, _ in found)


@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        pytest.param(signal.SIGTERM, 143, id="TERM", marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 130, id="INT", marks=pytest.mark.proof),
    ],
)
def test_signals_save_and_leave(number: signal.Signals, wanted: int, straight: Straight, tmp_path: Path) -> None:
    """The state is saved at once, the message says how to go on, and going on ends as if nothing had happened."""
    process = launch(*WORDS, "--runs", str(tmp_path))
    folder = folder_in(tmp_path)
    wait_for(folder / "checkpoints" / "last", process)
    process.send_signal(number)
    status, complaints = finish(process)
    assert status == wanted
    assert f"neuropil resume {folder}" in complaints.replace("\n", "") and "Traceback" not in complaints
    status, complaints = finish(launch("resume", str(folder)))
    assert status == 0, complaints
    assert differing(outcome(folder), outcome(straight.folder)) == []


@pytest.mark.slow
def test_a_run_that_is_under_way_cannot_be_resumed(tmp_path: Path) -> None:
    process = launch(*WORDS, "--runs", str(tmp_path))
    wait_for(folder_in(tmp_path) / "checkpoints" / "last", process)
    process.send_signal(signal.SIGSTOP)
    try:
        status, complaints = finish(launch("resume", str(folder_in(tmp_path))))
    finally:
        process.kill()
        finish(process)
    assert status == 2 and "another process is training in" in " ".join(complaints.split())
