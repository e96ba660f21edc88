"""Folders of pictures and folders of masks brought together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import Image

from neuropil.annotations.borders import border_map
from neuropil.annotations.masks import (
    VOID,
    MaskKind,
    Palette,
    class_numbers,
    names_of,
    read_palette,
    read_values,
    settle_kind,
    shades_of,
)
from neuropil.annotations.records import part_of, refuse_skipped, text_of
from neuropil.data.archive import Archive, UnusableFile, open_archive
from neuropil.data.faults import attempt, refuse
from neuropil.data.in_memory import InMemory
from neuropil.data.pictures import PictureHead, PictureRule, decode, examine, has_picture_name
from neuropil.data.records import DataInfo, Skipped, Splits
from neuropil.data.splitting import check_fractions, split_indices
from neuropil.errors import InputError

__all__ = ["MaskRead", "has_masks", "labelled_masks", "open_masks", "read_masks"]

Array = np.ndarray[Any, Any]

MASK_FOLDERS = ("mask", "masks", "label", "labels", "annotation", "annotations", "gt", "segmentationclass", "manual1")
"""What the folder of masks may be called, in small letters."""

PICTURE_FOLDERS = (
    "image",
    "images",
    "img",
    "imgs",
    "picture",
    "pictures",
    "photo",
    "photos",
    "jpegimages",
    "input",
    "x",
)
"""What the folder of pictures must be called to be recognised without being asked for."""

PALETTES = ("palette.csv", "palette.txt", "class_dict.csv")
MASK_SUFFIXES = (".png", ".bmp", ".gif")

LARGEST_BYTES = 4 << 30


class _Pair(NamedTuple):
    """A picture and its mask."""

    picture: str
    mask: str
    part: str | None


class MaskRead(NamedTuple):
    """A pair whose files could be read."""

    pair: _Pair
    head: PictureHead
    shades: Array


def has_masks(store: Archive) -> bool:
    """Whether a folder or zip file holds a folder of pictures and one of masks of the same names."""
    pairs = _pairs(store)[0]
    folders = {PurePosixPath(pair.picture).parent.name.lower() for pair in pairs}
    return bool(pairs) and folders <= set(PICTURE_FOLDERS)


def open_masks(
    *,
    root: str,
    size: int | tuple[int, int] | None = None,
    colour: Literal["auto", "grey", "rgb"] = "auto",
    classes: Sequence[str] | None = None,
    borders: float = 0.0,
    strict: bool = False,
    valid_fraction: float = 0.2,
    test_fraction: float | None = None,
    split_seed: int = 0,
) -> Splits:
    """A folder or zip file with a folder of pictures and one of masks (`images` and `masks`, `image` and `label`, ...),
    perhaps inside `train`, `valid` and `test`.

    Masks are PNG files: class numbers (indexed or grey), 0 and 255 for two classes, or colours that a file
    `palette.csv` names. In class numbers 255 means: not known.

    Args:
        root: the folder or zip file.
        size: side, or height and width, to which pictures (bilinear) and masks (nearest) are brought; left out: their
            own, which must then be one.
        colour: `auto` is grey where no picture has colours.
        classes: names in the order of the class numbers.
        borders: for U-Net's border weights: the deviation, in picture elements, by which they fade; 5 in the paper, 0
            for none. What is not of class 0 is parted into connected pieces.
        strict: stop at the first picture that would be left out.
        valid_fraction: share to validate on, where there is no such part.
        test_fraction: share to test on, where there is no such part; left out: 0.
        split_seed: 0 to 2^64 - 1.

    Raises:
        InputError: no pairs, masks of no known kind, several sizes without `size`, or with `strict` anything unusable.
    """
    check_fractions(valid_fraction, test_fraction or 0.0)
    if not 0 <= borders < np.inf:
        raise InputError(f"borders is {borders}; give a deviation in picture elements from 0 up")
    store = open_archive(root)
    read, skipped = read_masks(store)
    refuse_skipped(store.where, skipped, strict)
    palette = _palette(store)
    kind, numbers, how = settle_kind({one.pair.mask: one.shades for one in read}, palette, store.where)
    names = names_of(kind, numbers, palette, classes)
    sides = _sides(read, size, store.where)
    grey = colour == "grey" or (colour == "auto" and all(one.head.grey for one in read))
    rule = PictureRule(1 if grey else 3, sides, "resize")
    parts, sentence = _divide(read, valid_fraction, test_fraction or 0.0, split_seed)
    brought = "" if size is None else f", brought to {sides[0]} x {sides[1]}"
    info = DataInfo(
        source=root,
        kind="images",
        target="masks",
        input_shape=rule.shape,
        classes=names,
        notes=(how, f"classes {', '.join(names)}{brought}", sentence),
        skipped=tuple(skipped),
        encoding=_encoding(rule, kind, palette, own_size=size is None),
    )
    made = {part: _samples(store, chosen, rule, info, kind, palette, borders) for part, chosen in parts.items()}
    return Splits(made["train"], *(made[part] if parts[part] else None for part in ("valid", "test")))


def _encoding(rule: PictureRule, kind: MaskKind, palette: Palette | None, *, own_size: bool) -> dict[str, Any]:
    """What prediction and evaluation must repeat."""
    colours = [] if palette is None else [list(colour) for colour in palette.colours]
    return {**rule.to_encoding(), "own_size": own_size, "masks": kind, "colours": colours}


def labelled_masks(path: str, info: DataInfo) -> InMemory:
    """Other pictures with masks, read as those that training had; the test part, or what there is.

    Raises:
        InputError: nothing that can be used, or a value or colour that training never saw.
    """
    store = open_archive(path)
    read, skipped = read_masks(store)
    kind: MaskKind = info.encoding.get("masks", "numbers")
    colours = [(int(red), int(green), int(blue)) for red, green, blue in info.encoding.get("colours", ())]
    palette = Palette(info.classes, tuple(colours)) if colours else None
    rule = PictureRule.from_encoding(info.encoding)
    wanted = next((part for part in ("test", "valid") if any(one.pair.part == part for one in read)), None)
    chosen = [one for one in read if wanted is None or one.pair.part == wanted]
    return _samples(store, chosen, rule, replace(info, skipped=tuple(skipped)), kind, palette)


def _pairs(store: Archive) -> tuple[list[_Pair], int]:
    """Pictures with a mask of the same name in a folder of masks beside theirs, and how many masks have none."""
    masks: dict[tuple[str, str], str] = {}
    for name in store.files:
        path = PurePosixPath(name)
        if path.suffix.lower() in MASK_SUFFIXES and path.parent.name.lower() in MASK_FOLDERS:
            masks[str(path.parent.parent), _stem(path.stem)] = name
    pairs: dict[str, _Pair] = {}
    for name in store.files:
        path = PurePosixPath(name)
        mask = masks.get((str(path.parent.parent), _stem(path.stem)))
        if mask is None or not has_picture_name(name, readable=True) or path.parent.name.lower() in MASK_FOLDERS:
            continue
        if (other := pairs.get(mask)) is not None:
            usual = [one for one in (other.picture, name) if PurePosixPath(one).parent.name.lower() in PICTURE_FOLDERS]
            if len(usual) != 1:
                raise InputError(f"{store.where}: {mask} is the mask of both {other.picture} and {name}; leave one")
            name = usual[0]
        pairs[mask] = _Pair(name, mask, part_of(name))
    return list(pairs.values()), len(masks) - len(pairs)


def _stem(stem: str) -> str:
    """A name without the word that says that it is a mask's."""
    for ending in ("_mask", "_label", "_gt", "_seg"):
        stem = stem.removesuffix(ending)
    return stem


