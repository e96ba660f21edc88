"""Pictures outlined: for the report, and as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from neuropil.data.picture_files import whole_pictures
from neuropil.data.records import Samples
from neuropil.drawing.images import to_pil
from neuropil.drawing.masks import indexed_png, with_mask
from neuropil.drawing.records import MaskPicture
from neuropil.errors import InputError
from neuropil.files import write_atomic
from neuropil.recipes.prediction import Prediction, drawn_names, refuse_existing

__all__ = ["at_own_size", "masks_of_details", "write_masks"]

Array = np.ndarray[Any, Any]


def masks_of_details(details: Mapping[str, Any], samples: Samples) -> list[MaskPicture]:
    """The report's records from a scorer's details: the pictures with the greatest loss first."""
    found = []
    for row, mask in zip(details["worst"].tolist(), details["masks"], strict=True):
        index = int(details["indices"][row])
        images, masks = samples.fetch(np.array([index], dtype=np.int64))
        there = masks[0, 0] if masks.ndim == 4 else masks[0]
        found.append(MaskPicture(samples.name(index), images[0], mask, there, float(details["losses"][row])))
    return found


def at_own_size(mask: Array, size: tuple[int, int]) -> Array:
    """A mask at the picture's own height and width, each element the nearest."""
    if mask.shape == size:
        return mask
    return np.asarray(Image.fromarray(mask).resize((size[1], size[0]), Image.Resampling.NEAREST))


def write_masks(predictions: Sequence[Prediction], paths: Sequence[str], folder: Path) -> list[Path]:
    """Each picture's mask as an indexed PNG file of class numbers, and the picture with it laid over.

    Args:
        predictions: of picture files.
        paths: the files and folders that they come from.
        folder: where to; it is made where it is missing.

    Raises:
        InputError: a file of that name is there already, or the folder cannot be written to.
    """
    answers = {one.name: one.answer for one in predictions}
    stems = drawn_names(answers)
    masks = {name: folder / f"{stem}.png" for name, stem in stems.items()}
    overlays = {name: folder / f"{stem}-overlay.png" for name, stem in stems.items()}
    refuse_existing([*masks.values(), *overlays.values()])
    written = list(masks.values())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, path in masks.items():
            write_atomic(path, indexed_png(answers[name]["mask"]), durable=False)
        for name, image in whole_pictures(paths):
            if name in answers:
                with overlays[name].open("xb") as file:
                    to_pil(with_mask(image, answers[name]["mask"])).save(file, format="PNG")
                written.append(overlays[name])
    except OSError as error:
        raise InputError(f"{str(folder)!r} cannot be written to: {error.strerror or error}") from error
    return written
