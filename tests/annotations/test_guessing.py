"""What a folder of pictures is taken for, and which picture belongs to which file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from annotations.drawn import picture, write_coco, write_masks, write_voc, write_yolo
from neuropil.annotations.box_opening import open_boxes
from neuropil.annotations.mask_opening import open_masks
from neuropil.errors import InputError
from neuropil.sources.opening import guess_source
from neuropil.sources.reading import open_labelled


def names_of(samples: object) -> list[str]:
    return [samples.name(index) for index in range(len(samples))]  # type: ignore[attr-defined, arg-type]


def test_notes_beside_class_folders_make_no_boxes_of_them(tmp_path: Path) -> None:
    for name in ("cat/1.png", "dog/1.png"):
        picture(tmp_path, name)
    assert guess_source(tmp_path) == "folder"
    (tmp_path / "notes.csv").write_bytes("이름,값\n".encode("cp949"))
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "left.csv").write_text("left,right\n1,2\n")
    (tmp_path / "page.xml").write_text("<html/>")
    (tmp_path / "cat/1.txt").write_text("a caption")
    (tmp_path / "quoted.csv").write_text('"' + 200_000 * "x")
    assert guess_source(tmp_path) == "folder"


def test_classes_that_are_called_masks_are_classes(tmp_path: Path) -> None:
    for name in ("mask/1.png", "no_mask/1.png"):
        picture(tmp_path, name)
    assert guess_source(tmp_path) == "folder"


def test_voc_with_outlines_is_read_as_boxes_and_as_masks(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    for folder in ("SegmentationClass", "SegmentationObject"):
        (root / folder).mkdir()
        for name in "ab":
            Image.fromarray(np.eye(32, 48, dtype=np.uint8)).save(root / folder / f"{name}.png")
    assert guess_source(root) == "boxes"
    splits = open_masks(root=str(root), valid_fraction=0.0)
    assert sorted(names_of(splits.train)) == ["JPEGImages/a.png", "JPEGImages/b.png"]
    run = open_boxes(root=str(root), size=16)
    assert len(open_labelled(str(root), run.info)) == 1  # the test list, though there are masks too


def test_a_mask_of_two_pictures_is_refused(tmp_path: Path) -> None:
    root = write_masks(tmp_path, [np.eye(32, 48, dtype=np.uint8)] * 2)
    shutil.copytree(root / "images", root / "depth")
    assert sorted(names_of(open_masks(root=str(root), valid_fraction=0.0).train)) == ["images/0.png", "images/1.png"]
    shutil.copytree(root / "images", root / "photos")
    with pytest.raises(
        InputError, match=r"masks/0\.png is the mask of both images/0\.png and photos/0\.png; leave one"
    ):
        open_masks(root=str(root))


@pytest.mark.parametrize("word", ["val", "valid", "validation"])
def test_folders_say_the_part(word: str, tmp_path: Path) -> None:
    write_yolo(tmp_path / "train")
    write_yolo(tmp_path / word)  # the same names again
    splits = open_boxes(root=str(tmp_path), size=16)
    assert len(splits.train) == 4 and splits.valid is not None and len(splits.valid) == 4 and splits.test is None
    assert all(name.startswith("train/") for name in names_of(splits.train))
    assert not splits.info.skipped


def test_coco_files_for_each_part(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        write_coco(tmp_path / part)
    document = json.loads((tmp_path / "train/boxes.json").read_text())
    splits = open_boxes(root=str(tmp_path), size=16)
    assert [len(part or ()) for part in (splits.train, splits.valid, splits.test)] == [4, 4, 0]
    document["annotations"][0]["image_id"] = [1]
    (tmp_path / "train/boxes.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"train/boxes\.json, annotations\[0\]: its image_id is \[1\]; give a number"):
        open_boxes(root=str(tmp_path))


def test_other_masks_are_read_as_those_of_the_training(tmp_path: Path) -> None:
    values = np.zeros((32, 48), dtype=np.uint8)
    values[:8], values[8:16] = 255, 1
    run = open_masks(root=str(write_masks(tmp_path / "a", [values] * 3)), valid_fraction=0.0)
    others = np.zeros((32, 48), dtype=np.uint8)
    others[:8] = 255
    found = open_labelled(str(write_masks(tmp_path / "b", [others] * 2)), run.info)
    assert set(np.unique(found.targets)) == {0, 255}, "unknown, not a second class"


def test_a_class_number_cannot_take_all_memory(tmp_path: Path) -> None:
    root = write_yolo(tmp_path)
    (root / "classes.txt").unlink()
    for number in ("4000000000", "9" * 5000):
        (root / "labels/a.txt").write_text(f"{number} 0.5 0.5 0.1 0.1\n")
        with pytest.raises(InputError, match=r"a\.txt, line 1: the class is '.*'; give its number, counted from 0"):
            open_boxes(root=str(root), kind="yolo")
