"""NumPy archives (`.npz`) into samples: sizes are read from the headers first, and objects are refused."""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from neuropil.data.arrays import array_inputs, array_samples
from neuropil.data.records import DataInfo, Samples, Splits
from neuropil.data.splitting import check_fractions, split_beside
from neuropil.data.tables import TargetTask
from neuropil.errors import InputError

__all__ = ["labelled_npz", "npz_inputs", "open_npz", "read_npz"]

Array = np.ndarray[Any, Any]

LIMIT_BYTES = 4 << 30
"""What all arrays of a file may hold together."""

DAMAGE = (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError)
"""What reading a damaged archive raises."""

TRAIN_KEYS = (("x_train", "y_train"), ("train_images", "train_labels"), ("x", "y"), ("images", "labels"))
VALID_KEYS = (("x_valid", "y_valid"), ("x_val", "y_val"), ("val_images", "val_labels"))
TEST_KEYS = (("x_test", "y_test"), ("test_images", "test_labels"))
"""Names under which inputs and targets are looked for, in this order, in any letter case."""


def open_npz(
    *,
    root: str,
    task: TargetTask = "auto",
    valid_fraction: float = 0.1,
    test_fraction: float = 0.2,
    split_seed: int = 0,
) -> Splits:
    """Arrays `x` and `y`, or `x_train` and `y_train`, `x_valid` …, `x_test` …, of the kinds that `from_arrays` takes.

    Args:
        root: the file.
        task: `classification`, `regression`, or told apart by the type of the targets.
        valid_fraction: share of the training arrays for validation, where the file has none.
        test_fraction: share of them for the test, where the file has none.
        split_seed: of the split.

    Raises:
        InputError: the file is damaged, too large or without such arrays, or they cannot be used.
    """
    check_fractions(valid_fraction, test_fraction)
    path = Path(root)
    headers = _headers(path)
    train_keys = _pair(headers, TRAIN_KEYS)
    if train_keys is None:
        raise InputError(
            f"{root!r} holds {', '.join(map(repr, headers)) or 'nothing'}; name the arrays 'x' and 'y', or "
            "'x_train', 'y_train', 'x_test' and 'y_test'"
        )
    samples = array_samples(*read_npz(path, train_keys), task=task, source=root)
    given: dict[str, Samples] = {}
    for part, names in (("valid", VALID_KEYS), ("test", TEST_KEYS)):
        keys = _pair(headers, names)
        if keys is not None:
            given[part] = array_samples(*read_npz(path, keys), source=f"{root} ({part})", like=samples.info)
    return split_beside(samples, given, valid_fraction=valid_fraction, test_fraction=test_fraction, seed=split_seed)


def labelled_npz(path: Path, info: DataInfo) -> Samples:
    """The test arrays of a file (else its only ones), to evaluate a network that was trained on data like `info`.

    Raises:
        InputError: as `open_npz`; or samples of another shape, or unknown classes.
    """
    keys = _pair(_headers(path), (*TEST_KEYS, *TRAIN_KEYS))
    if keys is None:
        raise InputError(f"{str(path)!r} holds no arrays named 'x' and 'y'")
    return array_samples(*read_npz(path, keys), source=str(path), like=info)


def npz_inputs(path: Path, info: DataInfo) -> Array:
    """The inputs of a file, to predict on: `x`, `x_test`, `images`, or its only array.

    Raises:
        InputError: the file is damaged, or holds no such array, or samples of another shape than `info` tells.
    """
    headers = _headers(path)
    spelled = {name.lower(): name for name in headers}
    wanted = [spelled[x] for x, _ in (("x", ""), *TEST_KEYS, *TRAIN_KEYS) if x in spelled]
    name = wanted[0] if wanted else next(iter(headers)) if len(headers) == 1 else None
    if name is None:
        raise InputError(f"{str(path)!r} holds {', '.join(map(repr, headers)) or 'nothing'}; name the inputs 'x'")
    inputs, _ = array_inputs(read_npz(path, (name,))[0], str(path))
    if inputs.shape[1:] != tuple(info.input_shape):
        raise InputError(
            f"the samples in {str(path)!r} are of shape {list(inputs.shape[1:])}, but the network was trained on "
            f"{list(info.input_shape)}"
        )
    return inputs


def read_npz(path: Path, names: tuple[str, ...]) -> list[Array]:
    """Some arrays of a file, their headers looked at first.

    Raises:
        InputError: the file is no archive of arrays, damaged or too large, or lacks a name.
    """
    headers = _headers(path)
    for name in names:
        if name not in headers:
            raise InputError(f"{str(path)!r} holds no array {name!r}; it has {', '.join(map(repr, headers))}")
    try:
        with zipfile.ZipFile(path) as archive:
            return [_array(archive, name) for name in names]
    except DAMAGE as error:
        raise InputError(f"{str(path)!r} is damaged ({error}); copy or save it again") from error


def _array(archive: zipfile.ZipFile, name: str) -> Array:
    """One array; reading on to its end is what makes the archive check its checksum, which `numpy.load` never does."""
    with archive.open(f"{name}.npy") as file:
        found: Array = np.lib.format.read_array(file, allow_pickle=False)
        if file.read(1):
            raise ValueError(f"the array {name!r} goes on after the values that it announces")
    return found


def _pair(headers: dict[str, tuple[int, ...]], names: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
    """The first two names that the file has, as it spells them."""
    spelled = {name.lower(): name for name in headers}
    return next(((spelled[x], spelled[y]) for x, y in names if x in spelled and y in spelled), None)


def _headers(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of a file's arrays by name; no values are read.

    Raises:
        InputError: no zip archive, a damaged header, an array of objects, or more than the limit.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    total = 0
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(".npy"):
                    continue
                name = member.filename.removesuffix(".npy")
                shapes[name], size = _header(archive, member, path)
                total += size
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise InputError(f"{str(path)!r} is no .npz file, or damaged ({error}); save it with numpy.savez") from error
    if total > LIMIT_BYTES:
        raise InputError(f"{str(path)!r} announces {total:,} bytes; at most {LIMIT_BYTES:,} are read")
    return shapes


def _header(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> tuple[tuple[int, ...], int]:
    """The shape of one array, and the bytes that it announces."""
    name = member.filename.removesuffix(".npy")
    with archive.open(member) as file:
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
        except ValueError as error:
            raise InputError(f"the array {name!r} of {str(path)!r} has a damaged header; save it again") from error
    if dtype.hasobject:
        raise InputError(
            f"the array {name!r} of {str(path)!r} holds Python objects, which may run code; save numbers or texts only"
        )
    return shape, math.prod(shape) * dtype.itemsize
