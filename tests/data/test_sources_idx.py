"""idx files against bytes written by hand, and the real MNIST."""

from __future__ import annotations

import gzip
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neuropil.data.idx import labelled_idx, open_fashion_mnist, open_idx, open_mnist, read_idx
from neuropil.errors import InputError

Array = np.ndarray[Any, Any]


def idx_bytes(values: Array, *, code: int = 8) -> bytes:
    return bytes([0, 0, code, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_set(folder: Path, count: int = 40, *, test: int = 10, zipped: bool = False, classes: int = 4) -> None:
    random = np.random.default_rng(0)
    for part, number in (("train", count), ("t10k", test)):
        if not number:
            continue
        pictures = random.integers(0, 256, (number, 6, 5), dtype=np.uint8)
        labels = (np.arange(number) % classes).astype(np.uint8)
        for what, values in (("images-idx3", pictures), ("labels-idx1", labels)):
            content = idx_bytes(values)
            if zipped:
                (folder / f"{part}-{what}-ubyte.gz").write_bytes(gzip.compress(content))
            else:
                (folder / f"{part}-{what}-ubyte").write_bytes(content)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_hand_made_set(tmp_path: Path, zipped: bool) -> None:
    write_set(tmp_path, zipped=zipped)
    pictures = np.random.default_rng(0).integers(0, 256, (40, 6, 5), dtype=np.uint8)
    splits = open_idx(root=str(tmp_path), valid_fraction=0.25)
    assert splits.valid is not None and splits.test is not None
    assert (len(splits.train), len(splits.valid), len(splits.test)) == (30, 10, 10)
    assert splits.info.classes == ("0", "1", "2", "3") and splits.info.input_shape == (1, 6, 5)
    seen = np.concatenate([part.fetch(np.arange(len(part)))[0] for part in (splits.train, splits.valid)])
    assert sorted(one.tobytes() for one in seen) == sorted(one.tobytes() for one in pictures)
    index = int(splits.train.name(3).split()[1]) - 1
    inputs, targets = splits.train.fetch(np.array([3]))
    assert np.array_equal(inputs[0, 0], pictures[index]) and targets[0] == index % 4
    assert open_idx(root=str(tmp_path), valid_fraction=0.0).valid is None


def test_without_test_files_a_share_is_drawn(tmp_path: Path) -> None:
    write_set(tmp_path, test=0)
    splits = open_idx(root=str(tmp_path), test_fraction=0.3)
    assert splits.test is not None and len(splits.test) == 12
    assert "no test files" in splits.info.notes[0]


def test_padding_and_resizing(tmp_path: Path) -> None:
    write_set(tmp_path)
    plain = open_idx(root=str(tmp_path)).train.fetch(np.arange(5))[0]
    padded = open_idx(root=str(tmp_path), size=8, fit="pad").train.fetch(np.arange(5))[0]
    assert padded.shape == (5, 1, 8, 8)
    assert np.array_equal(padded, np.pad(plain, ((0, 0), (0, 0), (1, 1), (1, 2))))
    resized = open_idx(root=str(tmp_path), size=12).train.fetch(np.arange(5))[0]
    expected = [np.asarray(Image.fromarray(one[0]).resize((12, 12), Image.Resampling.BILINEAR)) for one in plain]
    assert np.array_equal(resized[:, 0], np.stack(expected))


def test_labels_that_do_not_start_at_0_are_named(tmp_path: Path) -> None:
    write_set(tmp_path, test=0)
    labels = (np.arange(40) % 3 + 5).astype(np.uint8)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    splits = open_idx(root=str(tmp_path))
    assert splits.info.classes == ("5", "6", "7") and set(splits.train.targets.tolist()) == {0, 1, 2}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "begins with nothing"),
        (b"GIF89a..", "no idx file"),
        (bytes([0, 0, 0x0D, 3]) + bytes(12), "holds float32"),
        (bytes([0, 0, 8, 1]) + bytes(4), "on 1 axes; pictures are bytes on 3"),
        (bytes([0, 0, 8, 3, 0]), "ends within its header"),
        (bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 3) + bytes(17), "announces 18 bytes but holds 17"),
        (bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 3) + bytes(19), "goes on after the 18 bytes"),
        (bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 2**31, 9), "at most 4,294,967,296 are read"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    for stored in (content, gzip.compress(content)) if content else (content,):
        path.write_bytes(stored)
        with pytest.raises(InputError, match=sentence) as caught:
            read_idx(path, 3)
        assert str(path) in str(caught.value)


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    good = gzip.compress(idx_bytes(np.zeros((50, 6, 6), dtype=np.uint8)))
    path = tmp_path / "train-images-idx3-ubyte.gz"
    for bad, sentence in ((good[:-12], "announces|goes on"), (good[:10] + b"\xff" * 20, "damaged gzip")):
        path.write_bytes(bad)
        with pytest.raises(InputError, match=sentence):
            read_idx(path, 3)


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", 10) + bytes(50_000_000), 1))
    begin = time.perf_counter()
    with pytest.raises(InputError, match="goes on after the 10 bytes"):
        read_idx(path, 1)
    assert time.perf_counter() - begin < 0.2


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(39, dtype=np.uint8)))
    with pytest.raises(InputError, match=r"40 pictures but .* 39 labels"):
        open_idx(root=str(tmp_path))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(40, dtype=np.uint8)))
    with pytest.raises(InputError, match=r"all labels of .* are 0"):
        open_idx(root=str(tmp_path))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes((np.arange(40) % 12).astype(np.uint8)))
    with pytest.raises(InputError, match="the label 10; the 10 classes are 0 to 9"):
        open_mnist(root=str(tmp_path))
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match="but not the labels"):
        open_idx(root=str(tmp_path))


