"""The binary version of CIFAR-10: records of one label byte and 3 x 32 x 32 bytes of red, green and blue.

Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images"; the layout is that of its web page.
"""

from __future__ import annotations

import gzip
import lzma
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from neuropil.data.in_memory import InMemory, fit_square, rule_for
from neuropil.data.pictures import PictureRule, view
from neuropil.data.records import DataInfo, Samples, Splits
from neuropil.data.splitting import split_beside
from neuropil.errors import InputError

__all__ = ["CLASSES", "is_cifar_name", "labelled_cifar10", "open_cifar10"]

Array = np.ndarray[Any, Any]

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE

MAX_RECORDS = 1_000_000
"""Records that one file may hold; the official ones have 10,000."""

NAME = re.compile(r"(?P<part>data|test)_batch(_\d+)?(\.[\w-]+)*?\.bin(?P<packed>\.gz|\.xz)?", re.IGNORECASE)

OPENERS: dict[str, Callable[..., Any]] = {"": open, ".gz": gzip.open, ".xz": lzma.open}


def is_cifar_name(name: str) -> bool:
    """Whether a file is named as CIFAR-10's are.

    Example:
        >>> is_cifar_name("data_batch_1.bin"), is_cifar_name("test_batch.bin.gz"), is_cifar_name("notes.bin")
        (True, True, False)
    """
    return NAME.fullmatch(name) is not None


def open_cifar10(
    *,
    root: str,
    valid_fraction: float = 0.1,
    test_fraction: float = 0.2,
    split_seed: int = 0,
    size: int | None = None,
    fit: Literal["resize", "pad"] = "resize",
) -> Splits:
    """A folder with `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`, packed by gzip or xz or not.

    Args:
        root: the folder, or the one around it.
        valid_fraction: share of the training records for validation, in [0, 1).
        test_fraction: share for the test where there is no `test_batch.bin`.
        split_seed: of the split.
        size: pixels a side; 32 where left out.
        fit: how to get there: `resize` (bilinear) or `pad` with 0.

    Raises:
        InputError: no such files, one that is damaged, or an option out of its range.
    """
    files = _files(Path(root))
    train, test = ([path for path in files if path.name.lower().startswith(part)] for part in ("data", "test"))
    if not train:
        raise InputError(f"{root!r} has no data_batch_1.bin to train on; give the folder that holds CIFAR-10's files")
    images, labels = _read(train)
    rule = rule_for(images, size, fit)
    info = DataInfo(
        source=root,
        kind="images",
        target="classes",
        input_shape=rule.shape,
        classes=CLASSES,
        encoding=rule.to_encoding(),
    )
    given: dict[str, Samples] = {}
    if test:
        others, answers = _read(test)
        given["test"] = InMemory(fit_square(others, size, fit), answers, info)
    else:
        info = replace(info, notes=(f"{root!r} has no test_batch.bin, so {test_fraction:.0%} of the rest is for it",))
    samples = InMemory(fit_square(images, size, fit), labels, info)
    return split_beside(samples, given, valid_fraction=valid_fraction, test_fraction=test_fraction, seed=split_seed)


def labelled_cifar10(folder: Path, info: DataInfo) -> Samples:
    """The test files of a folder (else its training files), to evaluate a network trained on pictures like `info`.

    Raises:
        InputError: as `open_cifar10`; or a network for other classes.
    """
    if info.classes != CLASSES:
        raise InputError(
            f"{str(folder)!r} is CIFAR-10, but the network knows {', '.join(info.classes[:10])}; give such"
        )
    files = _files(folder)
    images, labels = _read([path for path in files if path.name.lower().startswith("test")] or files)
    rule = PictureRule.from_encoding(info.encoding)
    mode = "L" if rule.channels == 1 else "RGB"
    views = np.stack([view(Image.fromarray(one.transpose(1, 2, 0)).convert(mode), rule) for one in images])
    return InMemory(views, labels, info)


def _files(folder: Path) -> list[Path]:
    """The files of a folder, or of the one folder inside it that has some; a plain one goes before a packed one."""
    if not folder.is_dir():
        raise InputError(f"there is no folder {str(folder)!r}; give the folder that holds CIFAR-10's files as root")
    for place in (folder, *sorted(one for one in folder.iterdir() if one.is_dir())):
        found = {one.name.removesuffix(".gz").removesuffix(".xz"): one for one in sorted(place.iterdir(), reverse=True)}
        known = [path for name, path in sorted(found.items()) if is_cifar_name(name) and path.is_file()]
        if known:
            return known
    raise InputError(f"{str(folder)!r} holds no data_batch_1.bin; give the folder that holds CIFAR-10's files")


def _read(files: list[Path]) -> tuple[Array, Array]:
    """Pictures `[n, 3, 32, 32]` and class numbers `[n]` of some files."""
    records = np.concatenate([_records(path) for path in files])
    labels = records[:, 0].astype(np.int64)
    return np.ascontiguousarray(records[:, 1:]).reshape(-1, 3, SIDE, SIDE), labels


def _records(path: Path) -> Array:
    match = NAME.fullmatch(path.name)
    packed = (match["packed"] or "").lower() if match else ""
    try:
        with OPENERS[packed](path, "rb") as file:
            content = file.read(RECORD * MAX_RECORDS + 1)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise InputError(f"{str(path)!r} cannot be read ({error}); copy or download it again") from error
    count, rest = divmod(len(content), RECORD)
    if rest or not count or count > MAX_RECORDS:
        raise InputError(
            f"{str(path)!r} holds {len(content):,} bytes, which is no whole number of records of {RECORD:,} bytes; "
            "copy or download it again"
        )
    records = np.frombuffer(content, dtype=np.uint8).reshape(count, RECORD)
    if records[:, 0].max() >= len(CLASSES):
        row = int(records[:, 0].argmax())
        raise InputError(f"{str(path)!r}: record {row} has the label {records[row, 0]}; CIFAR-10's are 0 to 9")
    return records
