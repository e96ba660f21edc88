"""What a finished run must remember of its data to be used without them: stored as `data.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuropil.batches.normalization import Normalization
from neuropil.data.records import DataInfo, Kind, Samples, Target
from neuropil.errors import InputError

__all__ = ["DataSignature", "sign_data"]


@dataclass(frozen=True, slots=True)
class DataSignature:
    """How raw samples become inputs of the network, and outputs answers.

    Args:
        kind: `images`, `table`, `arrays` or `sequences`.
        target: `classes`, `values`, `boxes`, `masks`, `tags`, `tokens`, `next`, `pretraining` or `spans`.
        input_shape: of one sample; 0 where every length is taken.
        classes: class names in the order of the outputs.
        columns: input columns of a table after encoding.
        targets: names of the value columns.
        encoding: how files are read (sizes, colours, categories, fill values).
        normalization: statistics of the training part.
        target_mean: of each value column, in the training part.
        target_scale: standard deviation of each value column, in the training part.
        class_counts: samples (or boxes, picture elements, words) of each class in the training part.
    """

    kind: Kind
    target: Target
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    targets: tuple[str, ...]
    encoding: Mapping[str, Any]
    normalization: Normalization | None
    target_mean: tuple[float, ...] = ()
    target_scale: tuple[float, ...] = ()
    class_counts: tuple[int, ...] = ()

    @property
    def num_outputs(self) -> int:
        """Width of the network's output: values, classes, two ends of a span, or entries of the vocabulary that is
        written in.
        """
        if self.target == "spans":
            return 2
        if self.target in ("next", "pretraining"):
            return self.entries("vocabulary")
        if self.target == "tokens":
            return self.entries("target_vocabulary")
        return len(self.targets) if self.target == "values" else len(self.classes)

    def entries(self, name: str) -> int:
        """How many entries a vocabulary of the encoding has; 0 where there is none."""
        return len(self.encoding.get(name, ()))

    def info(self, source: str) -> DataInfo:
        """The same as the data room's record, for reading new files."""
        return DataInfo(
            source, self.kind, self.target, self.input_shape, self.classes, self.columns, self.targets,
            encoding=self.encoding,
        )  # fmt: skip

    def to_json(self) -> str:
        """The signature as JSON text."""
        document = {name: getattr(self, name) for name in self.__dataclass_fields__}
        document["normalization"] = self.normalization and self.normalization.to_json()
        return json.dumps(document, indent=1, default=dict) + "\n"

    @classmethod
    def from_json(cls, text: str, *, origin: str) -> DataSignature:
        """Read what `to_json` wrote.

        Raises:
            InputError: it is not such a text.
        """
        try:
            document = json.loads(text)
            saved = document.pop("normalization")
            lists = {k: tuple(v) if isinstance(v, list) else v for k, v in document.items() if k != "encoding"}
            normalization = None if saved is None else Normalization.from_json(saved)
            fields: dict[str, Any] = {**lists, "encoding": document["encoding"], "normalization": normalization}
            return cls(**fields)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{origin} does not describe a run's data: {error}") from error


def sign_data(train: Samples, normalization: Normalization | None) -> DataSignature:
    """The signature of a training part."""
    info = train.info
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    targets = info.targets
    if info.target in ("classes", "tags"):
        counts = tuple(np.bincount(np.asarray(train.targets), minlength=len(info.classes)).tolist())
    if info.target == "boxes":
        numbers = np.asarray(train.targets)[..., 0].astype(np.int64)
        counts = tuple(np.bincount(numbers[numbers >= 0], minlength=len(info.classes)).tolist())
    if info.target == "masks":
        masks = np.asarray(train.targets)
        planes = (mask[0] if mask.ndim == 3 else mask for mask in masks)
        each = [np.bincount(plane.ravel(), minlength=256)[: len(info.classes)] for plane in planes]
        counts = tuple(np.sum(each, axis=0).tolist())
    if info.target == "values":
        values = np.asarray(train.targets, dtype=np.float64).reshape(len(train), -1)
        spread = values.std(axis=0)
        mean = tuple(values.mean(axis=0).tolist())
        scale = tuple(np.where(spread > 0, spread, 1.0).tolist())
        targets = targets or tuple(f"target {number}" for number in range(values.shape[1]))
    return DataSignature(
        info.kind, info.target, info.input_shape, info.classes, info.columns, targets, dict(info.encoding),
        normalization, mean, scale, counts,
    )  # fmt: skip
