"""CIFAR-10's binary files: read as the web page says they are laid out, packed or not; refused when damaged."""

from __future__ import annotations

import gzip
import lzma
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neuropil.data.cifar import CLASSES, RECORD, open_cifar10
from neuropil.errors import InputError
from neuropil.sources.opening import guess_source, open_source
from neuropil.sources.reading import open_labelled


def write(path: Path, count: int, seed: int = 0) -> np.ndarray:
    """Records by hand, one byte after another."""
    draw = np.random.default_rng(seed)
    rows = bytearray()
    pictures = draw.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    for number, picture in enumerate(pictures):
        rows.append(number % 10)
        for channel in picture:
            for row in channel:
                rows += bytes(row.tolist())
    packer = {".gz": gzip.compress, ".xz": lzma.compress}.get(path.suffix, bytes)
    path.write_bytes(packer(bytes(rows)))
    return pictures


@pytest.mark.parametrize("packed", ["", ".gz", ".xz"])
def test_records_come_back(tmp_path: Path, packed: str) -> None:
    pictures = write(tmp_path / f"data_batch_1.bin{packed}", 30)
    others = write(tmp_path / f"test_batch.bin{packed}", 20, seed=1)
    assert guess_source(tmp_path) == "cifar10"
    splits = open_source(str(tmp_path), {"valid_fraction": 0.0})
    images, labels = splits.train.fetch(np.arange(30))
    assert np.array_equal(images, pictures) and np.array_equal(labels, np.arange(30) % 10)
    assert splits.info.classes == CLASSES and splits.info.input_shape == (3, 32, 32)
    assert splits.test is not None
    assert np.array_equal(splits.test.fetch(np.arange(20))[0], others)


def test_parts_are_put_together_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    first, second = write(folder / "data_batch_1.bin", 10), write(folder / "data_batch_2.bin", 10, seed=2)
    splits = open_cifar10(root=str(tmp_path), valid_fraction=0.0, test_fraction=0.0)
    assert np.array_equal(splits.train.fetch(np.arange(20))[0], np.concatenate([first, second]))
    assert splits.test is None


def test_another_size(tmp_path: Path) -> None:
    write(tmp_path / "data_batch_1.bin", 50)
    splits = open_cifar10(root=str(tmp_path), size=64)
    assert splits.info.input_shape == (3, 64, 64) and splits.test is not None
    assert any("has no test_batch.bin" in note for note in splits.info.notes)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is no whole number of records"),
        (b"\0" * (RECORD + 1), "is no whole number of records"),
        (b"\x0a" + b"\0" * (RECORD - 1), "record 0 has the label 10"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "data_batch_1.bin").write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        open_cifar10(root=str(tmp_path))


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no data_batch_1\.bin"):
        open_cifar10(root=str(tmp_path))
    with pytest.raises(InputError, match="there is no folder"):
        open_cifar10(root=str(tmp_path / "nope"))
    write(tmp_path / "test_batch.bin", 10)
    with pytest.raises(InputError, match=r"has no data_batch_1\.bin to train on"):
        open_cifar10(root=str(tmp_path))
    (tmp_path / "data_batch_1.bin.xz").write_bytes(b"no xz")
    with pytest.raises(InputError, match="copy or download it again"):
        open_cifar10(root=str(tmp_path))


def test_the_official_records(shared_data: Path) -> None:
    splits = open_cifar10(root=str(shared_data / "cifar10"), valid_fraction=0.0, test_fraction=0.0)
    assert len(splits.train) == 4000
    counts = np.bincount(splits.train.targets)
    assert counts.min() > 350 and counts.max() < 450
    first = splits.train.fetch(np.array([0]))[0][0]
    assert splits.train.targets[0] == CLASSES.index("frog") and first.std() > 20


def test_a_network_can_be_evaluated_on_them(tmp_path: Path) -> None:
    write(tmp_path / "data_batch_1.bin", 20)
    pictures = write(tmp_path / "test_batch.bin", 10, seed=1)
    info = open_cifar10(root=str(tmp_path)).info
    found = open_labelled(str(tmp_path), info)
    assert np.array_equal(found.fetch(np.arange(10))[0], pictures) and list(found.targets) == list(range(10))
    with pytest.raises(InputError, match="is CIFAR-10, but the network knows cat, dog"):
        open_labelled(str(tmp_path), replace(info, classes=("cat", "dog")))
