"""Targets from Python as the contract has them: class numbers with their names, or values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from torch import Tensor

from neuropil.data.in_memory import rule_for
from neuropil.data.records import DataInfo
from neuropil.data.tables import MAX_NUMBER_CLASSES, TargetTask
from neuropil.errors import InputError
from neuropil.registry import nearest

__all__ = ["as_array", "described", "finite"]

Array = np.ndarray[Any, Any]


def described(
    kind: Literal["images", "table", "arrays"],
    shape: tuple[int, ...],
    labels: Array,
    task: TargetTask,
    classes: Sequence[str] | None,
    source: str,
    like: DataInfo | None,
) -> tuple[Array, DataInfo]:
    """The targets as the contract has them, and the record."""
    info = DataInfo(source=source, kind=kind, target="classes", input_shape=shape)
    if like is not None:
        if (like.kind, like.input_shape) != (kind, shape):
            raise InputError(
                f"the inputs of {source!r} are {kind} of shape {list(shape)}, but the training part's are {like.kind} "
                f"of shape {list(like.input_shape)}; bring them to one shape"
            )
        if like.target == "values":
            return _values(labels, source, len(like.targets)), like
        return _known_numbers(labels, like.classes, source, by_name=classes is None), like
    if kind == "images" and shape[0] in (1, 3):
        info = replace(info, encoding=rule_for(np.empty((0, *shape), dtype=np.uint8), None, "resize").to_encoding())
    if kind == "table":
        info = replace(info, columns=tuple(f"column {number}" for number in range(1, shape[0] + 1)))
    if classes is None and (task == "regression" or (task == "auto" and labels.dtype.kind == "f")):
        values = _values(labels, source, None)
        return values, replace(
            info, target="values", targets=tuple(f"target {number}" for number in range(1, values.shape[1] + 1))
        )
    flat = _one_each(labels, source)
    present = _distinct(flat, source)
    if classes is not None:
        return _known_numbers(flat, classes, source, by_name=False), replace(info, classes=tuple(map(str, classes)))
    names = tuple(str(one) for one in present.tolist())
    notes: tuple[str, ...] = ()
    if flat.dtype.kind != "U" and int(present[-1]) != len(present) - 1:
        notes = (f"the labels are {', '.join(names[:10])}{' …' if len(names) > 10 else ''}: classes in this order",)
    return np.searchsorted(present, flat).astype(np.int64), replace(info, classes=names, notes=notes)


def _values(labels: Array, source: str, width: int | None) -> Array:
    """Targets of a regression, float32 `[n, D]`."""
    if labels.dtype.kind == "U" or labels.ndim > 2:
        raise InputError(f"the targets of {source!r} are not numbers [n] or [n, D]; give numbers for a regression")
    values = finite(labels.reshape(len(labels), -1), f"the targets of {source!r}")
    if width is not None and values.shape[1] != width:
        raise InputError(f"the targets of {source!r} have {values.shape[1]} columns, the training part's {width}")
    return values


def _one_each(labels: Array, source: str) -> Array:
    """Class labels `[n]`: texts, or whole numbers from 0 on as int64."""
    where = f"the labels of {source!r}"
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise InputError(
            f"{where} are of shape {list(labels.shape)}; give one class a sample, or task='regression' for values"
        )
    if labels.dtype.kind == "U":
        return labels
    wrong = np.flatnonzero((labels != np.trunc(labels)) | ~np.isfinite(labels) | (labels < 0))
    if len(wrong):
        raise InputError(
            f"{where} hold {labels[wrong[0]]} at [{wrong[0]}]; give whole numbers from 0 on, or texts, as classes"
        )
    return labels.astype(np.int64)


def _distinct(labels: Array, source: str) -> Array:
    """The classes that occur, ascending.

    Raises:
        InputError: only one, or nearly as many as samples.
    """
    present = np.unique(labels)
    if len(present) < 2:
        raise InputError(f"all labels of {source!r} are {present[0]}; there is nothing to tell apart")
    if len(present) > max(MAX_NUMBER_CLASSES, len(labels) / 2):
        raise InputError(
            f"the labels of {source!r} are {len(present)} different ones in {len(labels)} samples, too many for "
            "classes; give task='regression' where they are values"
        )
    return present


def _known_numbers(labels: Array, classes: Sequence[str], source: str, *, by_name: bool) -> Array:
    """Numbers of labels among known classes: texts by name; numbers by name too, or as they are."""
    labels = _one_each(labels, source)
    if labels.dtype.kind != "U" and not by_name:
        outside = np.flatnonzero(labels >= len(classes))
        if len(outside):
            raise InputError(
                f"the labels of {source!r} hold {labels[outside[0]]} at [{outside[0]}], out of range: the "
                f"{len(classes)} classes are 0 to {len(classes) - 1}"
            )
        return labels
    names = [str(one) for one in labels.tolist()]
    place = {str(name): number for number, name in enumerate(classes)}
    strange = next((row for row, name in enumerate(names) if name not in place), None)
    if strange is not None:
        raise InputError(
            f"the labels of {source!r} hold {names[strange]!r} at [{strange}], which is no class; "
            f"{nearest(names[strange], place)}"
        )
    return np.array([place[name] for name in names], dtype=np.int64)


def as_array(values: Any, where: str) -> Array:
    """Whatever was given as an array of numbers or texts."""
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = values.float() if values.is_floating_point() and values.element_size() < 4 else values
    elif hasattr(values, "to_numpy"):
        values = values.to_numpy()
    try:
        found = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{where} cannot be made one array ({error}); give rows of one length") from error
    if found.dtype == object and all(isinstance(one, str) for one in found.flat):
        found = found.astype(str)
    if found.dtype.kind not in "biufU":
        raise InputError(f"{where} are of type {found.dtype}; give numbers, or texts as labels")
    return found


def finite(values: Array, where: str) -> Array:
    """float32, every value finite."""
    with np.errstate(over="ignore"):
        found: Array = values.astype(np.float32, copy=False)
    if not np.isfinite(found).all():
        place = np.argwhere(~np.isfinite(found))[0].tolist()
        raise InputError(
            f"the value at row {place[0]}, column {', '.join(map(str, place[1:]))} of {where} is "
            f"{values[tuple(place)]} (both counted from 0); fill it or drop the row"
        )
    return found
