"""The machine: versions, the matrix-product probe, the ceilings of arithmetic and memory."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

__all__ = ["THREADS", "ceilings", "describe_machine", "probe", "two_threads"]

THREADS = 2
PACKAGES = ("neuropil", "torch", "numpy", "pillow", "safetensors", "cyclopts", "torchvision", "keras")


def two_threads() -> None:
    """Set torch to two threads."""
    torch.set_num_threads(THREADS)


def describe_machine() -> dict[str, Any]:
    """Processor, system, threads and versions; no names of machines or folders."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "threads": THREADS,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "versions": versions,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def probe() -> float:
    """GFLOP/s of a matrix product, the median of several: falls when something else is using the machine."""
    two_threads()
    side = 1024
    a, b = torch.randn(side, side), torch.randn(side, side)
    return 2e-9 * side**3 / statistics.median(_times(lambda: a @ b, 15))


def ceilings() -> dict[str, float]:
    """The best matrix products in GFLOP/s, fp32 and bf16, and the best copy in GB/s (bytes read and written)."""
    two_threads()
    side = 2048
    found = {}
    for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        a, b = torch.randn(side, side, dtype=kind), torch.randn(side, side, dtype=kind)
        found[f"{name}_gflop_per_second"] = 2e-9 * side**3 / min(_times(lambda a=a, b=b: a @ b, 12))  # type: ignore[misc]
    source, target = torch.randn(1 << 26), torch.empty(1 << 26)
    found["memory_gbyte_per_second"] = 2e-9 * source.nbytes / min(_times(lambda: target.copy_(source), 8))
    return {name: round(value, 1) for name, value in found.items()}


def _times(work: Callable[[], Any], count: int) -> list[float]:
    work()
    seconds = []
    for _ in range(count):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return seconds
