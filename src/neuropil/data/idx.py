"""The idx files of MNIST and its relatives, gzipped or not, a folder of them.

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", section "file formats": two zero bytes, the
type of the values, the number of axes, the length of each axis as a big-endian 32-bit number, then the values.
"""

from __future__ import annotations

import math
import re
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from neuropil.data.in_memory import InMemory, fit_square, rule_for
from neuropil.data.pictures import PictureRule, view
from neuropil.data.records import DataInfo, Samples, Splits
from neuropil.data.splitting import split_beside
from neuropil.errors import InputError

__all__ = ["is_idx_name", "labelled_idx", "open_fashion_mnist", "open_idx", "open_mnist", "read_idx"]

Array = np.ndarray[Any, Any]

LIMIT_BYTES = 4 << 30
"""Values that one file may hold."""

TYPES = {0x08: "bytes", 0x09: "signed bytes", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}

FASHION = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
"""Class names of Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017, table 2)."""

NAME = re.compile(r"(?P<part>.*?)[-_.]?(?P<what>images|labels)[-_.]idx(?P<axes>[13])-ubyte(\.gz)?", re.IGNORECASE)


def open_idx(
    *,
    root: str,
    valid_fraction: float = 0.1,
    test_fraction: float = 0.2,
    split_seed: int = 0,
    size: int | None = None,
    fit: Literal["resize", "pad"] = "resize",
) -> Splits:
    """Pictures and labels of one folder: `*train-images-idx3-ubyte`, `*train-labels-idx1-ubyte`, likewise `t10k`.

    The official test part is the test part; without one, `test_fraction` of the training files is.

    Args:
        root: the folder.
        valid_fraction: share of the training files for validation, in [0, 1).
        test_fraction: share for the test where the folder has no test files.
        split_seed: of the split.
        size: pixels a side; the files' own where left out.
        fit: how to get there: `resize` (bilinear) or `pad` with 0.

    Raises:
        InputError: a file is missing, damaged or of another kind, or an option is out of its range.
    """
    return _open(root, None, valid_fraction, test_fraction, split_seed, size, fit)


def open_mnist(
    *,
    root: str,
    valid_fraction: float = 0.1,
    split_seed: int = 0,
    size: int | None = None,
    fit: Literal["resize", "pad"] = "resize",
) -> Splits:
    """MNIST: 60,000 + 10,000 handwritten digits of 28 × 28; options and refusals as of `open_idx`."""
    return _open(root, tuple("0123456789"), valid_fraction, 0.0, split_seed, size, fit)


def open_fashion_mnist(
    *,
    root: str,
    valid_fraction: float = 0.1,
    split_seed: int = 0,
    size: int | None = None,
    fit: Literal["resize", "pad"] = "resize",
) -> Splits:
    """Fashion-MNIST: 60,000 + 10,000 clothes of 28 × 28, ten kinds; options and refusals as of `open_idx`."""
    return _open(root, FASHION, valid_fraction, 0.0, split_seed, size, fit)


def labelled_idx(folder: Path, info: DataInfo) -> Samples:
    """The test files of a folder (else its training files), to evaluate a network trained on pictures like `info`.

    Labels are found among the class names, or are class numbers where no name is a number.

    Raises:
        InputError: as `open_idx`; or a label that is no class.
    """
    train, test = _pairs(folder)
    pair = test or train
    images, labels = pair.read()
    rule = PictureRule.from_encoding(info.encoding)
    mode = "L" if rule.channels == 1 else "RGB"
    views = np.stack([view(Image.fromarray(one[0]).convert(mode), rule) for one in images])
    named = {int(name): number for number, name in enumerate(info.classes) if name.isdecimal()}
    places = named or {number: number for number in range(len(info.classes))}
    strange = sorted(set(labels.tolist()) - places.keys())
    if strange:
        raise InputError(
            f"{str(pair.labels)!r} holds the label {strange[0]}, a class that training never saw; "
            f"known are {', '.join(info.classes[:20])}"
        )
    table = np.array([places.get(number, 0) for number in range(256)], dtype=np.int64)
    return InMemory(views, table[labels], info)


