"""The disk refuses at each call that writes, one by one: earlier checkpoints stay whole, and one sentence says so."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from neuropil.errors import CheckpointError, NeuropilError
from neuropil.training.checkpoint import load_checkpoint, newest_checkpoint, save_checkpoint, tidy_checkpoints
from neuropil.training.loop import fit
from neuropil.training.plan import TrainingPlan
from neuropil.training.run_folder import RunFolder
from training.disk_faults import FaultyDisk
from training.workshop import everything, ingredients, run_to_end

NUMBERS = (errno.ENOSPC, errno.EACCES, errno.EIO, errno.EROFS)


def save(root: Path, step: int) -> Path:
    tensors = {"model": {"w": torch.full((50_000,), float(step))}, "state": {"v": torch.full((7,), -float(step))}}
    return save_checkpoint(root, step, tensors, {"step": step})


def intact(folder: Path, step: int) -> bool:
    found = load_checkpoint(folder)
    return found.state == {"step": step} and bool((found.tensors["model"]["w"] == step).all())


def one_sentence(error: BaseException) -> bool:
    words = str(error)
    return "\n" not in words and len(words) > 20 and "Traceback" not in words


def test_a_clean_save_writes_so_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layer sees the calls: three files opened, written and synced, two folders, renames."""
    save(tmp_path / "c", 1)
    disk = FaultyDisk(monkeypatch, tmp_path)
    disk.count_only()
    save(tmp_path / "c", 2)
    assert disk.calls.count("write") >= 3
    assert disk.calls.count("fsync") == 5
    assert disk.calls.count("mkdir") == 1 and disk.calls.count("rename") == 1 and disk.calls.count("replace") == 1


@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("number", NUMBERS, ids=lambda n: errno.errorcode[n])
def test_every_write_of_a_save(number: int, for_ever: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "checkpoints"
    first = save(root, 1)
    disk = FaultyDisk(monkeypatch, tmp_path)
    disk.count_only()
    save(root, 2)
    calls = list(disk.calls)
    refused = 0
    for place in range(len(calls)):
        disk.fail(place, number, for_ever=for_ever)
        step = 10 + place
        try:
            save(root, step)
        except CheckpointError as error:
            refused += 1
            assert one_sentence(error) and f"step {step}" in str(error) and str(root) in str(error)
        disk.count_only()
        assert intact(first, 1)
        found, complaints = newest_checkpoint(root)
        assert found is not None and not complaints, f"after a failed {calls[place]}"
        assert intact(found.folder, found.state["step"])
        tidy_checkpoints(root)
        assert not any(".tmp" in entry.name for entry in root.iterdir())
    assert refused >= sum(call in ("write", "fsync", "mkdir", "rename") for call in calls)
    assert intact(save(root, 1000), 1000)


def test_the_first_save_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the folder of checkpoints must be made; the next save works without tidying."""
    disk = FaultyDisk(monkeypatch, tmp_path)
    disk.count_only()
    save(tmp_path / "clean", 1)
    for place in range(len(disk.calls)):
        root = tmp_path / f"run{place}"
        disk.fail(place, errno.ENOSPC, for_ever=True)
        try:
            save(root, 1)
        except CheckpointError as error:
            assert one_sentence(error)
        disk.count_only()
        assert intact(save(root, 1), 1)


PLAN = TrainingPlan(epochs=2, save_every_steps=3, save_every_seconds=1e9, log_every_steps=1)


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC], ids=lambda n: errno.errorcode[n])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.97])
def test_a_run_whose_disk_stops_writing(
    number: int, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read-only or full from some call on: the run ends in words, and goes on exactly once the disk works again."""
    run_to_end(ingredients(), PLAN, tmp_path / "straight")
    folder = tmp_path / "broken"
    with monkeypatch.context() as patch:
        disk = FaultyDisk(patch, folder)
        folder.mkdir()
        disk.count_only()
        run_to_end(ingredients(), PLAN, tmp_path / "broken" / "counted")
        total = len(disk.calls)
        folder = tmp_path / "broken" / "run"
        disk.fail(int(share * total) + 1, number, for_ever=True)  # call 0 makes the folder
        with pytest.raises(NeuropilError) as refusal:
            run_to_end(ingredients(), PLAN, folder)
        assert one_sentence(refusal.value)
        newest_checkpoint(folder / "checkpoints")
    run_to_end(ingredients(), PLAN, folder)
    assert everything(tmp_path / "straight") == everything(folder)


@pytest.mark.slow
def test_a_run_whose_disk_fails_once_at_any_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_to_end(ingredients(), PLAN, tmp_path / "straight")
    with monkeypatch.context() as patch:
        disk = FaultyDisk(patch, tmp_path)
        disk.count_only()
        run_to_end(ingredients(), PLAN, tmp_path / "counted")
        total = len(disk.calls)
        assert total > 60
        for call in range(1, total, 9):
            folder = tmp_path / f"run{call}"
            disk.fail(call, errno.EIO)
            try:
                run_to_end(ingredients(), PLAN, folder)
            except NeuropilError as error:
                assert one_sentence(error)
            disk.count_only()
            run_to_end(ingredients(), PLAN, folder)
            assert everything(tmp_path / "straight") == everything(folder), f"after call {call}"


def test_a_read_only_folder_on_resuming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leftovers that cannot be removed do no harm; a log that cannot be cut is told."""
    folder = tmp_path / "run"
    folder.mkdir()
    run = RunFolder(folder)
    for report in fit(ingredients(), PLAN, run=run):
        if report.step == 5:
            break
    run.close()
    (folder / "checkpoints" / ".last.1.tmp").symlink_to("nowhere")
    with monkeypatch.context() as patch:
        FaultyDisk(patch, tmp_path).fail(0, errno.EROFS, for_ever=True)
        run = RunFolder(folder)
        with pytest.raises(NeuropilError, match="Read-only file system"):
            fit(ingredients(), PLAN, run=run)
        with pytest.raises(NeuropilError, match="Read-only file system"):
            run.lock()
        with pytest.raises(NeuropilError, match="Read-only file system"):
            run.write("data.json", "{}")
        run.close()
    run_to_end(ingredients(), PLAN, folder)
    run_to_end(ingredients(), PLAN, tmp_path / "straight")
    assert everything(tmp_path / "straight") == everything(folder)


@pytest.mark.parametrize("kind", ["last", "best"])
def test_a_kill_between_a_save_and_its_link(kind: str, tmp_path: Path) -> None:
    """The link is turned when the run is opened again, also where nothing is left to train."""
    run_to_end(ingredients(), PLAN, tmp_path / "run")
    link = tmp_path / "run" / "checkpoints" / kind
    newest = link.readlink()
    link.unlink()
    link.symlink_to("step-00000003")
    assert run_to_end(ingredients(), PLAN, tmp_path / "run") == []
    assert link.readlink() == newest
