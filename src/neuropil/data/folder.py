"""Folders and zip files of pictures, a folder a class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from neuropil.data.archive import Archive, UnusableFile, open_archive
from neuropil.data.cropping import crop_boxes
from neuropil.data.faults import refuse
from neuropil.data.picture_layout import Layout, Picture, read_layout
from neuropil.data.pictures import CROP_SHARE, PictureHead, PictureRule, decode, examine
from neuropil.data.records import DataInfo, Skipped, Splits
from neuropil.data.splitting import check_fractions, split_indices
from neuropil.errors import InputError

__all__ = ["PictureSamples", "check_pictures", "class_numbers", "examine_all", "open_folder"]

Array = np.ndarray[Any, Any]

DEFAULT_SIDE = 224
"""Side in pixels where pictures differ in size and none was asked for, as in ImageNet networks."""

SMALL_SIDE = 256
"""Longest side up to which pictures of one size keep it."""

MAX_SIDE = 4096
"""Longest side that pictures are brought to."""

DEFAULT_TEST = 0.2
"""Share to test on where the pictures come in one part."""

MAX_CHECKED_PIXELS = 1 << 30
"""More pictures than that are decoded at opening too, where they are as small as this in all."""

CACHE_BYTES = 512 << 20
"""Fixed views up to this size in all stay in memory."""

MAX_CHECKED = 20_000
"""Pictures up to which each is decoded once at opening, so that a truncated one is found before training."""


class PictureSamples:
    """Picture files, decoded when they are fetched.

    Args:
        store: where the files lie.
        names: of the files.
        heads: what their headers say.
        targets: class numbers `[n]`.
        rule: colours, size and fit.
        info: what is known of the set.
        views: the fixed views `[n, C, H, W]`, where they are in memory.
    """

    crops_while_decoding = True

    def __init__(
        self,
        store: Archive,
        names: Sequence[str],
        heads: Sequence[PictureHead],
        targets: Array,
        rule: PictureRule,
        info: DataInfo,
        views: Array | None = None,
    ) -> None:
        self._store, self._names, self._heads, self._rule = store, names, heads, rule
        self._targets, self._info, self._views = targets, info, views
        self._sizes = np.array([(head.height, head.width) for head in heads], dtype=np.int64).reshape(-1, 2)

    @property
    def info(self) -> DataInfo:
        """What is known of the samples."""
        return self._info

    @property
    def targets(self) -> Array:
        """All class numbers."""
        return self._targets

    def __len__(self) -> int:
        """How many there are."""
        return len(self._names)

    def name(self, index: int) -> str:
        """The file's name below the folder or inside the zip file."""
        return self._names[index]

    def size(self, index: int) -> tuple[int, int]:
        """The picture's own height and width."""
        return self._heads[index].height, self._heads[index].width

    def reduced(self, side: int) -> PictureSamples:
        """The same pictures at a smaller size; themselves, where their fixed views are in memory or small already."""
        if self._views is not None or max(self._rule.size) <= side:
            return self
        share = side / max(self._rule.size)
        height, width = (max(1, round(one * share)) for one in self._rule.size)
        rule = replace(self._rule, size=(height, width), inner=None)
        return PictureSamples(self._store, self._names, self._heads, self._targets, rule, self._info)

    def fetch(self, indices: Array, draws: Array | None = None) -> tuple[Array, Array]:
        """Pictures and class numbers.

        Args:
            indices: `[N]`.
            draws: `[N, 4]`: cut a random box out of each picture at full resolution (see `crop_boxes`) and bring it
                to the size; `None` for the fixed view.

        Raises:
            InputError: a file has been damaged or removed since it was opened.
        """
        if draws is None and self._views is not None:
            return self._views[indices], self._targets[indices]
        boxes = None if draws is None else crop_boxes(draws, self._sizes[indices, 0], self._sizes[indices, 1])
        result = np.empty((len(indices), *self._rule.shape), dtype=np.uint8)
        for place, index in enumerate(indices):
            try:
                with self._store.open(self._names[index]) as file:
                    result[place] = decode(
                        file, self._rule, self._heads[index], None if boxes is None else boxes[place]
                    )
            except UnusableFile as error:
                where = f"{self._store.where}: {self._names[index]}"
                raise InputError(f"{where} cannot be read any more: {error}; put it back or remove it") from error
        return result, self._targets[indices]


