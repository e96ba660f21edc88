"""Run folders: names, races, the lock, the log, tables; and the signals that end a run."""

from __future__ import annotations

import csv
import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from neuropil.errors import InputError, NeuropilError
from neuropil.training.run_folder import RunFolder
from neuropil.training.signals import StopSignals


@pytest.mark.parametrize(
    "name", ["..", ".", "", "../up", "a/b", "/etc", "a\\b", "a\0b", ".hidden", "-rf", "a b", "x" * 101, "a\n", "ü"]
)
@pytest.mark.parametrize("place", ["task", "name"])
def test_names_that_are_refused(name: str, place: str, tmp_path: Path) -> None:
    task, run = (name, "run") if place == "task" else ("task", name)
    with pytest.raises(InputError, match="a run cannot be named"):
        RunFolder.create(tmp_path / "runs", task, run)
    assert not (tmp_path / "runs").exists()


def test_numbers_go_up_and_are_never_used_again(tmp_path: Path) -> None:
    made = [RunFolder.create(tmp_path, "t", "a.b").path.name for _ in range(3)]
    assert made == ["a.b-1", "a.b-2", "a.b-3"]
    (tmp_path / "t" / "a.b-2").rmdir()
    (tmp_path / "t" / "axb-9").mkdir()
    (tmp_path / "t" / "a.b-x").mkdir()
    assert RunFolder.create(tmp_path, "t", "a.b").path.name == "a.b-4"


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(InputError, match="give a folder that can be written"):
        RunFolder.create(tmp_path / "runs", "t", "n")


def test_no_folder() -> None:
    with pytest.raises(InputError, match="there is no run folder at 'nowhere'"):
        RunFolder("nowhere")


def test_twenty_threads_get_twenty_folders(tmp_path: Path) -> None:
    gate = threading.Barrier(20)

    def make(_: int) -> str:
        gate.wait()
        return str(RunFolder.create(tmp_path, "t", "n").path)

    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(make, range(20)))) == 20


def _make_many(root: str, gate: object, answers: object) -> None:
    gate.wait()  # type: ignore[attr-defined]
    answers.put([str(RunFolder.create(root, "t", "n").path) for _ in range(5)])  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
def test_twenty_processes_never_share_a_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    gate, answers = context.Event(), context.Queue()
    processes = [context.Process(target=_make_many, args=(str(tmp_path), gate, answers)) for _ in range(20)]
    for process in processes:
        process.start()
    gate.set()
    paths = [path for _ in processes for path in answers.get(timeout=30)]
    for process in processes:
        process.join()
    assert len(set(paths)) == 100
    assert all(Path(path).is_dir() for path in paths)


LOCKING = """
import sys
from neuropil.training.run_folder import RunFolder
folder = RunFolder(sys.argv[1])
folder.lock()
print("locked", flush=True)
sys.stdin.readline()
"""


def test_the_lock_keeps_a_second_process_out(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", LOCKING, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdin is not None and other.stdout is not None
    try:
        assert other.stdout.readline() == "locked\n"
        folder = RunFolder(tmp_path)
        with pytest.raises(NeuropilError, match="another process is training in"):
            folder.lock()
        other.kill()  # a killed process leaves no lock behind
        other.wait()
        folder.lock()
        folder.close()
    finally:
        other.kill()
        other.wait()
        other.stdin.close()
        other.stdout.close()


def test_the_lock_keeps_a_second_run_of_this_process_out(tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path), RunFolder(tmp_path)
    first.lock()
    with pytest.raises(NeuropilError, match="wait for it or stop it"):
        second.lock()
    first.close()
    second.lock()
    second.close()
    second.close()


def test_the_log(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.history() == [] and folder.synced_log_size() == 0
    folder.log({"event": "step", "loss": 0.1, "name": "ü"})
    size = folder.synced_log_size()
    folder.log({"event": "step", "loss": math.nan, "norm": math.inf})
    folder.close()
    assert folder.history() == [
        {"event": "step", "loss": 0.1, "name": "ü"},
        {"event": "step", "loss": None, "norm": None},
    ]
    assert size == len((tmp_path / "metrics.jsonl").read_bytes().splitlines(keepends=True)[0])
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"event": "st')
    assert len(folder.history()) == 2, "a line that a kill cut short is left out"
    folder.cut_log(size)
    assert len(folder.history()) == 1 and (tmp_path / "metrics.jsonl").stat().st_size == size
    folder.cut_log(10**6)
    assert (tmp_path / "metrics.jsonl").stat().st_size == size
    folder.log({"event": "step", "loss": 0.2})
    folder.close()
    assert [row["loss"] for row in folder.history()] == [0.1, 0.2]


def test_results_for_spreadsheets(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for row in (
        {"event": "step", "step": 1, "loss": 3.0},
        {"event": "epoch", "step": 2, "epoch": 1, "train_loss": 0.5},
        {"event": "epoch", "step": 4, "epoch": 2, "train_loss": 0.25, "valid_accuracy": 0.75},
    ):
        folder.log(row)
    folder.close()
    folder.write_results()
    with (tmp_path / "results.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"step": "2", "epoch": "1", "train_loss": "0.5", "valid_accuracy": ""},
            {"step": "4", "epoch": "2", "train_loss": "0.25", "valid_accuracy": "0.75"},
        ]


def test_files_are_written_whole(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert json.loads(folder.write("plots/a.json", "[1]").read_text()) == [1]
    folder.write("plots/a.json", b"[2]", durable=False)
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["a.json"]
    assert (tmp_path / "plots" / "a.json").read_bytes() == b"[2]"


# --- signals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_only_sets_a_flag(number: int) -> None:
    before = signal.getsignal(number)
    with StopSignals() as stop:
        assert stop.requested is None
        os.kill(os.getpid(), number)
        assert stop.requested == number
    assert signal.getsignal(number) is before


def test_outside_the_main_thread_nothing_is_caught() -> None:
    found: list[int | None] = []

    def body() -> None:
        with StopSignals() as stop:
            found.append(stop.requested)

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert found == [None] and signal.getsignal(signal.SIGINT) is before


TWICE = """
import os, signal, time
from neuropil.training.signals import StopSignals
with StopSignals() as stop:
    os.kill(os.getpid(), signal.SIGINT)
    assert stop.requested == signal.SIGINT
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(30)
"""


def test_a_second_interrupt_leaves_at_once() -> None:
    assert subprocess.run([sys.executable, "-c", TWICE], timeout=20).returncode == 130
