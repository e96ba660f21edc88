"""Arrays, tensors, data frames and PyTorch data sets from Python into samples and batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from torch import Tensor

from neuropil.data.in_memory import InMemory
from neuropil.data.labels import as_array, described, finite
from neuropil.data.records import DataInfo, Samples, Splits
from neuropil.data.splitting import split_beside
from neuropil.data.tables import TargetTask, split_table
from neuropil.data.tables_encoding import Table
from neuropil.errors import InputError

__all__ = ["DatasetSamples", "array_inputs", "array_samples", "from_arrays", "from_dataset"]

Array = np.ndarray[Any, Any]
Pair = tuple[Any, Any]


def from_arrays(
    X: Any,
    y: Any,
    *,
    valid: Pair | None = None,
    test: Pair | None = None,
    valid_fraction: float = 0.1,
    test_fraction: float = 0.0,
    split_seed: int = 0,
    task: TargetTask = "auto",
    classes: Sequence[str] | None = None,
    source: str = "arrays",
) -> Splits:
    """Inputs and targets in memory: NumPy arrays, tensors, lists, or a data frame.

    Of a data frame every column is understood as in a CSV file: texts become categories, missing values are filled.

    Shape:
        X: uint8 pictures `[n, H, W]`, `[n, C, H, W]` or `[n, H, W, C]` (C = 1 or 3), numbers `[n]`, `[n, D]`, or any
        other float array with samples along axis 0. y: whole numbers, truth values or texts `[n]` or `[n, 1]` are
        classes; floats `[n]` or `[n, D]` are values.

    Args:
        X: inputs; of a data frame, `y` may be the name of one of its columns.
        y: targets.
        valid: inputs and targets for validation; drawn from X and y where left out.
        test: inputs and targets for the test; drawn from X and y where left out.
        valid_fraction: share of X for validation, in [0, 1); not used with `valid`.
        test_fraction: share of X for the test, in [0, 1); not used with `test`.
        split_seed: of the split.
        task: `classification`, `regression`, or told apart by the type of y.
        classes: class names; y then holds 0 to K - 1, or these names.
        source: how to call the data.

    Raises:
        InputError: lengths that differ, a value that is not finite (row and column named), labels that are not whole,
            negative or out of range, one class only, arrays of objects, or parts of different shapes.

    Example:
        >>> splits = from_arrays(np.zeros((10, 3)), np.arange(10) % 2, valid_fraction=0.2)
        >>> len(splits.train), len(splits.valid), splits.info.classes
        (8, 2, ('0', '1'))
    """
    if _is_frame(X):
        if valid is not None or test is not None or classes is not None:
            raise InputError("of a data frame the parts and classes are found here; leave valid, test and classes out")
        return _from_frame(X, y, task, valid_fraction, test_fraction, split_seed, source)
    samples = array_samples(X, y, task=task, classes=classes, source=source)
    given: dict[str, Samples] = {
        name: array_samples(*pair, classes=classes, source=f"{source} ({name})", like=samples.info)
        for name, pair in (("valid", valid), ("test", test))
        if pair is not None
    }
    return split_beside(samples, given, valid_fraction=valid_fraction, test_fraction=test_fraction, seed=split_seed)


def array_samples(
    X: Any,
    y: Any,
    *,
    task: TargetTask = "auto",
    classes: Sequence[str] | None = None,
    source: str = "arrays",
    like: DataInfo | None = None,
) -> InMemory:
    """Inputs and targets as samples, not split; see `from_arrays`.

    Args:
        X: inputs.
        y: targets.
        task: as of `from_arrays`.
        classes: as of `from_arrays`.
        source: how to call the data.
        like: the record of the training part, where these are another part of the same data.

    Raises:
        InputError: as `from_arrays`; or inputs of another shape, or a class that the training part lacks.
    """
    inputs, kind = array_inputs(as_array(X, f"the inputs of {source!r}"), source)
    labels = as_array(y, f"the targets of {source!r}")
    if not labels.ndim:
        raise InputError(f"the targets of {source!r} are one value; give one for each input")
    if len(inputs) != len(labels):
        raise InputError(f"{source!r} has {len(inputs)} inputs but {len(labels)} targets; give one for each")
    if not len(inputs):
        raise InputError(f"{source!r} has no samples; give at least one")
    targets, info = described(kind, inputs.shape[1:], labels, task, classes, source, like)
    return InMemory(inputs, targets, info)


class DatasetSamples:
    """A map-style PyTorch `Dataset` of pairs (input, target) as samples.

    The inputs are read when they are fetched, in the caller's or a worker's thread; the targets are gathered now: from
    `dataset.targets`, where there are as many, else by reading every pair once.

    Args:
        dataset: `len(dataset)` and `dataset[i]` must work; inputs of one shape, as tensors, arrays or pictures.
        task: as of `from_arrays`.
        classes: class names; those in `dataset.classes` where left out.
        source: how to call it.
        like: the record of the training part, where this is another part of the same data.

    Raises:
        InputError: it has no length or no samples, a sample is no pair, or the targets cannot be used.
    """

    def __init__(
        self,
        dataset: Any,
        *,
        task: TargetTask = "auto",
        classes: Sequence[str] | None = None,
        source: str = "dataset",
        like: DataInfo | None = None,
    ) -> None:
        if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
            raise InputError(f"{type(dataset).__name__} has no length or no numbered samples; give a map-style Dataset")
        if not len(dataset):
            raise InputError(f"{source!r} has no samples; give at least one")
        self.dataset = dataset
        self._source = source
        first = self._input(0)
        labels = getattr(dataset, "targets", None)
        if labels is None or len(labels) != len(dataset):
            labels = [_scalar(self._pair(index)[1]) for index in range(len(dataset))]
        names = classes if classes is not None else getattr(dataset, "classes", None)
        inputs, kind = array_inputs(first[None], source)
        labels = as_array(labels, f"the targets of {source!r}")
        self._targets, self._info = described(kind, inputs.shape[1:], labels, task, names, source, like)

    @property
    def info(self) -> DataInfo:
        """What is known of the samples."""
        return self._info

    @property
    def targets(self) -> Array:
        """All targets."""
        return self._targets

    def __len__(self) -> int:
        return len(self.dataset)

    def name(self, index: int) -> str:
        """How to call one sample in a message."""
        return f"sample {index}"

    def fetch(self, indices: Array, draws: Array | None = None) -> tuple[Array, Array]:
        """The inputs and targets of some samples."""
        if not len(indices):
            return np.empty((0, *self._info.input_shape), dtype=np.float32), self._targets[indices]
        rows = [self._input(int(index)) for index in indices]
        for index, row in zip(indices, rows, strict=True):
            if row.shape != rows[0].shape:
                raise InputError(
                    f"sample {index} of {self._source!r} is of shape {list(row.shape)}, another of "
                    f"{list(rows[0].shape)}; bring them to one shape in the Dataset"
                )
        return array_inputs(np.stack(rows), self._source)[0], self._targets[indices]

    def _pair(self, index: int) -> Pair:
        pair = self.dataset[index]
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InputError(f"sample {index} of {self._source!r} is no pair (input, target); give a Dataset of pairs")
        return pair[0], pair[1]

    def _input(self, index: int) -> Array:
        return as_array(self._pair(index)[0], f"sample {index} of {self._source!r}")


def from_dataset(
    dataset: Any,
    *,
    valid: Any = None,
    test: Any = None,
    valid_fraction: float = 0.1,
    test_fraction: float = 0.0,
    split_seed: int = 0,
    task: TargetTask = "auto",
    classes: Sequence[str] | None = None,
    source: str = "dataset",
) -> Splits:
    """Map-style PyTorch data sets as the three parts; `from_arrays` for arrays says what the options mean.

    Raises:
        InputError: see `DatasetSamples`; or the parts hold samples of different shapes or kinds.
    """
    samples = DatasetSamples(dataset, task=task, classes=classes, source=source)
    given: dict[str, Samples] = {}
    for name, other in (("valid", valid), ("test", test)):
        if other is not None:
            given[name] = DatasetSamples(other, classes=classes, source=f"{source} ({name})", like=samples.info)
    return split_beside(samples, given, valid_fraction=valid_fraction, test_fraction=test_fraction, seed=split_seed)


def array_inputs(values: Array, source: str) -> tuple[Array, Literal["images", "table", "arrays"]]:
    """Inputs as the contract has them, and their kind: uint8 pictures, float32 rows, or other float32 arrays.

    Raises:
        InputError: texts, samples without values, or a value that is not finite.
    """
    if values.dtype.kind == "U" or not values.ndim:
        raise InputError(f"the inputs of {source!r} are {'texts' if values.ndim else 'one value'}; give numbers")
    if 0 in values.shape[1:]:
        raise InputError(f"the inputs of {source!r} are of shape {list(values.shape)}: a sample holds no value")
    if values.dtype == np.uint8 and values.ndim == 3:
        return values[:, None], "images"
    if values.dtype == np.uint8 and values.ndim == 4:
        if values.shape[1] not in (1, 3) and values.shape[3] in (1, 3):
            return np.ascontiguousarray(values.transpose(0, 3, 1, 2)), "images"
        return values, "images"
    numbers = finite(values.reshape(-1, 1) if values.ndim == 1 else values, f"the inputs of {source!r}")
    return numbers, "table" if numbers.ndim == 2 else "arrays"


def _scalar(target: Any) -> Any:
    """A target of a data set without tensors around it."""
    return target.detach().cpu().tolist() if isinstance(target, Tensor) else target


def _is_frame(X: Any) -> bool:
    return hasattr(X, "columns") and hasattr(X, "to_numpy")


def _from_frame(
    frame: Any, y: Any, task: TargetTask, valid_fraction: float, test_fraction: float, split_seed: int, source: str
) -> Splits:
    table, target = _frame_table(frame, y, source)
    return split_table(
        table,
        source=source,
        target=target,
        task=task,
        ignore=(),
        categories=_category_names(frame),
        valid_fraction=valid_fraction,
        test_fraction=test_fraction,
        split_seed=split_seed,
    )


def _category_names(frame: Any) -> list[str]:
    """The columns that the frame itself calls categories."""
    return [str(name) for name in frame.columns if str(frame[name].dtype).lower().startswith("categor")]


def _frame_table(frame: Any, y: Any, source: str) -> tuple[Table, str]:
    """A data frame as a table of texts, and the name of its target column."""
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        raise InputError(f"two columns of {source!r} have one name; give each a name of its own")
    columns = [_cells(frame[name].to_list()) for name in frame.columns]
    if isinstance(y, str):
        target = y
    else:
        wanted = getattr(y, "name", None)
        target = str(wanted) if wanted is not None and str(wanted) not in names else "target"
        if target in names:
            raise InputError(f"{source!r} has a column {target!r} already; give y under another name")
        values = as_array(y, f"the targets of {source!r}")
        columns.append(_cells(values.reshape(len(values), -1)[:, 0].tolist()))
        names.append(target)
    lengths = {len(column) for column in columns}
    if len(lengths) > 1 or 0 in lengths:
        raise InputError(
            f"{source!r} has {len(frame)} rows but {len(columns[-1])} targets; give one for each, and some"
        )
    return Table(repr(source), tuple(names), tuple(columns), range(len(frame)), unit="row"), target


def _cells(values: Sequence[Any]) -> tuple[str, ...]:
    """Values as text that reads back as the same number; missing ones as the empty text."""
    texts = (repr(one) if isinstance(one, float) else str(one).strip() for one in values)
    return tuple("" if text in ("nan", "None", "<NA>", "NaT") else text for text in texts)
