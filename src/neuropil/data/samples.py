"""Small real data sets that scikit-learn brings along: nothing is downloaded."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal

import numpy as np

from neuropil.data.in_memory import InMemory, fit_square, rule_for
from neuropil.data.records import DataInfo, Splits
from neuropil.data.splitting import split, split_indices
from neuropil.data.tables_encoding import NumberColumn, TableEncoding, TargetColumn
from neuropil.errors import MissingExtraError

__all__ = ["open_breast_cancer", "open_diabetes", "open_digits", "open_iris", "open_wine"]

Array = np.ndarray[Any, Any]


def open_digits(
    *,
    valid_fraction: float = 0.1,
    test_fraction: float = 0.2,
    split_seed: int = 0,
    size: int | None = None,
    fit: Literal["resize", "pad"] = "resize",
) -> Splits:
    """1,797 handwritten digits of 8 × 8, grey 0 to 16 brought to 0 to 255 (UCI optical digits; Alpaydin, Kaynak 1998).

    Args:
        valid_fraction: share for validation, in [0, 1).
        test_fraction: share for the test, in [0, 1).
        split_seed: of the split.
        size: pixels a side; 8 where left out.
        fit: how to get there: `resize` (bilinear) or `pad` with 0.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        InputError: an option is out of its range.
    """
    found = _loaded("digits")
    pixels = np.rint(found.images * (255 / 16)).astype(np.uint8)[:, None]
    rule = rule_for(pixels, size, fit)
    info = DataInfo(
        source="digits",
        kind="images",
        target="classes",
        input_shape=(1, size or 8, size or 8),
        classes=tuple(str(name) for name in found.target_names),
        encoding=rule.to_encoding(),
    )
    samples = InMemory(fit_square(pixels, size, fit), found.target.astype(np.int64), info)
    return split(samples, valid_fraction=valid_fraction, test_fraction=test_fraction, seed=split_seed)


def open_iris(*, valid_fraction: float = 0.1, test_fraction: float = 0.2, split_seed: int = 0) -> Splits:
    """150 irises of three species, four lengths each (Fisher, 1936); fractions as of `open_digits`."""
    return _table("iris", "species", valid_fraction, test_fraction, split_seed)


def open_wine(*, valid_fraction: float = 0.1, test_fraction: float = 0.2, split_seed: int = 0) -> Splits:
    """178 wines of three growers, 13 measures each (UCI wine); fractions as of `open_digits`."""
    return _table("wine", "grower", valid_fraction, test_fraction, split_seed)


def open_breast_cancer(*, valid_fraction: float = 0.1, test_fraction: float = 0.2, split_seed: int = 0) -> Splits:
    """569 breast tumours, 30 measures each (UCI Wisconsin diagnostic); fractions as of `open_digits`."""
    return _table("breast_cancer", "diagnosis", valid_fraction, test_fraction, split_seed)


def open_diabetes(*, valid_fraction: float = 0.1, test_fraction: float = 0.2, split_seed: int = 0) -> Splits:
    """442 patients, 10 measures, the disease's progress a year later (Efron and others, 2004); as `open_digits`."""
    return _table("diabetes", "progression", valid_fraction, test_fraction, split_seed)


def _loaded(name: str) -> Any:
    try:
        datasets = import_module("sklearn.datasets")
    except ImportError as error:
        raise MissingExtraError(
            f"the built-in data set {name!r} comes with scikit-learn; type: pip install 'neuropil[samples]'"
        ) from error
    options = {"scaled": False} if name == "diabetes" else {}  # real units, not those divided by all rows' deviation
    return getattr(datasets, f"load_{name}")(**options)


def _table(name: str, target: str, valid_fraction: float, test_fraction: float, seed: int) -> Splits:
    found = _loaded(name)
    classes = tuple(str(one) for one in getattr(found, "target_names", ()))
    inputs = found.data.astype(np.float32)
    targets = found.target.astype(np.int64) if classes else found.target.astype(np.float32)[:, None]
    train, _, _ = split_indices(
        targets, classes=bool(classes), valid_fraction=valid_fraction, test_fraction=test_fraction, seed=seed
    )
    fills = np.median(found.data[train], axis=0)
    columns = tuple(
        NumberColumn(str(column), float(fill)) for column, fill in zip(found.feature_names, fills, strict=True)
    )
    encoding = TableEncoding(
        layout=(*(column.name for column in columns), target),
        columns=columns,
        target=TargetColumn(target, "classes" if classes else "values", numeric=not classes),
    )
    info = DataInfo(
        source=name,
        kind="table",
        target="classes" if classes else "values",
        input_shape=inputs.shape[1:],
        classes=classes,
        columns=encoding.names,
        targets=() if classes else (target,),
        encoding=encoding.to_json(),
    )
    samples = InMemory(inputs, targets, info)
    return split(samples, valid_fraction=valid_fraction, test_fraction=test_fraction, seed=seed)
