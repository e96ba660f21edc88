"""Small sets of pictures with boxes and masks, in every kind that is read."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

__all__ = ["BOXES", "picture", "write_coco", "write_csv", "write_masks", "write_voc", "write_yolo", "xml_of"]

BOXES: dict[str, list[tuple[str, tuple[float, float, float, float]]]] = {
    "a": [("cat", (4, 6, 20, 30)), ("dog", (24, 10, 40, 22))],
    "b": [("dog", (0, 0, 48, 32))],
    "c": [],
    "d": [("cat", (10, 8, 30, 24)), ("cat", (30, 2, 46, 18))],
}
"""Of pictures 48 wide and 32 high."""


def picture(root: Path, name: str, size: tuple[int, int] = (48, 32)) -> Path:
    """A picture of noise."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(name)).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def xml_of(name: str, boxes: Any, size: tuple[int, int] = (48, 32)) -> str:
    """A VOC annotation."""
    objects = "".join(
        f"<object>\n<name>{label}</name>\n<difficult>0</difficult>\n<bndbox>\n<xmin>{left}</xmin>\n<ymin>{top}</ymin>\n"
        f"<xmax>{right}</xmax>\n<ymax>{bottom}</ymax>\n</bndbox>\n</object>\n"
        for label, (left, top, right, bottom) in boxes
    )
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    return f"<annotation>\n<filename>{name}.png</filename>\n{sides}\n{objects}</annotation>\n"


def write_voc(root: Path) -> Path:
    """Annotations, JPEGImages and lists of the parts."""
    for name, boxes in BOXES.items():
        picture(root, f"JPEGImages/{name}.png")
        (root / "Annotations").mkdir(exist_ok=True)
        (root / f"Annotations/{name}.xml").write_text(xml_of(name, boxes))
    lists = root / "ImageSets/Main"
    lists.mkdir(parents=True)
    for part, names in (("train", "a\nb\n"), ("val", "c\n"), ("test", "d\n")):
        (lists / f"{part}.txt").write_text(names)
    return root


def write_coco(root: Path) -> Path:
    """Pictures and one JSON file."""
    classes = ["cat", "dog"]
    document: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    document["categories"] = [{"id": 3 + number, "name": name} for number, name in enumerate(classes)]
    for number, (name, boxes) in enumerate(BOXES.items()):
        picture(root, f"{name}.png")
        document["images"].append({"id": number, "file_name": f"{name}.png", "width": 48, "height": 32})
        for label, (left, top, right, bottom) in boxes:
            document["annotations"].append(
                {
                    "id": len(document["annotations"]) + 1,
                    "image_id": number,
                    "category_id": 3 + classes.index(label),
                    "bbox": [left, top, right - left, bottom - top],
                    "iscrowd": 0,
                }
            )
    (root / "boxes.json").write_text(json.dumps(document))
    return root


def write_yolo(root: Path) -> Path:
    """Folders `images` and `labels`, and `classes.txt`."""
    (root / "labels").mkdir(parents=True)
    (root / "classes.txt").write_text("cat\ndog\n")
    for name, boxes in BOXES.items():
        picture(root, f"images/{name}.png")
        lines = [
            f"{['cat', 'dog'].index(label)} {(left + right) / 96} {(top + bottom) / 64} {(right - left) / 48} "
            f"{(bottom - top) / 32}"
            for label, (left, top, right, bottom) in boxes
        ]
        (root / f"labels/{name}.txt").write_text("\n".join(lines))
    return root


def write_csv(root: Path) -> Path:
    """Pictures and one table; the picture without boxes has a line of empty cells."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["filename", "xmin", "ymin", "xmax", "ymax", "class"])
    for name, boxes in BOXES.items():
        picture(root, f"{name}.png")
        for label, corners in boxes:
            table.writerow([f"{name}.png", *corners, label])
        if not boxes:
            table.writerow([f"{name}.png", "", "", "", "", ""])
    (root / "boxes.csv").write_text(text.getvalue())
    return root


def write_masks(root: Path, values: Any, *, colours: bool = False, mode: str | None = None) -> Path:
    """Folders `images` and `masks`: each mask is one of `values`, `[32, 48]` or `[32, 48, 3]`."""
    for number, mask in enumerate(values):
        picture(root, f"images/{number}.png")
        (root / "masks").mkdir(exist_ok=True)
        image = Image.fromarray(np.asarray(mask, dtype=np.uint8), mode=mode) if mode else Image.fromarray(mask)
        if mode == "P":
            image.putpalette([shade for one in range(256) for shade in (one, 255 - one, one)])
        image.save(root / f"masks/{number}.png")
    return root