def read_masks(store: Archive) -> tuple[list[MaskRead], list[Skipped]]:
    """Every pair of a picture and a mask that can be read, with the values of the mask, and what cannot.

    Raises:
        InputError: no pair, or none that can be read.
    """
    pairs, alone = _pairs(store)
    if not pairs:
        raise InputError(
            f"{store.where!r} holds no pictures with masks; put pictures into a folder images and a mask of the same "
            "name for each into a folder masks beside it"
        )
    read, skipped = [], []
    for pair in pairs:
        try:
            with store.open(pair.picture) as file:
                head = examine(file)
        except UnusableFile as error:
            skipped.append(Skipped(pair.picture, str(error)))
            continue
        try:
            with store.open(pair.mask) as file:
                values = read_values(file)
        except UnusableFile as error:
            skipped.append(Skipped(pair.mask, str(error)))
            continue
        if values.shape[:2] != (head.height, head.width):
            sides = f"{values.shape[0]}x{values.shape[1]}"
            skipped.append(Skipped(pair.mask, f"it is {sides}, but its picture {head.height}x{head.width}"))
            continue
        read.append(MaskRead(pair, head, shades_of(values)))
    if alone:
        skipped.append(Skipped(store.where, f"{alone} {'mask has' if alone == 1 else 'masks have'} no picture"))
    if not read:
        raise InputError(f"{store.where!r}: no pair can be used: {skipped[0].where}: {skipped[0].reason}")
    return read, skipped