def test_a_folder_that_is_none_or_empty(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        open_idx(root=str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="no idx file"):
        open_idx(root=str(tmp_path))


def test_padding_to_less_is_refused(tmp_path: Path) -> None:
    write_set(tmp_path)
    with pytest.raises(InputError, match="cannot be padded to 5"):
        open_idx(root=str(tmp_path), size=5, fit="pad")


def test_evaluating_on_another_folder(tmp_path: Path) -> None:
    write_set(tmp_path)
    splits = open_idx(root=str(tmp_path), size=8, fit="pad")
    assert splits.test is not None
    again = labelled_idx(tmp_path, splits.info)
    for found, wanted in zip(again.fetch(np.arange(10)), splits.test.fetch(np.arange(10)), strict=True):
        assert np.array_equal(found, wanted)
    other = tmp_path / "other"
    other.mkdir()
    write_set(other, classes=6)
    with pytest.raises(InputError, match="the label 4, a class that training never saw"):
        labelled_idx(other, splits.info)


def test_mnist(shared_data: Path) -> None:
    begin = time.perf_counter()
    splits = open_mnist(root=str(shared_data / "mnist"), size=32, fit="pad")
    seconds = time.perf_counter() - begin
    assert splits.valid is not None and splits.test is not None
    assert (len(splits.train), len(splits.valid), len(splits.test)) == (54000, 6000, 10000)
    with gzip.open(shared_data / "mnist" / "t10k-images-idx3-ubyte.gz") as file:
        first = np.frombuffer(file.read()[16 : 16 + 784], dtype=np.uint8).reshape(28, 28)
    assert np.array_equal(splits.test.fetch(np.array([0]))[0][0, 0, 2:30, 2:30], first)
    # counts of the digits 0 to 9 in the official training and test part
    everything = np.bincount(splits.train.targets) + np.bincount(splits.valid.targets)
    assert everything.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(splits.test.targets).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert seconds < 3  # 0.5 s on an idle machine


def test_fashion_names(tmp_path: Path) -> None:
    write_set(tmp_path)
    assert open_fashion_mnist(root=str(tmp_path)).info.classes[:2] == ("T-shirt/top", "trouser")
