"""Folders and zip files of pictures: layouts, parts, what is refused, random views, threads."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neuropil.batches.augmentation import Augmentation
from neuropil.batches.augmentation_geometry import RandomResizedCrop
from neuropil.batches.batching import Batches
from neuropil.data.cropping import crop_boxes
from neuropil.data.folder import open_folder
from neuropil.data.records import Splits
from neuropil.errors import InputError


def picture(seed: int, side: int = 24, kind: str = "PNG") -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(buffer, kind)
    return buffer.getvalue()


def tree(root: Path, folders: Sequence[str], count: int = 10, side: int = 24) -> dict[str, bytes]:
    """`count` pictures in each folder, on the disk and as a table."""
    files = {
        f"{folder}/{number:02}.png": picture(1000 * place + number, side)
        for place, folder in enumerate(folders)
        for number in range(count)
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return files


def zipped(path: Path, files: Mapping[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return str(path)


def sizes(splits: Splits) -> tuple[int, int, int]:
    train, valid, test = (0 if part is None else len(part) for part in (splits.train, splits.valid, splits.test))
    return train, valid, test


def names(splits: Splits) -> list[list[str]]:
    parts = (splits.train, splits.valid, splits.test)
    return [[] if part is None else [part.name(index) for index in range(len(part))] for part in parts]


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (["cat", "dog"], (14, 2, 4)),
        (["photos/cat", "photos/dog"], (14, 2, 4)),
        (["train/cat", "train/dog"], (14, 2, 4)),
        (["train/cat", "train/dog", "test/cat", "test/dog"], (18, 2, 20)),
        (["train/cat", "train/dog", "val/cat", "val/dog"], (20, 20, 0)),
        (["pets/train/cat", "pets/train/dog", "pets/validation/cat", "pets/test/dog"], (20, 10, 10)),
    ],
)
def test_layouts_on_the_disk_and_in_a_zip(folders: list[str], expected: tuple[int, int, int], tmp_path: Path) -> None:
    files = tree(tmp_path / "disk", folders)
    found = open_folder(root=str(tmp_path / "disk"))
    assert sizes(found) == expected
    assert found.info.classes == ("cat", "dog")
    assert found.info.input_shape == (3, 24, 24)
    for part in (found.train, found.valid, found.test):
        for index in range(0 if part is None else len(part)):
            assert part is not None
            assert part.info.classes[part.targets[index]] in part.name(index)
            stored = np.asarray(Image.open(io.BytesIO(files[part.name(index)]))).transpose(2, 0, 1)
            assert np.array_equal(part.fetch(np.array([index]))[0][0], stored)
    packed = open_folder(root=zipped(tmp_path / "all.zip", files))
    assert names(packed) == names(found)
    assert np.array_equal(packed.train.fetch(np.arange(5))[0], found.train.fetch(np.arange(5))[0])
    assert not any(one.is_dir() for one in tmp_path.iterdir() if one.name != "disk")  # nothing was unpacked


def test_the_split_is_stratified_and_seeded(tmp_path: Path) -> None:
    tree(tmp_path, ["cat", "dog"])
    first, again = (open_folder(root=str(tmp_path), split_seed=3) for _ in range(2))
    other = open_folder(root=str(tmp_path), split_seed=4)
    assert names(first) == names(again) != names(other)
    assert sorted(chain(*names(first))) == sorted(chain(*names(other)))
    assert first.test is not None and np.bincount(first.test.targets).tolist() == [2, 2]


def test_size_fit_and_colour(tmp_path: Path) -> None:
    tree(tmp_path, ["cat", "dog"], count=3, side=40)
    assert open_folder(root=str(tmp_path)).info.input_shape == (3, 40, 40)
    assert open_folder(root=str(tmp_path), size=32, colour="grey").info.input_shape == (1, 32, 32)
    assert open_folder(root=str(tmp_path), size=(16, 24), fit="pad").info.input_shape == (3, 16, 24)
    (tmp_path / "cat/large.png").write_bytes(picture(1, 50))
    mixed = open_folder(root=str(tmp_path))
    assert mixed.info.input_shape == (3, 224, 224)
    assert any("224 x 224" in note and "rgb" in note for note in mixed.info.notes)
    for path in tmp_path.rglob("*.png"):
        Image.open(path).convert("L").save(path)
    assert open_folder(root=str(tmp_path)).info.encoding["colour"] == "grey"
    for refused in ({"size": 0}, {"size": 5000}, {"valid_fraction": 0.9, "test_fraction": 0.2}):
        with pytest.raises(InputError, match=r"give|leave"):
            open_folder(root=str(tmp_path), **refused)  # type: ignore[arg-type]


def test_broken_pictures_are_skipped_by_name_or_stop(tmp_path: Path) -> None:
    tree(tmp_path, ["cat", "dog"])
    (tmp_path / "cat/cut.png").write_bytes(picture(0)[:-200])
    (tmp_path / "dog/words.jpg").write_text("words")
    (tmp_path / "dog/scan.tiff").write_bytes(b"II*\0")
    (tmp_path / "dog/notes.txt").write_text("left alone")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden/x.png").write_bytes(b"")
    found = open_folder(root=str(tmp_path))
    assert sum(sizes(found)) == 20
    assert {one.where for one in found.info.skipped} == {"cat/cut.png", "dog/words.jpg", "dog/scan.tiff"}
    assert all(one.reason for one in found.info.skipped)
    assert any("3 pictures were skipped" in note for note in found.info.notes)
    with pytest.raises(InputError, match=r"(cut\.png|words\.jpg|scan\.tiff).*strict=true"):
        open_folder(root=str(tmp_path), strict=True)


def test_a_class_without_usable_pictures(tmp_path: Path) -> None:
    tree(tmp_path, ["cat", "dog"], count=2)
    (tmp_path / "emu").mkdir()
    with pytest.raises(InputError, match="no usable picture of class 'emu'"):
        open_folder(root=str(tmp_path))
    (tmp_path / "emu/only.png").write_bytes(picture(0)[:-200])
    with pytest.raises(InputError, match="no usable picture of class 'emu'"):
        open_folder(root=str(tmp_path))


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ([], "no folders of pictures; make one folder a class"),
        (["cat"], "only one class, 'cat'"),
        (
            ["train/cat", "train/dog", "val/cat", "val/dgo"],
            "'dgo' is in the valid part but not in train; did you mean 'dog'",
        ),
    ],
)
def test_refused_layouts(folders: list[str], message: str, tmp_path: Path) -> None:
    tree(tmp_path, folders, count=2)
    (tmp_path / "loose.png").write_bytes(picture(0))
    with pytest.raises(InputError, match=message):
        open_folder(root=str(tmp_path))


def test_refused_places(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder or zip file"):
        open_folder(root=str(tmp_path / "nowhere"))
    (tmp_path / "no.zip").write_text("words")
    with pytest.raises(InputError, match="not a zip file"):
        open_folder(root=str(tmp_path / "no.zip"))


def test_random_views_use_the_whole_resolution(tmp_path: Path) -> None:
    tree(tmp_path, ["cat", "dog"], count=4, side=90)
    train = open_folder(root=str(tmp_path), size=32, valid_fraction=0, test_fraction=0).train
    draws = np.random.default_rng(0).random((8, 4))
    views, targets = train.fetch(np.arange(8), draws)
    assert targets.tolist() == train.targets.tolist()
    for index, (top, left, tall, wide) in enumerate(crop_boxes(draws, 90, 90).tolist()):
        whole = Image.open(tmp_path / train.name(index))
        edges = (left, top, left + wide, top + tall)
        expected = np.asarray(whole.crop(edges).resize((32, 32), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
        assert np.abs(views[index].astype(int) - expected).max() <= 1  # torch's filter in place of Pillow's


def test_threads_and_workers_give_the_same(tmp_path: Path) -> None:
    files = tree(tmp_path / "disk", ["cat", "dog"], count=30, side=40)
    train = open_folder(root=zipped(tmp_path / "all.zip", files), size=24).train
    draws = np.random.default_rng(1).random((len(train), 4))
    alone = train.fetch(np.arange(len(train)), draws)[0]
    chunks = np.array_split(np.random.default_rng(2).permutation(len(train)), 20)
    with ThreadPoolExecutor(8) as pool:
        for chunk, found in zip(chunks, pool.map(lambda one: train.fetch(one, draws[one])[0], chunks), strict=True):
            assert np.array_equal(found, alone[chunk])
    augment = Augmentation([RandomResizedCrop(scale=(0.5, 1.0))], seed=5)
    epochs = [
        [batch.inputs for batch in Batches(train, batch_size=8, seed=1, workers=workers, augment=augment).epoch(2)]
        for workers in (0, 3)
    ]
    assert all(bool((one == other).all()) for one, other in zip(*epochs, strict=True))


def test_fetched_arrays_may_be_changed_and_views_stay(tmp_path: Path) -> None:
    tree(tmp_path, ["cat", "dog"])
    train = open_folder(root=str(tmp_path)).train
    before = train.fetch(np.arange(3))[0]
    train.fetch(np.arange(3))[0].fill(0)
    assert np.array_equal(train.fetch(np.arange(3))[0], before)


def test_a_file_that_goes_after_opening_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, ["cat", "dog"])
    monkeypatch.setattr("neuropil.data.folder.CACHE_BYTES", 0)
    train = open_folder(root=str(tmp_path)).train
    assert train.fetch(np.array([0]))[0].shape == (1, 3, 24, 24)  # decoded again: nothing was kept
    (tmp_path / train.name(0)).unlink()
    with pytest.raises(InputError, match=rf"{train.name(0)} cannot be read any more"):
        train.fetch(np.array([0]))


def test_hymenoptera(shared_data: Path) -> None:
    found = open_folder(root=str(shared_data / "hymenoptera/hymenoptera224.zip"), size=64)
    assert sizes(found) == (244, 153, 0)
    assert found.info.classes == ("ants", "bees")
    assert found.info.skipped == ()
