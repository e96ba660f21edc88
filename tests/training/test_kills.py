"""A process killed while it saves: no checkpoint is ever unreadable, and at most the save under way is lost."""

from __future__ import annotations

import os
import random
import signal
import struct
import tempfile
import time
from pathlib import Path

import pytest
import torch

from neuropil.training.checkpoint import newest_checkpoint, save_checkpoint, tidy_checkpoints

FLOATS = 300_000
"""Of each of two tensors: 2.4 MB a checkpoint, about as long to write as everything else of a save."""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def save_for_ever(root: Path, first: int, told: int) -> None:
    """The child: checkpoint after checkpoint, each made known through a pipe once it is complete."""
    for step in range(first, first + 100_000):
        tensor = torch.full((FLOATS,), float(step))
        save_checkpoint(root, step, {"model": {"w": tensor}, "state": {"w": -tensor}}, {"step": step})
        os.write(told, struct.pack("q", step))
        tidy_checkpoints(root, keep=2, newest=step)


def kill_once(root: Path, first: int, seconds: float) -> int:
    """Start a child, kill it after some time, and give the last save that it made known (`first - 1` for none)."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            save_for_ever(root, first, writing)
        finally:
            os._exit(1)
    os.close(writing)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, "the child ended by itself"
    content = b""
    while piece := os.read(reading, 1 << 16):
        content += piece
    os.close(reading)
    return struct.unpack("q", content[-8:])[0] if content else first - 1


def kill_many(kills: int, root: Path, seed: int) -> dict[str, int]:
    """Kill again and again, each child going on where the newest checkpoint stands, as a resumed run does."""
    draw = random.Random(seed)
    counts = dict.fromkeys(("kills", "unreadable", "lost saves", "saved untold", "leftovers", "saves"), 0)
    known = 0
    for _ in range(kills):
        told = kill_once(root, known + 1, draw.uniform(0.0, 0.03))
        counts["leftovers"] += any(".tmp-" in entry.name for entry in root.iterdir()) if root.is_dir() else 0
        found, complaints = newest_checkpoint(root)
        counts["kills"] += 1
        counts["unreadable"] += len(complaints)
        newest = 0
        if found is not None:
            newest = found.state["step"]
            assert bool(
                (found.tensors["model"]["w"] == newest).all() and (found.tensors["state"]["w"] == -newest).all()
            )
        counts["lost saves"] += max(0, told - newest)
        assert newest - told in (0, 1), f"{told} was told, {newest} is the newest"
        counts["saved untold"] += newest - told
        counts["saves"] += newest - known
        known = newest
        tidy_checkpoints(root)
        assert not root.is_dir() or not any(".tmp" in entry.name for entry in root.iterdir())
    return counts


def both_file_systems(kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Half of the kills with the run in `tmp_path`, half with it on another file system than the temporary folder."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a forked child has no other threads
    try:
        counts = kill_many(kills // 2, tmp_path / "checkpoints", seed=1)
        memory = Path("/dev/shm")
        if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
            more = kill_many(kills - kills // 2, tmp_path / "more" / "checkpoints", seed=2)
        else:
            monkeypatch.setenv("TMPDIR", str(tmp_path))
            with tempfile.TemporaryDirectory(dir=memory, prefix="neuropil-test-") as elsewhere:
                more = kill_many(kills - kills // 2, Path(elsewhere) / "checkpoints", seed=2)
    finally:
        torch.set_num_threads(threads)
    return {name: counts[name] + more[name] for name in counts}


def check(counts: dict[str, int], kills: int) -> None:
    assert counts["kills"] == kills
    assert counts["unreadable"] == 0
    assert counts["lost saves"] == 0
    assert counts["saves"] > 0
    assert counts["leftovers"] > kills // 20, "hardly any kill fell into a save: the test shows nothing"


@pytest.mark.slow
def test_sixty_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(both_file_systems(60, tmp_path, monkeypatch), 60)


@pytest.mark.proof
def test_a_thousand_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    counts = both_file_systems(1000, tmp_path, monkeypatch)
    with capsys.disabled():
        print("\nkilled while saving: " + ", ".join(f"{name} {count}" for name, count in counts.items()))  # noqa: T201
    check(counts, 1000)
