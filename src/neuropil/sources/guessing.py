"""What kind of text or series a file or folder holds, by its names and the first lines of its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from neuropil.corpora.language import is_text_name
from neuropil.data.archive import Archive
from neuropil.data.pictures import has_picture_name
from neuropil.errors import InputError
from neuropil.sequences.caption_files import has_captions
from neuropil.sequences.labelled_files import has_class_folders, looks_labelled
from neuropil.sequences.parallel_files import language_files
from neuropil.sequences.series import is_time
from neuropil.sequences.text_files import TextFile, content_of, lines_of, part_of, plain_name, text_store, usable_names

__all__ = ["guess_text"]

HEAD_BYTES = 1 << 18

TAGGED_ENDS = (".conllu", ".conll")

TEXT_ENDS = (".txt", ".tsv")
"""Files that are text also where a byte of them is broken: whoever opens them names it."""

TABLE_ENDS = (".csv", ".tsv", ".data")

PLAIN_ENDS = ("", ".txt", ".text", ".md", ".tokens", ".raw", ".train", ".dev", ".valid", ".val", ".test")
"""Ends of files that are plain text if they are nothing else."""

MAX_TAGS = 200


def guess_text(place: Path | str) -> str | None:
    """`tagged_text`, `labelled_text`, `parallel`, `series`, `captions` or `text`; nothing where it is none of them.

    Args:
        place: a file, folder or zip file that exists.
    """
    try:
        store = text_store(place)
        names = usable_names(store)
    except InputError:
        return None
    texts = [name for name in names if is_text_name(name) and not has_picture_name(name)]
    if not texts:
        return None
    if any(plain_name(name).lower().endswith(TAGGED_ENDS) for name in texts):
        return "tagged_text"
    pictures = len(texts) < len(names)
    if (pictures or len(texts) > 1) and has_captions(store, texts):
        return "captions"
    if pictures or (len(names) > 1 and any(_is_other(name) for name in names)):
        return None
    if language_files(texts):
        return "parallel"
    return _kind_of_texts(store, texts)


def _is_other(name: str) -> bool:
    """Whether a file is of a kind that the other sources read."""
    return PurePosixPath(name).suffix.lower() in (".npz", ".bin", ".idx", ".json", ".xml")


def _kind_of_texts(store: Archive, texts: Sequence[str]) -> str | None:
    """The kind of the file to train on; of several files without parts, whether they are classes."""
    first = next((name for name in texts if part_of(name) == "train"), texts[0])
    if (file := _head(store, first)) is None:
        return None
    if has_class_folders(texts):
        return "labelled_text"
    kind = _kind_of_file(file)
    alike = [name for name in texts if part_of(name) == part_of(first)]
    if kind == "text" and len(alike) > 1:
        heads = [_head(store, name) for name in alike[:40]]
        if not any(one is None or _has_gaps(one) for one in heads):
            return "labelled_text"
    plain = PurePosixPath(plain_name(first)).suffix.lower() in PLAIN_ENDS
    return kind if kind != "text" or plain else None


def _has_gaps(file: TextFile) -> bool:
    """Whether a file has empty lines between others, as prose does."""
    return any(not line.strip() for line in file.lines[:-1])


def _head(store: Archive, name: str) -> TextFile | None:
    """The first lines of a file, whatever its encoding; nothing where it is empty or no text.

    Raises:
        InputError: it is gzipped, and damaged.
    """
    try:
        content = content_of(store, name)
    except InputError:
        if name.lower().endswith(".gz"):
            raise
        return None
    cut = content[:HEAD_BYTES]
    encoding = "utf-16" if cut.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    text = cut.decode(encoding, "replace")
    binary = "\0" in text and not plain_name(name).lower().endswith(TEXT_ENDS)
    if binary or not text.strip():
        return None
    lines = lines_of(text)
    if len(content) > HEAD_BYTES and len(lines) > 1:
        lines.pop()
    while lines and not lines[-1].strip():
        lines.pop()
    return TextFile(name, name, lines)


def _kind_of_file(file: TextFile) -> str | None:
    table = plain_name(file.name).lower().endswith(TABLE_ENDS)
    if _looks_tagged(file.lines):
        return "tagged_text"
    if table and _looks_like_series(file.lines):
        return "series"
    if looks_labelled(file):
        return "labelled_text"
    if _looks_parallel(file.lines):
        return "parallel"
    if table or _looks_like_table(file.lines):
        return None
    return "text"


def _looks_tagged(lines: Sequence[str]) -> bool:
    """Whether groups of lines of equally many cells stand between empty lines, the last cell one of few."""
    head = [line for line in lines[:2000] if not line.startswith(("# ", "-DOCSTART-"))]
    full = [line for line in head if line.strip()]
    if len(full) == len(head) or len(full) < 2:
        return False
    cells = [line.split("\t") if "\t" in line else line.split() for line in full]
    widths = {len(one) for one in cells}
    last = {one[-1] for one in cells}
    return len(widths) == 1 and 2 <= widths.pop() <= 10 and len(last) <= min(MAX_TAGS, max(2, len(full) // 2))


def _looks_like_series(lines: Sequence[str]) -> bool:
    """Whether every row begins with a time, and numbers follow."""
    rows = [
        [cell.strip().strip('"') for cell in line.replace(";", ",").split(",")] for line in lines[:200] if line.strip()
    ]
    body = rows[1:] if rows and not is_time(rows[0][0]) else rows
    return len(body) > 1 and all(len(row) > 1 and is_time(row[0]) for row in body)


def _looks_parallel(lines: Sequence[str]) -> bool:
    """Whether every line holds two sentences with a tab between."""
    rows = [line.split("\t") for line in lines[:200] if line.strip()]
    if not rows or any(len(row) != 2 for row in rows):
        return False
    words = [sum(len(row[side].split()) for row in rows) for side in (0, 1)]
    return min(words) >= 2 * len(rows)


def _looks_like_table(lines: Sequence[str]) -> bool:
    """Whether a `.txt` file is a table: equally many cells in every line, or one number in each."""
    head = [line for line in lines[:100] if line.strip()]
    for sign in "\t;,":
        counts = {line.count(sign) for line in head}
        if len(counts) == 1 and counts != {0}:
            return True
    return all(line.strip().replace(".", "", 1).lstrip("+-").isdecimal() for line in head)