def _palette(store: Archive) -> Palette | None:
    for name in store.files:
        if PurePosixPath(name).name.lower() in PALETTES:
            return read_palette(text_of(store, name), f"{store.where}: {name}")
    return None


def _sides(read: Sequence[MaskRead], size: int | tuple[int, int] | None, where: str) -> tuple[int, int]:
    own = {(one.head.height, one.head.width) for one in read}
    if size is None:
        if len(own) > 1:
            shown = ", ".join(f"{height}x{width}" for height, width in sorted(own)[:3])
            raise InputError(
                f"{where!r} holds pictures of several sizes ({shown}, ...); give data.size=[height, width]"
            )
        sides = own.pop()
    else:
        sides = (size, size) if isinstance(size, int) else size
        if min(sides) < 1:
            raise InputError(f"size is {size}; give one side or [height, width], each from 1 up")
    if len(read) * sides[0] * sides[1] * 4 > LARGEST_BYTES:
        raise InputError(
            f"{len(read)} pictures of {sides[0]}x{sides[1]} do not fit into memory; give a smaller data.size"
        )
    return sides


def _divide(
    read: Sequence[MaskRead], valid_fraction: float, test_fraction: float, seed: int
) -> tuple[Mapping[str, list[MaskRead]], str]:
    own = {part: [one for one in read if one.pair.part == part] for part in ("train", "valid", "test")}
    train = own["train"] or [one for one in read if one.pair.part is None]
    if not train:
        raise InputError("there are pictures to validate or test on, but none to train on; call a folder train")
    drawn = split_indices(
        np.zeros(len(train), dtype=np.int64),
        classes=False,
        valid_fraction=0.0 if own["valid"] else valid_fraction,
        test_fraction=0.0 if own["test"] else test_fraction,
        seed=seed,
    )
    parts = {
        part: [train[index] for index in chosen] or own[part]
        for part, chosen in zip(("train", "valid", "test"), drawn, strict=True)
    }
    counts = ", ".join(f"{len(parts[part])} to {verb}" for part, verb in VERBS.items())
    return parts, f"pictures: {counts} (split_seed={seed})"


VERBS = {"train": "train", "valid": "validate", "test": "test"}


def _samples(
    store: Archive,
    chosen: Sequence[MaskRead],
    rule: PictureRule,
    info: DataInfo,
    kind: MaskKind,
    palette: Palette | None,
    borders: float = 0.0,
) -> InMemory:
    pictures = np.empty((len(chosen), *rule.shape), dtype=np.uint8)
    masks = np.empty((len(chosen), *rule.size), dtype=np.uint8)
    for place, one in enumerate(chosen):
        try:
            with store.open(one.pair.picture) as file:
                pictures[place] = decode(file, rule, one.head)
        except UnusableFile as error:
            refuse(f"{store.where}: {one.pair.picture}", f"{error}; remove it")
            pictures[place], masks[place] = 0, VOID
            continue
        where = f"{store.where}: {one.pair.mask}"
        try:
            with store.open(one.pair.mask) as file:
                values = read_values(file)
        except UnusableFile as error:
            raise InputError(f"{where}: {error}; remove it") from error
        numbers = attempt(partial(class_numbers, values, kind, palette, len(info.classes), where))
        values = np.full(values.shape[:2], VOID, dtype=np.uint8) if numbers is None else numbers
        if values.shape != rule.size:
            wide = (rule.size[1], rule.size[0])
            values = np.asarray(Image.fromarray(values).resize(wide, Image.Resampling.NEAREST))
        masks[place] = values
    if borders and len(masks):
        masks = np.stack([masks, np.stack([border_map(mask, borders) for mask in masks])], axis=1)
    return InMemory(pictures, masks, info, [one.pair.picture for one in chosen])
