"""One set of boxes in four kinds of files reads the same; broken ones are named."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotations.drawn import BOXES, picture, write_coco, write_csv, write_voc, write_yolo, xml_of
from neuropil.annotations.box_opening import open_boxes
from neuropil.errors import InputError
from neuropil.sources.opening import guess_source, open_source

WRITERS = {"voc": write_voc, "coco": write_coco, "yolo": write_yolo, "csv": write_csv}


def rows_of(samples: Any) -> dict[str, list[list[float]]]:
    """The boxes of each picture by its name, in picture elements."""
    found = {}
    for index in range(len(samples)):
        rows = samples.targets[index]
        scaled = rows[rows[:, 0] >= 0, :5] * np.array([1, 48, 32, 48, 32])
        found[Path(samples.name(index)).stem] = [[round(float(one), 3) for one in row] for row in scaled]
    return found


EXPECTED = {
    name: [[["cat", "dog"].index(label), *map(float, corners)] for label, corners in boxes]
    for name, boxes in BOXES.items()
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_says_the_same(kind: str, tmp_path: Path) -> None:
    root = WRITERS[kind](tmp_path / "set")
    assert guess_source(root) == "boxes"
    splits = open_boxes(root=str(root), size=(32, 48), valid_fraction=0.0, test_fraction=0.0)
    assert splits.info.classes == ("cat", "dog") and splits.info.target == "boxes"
    found = rows_of(splits.train)
    if kind == "voc":
        found |= rows_of(splits.valid) | rows_of(splits.test)
    assert found == EXPECTED
    assert not splits.info.skipped
    images, targets = splits.train.fetch(np.array([0]))
    assert images.shape == (1, 3, 32, 48) and images.dtype == np.uint8
    assert targets.shape[1:] == (2, 6) and targets.dtype == np.float32


def test_the_lists_of_voc_are_the_parts(tmp_path: Path) -> None:
    splits = open_source(str(write_voc(tmp_path / "set")), {"size": 32})
    assert [len(part) for part in (splits.train, splits.valid, splits.test) if part is not None] == [2, 1, 1]
    assert any("5 boxes: cat 3, dog 2" in note for note in splits.info.notes)


def test_a_zip_file_is_read_where_it_is(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in sorted(root.rglob("*")):
            archive.write(path, path.relative_to(root.parent))
    splits = open_source(str(tmp_path / "set.zip"), {"size": 32})
    assert rows_of(splits.train) == {name: EXPECTED[name] for name in "ab"}


def test_classes_can_be_chosen(tmp_path: Path) -> None:
    splits = open_boxes(root=str(write_csv(tmp_path)), classes=["dog"], size=32, valid_fraction=0.0, test_fraction=0.0)
    assert splits.info.classes == ("dog",)
    assert sorted(len(rows) for rows in rows_of(splits.train).values()) == [0, 0, 1, 1]
    with pytest.raises(InputError, match=r"data\.classes names 'cow', but .* has cat, dog"):
        open_boxes(root=str(tmp_path), classes=["cow"])


def test_boxes_are_cut_at_the_edge_and_those_without_area_named(tmp_path: Path) -> None:
    picture(tmp_path, "a.png")
    boxes = [("cat", (-5, 2, 10, 40)), ("cat", (7, 9, 7, 12)), ("cat", (60, 2, 70, 9))]
    (tmp_path / "a.xml").write_text(xml_of("a", boxes))
    splits = open_boxes(root=str(tmp_path), size=32, valid_fraction=0.0, test_fraction=0.0)
    assert rows_of(splits.train) == {"a": [[0, 0, 2, 10, 32]]}
    reasons = [(one.where.split(", ")[-1], one.reason) for one in splits.info.skipped]
    assert reasons == [
        ("line 17", "a box of 'cat' has no area"),
        ("line 27", "a box of 'cat' lies outside the picture"),
    ]
    assert any(note == "1 box was cut at the edge of the picture" for note in splits.info.notes)
    with pytest.raises(InputError, match=r"line 17: a box of 'cat' has no area \(strict=true"):
        open_boxes(root=str(tmp_path), strict=True)


def broken_coco(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], Path]:
    """A COCO set with one thing wrong."""

    def make(root: Path) -> Path:
        path = write_coco(root) / "boxes.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))
        return root

    return make


def other_json(text: str) -> Callable[[Path], Path]:
    """A COCO set whose JSON file is replaced."""

    def make(root: Path) -> Path:
        (write_coco(root) / "boxes.json").write_text(text)
        return root

    return make


def annotation(place: int, **values: Any) -> Callable[[Path], Path]:
    """A COCO set in which one annotation is changed."""
    return broken_coco(lambda one: one["annotations"][place].update(values))


def broken_voc(old: str, new: str, times: int = 1) -> Callable[[Path], Path]:
    """A VOC set in which one file is changed."""

    def make(root: Path) -> Path:
        path = write_voc(root) / "Annotations/a.xml"
        path.write_text(path.read_text().replace(old, new, times))
        return root

    return make


def broken_line(file: str, line: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        writer = write_yolo if file.startswith("labels") else write_csv
        path = writer(root) / file
        path.write_text(path.read_text().rstrip("\n") + "\n" + line + "\n")
        return root

    return make


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "right before left": (
        broken_voc("<xmax>20</xmax>", "<xmax>2</xmax>"),
        r"a\.xml, line 7: a box of 'cat' goes from \(4, 6\) to \(2, 30\), so it ends before it begins",
    ),
    "not a number": (
        broken_voc("<ymin>6</ymin>", "<ymin>NaN</ymin>"),
        r"a\.xml, line 7: ymin is 'NaN'; give a finite number",
    ),
    "a word": (broken_voc("<ymin>6</ymin>", "<ymin>six</ymin>"), r"a\.xml, line 7: ymin is 'six'; give a number"),
    "half a file": (broken_voc("</annotation>", ""), r"a\.xml, line \d+: it is no XML \(no element found\)"),
    "no corners": (broken_voc("bndbox", "corners", 2), r"a\.xml, line 4: 'cat' has no <bndbox>; give its corners"),
    "an entity": (
        broken_voc("<annotation>", '<!DOCTYPE a [<!ENTITY b "c">]><annotation>'),
        r"a\.xml, line 1: it defines entities",
    ),
    "an unknown class": (annotation(1, category_id=99), r"boxes\.json, annotations\[1\]: no class has the id 99"),
    "an unknown picture": (annotation(0, image_id=99), r"boxes\.json, annotations\[0\]: no picture has the id 99"),
    "a number twice": (annotation(1, id=1), r"boxes\.json, annotations\[0\]: the id 1 stands there 2 times"),
    "a negative width": (
        annotation(0, bbox=[1, 2, -3, 4]),
        r"annotations\[0\]: a box of 'cat' is -3 wide and 4 high",
    ),
    "three numbers": (
        annotation(0, bbox=[1, 2, 3]),
        r"annotations\[0\]: its bbox is \[1, 2, 3\]; give \[left, top, width, height\]",
    ),
    "an empty JSON file": (other_json(""), r"boxes\.json is empty"),
    "half a JSON file": (other_json('{"annotations": [\n{'), r"boxes\.json, line 2: it is no JSON"),
    "no list of pictures": (other_json('{"annotations": []}'), r"boxes\.json has no list 'images'"),
    "a class without a name": (
        broken_line("labels/a.txt", "7 0.5 0.5 0.1 0.1"),
        r"a\.txt, line 3: class 7 has no name; the 2 names give numbers 0 to 1",
    ),
    "picture elements for shares": (
        broken_line("labels/a.txt", "1 20 10 16 12"),
        r"a\.txt, line 3: .* is not in shares of the picture",
    ),
    "four words": (
        broken_line("labels/a.txt", "1 0.5 0.5 0.1"),
        r"a\.txt, line 3: 4 words stand there; give class x y width height",
    ),
    "a short line": (
        broken_line("boxes.csv", "a.png,1,2"),
        r"boxes\.csv, line 8: it has 3 cells, but the header 6",
    ),
    "a box without a class": (broken_line("boxes.csv", "a.png,1,2,3,4,"), r"boxes\.csv, line 8: a box has no class"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_broken_set_is_refused_with_file_and_line(fault: str, tmp_path: Path) -> None:
    make, message = REFUSED[fault]
    root = make(tmp_path / "set")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=message) as refusal:
        open_boxes(root=str(root))
    assert len(str(refusal.value).splitlines()) == 1
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def other_file(name: str, content: bytes | None) -> Callable[[Path], Path]:
    """A VOC set in which a file holds something else, or is gone."""

    def make(root: Path) -> Path:
        path = write_voc(root) / name
        path.unlink() if content is None else path.write_bytes(content)
        return root

    return make


LEFT_OUT: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a missing picture": (other_file("JPEGImages/a.png", None), "there is no picture 'a.png'"),
    "half a picture": (other_file("JPEGImages/a.png", b"\x89PNG\r\n"), "damaged"),
    "another size": (
        broken_voc("<width>48</width>", "<width>96</width>"),
        "it is for a picture of 32x96, but 'JPEGImages/a.png' is 32x48",
    ),
    "an empty XML file": (other_file("Annotations/a.xml", b""), "the file is empty"),
    "another outermost element": (other_file("Annotations/a.xml", b"<page/>"), "its outermost element is <page>"),
}


@pytest.mark.parametrize("fault", LEFT_OUT)
def test_what_spoils_one_picture_leaves_the_others(fault: str, tmp_path: Path) -> None:
    make, reason = LEFT_OUT[fault]
    splits = open_boxes(root=str(make(tmp_path / "set")), size=32)
    assert [reason in one.reason for one in splits.info.skipped] == [True]
    assert len(splits.train) == 1
    with pytest.raises(InputError, match="strict=true"):
        open_boxes(root=str(tmp_path / "set"), strict=True)


def test_what_holds_no_boxes_is_refused(tmp_path: Path) -> None:
    picture(tmp_path, "a.png")
    with pytest.raises(InputError, match="holds no annotations; put Pascal VOC XML, COCO JSON, YOLO text or CSV files"):
        open_boxes(root=str(tmp_path))
    write_csv(tmp_path / "both")
    (tmp_path / "both/a.xml").write_text(xml_of("a", BOXES["a"]))
    with pytest.raises(InputError, match=r"annotations of the kinds voc, csv; say which with data\.kind="):
        open_boxes(root=str(tmp_path / "both"))
    assert len(open_boxes(root=str(tmp_path / "both"), kind="csv", size=16).train) > 1


def test_real_blood_cells(shared_data: Path) -> None:
    splits = open_source(str(shared_data / "bccd/BCCD.zip"), {"size": 32})
    assert [len(part) for part in (splits.train, splits.valid, splits.test) if part is not None] == [205, 87, 72]
    assert splits.info.classes == ("Platelets", "RBC", "WBC")
    named = [one.where.split("/")[-1] for one in splits.info.skipped]
    assert named == ["BloodImage_00338.xml, line 163", "BloodImage_00343.xml, line 55"]
    assert all(one.reason == "a box of 'RBC' has no area" for one in splits.info.skipped)
    assert any(note.startswith("4,886 boxes") for note in splits.info.notes)  # 4,888 less these two
