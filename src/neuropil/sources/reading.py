"""New files for a trained network: to predict on, or with labels to evaluate on, read as its training data were."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from neuropil.annotations.box_opening import labelled_boxes
from neuropil.annotations.mask_opening import labelled_masks
from neuropil.data.archive import open_archive
from neuropil.data.cifar import labelled_cifar10
from neuropil.data.folder import PictureSamples, check_pictures, class_numbers, examine_all
from neuropil.data.idx import labelled_idx
from neuropil.data.in_memory import InMemory
from neuropil.data.npz import labelled_npz, npz_inputs
from neuropil.data.picture_files import read_pictures
from neuropil.data.picture_layout import read_layout
from neuropil.data.pictures import PictureRule
from neuropil.data.records import DataInfo, Samples, Skipped
from neuropil.data.tables import Rows, named_table, read_rows
from neuropil.data.tables_encoding import NumberColumn, Table, TableEncoding, numbers
from neuropil.errors import InputError
from neuropil.sources.new_text import labelled_sequences, read_new_texts
from neuropil.sources.opening import guess_source, only_archive

__all__ = ["Inputs", "open_labelled", "read_inputs"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Samples without targets.

    Args:
        arrays: `[N, ...]` as `Samples.fetch` gives them.
        names: how each is called.
        skipped: files that could not be used.
        sizes: height and width of picture files, before they were brought to the network's.
        tokens: of each text, as it was read.
    """

    arrays: Array
    names: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    tokens: tuple[tuple[str, ...], ...] = ()


MARKED: dict[str, Callable[[str, DataInfo], Samples]] = {"boxes": labelled_boxes, "masks": labelled_masks}
"""Targets that people drew on pictures -> how others like them are opened."""


def read_inputs(paths: Sequence[str], info: DataInfo) -> Inputs:
    """Read files to predict on.

    Args:
        paths: of a table: CSV files, `-` for such a text on standard input, or `.npz` files; of pictures: files,
            folders and zip files, `-` for one picture on standard input; of texts: files of one text a line, `-`, or
            texts themselves; of series: CSV files, whose last rows are taken. A column of the target is not looked at.
        info: what is known of the training data.

    Raises:
        InputError: nothing to read, or a file is missing or not like the training data.
    """
    if not paths:
        raise InputError("there is nothing to predict on; give files, or - for standard input")
    if info.kind == "sequences":
        found = read_new_texts(paths, info)
        return Inputs(found.arrays, found.names, found.skipped, tokens=found.tokens)
    if info.kind == "images" and not all(path.lower().endswith(".npz") for path in paths):
        if not info.encoding:
            raise InputError("this run was trained on arrays that are no grey or RGB pictures; give an array or .npz")
        read = read_pictures(paths, info.encoding)
        return Inputs(read.arrays, read.names, read.skipped, read.sizes)
    parts = [_one_file(path, info, alone=len(paths) == 1) for path in paths]
    return Inputs(
        np.concatenate([part.arrays for part in parts]),
        tuple(name for part in parts for name in part.names),
    )


def open_labelled(path: str, info: DataInfo) -> Samples:
    """Open other data with targets, to evaluate on; of data in parts, the test part is taken.

    Args:
        path: a file or folder like those that `open_source` reads.
        info: what is known of the training data.

    Raises:
        InputError: a class that training never saw (it is named), another kind of data, or a file that cannot be used.
    """
    place = only_archive(Path(path).expanduser())
    info = replace(info, source=path, notes=(), skipped=())
    if info.kind == "sequences" or info.encoding.get("reads") == "captions":
        return labelled_sequences(path, info)
    if info.target in MARKED and (place.is_dir() or place.suffix.lower() == ".zip"):
        return MARKED[info.target](str(place), info)
    kind = guess_source(place)
    if kind == "npz":
        return labelled_npz(place, info)
    if (kind == "csv") != (info.kind == "table") or info.kind == "arrays":
        raise InputError(f"{path!r} was read as {kind!r}, but the network was trained on {info.kind}; give such data")
    if kind == "idx":
        return labelled_idx(place, info)
    if kind == "cifar10":
        return labelled_cifar10(place, info)
    if (info.target in MARKED) or kind in MARKED:
        raise InputError(f"{path!r} was read as {kind!r}, but the run knows {info.target}; give such data")
    if kind == "folder":
        return _labelled_folder(str(place), info)
    encoding = TableEncoding.from_info(info)
    table = _table(read_rows(path, _bytes(path), encoding.delimiter), encoding, with_target=True)
    return InMemory(
        encoding.encode(table),
        encoding.target.read(table, info.classes),
        info,
        [f"line {line}" for line in table.lines],
    )


