"""Freed memory stays in the process: counted by the system's own page faults."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from neuropil.training.memory import OWN_WORDS, keep_freed_memory

SCRIPT = """
import resource, sys
import torch
from neuropil.training.memory import keep_freed_memory
done = keep_freed_memory() if sys.argv[1] == "keep" else None
for number in range(40):
    if number == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(64 << 18)
print(done, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(word: str, **environment: str) -> tuple[str, int]:
    kept = {name: value for name, value in os.environ.items() if name not in OWN_WORDS}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, word], env={**kept, **environment}, capture_output=True, text=True, check=True
    )
    said, count = done.stdout.split()
    return said, int(count)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is Linux's")
def test_pages_are_not_asked_for_again() -> None:
    """Thirty tensors of 64 MiB: 16,384 pages each time, or none."""
    said, kept = faults("keep")
    if said == "False":
        pytest.skip("this system's allocator has no mallopt")
    _, without = faults("leave")
    assert kept < 20_000 < 100_000 < without


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is Linux's")
def test_the_users_own_settings_stay() -> None:
    assert faults("keep", MALLOC_TRIM_THRESHOLD_="131072")[0] == "False"


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
