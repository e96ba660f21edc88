"""Whole processes, timed from outside."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.records import Measurement

__all__ = ["COMPETITORS"]

ROUNDS = 3
"""Processes timed in each run; their median counts. One more goes before them, to fill the disk cache."""


def _wall(words: Sequence[str], seed: int) -> Measurement:
    seconds = []
    for _ in range(ROUNDS + 1):
        begin = time.perf_counter()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - begin)
    return Measurement({"seconds": statistics.median(seconds[1:])})


AFTER_TORCH = """
import time, torch
begin = time.perf_counter()
import neuropil
print(time.perf_counter() - begin)
"""


def _after_torch(seed: int) -> Measurement:
    words = [sys.executable, "-c", AFTER_TORCH]
    printed = [subprocess.run(words, check=True, capture_output=True, text=True).stdout for _ in range(ROUNDS + 1)]
    return Measurement({"seconds": statistics.median(map(float, printed[1:]))})


def _python(code: str) -> Callable[[int], Measurement]:
    return partial(_wall, [sys.executable, "-c", code])


COMPETITORS: dict[str, Callable[[int], Measurement]] = {
    "help": partial(_wall, [str(Path(sys.executable).parent / "neuropil"), "--help"]),
    "import": _python("import neuropil"),
    "import-after-torch": _after_torch,
    "pass": _python("pass"),
    "import-torch": _python("import torch"),
    "import-keras": _python("import keras"),
}