def is_idx_name(name: str) -> bool:
    """Whether a file is named as idx files are.

    Example:
        >>> is_idx_name("train-images-idx3-ubyte.gz")
        True
    """
    return NAME.fullmatch(name) is not None


def read_idx(path: Path, axes: int) -> Array:
    """The bytes of an idx file, uint8, read-only; no more is unpacked than its header announces.

    Args:
        path: the file, gzipped where its first two bytes say so.
        axes: how many axes it must have: 3 for pictures, 1 for labels.

    Raises:
        InputError: the file cannot be read, is no idx file of bytes, or is shorter or longer than its header says.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    header = 4 + 4 * axes
    values = _Unpacked(path, content)
    head = values.take(header)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES:
        raise InputError(f"{str(path)!r} is no idx file: it begins with {head[:4].hex(' ') or 'nothing'}")
    if head[2] != 0x08 or head[3] != axes:
        raise InputError(
            f"{str(path)!r} holds {TYPES[head[2]]} on {head[3]} axes; "
            f"{'pictures' if axes == 3 else 'labels'} are bytes on {axes}"
        )
    if len(head) < header:
        raise InputError(f"{str(path)!r} ends within its header; copy or download it again")
    shape = struct.unpack(f">{axes}I", head[4:])
    announced = math.prod(shape)
    if announced > LIMIT_BYTES:
        raise InputError(f"{str(path)!r} announces {announced:,} bytes; at most {LIMIT_BYTES:,} are read")
    body = values.take(announced + 1)
    if len(body) < announced:
        raise InputError(
            f"{str(path)!r} announces {announced:,} bytes but holds {len(body):,}; copy or download it again"
        )
    if len(body) > announced or not values.finished():
        raise InputError(
            f"{str(path)!r} goes on after the {announced:,} bytes that it announces; copy or download it again"
        )
    return np.frombuffer(body, dtype=np.uint8).reshape(shape)


class _Unpacked:
    """The content of a file bit by bit, unzipped where it is gzipped."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        self.rest = content
        self.unzip = zlib.decompressobj(wbits=31) if content[:2] == b"\x1f\x8b" else None

    def take(self, count: int) -> bytes:
        """The next `count` bytes, or as many as there are."""
        if self.unzip is None:
            taken, self.rest = self.rest[:count], self.rest[count:]
            return taken
        try:
            taken = self.unzip.decompress(self.rest, count)
        except zlib.error as error:
            raise InputError(f"{str(self.path)!r} is a damaged gzip file; copy or download it again") from error
        self.rest = self.unzip.unconsumed_tail
        return taken

    def finished(self) -> bool:
        """Whether the file ends here, its checksum seen."""
        if self.unzip is None:
            return not self.rest
        return self.unzip.eof and not self.unzip.unused_data.strip(b"\0")


@dataclass(frozen=True, slots=True)
class _Pair:
    """A file of pictures and the file of their labels."""

    images: Path
    labels: Path

    def read(self) -> tuple[Array, Array]:
        """Pictures `[n, 1, H, W]` and labels `[n]`."""
        images, labels = read_idx(self.images, 3), read_idx(self.labels, 1)
        if len(images) != len(labels):
            raise InputError(
                f"{str(self.images)!r} holds {len(images):,} pictures but {str(self.labels)!r} {len(labels):,} labels; "
                "give files that belong together"
            )
        if 0 in images.shape:
            raise InputError(f"{str(self.images)!r} holds no picture: its header says {list(images.shape)}")
        return images[:, None], labels


