"""Every kind of annotation brought together with its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Literal, NamedTuple

import numpy as np

from neuropil.annotations.box_samples import NO_BOX, BoxSamples
from neuropil.annotations.box_table import box_tables, read_box_table
from neuropil.annotations.coco import coco_files, read_coco
from neuropil.annotations.records import Annotations, Marked, part_of, refuse_skipped, text_of
from neuropil.annotations.voc import has_voc, read_voc
from neuropil.annotations.yolo_text import has_yolo_text, read_yolo_text
from neuropil.data.archive import Archive, UnusableFile, open_archive
from neuropil.data.faults import remark
from neuropil.data.pictures import PictureHead, PictureRule, decode, examine, has_picture_name
from neuropil.data.records import DataInfo, Skipped, Splits
from neuropil.data.splitting import check_fractions, split_indices
from neuropil.errors import InputError

__all__ = ["Kind", "has_boxes", "labelled_boxes", "open_boxes", "picture_files", "read_boxes"]

Array = np.ndarray[Any, Any]

Kind = Literal["auto", "voc", "coco", "yolo", "csv"]


@dataclass(slots=True)
class _Left:
    """What was left out so far, and how many boxes were cut."""

    skipped: list[Skipped]
    cut: int = 0


class _Usable(NamedTuple):
    """A picture file with boxes in shares of its sides."""

    name: str
    head: PictureHead
    part: str | None
    rows: tuple[tuple[str, float, float, float, float, bool], ...]


def has_boxes(store: Archive) -> bool:
    """Whether a folder or zip file holds pictures with boxes, of any kind that is read."""
    if not any(has_picture_name(name, readable=True) for name in store.files):
        return False
    return any(_kinds(store).values())


def _kinds(store: Archive) -> dict[str, bool]:
    """Which kinds of annotations are there."""
    return {
        "voc": has_voc(store),
        "yolo": has_yolo_text(store),
        "coco": bool(coco_files(store)),
        "csv": bool(box_tables(store)),
    }


def open_boxes(
    *,
    root: str,
    kind: Kind = "auto",
    size: int | tuple[int, int] = 448,
    colour: Literal["auto", "grey", "rgb"] = "auto",
    convert: bool = False,
    strict: bool = False,
    classes: Sequence[str] | None = None,
    valid_fraction: float = 0.1,
    test_fraction: float | None = None,
    split_seed: int = 0,
) -> Splits:
    """A folder or zip file of pictures with boxes: Pascal VOC, COCO, YOLO text or CSV.

    Boxes are cut at the picture's edges; those without area are named and left out.

    Args:
        root: the folder or zip file.
        kind: of the annotations; `auto` looks which are there.
        size: side, or height and width, in picture elements, to which every picture is stretched.
        colour: `auto` is grey where no picture has colours.
        convert: also take CMYK, 16-bit and animated pictures (the first frame).
        strict: stop at the first picture or box that would be left out.
        classes: names in the order of their numbers; boxes of others are left out. All, where left out.
        valid_fraction: share of the training pictures to validate on, where the set has no such part.
        test_fraction: share to test on, where the set does not divide itself; left out: 0.2, or 0 where it does.
        split_seed: 0 to 2^64 - 1.

    Raises:
        InputError: no annotations, no picture for any, a class that does not occur, or with `strict` anything unusable.
    """
    check_fractions(valid_fraction, 0.2 if test_fraction is None else test_fraction)
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise InputError(f"size is {size}; give one side or [height, width], each from 1 up")
    store = open_archive(root)
    chosen, annotations = read_boxes(store, kind)
    names = _class_names(annotations, classes, store.where)
    left = _Left(list(annotations.skipped))
    usable = _usable(store, annotations, set(names), left, convert=convert)
    _refuse(store.where, usable, left.skipped, strict)
    grey = colour == "grey" or (colour == "auto" and all(one.head.grey for one in usable))
    rule = PictureRule(1 if grey else 3, (height, width), "resize", convert=convert)
    parts, sentence = _divide(usable, valid_fraction, test_fraction, split_seed)
    info = DataInfo(
        source=root,
        kind="images",
        target="boxes",
        input_shape=rule.shape,
        classes=names,
        notes=(*annotations.notes, *_notes(usable, names, left.cut, chosen, rule), sentence),
        skipped=tuple(left.skipped),
        encoding=rule.to_encoding(),
    )
    most = max(len(one.rows) for one in usable)
    made = {part: _samples(store, pictures, rule, info, most) for part, pictures in parts.items()}
    return Splits(made["train"], *(made[part] if parts[part] else None for part in ("valid", "test")))


def _refuse(where: str, usable: Sequence[_Usable], skipped: Sequence[Skipped], strict: bool) -> None:
    """Stop where nothing can be used, or at the first thing that was left out.

    Raises:
        InputError: so it is.
    """
    reason = f"{skipped[0].where}: {skipped[0].reason}" if skipped else "it names no picture"
    refuse_skipped(where, skipped, strict)
    if not usable:
        raise InputError(f"{where!r} holds no picture with annotations that can be used; {reason}")


def _notes(usable: Sequence[_Usable], names: Sequence[str], cut: int, kind: str, rule: PictureRule) -> list[str]:
    """Sentences for the reader."""
    labels = [row[0] for one in usable for row in one.rows]
    counts = ", ".join(f"{name} {labels.count(name):,}" for name in names)
    notes = [f"{len(labels):,} boxes: {counts}"]
    if cut:
        notes.append(f"{cut} {'box was' if cut == 1 else 'boxes were'} cut at the edge of the picture")
    return [*notes, f"annotations of the kind {kind!r}", f"pictures stretched to {rule.size[0]} x {rule.size[1]}"]


def labelled_boxes(path: str, info: DataInfo) -> BoxSamples:
    """Other pictures with boxes, to evaluate on: the test part, or what there is.

    Args:
        path: a folder or zip file.
        info: what is known of the training data.

    Raises:
        InputError: a class that training never saw, or nothing that can be used.
    """
    store = open_archive(path)
    _, annotations = read_boxes(store, "auto")
    unknown = [name for name in annotations.classes if name not in info.classes]
    if unknown:
        raise InputError(
            f"{path!r} holds classes that training never saw: {', '.join(map(repr, unknown[:5]))}; known are "
            f"{', '.join(map(repr, info.classes[:20]))}"
        )
    rule = PictureRule.from_encoding(info.encoding)
    left = _Left(list(annotations.skipped))
    usable = _usable(store, annotations, set(info.classes), left, convert=rule.convert)
    wanted = next((part for part in ("test", "valid") if any(one.part == part for one in usable)), None)
    chosen = [one for one in usable if wanted is None or one.part == wanted]
    if not chosen:
        raise InputError(f"{path!r} holds no usable picture with boxes to evaluate on")
    most = max(len(one.rows) for one in chosen)
    return _samples(store, chosen, rule, replace(info, skipped=tuple(left.skipped)), most)


def read_boxes(store: Archive, kind: Kind = "auto") -> tuple[str, Annotations]:
    """The kind of the annotations of a folder or zip file, and the annotations themselves.

    Raises:
        InputError: there are none, or several kinds, or one that cannot be read.
    """
    found = _kinds(store)
    there = [name for name, is_there in found.items() if is_there]
    if kind == "auto" and len(there) > 1:
        raise InputError(
            f"{store.where!r} holds annotations of the kinds {', '.join(there)}; say which with data.kind="
        )
    chosen = kind if kind != "auto" else next(iter(there), None)
    if chosen is None or not found[chosen]:
        _refuse_empty(store)
        which = "" if chosen is None else f"{chosen} "
        raise InputError(
            f"{store.where!r} holds no {which}annotations; put Pascal VOC XML, COCO JSON, YOLO text or CSV files "
            "beside the pictures"
        )
    readers = {
        "voc": lambda: read_voc(store),
        "yolo": lambda: read_yolo_text(store),
        "coco": lambda: read_coco(store, coco_files(store)),
        "csv": lambda: read_box_table(store, box_tables(store)),
    }
    return chosen, readers[chosen]()


def _refuse_empty(store: Archive) -> None:
    """Name an empty file of annotations, where there is nothing else.

    Raises:
        InputError: there is one.
    """
    for name in store.files:
        if PurePosixPath(name).suffix.lower() in (".json", ".xml", ".csv") and not text_of(store, name).strip():
            raise InputError(f"{store.where}: {name} is empty; write the annotations again")


def _class_names(annotations: Annotations, wanted: Sequence[str] | None, where: str) -> tuple[str, ...]:
    if wanted is None:
        if not annotations.classes:
            raise InputError(f"{where!r} has no box and names no class; mark something first")
        return annotations.classes
    for name in wanted:
        if name not in annotations.classes:
            raise InputError(f"data.classes names {name!r}, but {where!r} has {', '.join(annotations.classes)}")
    return tuple(wanted)


def _usable(
    store: Archive, annotations: Annotations, classes: set[str], left: _Left, *, convert: bool
) -> list[_Usable]:
    """Each annotated picture whose file can be read, with the boxes that can be used."""
    files = picture_files(store)
    usable, seen = [], set()
    for marked in annotations.pictures:
        name = next((files[one] for one in marked.pictures if one in files), None)
        if name is None:
            left.skipped.append(
                Skipped(marked.where, f"there is no picture {PurePosixPath(marked.pictures[0]).name!r}")
            )
            continue
        if name in seen:
            left.skipped.append(Skipped(marked.where, f"the picture {name!r} has annotations already"))
            continue
        seen.add(name)
        try:
            with store.open(name) as file:
                head = examine(file, convert=convert)
            with store.open(name) as file:
                decode(file, PictureRule(3, (8, 8), "resize", convert=convert), head)
        except UnusableFile as error:
            left.skipped.append(Skipped(name, str(error)))
            continue
        if marked.size is not None and marked.size != (head.height, head.width):
            said, real = "x".join(map(str, marked.size)), f"{head.height}x{head.width}"
            left.skipped.append(Skipped(marked.where, f"it is for a picture of {said}, but {name!r} is {real}"))
            continue
        usable.append(_Usable(name, head, marked.part or part_of(name), _rows(marked, head, classes, left)))
    return usable


def picture_files(store: Archive) -> dict[str, str]:
    """Names, ends of names and stems -> picture file; what stands for two files stands for none."""
    found: dict[str, str | None] = {}
    for name in store.files:
        if has_picture_name(name, readable=True):
            path = PurePosixPath(name)
            ends = ("/".join(path.parts[-count:]) for count in range(2, len(path.parts)))
            for key in {name, str(path.with_suffix("")), path.name, path.stem, *ends}:
                found[key] = None if key in found else name
    return {key: name for key, name in found.items() if name is not None}


def _rows(
    marked: Marked, head: PictureHead, classes: set[str], left_out: _Left
) -> tuple[tuple[str, float, float, float, float, bool], ...]:
    """The boxes in shares of the picture, cut at its edges."""
    rows = []
    wide, high = (1.0, 1.0) if marked.relative else (float(head.width), float(head.height))
    for box in marked.boxes:
        if box.label not in classes:
            continue
        corners = (box.left / wide, box.top / high, box.right / wide, box.bottom / high)
        inside = [min(max(one, 0.0), 1.0) for one in corners]
        if inside[2] <= inside[0] or inside[3] <= inside[1]:
            reason = (
                "has no area" if corners[2] <= corners[0] or corners[3] <= corners[1] else "lies outside the picture"
            )
            left_out.skipped.append(Skipped(box.where, f"a box of {box.label!r} {reason}"))
            continue
        if any(abs(one - other) > 1e-6 for one, other in zip(corners, inside, strict=True)):
            left_out.cut += 1
            remark(box.where, f"a box of {box.label!r} reaches beyond the picture and is cut there", "boxes_outside")
        rows.append((box.label, *inside, box.ignored))
    return tuple(rows)  # type: ignore[arg-type]


def _divide(
    usable: list[_Usable], valid_fraction: float, test_fraction: float | None, seed: int
) -> tuple[Mapping[str, list[_Usable]], str]:
    """The parts that the set has; what is missing is drawn from the training pictures."""
    own = {part: [one for one in usable if one.part == part] for part in ("train", "valid", "test")}
    divides_itself = bool(own["train"])
    train = own["train"] if divides_itself else usable
    if test_fraction is None:
        test_fraction = 0.0 if divides_itself else 0.2
    drawn = split_indices(
        np.zeros(len(train), dtype=np.int64),
        classes=False,
        valid_fraction=0.0 if divides_itself and own["valid"] else valid_fraction,
        test_fraction=0.0 if divides_itself and own["test"] else test_fraction,
        seed=seed,
    )
    parts = {
        part: [train[index] for index in chosen] or (own[part] if divides_itself else [])
        for part, chosen in zip(("train", "valid", "test"), drawn, strict=True)
    }
    counts = ", ".join(f"{len(parts[part]):,} to {verb}" for part, verb in VERBS.items())
    if not divides_itself:
        return parts, f"divided (split_seed={seed}): {counts}"
    left = len(usable) - sum(map(len, parts.values()))
    beside = f"; {left:,} pictures are of no part and left out" if left else ""
    return parts, f"parts as the set has them: {counts}{beside}"


VERBS = {"train": "train", "valid": "validate", "test": "test"}


def _samples(store: Archive, pictures: Sequence[_Usable], rule: PictureRule, info: DataInfo, most: int) -> BoxSamples:
    numbers = {name: number for number, name in enumerate(info.classes)}
    targets = np.zeros((len(pictures), max(most, 1), 6), dtype=np.float32)
    targets[..., 0] = NO_BOX
    for place, one in enumerate(pictures):
        for row, (label, left, top, right, bottom, ignored) in enumerate(one.rows):
            targets[place, row] = (numbers[label], left, top, right, bottom, float(ignored))
    heads = [one.head for one in pictures]
    return BoxSamples(store, [one.name for one in pictures], heads, targets, rule, info)
