"""One competitor in a process of its own: `python -m benchmarks.run_one TOPIC NAME [SEED]` prints one line of JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from importlib import import_module

from benchmarks.records import Measurement
from benchmarks.topics import topic

__all__ = ["STARTED", "main"]

STARTED = "NEUROPIL_BENCH_STARTED"
"""Environment variable: the clock when the process was started, for figures that count from there."""


def seconds_since_start() -> float:
    """Seconds since this process was asked for, its imports included."""
    return time.monotonic() - float(os.environ[STARTED])


def main(name: str, competitor: str, seed: int = 0) -> None:
    """Run it and print what it measured."""
    os.environ.setdefault(STARTED, str(time.monotonic()))
    if topic(name).threads:
        from benchmarks.machine import two_threads

        two_threads()
    found: Measurement = import_module(f"benchmarks.peers.{name}").COMPETITORS[competitor](seed)
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:4]))
