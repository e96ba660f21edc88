"""Where the real data sets are, and torchvision's transforms for the peers."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["data_folder", "missing_mnist", "transforms"]

REPOSITORY = Path(__file__).parents[1]


def data_folder() -> Path | None:
    """The folder of real data sets, where there is one: `NEUROPIL_TEST_DATA`, or beside the repository."""
    folder = Path(os.environ.get("NEUROPIL_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    return folder if folder.is_dir() else None


def missing_mnist() -> str | None:
    """Why MNIST cannot be read, or `None`."""
    folder = data_folder()
    if folder is None or not any((folder / "mnist").glob("train-images*")):
        return "there is no MNIST; set NEUROPIL_TEST_DATA to a folder with `mnist/` (the four idx files) in it"
    return None


def transforms() -> Any:
    """The transforms of torchvision, also where its compiled part does not fit."""
    sys.path.append(str(REPOSITORY / "tests"))
    import_module("oracle_shim")
    return import_module("torchvision.transforms")
