"""Pascal VOC: an XML file a picture, lists of the parts in `ImageSets/Main`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from xml.parsers import expat

from neuropil.annotations.records import Annotations, Box, Marked, box_of, number_of, probe, text_of
from neuropil.data.archive import Archive
from neuropil.data.faults import attempt
from neuropil.data.records import Skipped
from neuropil.errors import InputError

__all__ = ["has_voc", "read_voc"]

LISTS = {"train": "train", "val": "valid", "test": "test"}
"""File in `ImageSets/Main` -> part."""

MOST_BYTES = 4 << 20
"""A file of one picture's boxes has a few thousand."""

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def has_voc(store: Archive) -> bool:
    """Whether there are such files, by their first words."""
    names = (name for name in store.files if name.lower().endswith(".xml"))
    return any("<annotation" in probe(store, name)[:2000] for name in names)


@dataclass(slots=True)
class _Entry:
    """One element of the file: its text and line, its children."""

    tag: str
    line: int
    text: str = ""
    children: list[_Entry] = field(default_factory=list)

    def child(self, tag: str) -> _Entry | None:
        return next((one for one in self.children if one.tag == tag), None)

    def value(self, tag: str) -> str | None:
        found = self.child(tag)
        return None if found is None else found.text.strip()


def read_voc(store: Archive) -> Annotations:
    """Every XML file of a folder or zip file; a picture's name is that of its file, or of the XML file.

    Source: Everingham et al. 2010, "The PASCAL visual object classes challenge"; the development kit's `VOC2012`.

    Raises:
        InputError: a box that cannot be one, with file and line.

    Differs:
        VOC counts picture elements from 1 and names the last one inside; tools that write such files today mostly mean
        the edges, and so it is read: from `xmin` to `xmax`.
    """
    pictures, skipped, classes, parts = [], [], set(), _parts(store)
    for name in (name for name in store.files if name.lower().endswith(".xml")):
        text = text_of(store, name, MOST_BYTES)
        if not text.strip():
            skipped.append(Skipped(name, "the file is empty"))
            continue
        root = attempt(partial(_parse, text, f"{store.where}: {name}"))
        if root is None:
            continue
        if root.tag != "annotation":
            skipped.append(Skipped(name, f"its outermost element is <{root.tag}>, not <annotation>"))
            continue
        marked = _marked(root, name, f"{store.where}: {name}", parts)
        pictures.append(marked)
        classes |= {box.label for box in marked.boxes}
    return Annotations(tuple(pictures), tuple(sorted(classes)), tuple(skipped))


def _parse(text: str, where: str) -> _Entry:
    """The tree of an XML file; definitions of entities, which could grow without bound, are refused."""
    outer = _Entry("", 0)
    trail = [outer]
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def begin(tag: str, _: dict[str, str]) -> None:
        entry = _Entry(tag, parser.CurrentLineNumber)
        trail[-1].children.append(entry)
        trail.append(entry)

    def refuse(*_: object) -> None:
        raise InputError(f"{where}, line {parser.CurrentLineNumber}: it defines entities; write the text itself")

    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda tag: trail.pop()
    parser.CharacterDataHandler = lambda data: setattr(trail[-1], "text", trail[-1].text + data)
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise InputError(f"{where}, line {error.lineno}: it is no XML ({reason}); write the file again") from error
    return outer.children[0]


def _marked(root: _Entry, name: str, where: str, parts: Mapping[str, set[str]]) -> Marked:
    size = root.child("size")
    known = None
    if size is not None and size.value("height") and size.value("width"):
        sides = [number_of(size.value(side), f"{where}, line {size.line}", side) for side in ("height", "width")]
        known = (int(sides[0]), int(sides[1])) if min(sides) > 0 else None
    read = (attempt(partial(_box, one, where)) for one in root.children if one.tag == "object")
    boxes = tuple(box for box in read if box is not None)
    path = PurePosixPath(name)
    said = PurePosixPath((root.value("filename") or path.stem).replace("\\", "/")).name
    beside = [str(path.parent / said), str(path.parent.parent / "JPEGImages" / said)]
    part = next((part for part, stems in parts.items() if PurePosixPath(said).stem in stems), None)
    return Marked((*beside, said, str(path.with_suffix("")), path.stem), boxes, known, where, part=part)


def _box(entry: _Entry, where: str) -> Box:
    label, corners = entry.value("name"), entry.child("bndbox")
    here = f"{where}, line {entry.line}"
    if not label:
        raise InputError(f"{here}: an object has no <name>; give its class")
    if corners is None:
        raise InputError(f"{here}: {label!r} has no <bndbox>; give its corners")
    values = [number_of(corners.value(tag), f"{where}, line {corners.line}", tag) for tag in CORNERS]
    ignored = entry.value("difficult") == "1"
    return box_of(label, (values[0], values[1], values[2], values[3]), f"{where}, line {corners.line}", ignored=ignored)


def _parts(store: Archive) -> dict[str, set[str]]:
    """The pictures of each part, where there are lists."""
    parts: dict[str, set[str]] = {}
    for name in store.files:
        path = PurePosixPath(name)
        if path.suffix == ".txt" and path.stem in LISTS and path.parts[-3:-1] == ("ImageSets", "Main"):
            lines = text_of(store, name).split("\n")
            parts.setdefault(LISTS[path.stem], set()).update(line.split()[0] for line in lines if line.strip())
    return parts if "train" in parts else {}
