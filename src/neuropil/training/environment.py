"""What machine and which versions a run had: for its record, for `doctor`, and for warnings on resuming."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from neuropil.training.speed import supports_bf16

__all__ = ["describe_environment", "torchvision_fault"]

PACKAGES = ("neuropil", "torch", "numpy", "pillow", "safetensors", "scikit-learn", "matplotlib", "tensorboard", "numba")


def describe_environment(folder: Path | str = ".") -> dict[str, Any]:
    """Versions, processor, threads, devices and free disk space, as plain JSON values.

    Args:
        folder: whose disk is asked.
    """
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": {name: found for name in PACKAGES if (found := _version(name)) is not None},
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "bf16": supports_bf16("cpu"),
        "devices": ["cpu", *(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))],
        "free_disk_bytes": shutil.disk_usage(folder).free,
    }


def torchvision_fault() -> str | None:
    """Why the installed torchvision cannot be imported, if that is so.

    A torchvision built for another PyTorch raises while it is imported, and breaks every package that tries to
    (torchmetrics, timm). Neuropil needs none of them.
    """
    if importlib.util.find_spec("torchvision") is None or "torchvision" in sys.modules:
        return None
    try:
        import torchvision  # noqa: F401
    except Exception as error:  # anything may go wrong inside a broken build
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
