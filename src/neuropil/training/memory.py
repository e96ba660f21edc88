"""Freed memory kept by the process: what one training step gives back, the next one needs again."""

from __future__ import annotations

import ctypes
import os
import sys

__all__ = ["keep_freed_memory"]

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""The names of two settings in glibc's `malloc.h`."""

MOST = 2**31 - 1

OWN_WORDS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES", "LD_PRELOAD")
"""Variables by which a user chooses an allocator or sets it up; these are left in charge."""


def keep_freed_memory() -> bool:
    """Tell glibc not to return freed memory to the system, for the whole process.

    Without this, the tensors of each step come from fresh pages, which the system fills with zeros one by one: on a
    processor that is a quarter of the time of MobileNet's blocks. The process grows to its peak either way.

    Source: `mallopt(3)` of glibc, M_TRIM_THRESHOLD and M_MMAP_THRESHOLD.

    Returns:
        Whether it was done: not on other systems, nor where the environment sets the allocator up already.
    """
    if sys.platform != "linux" or any(os.environ.get(word) for word in OWN_WORDS):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # The second switches off an automatic rule that the first would freeze at 128 KiB.
    return bool(mallopt(MMAP_THRESHOLD, MOST)) and bool(mallopt(TRIM_THRESHOLD, MOST))