def open_folder(
    *,
    root: str,
    size: int | tuple[int, int] | None = None,
    fit: Literal["auto", "crop", "resize", "pad"] = "auto",
    colour: Literal["auto", "grey", "rgb"] = "auto",
    crop_share: float = CROP_SHARE,
    interpolation: Literal["bilinear", "bicubic"] = "bilinear",
    convert: bool = False,
    strict: bool = False,
    valid_fraction: float = 0.1,
    test_fraction: float | None = None,
    split_seed: int = 0,
) -> Splits:
    """A folder or zip file that holds a folder of pictures a class, or `train`, `valid` and `test` with those inside.

    Every header is read first; then each picture is decoded once (up to 20,000 of them, more of small ones), so that a
    damaged one is found now; fixed views up to 512 MiB stay in memory.

    Args:
        root: the folder or zip file; one more folder around everything is fine.
        size: side, or height and width, in pixels; left out: the pictures' own where all have one of at most 256,
            else 224.
        fit: `crop` keeps the middle of the short side, `resize` stretches, `pad` keeps all and fills up with black;
            `auto` crops, or leaves pictures alone that have the right size.
        crop_share: of the short side, that `crop` keeps; above 0, at most 1.
        interpolation: by which pictures are brought to their size.
        colour: `auto` is grey where no picture has colours.
        convert: also take CMYK, 16-bit and animated pictures (the first frame).
        strict: stop at the first picture that would be skipped.
        valid_fraction: share of the training pictures to validate on, where there is no folder for it.
        test_fraction: share to test on, where there is no folder for it; left out: 0.2 where the pictures come in
            one part, else 0.
        split_seed: 0 to 2^64 - 1.

    Raises:
        InputError: no such folder, no classes or only one, a class without pictures, or with `strict` an
            unusable picture.
    """
    check_fractions(valid_fraction, DEFAULT_TEST if test_fraction is None else test_fraction)
    if not 0 < crop_share <= 1:
        raise InputError(f"crop_share is {crop_share}; give a share of the short side, above 0 and at most 1")
    wanted = _checked_size(size)
    store = open_archive(root)
    layout = read_layout(store)
    skipped = list(layout.skipped)
    parts, heads = examine_all(store, layout, skipped, convert=convert)
    rule = _settle_rule(list(heads.values()), wanted, fit, colour, convert)
    rule = replace(rule, crop_share=crop_share, interpolation=interpolation)
    views, note = check_pictures(store, parts, heads, rule, skipped)
    if strict and skipped:
        raise InputError(f"{store.where}: {skipped[0].where}: {skipped[0].reason} (strict=true stops at such pictures)")
    parts = {part: [one for one in pictures if one.name in heads] for part, pictures in parts.items()}
    _no_class_without_pictures(layout.classes, parts["train"], store.where)
    if test_fraction is None:
        test_fraction = DEFAULT_TEST if len(layout.parts) == 1 else 0.0
    divided, sentence = _divide(parts, layout.classes, valid_fraction, test_fraction, split_seed)
    info = _described(root, layout, rule, [*note, sentence], skipped)
    made = {part: _samples(store, pictures, heads, views, rule, info) for part, pictures in divided.items()}
    return Splits(made["train"], *(made[part] if divided[part] else None for part in ("valid", "test")))


def _described(
    root: str, layout: Layout, rule: PictureRule, sentences: Sequence[str], skipped: Sequence[Skipped]
) -> DataInfo:
    notes = [*layout.notes, f"pictures of {_in_words(rule)}", *sentences]
    if skipped:
        notes.append(f"{len(skipped)} {'picture was' if len(skipped) == 1 else 'pictures were'} skipped, see `skipped`")
    return DataInfo(
        source=root,
        kind="images",
        target="classes",
        input_shape=rule.shape,
        classes=layout.classes,
        notes=tuple(notes),
        skipped=tuple(skipped),
        encoding=rule.to_encoding(),
    )


def examine_all(
    store: Archive, layout: Layout, skipped: list[Skipped], *, convert: bool
) -> tuple[dict[str, list[Picture]], dict[str, PictureHead]]:
    """Read the header of every picture; unusable ones go to `skipped`."""
    heads: dict[str, PictureHead] = {}
    for pictures in layout.parts.values():
        for picture in pictures:
            try:
                with store.open(picture.name) as file:
                    heads[picture.name] = examine(file, convert=convert)
            except UnusableFile as error:
                skipped.append(Skipped(picture.name, str(error)))
    parts = {
        part: [one for one in layout.parts.get(part, []) if one.name in heads] for part in ("train", "valid", "test")
    }
    if not heads:
        raise InputError(f"{store.where!r} holds no usable picture: {skipped[0].where}: {skipped[0].reason}")
    return parts, heads