def _one_file(path: str, info: DataInfo, *, alone: bool) -> Inputs:
    """The rows of one file."""
    if path.lower().endswith(".npz"):
        arrays = npz_inputs(Path(path).expanduser(), info)
        names = [f"sample {number}" for number in range(len(arrays))]
    elif info.kind == "table":
        encoding = TableEncoding.from_info(info)
        where = "standard input" if path == "-" else path
        table = _table(read_rows(where, _bytes(path), encoding.delimiter), encoding, with_target=False)
        arrays, names = encoding.encode(table), [f"line {line}" for line in table.lines]
    else:
        raise InputError(f"{path!r} cannot be read as what the network was trained on; give a .npz file of arrays 'x'")
    return Inputs(arrays, tuple(names) if alone else tuple(f"{path}, {name}" for name in names))


def _bytes(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise InputError(f"{path!r} cannot be read: {error.strerror}") from error


def _table(rows: Rows, encoding: TableEncoding, *, with_target: bool) -> Table:
    """Rows under the training file's names: those of a header, else by place.

    A first line is a header where one of its cells is a column's name, or where it holds text in a column of numbers.
    """
    first = rows.cells[0]
    inputs = tuple(column.name for column in encoding.columns)
    target = encoding.target.name
    needed = (*inputs, target) if with_target else inputs
    if not set(first) & {*encoding.layout, *inputs}:
        without_target = tuple(name for name in encoding.layout if name != target)
        shapes = (encoding.layout,) if with_target else (encoding.layout, without_target, inputs)
        names = next((names for names in shapes if len(names) == len(first)), None)
        if names is not None and not _texts_for_numbers(first, names, encoding):
            return named_table(rows, names)
    if set(first) & {*inputs} or not np.isfinite(numbers(first)[0]).any():
        table = named_table(rows, None)
        for name in needed:
            table.column(name)
        return table
    raise InputError(
        f"{rows.where} has {len(first)} columns and no header; give the {len(inputs)} columns of the training data "
        f"({', '.join(inputs[:6])}{' …' if len(inputs) > 6 else ''})"
    )


def _texts_for_numbers(first: Sequence[str], names: Sequence[str], encoding: TableEncoding) -> bool:
    """Whether every number column has a text in the first line, as a header does."""
    kinds = {column.name for column in encoding.columns if isinstance(column, NumberColumn)}
    cells = [cell for cell, name in zip(first, names, strict=True) if name in kinds]
    return bool(cells) and len(numbers(cells)[1]) == len(cells)


def _labelled_folder(path: str, info: DataInfo) -> Samples:
    """Pictures in a folder a class, brought to the network's size and colours."""
    rule = PictureRule.from_encoding(info.encoding)
    store = open_archive(path)
    layout = read_layout(store)
    unknown = [name for name in layout.classes if name not in info.classes]
    if unknown:
        raise InputError(
            f"{path!r} holds classes that training never saw: {', '.join(map(repr, unknown[:5]))}"
            f"{' …' if len(unknown) > 5 else ''}; known are {', '.join(map(repr, info.classes[:20]))}"
        )
    skipped = list(layout.skipped)
    parts, heads = examine_all(store, layout, skipped, convert=rule.convert)
    views, _ = check_pictures(store, parts, heads, rule, skipped)
    chosen = parts["test"] or parts["valid"] or parts["train"]
    pictures = [one for one in chosen if one.name in heads]
    if not pictures:
        raise InputError(f"{path!r} holds no usable picture to evaluate on; {skipped[0].where}: {skipped[0].reason}")
    names = [one.name for one in pictures]
    return PictureSamples(
        store,
        names,
        [heads[name] for name in names],
        class_numbers(pictures, info.classes),
        rule,
        replace(info, skipped=tuple(skipped)),
        np.stack([views[name] for name in names]) if views else None,
    )