def _open(
    root: str,
    names: tuple[str, ...] | None,
    valid_fraction: float,
    test_fraction: float,
    split_seed: int,
    size: int | None,
    fit: Literal["resize", "pad"],
) -> Splits:
    train, test = _pairs(Path(root))
    images, labels = train.read()
    classes, numbers = _named(labels, names, train.labels)
    own, rule = images.shape[1:], rule_for(images, size, fit)
    images = fit_square(images, size, fit)
    info = DataInfo(
        source=root,
        kind="images",
        target="classes",
        input_shape=rule.shape,
        classes=classes,
        encoding=rule.to_encoding(),
    )
    given: dict[str, Samples] = {}
    if test is not None:
        test_images, test_labels = test.read()
        if test_images.shape[1:] != own:
            raise InputError(f"{str(test.images)!r} holds pictures of another size than {str(train.images)!r}")
        known = np.unique(labels) if names is None else None
        given["test"] = InMemory(
            fit_square(test_images, size, fit), _numbered(test_labels, known, len(classes), test.labels), info
        )
    else:
        share = (
            f"{test_fraction:.0%} of the training files is the test part" if test_fraction else "there is no test part"
        )
        info = replace(info, notes=(f"{root!r} has no test files (t10k-…), so {share}",))
    samples = InMemory(images, numbers, info)
    return split_beside(samples, given, valid_fraction=valid_fraction, test_fraction=test_fraction, seed=split_seed)


def _named(labels: Array, names: tuple[str, ...] | None, path: Path) -> tuple[tuple[str, ...], Array]:
    """Class names and the labels as class numbers: the given names, or the numbers that occur."""
    present = np.unique(labels)
    if len(present) < 2:
        raise InputError(f"all labels of {str(path)!r} are {int(present[0])}; there is nothing to tell apart")
    if names is not None:
        return names, _numbered(labels, None, len(names), path)
    return tuple(str(int(label)) for label in present), _numbered(labels, present, len(present), path)


def _numbered(labels: Array, known: Array | None, count: int, path: Path) -> Array:
    """Labels as class numbers below `count`: their places among the `known` ones, or themselves."""
    numbers = labels.astype(np.int64)
    known = np.arange(count) if known is None else known
    strange = np.setdiff1d(numbers, known)
    if len(strange):
        raise InputError(
            f"{str(path)!r} holds the label {int(strange[0])}; the {count} classes are {known[0]} to {known[-1]}"
        )
    found: Array = np.searchsorted(known, numbers)
    return found


def _pairs(folder: Path) -> tuple[_Pair, _Pair | None]:
    """The training pair of a folder and the test pair, if there is one; an unzipped file goes before its gzip."""
    if not folder.is_dir():
        raise InputError(f"there is no folder {str(folder)!r}; give the folder that holds the idx files as root")
    files: dict[tuple[str, str], dict[str, Path]] = {}
    for path in sorted(folder.iterdir(), reverse=True):
        match = NAME.fullmatch(path.name)
        if match and path.is_file():
            files.setdefault(_part(match["part"]), {})[match["what"].lower()] = path
    trains = [key for key in files if key[0] == "train"]
    tests = [key for key in files if key[0] == "test"]
    if len(trains) != 1 or len(tests) > 1:
        found = ", ".join(sorted(path.name for pair in files.values() for path in pair.values())) or "no idx file"
        raise InputError(
            f"{str(folder)!r} must hold one train-images-idx3-ubyte and one train-labels-idx1-ubyte file "
            f"(.gz or not), but it has {found}"
        )
    return _pair(folder, files[trains[0]]), _pair(folder, files[tests[0]]) if tests else None


def _part(prefix: str) -> tuple[str, str]:
    """Which part a file's prefix names, and of what data set (`emnist-letters-train`)."""
    words = re.split(r"[-_.]", prefix.lower())
    which = "test" if words[-1] in ("t10k", "test") else "train" if words[-1] == "train" else words[-1]
    return which, "-".join(words[:-1])


def _pair(folder: Path, found: dict[str, Path]) -> _Pair:
    for what in ("images", "labels"):
        if what not in found:
            raise InputError(
                f"{str(folder)!r} has {next(iter(found.values())).name} but not the {what} that belong to it"
            )
    return _Pair(found["images"], found["labels"])
