"""What data and machine look like before a run: for `data show` and `doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neuropil.data.opening import open_source
from neuropil.data.records import Samples, Splits
from neuropil.drawing.contact_sheet import contact_sheet
from neuropil.errors import InputError
from neuropil.files import write_atomic
from neuropil.recipes.recipe import Recipe
from neuropil.training.environment import describe_environment, torchvision_fault

__all__ = ["look_at_data", "look_at_machine"]

SHEET_PICTURES = 48


def look_at_data(source: str, words: Sequence[str] = (), sheet: Path | None = None) -> dict[str, Any]:
    """Counts, classes, shapes and notes of a source, as plain values.

    Args:
        source: a built-in name or a path.
        words: `key=value` options of the source.
        sheet: where to write a PNG of sample pictures.

    Raises:
        InputError: the source cannot be read, or a sheet is asked of something without pictures.
    """
    options = Recipe().with_overrides([f"data.{word.removeprefix('data.')}" for word in words]).section("data")
    splits = open_source(source, options)
    info = splits.info
    parts = {name: part for name in ("train", "valid", "test") if (part := getattr(splits, name)) is not None}
    return {
        "source": source,
        "kind": info.kind,
        "input_shape": list(info.input_shape),
        "classes": list(info.classes),
        "columns": list(info.columns),
        "targets": list(info.targets),
        "parts": {name: _counts(part) for name, part in parts.items()},
        "notes": list(info.notes),
        "skipped": [{"where": one.where, "reason": one.reason} for one in info.skipped],
        "sheet": _write_sheet(splits, sheet) if sheet is not None else None,
    }


def _counts(samples: Samples) -> dict[str, Any]:
    classes = samples.info.classes
    counts = np.bincount(samples.targets, minlength=len(classes)).tolist() if classes else []
    return {"samples": len(samples), "by_class": dict(zip(classes, counts, strict=False))}


def _write_sheet(splits: Splits, path: Path) -> str:
    samples = splits.train
    if samples.info.kind != "images":
        raise InputError(f"{samples.info.source!r} holds no pictures, so there is no sheet to draw; leave --sheet out")
    chosen = np.linspace(0, len(samples) - 1, min(SHEET_PICTURES, len(samples))).astype(np.int64)
    images, targets = samples.fetch(chosen)
    classes = samples.info.classes
    try:
        write_atomic(path, contact_sheet(images, [classes[int(number)] for number in targets]), durable=False)
    except OSError as error:
        raise InputError(f"the sheet {str(path)!r} cannot be written: {error.strerror}") from error
    return str(path)


def look_at_machine() -> tuple[dict[str, Any], list[str]]:
    """The environment, and sentences about what is wrong with it."""
    found, complaints = describe_environment(), []
    if (fault := torchvision_fault()) is not None:
        complaints.append(
            f"the installed torchvision does not fit this PyTorch ({fault}); Neuropil does not need it, but packages "
            "that import it (timm, torchmetrics) fail: uninstall it or install the build for this PyTorch"
        )
    if found["threads"] > (found["cores"] or 1):
        complaints.append(f"PyTorch uses {found['threads']} threads on {found['cores']} cores; set OMP_NUM_THREADS")
    return found, complaints