def check_pictures(
    store: Archive,
    parts: dict[str, list[Picture]],
    heads: dict[str, PictureHead],
    rule: PictureRule,
    skipped: list[Skipped],
) -> tuple[dict[str, Array], list[str]]:
    """Decode every picture once; damaged ones leave `heads` and go to `skipped`. Gives the fixed views and a note.

    The views are kept where all of them fit in memory, else none is.
    """
    names = [one.name for pictures in parts.values() for one in pictures]
    pixels = sum(heads[name].height * heads[name].width for name in names)
    if len(names) > MAX_CHECKED and pixels > MAX_CHECKED_PIXELS:
        return {}, [f"{len(names):,} pictures: only their headers were checked; a damaged one stops the run by name"]
    keep = len(names) * int(np.prod(rule.shape)) <= CACHE_BYTES

    def attempt(name: str) -> Array | str:
        try:
            with store.open(name) as file:
                return decode(file, rule, heads[name])
        except UnusableFile as error:
            return str(error)

    views: dict[str, Array] = {}
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="neuropil-pictures") as pool:
        for name, outcome in zip(names, pool.map(attempt, names), strict=True):
            if isinstance(outcome, str):
                skipped.append(Skipped(name, outcome))
                del heads[name]
            elif keep:
                views[name] = outcome
    return views, []


def class_numbers(pictures: Sequence[Picture], classes: Sequence[str]) -> Array:
    """The class number of each picture, int64 `[n]`."""
    numbers = {name: number for number, name in enumerate(classes)}
    return np.array([numbers[one.label] for one in pictures], dtype=np.int64)


def _checked_size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise InputError(f"size is {size}; give one side or [height, width] in pixels, each from 1 to {MAX_SIDE}")
    return height, width


def _settle_rule(
    heads: Sequence[PictureHead],
    size: tuple[int, int] | None,
    fit: Literal["auto", "crop", "resize", "pad"],
    colour: Literal["auto", "grey", "rgb"],
    convert: bool,
) -> PictureRule:
    shapes = {(head.height, head.width) for head in heads}
    own = shapes.pop() if len(shapes) == 1 else None
    if size is None:
        size = own if own and max(own) <= SMALL_SIDE else (DEFAULT_SIDE, DEFAULT_SIDE)
    grey = colour == "grey" or (colour == "auto" and all(head.grey for head in heads))
    if fit == "auto":
        fit = "resize" if own == size else "crop"
    return PictureRule(1 if grey else 3, size, fit, convert=convert)


def _no_class_without_pictures(classes: Sequence[str], train: Sequence[Picture], where: str) -> None:
    present = {one.label for one in train}
    empty = [name for name in classes if name not in present]
    if empty:
        shown = ", ".join(repr(name) for name in empty[:5])
        refuse(
            f"{where!r}",
            f"no usable picture of class{'es' if len(empty) > 1 else ''} {shown} to train on; "
            "add pictures or remove the folder",
        )


def _divide(
    parts: dict[str, list[Picture]], classes: Sequence[str], valid_fraction: float, test_fraction: float, seed: int
) -> tuple[dict[str, list[Picture]], str]:
    """Take what has no folder of its own from the training pictures."""
    train = parts["train"]
    drawn = split_indices(
        class_numbers(train, classes),
        classes=True,
        valid_fraction=0.0 if parts["valid"] else valid_fraction,
        test_fraction=0.0 if parts["test"] else test_fraction,
        seed=seed,
    )
    result = {
        part: [train[index] for index in chosen] or parts[part]
        for part, chosen in zip(("train", "valid", "test"), drawn, strict=True)
    }
    counts = ", ".join(f"{len(result[part]):,} to {verb}" for part, verb in VERBS.items())
    if parts["valid"] or parts["test"]:
        return result, f"parts as the folders say: {counts}"
    return result, f"{len(train):,} pictures divided class by class (split_seed={seed}): {counts}"


VERBS = {"train": "train", "valid": "validate", "test": "test"}


def _in_words(rule: PictureRule) -> str:
    fit = {"crop": "cropped in the middle", "resize": "stretched", "pad": "padded"}[rule.fit]
    return f"{rule.size[0]} x {rule.size[1]} pixels ({'grey' if rule.channels == 1 else 'rgb'}, {fit})"


def _samples(
    store: Archive,
    pictures: Sequence[Picture],
    heads: dict[str, PictureHead],
    views: dict[str, Array],
    rule: PictureRule,
    info: DataInfo,
) -> PictureSamples:
    names = [one.name for one in pictures]
    stacked = np.stack([views.pop(name) for name in names]) if views and names else None
    return PictureSamples(
        store, names, [heads[name] for name in names], class_numbers(pictures, info.classes), rule, info, stacked
    )
