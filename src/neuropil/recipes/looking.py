"""What data and machine look like before a run: for `data show` and `doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neuropil.data.records import Samples, Splits
from neuropil.drawing.boxes import boxed
from neuropil.drawing.contact_sheet import contact_sheet
from neuropil.drawing.masks import with_mask
from neuropil.errors import InputError
from neuropil.files import write_atomic
from neuropil.recipes.box_report import true_boxes
from neuropil.recipes.recipe import Recipe
from neuropil.sources.opening import open_source
from neuropil.training.environment import describe_environment, torchvision_fault

__all__ = ["look_at_data", "look_at_machine"]

SHEET_PICTURES = 48

SPECIAL_TOKENS = 3
"""The last number of a vocabulary that stands for no text."""

CAPTION_SIGNS = 60
"""Signs of a sentence about a picture that are shown."""


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
    classes, numbers = samples.info.classes, np.asarray(samples.targets)
    if samples.info.target == "boxes":
        numbers = numbers[..., 0][numbers[..., 0] >= 0].astype(np.int64)
    elif samples.info.target == "masks":
        planes = (mask[0] if mask.ndim == 3 else mask for mask in numbers)
        each = [np.bincount(plane.ravel(), minlength=256)[: len(classes)] for plane in planes]
        return {"samples": len(samples), "by_class": dict(zip(classes, np.sum(each, axis=0).tolist(), strict=True))}
    counts = np.bincount(numbers.ravel(), minlength=len(classes))[: len(classes)].tolist() if classes else []
    return {"samples": len(samples), "by_class": dict(zip(classes, counts, strict=False))}


def _write_sheet(splits: Splits, path: Path) -> str:
    samples = splits.train
    if samples.info.kind != "images":
        raise InputError(f"{samples.info.source!r} holds no pictures, so there is no sheet to draw; leave --sheet out")
    chosen = np.linspace(0, len(samples) - 1, min(SHEET_PICTURES, len(samples))).astype(np.int64)
    images, captions = _drawn(samples, chosen)
    try:
        write_atomic(path, contact_sheet(images, captions), durable=False)
    except OSError as error:
        raise InputError(f"the sheet {str(path)!r} cannot be written: {error.strerror}") from error
    return str(path)


def _drawn(samples: Samples, chosen: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], list[str]]:
    """Pictures with what is marked in them, and their captions."""
    images, targets = samples.fetch(chosen)
    info = samples.info
    if info.target == "boxes":
        marked = [true_boxes(rows) for rows in targets]
        drawn = [boxed(image, boxes, info.classes) for image, boxes in zip(images, marked, strict=True)]
        return np.stack(drawn), [f"{len(boxes)} boxes" for boxes in marked]
    if info.target == "masks":
        masks = targets[:, 0] if targets.ndim == 4 else targets
        drawn = [with_mask(image, mask) for image, mask in zip(images, masks, strict=True)]
        return np.stack(drawn), [Path(samples.name(int(index))).stem for index in chosen]
    if info.target == "tokens":
        entries, written = info.encoding["target_vocabulary"], [row[row > SPECIAL_TOKENS] for row in targets]
        sign = " " if info.encoding["level"] == "word" else ""
        return images, [sign.join(entries[number] for number in row)[:CAPTION_SIGNS] for row in written]
    return images, [info.classes[int(number)] for number in targets]


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
