"""Texts with a label each, in the forms in which they are found.

table     a text column and a label column, with a header or without
lines     the label first, then the text: `1 a fine film`, `__label__pos a fine film`
files     a file a class, a text a line: names/Arabic.txt, reviews.pos and reviews.neg
folders   a folder a class, a text a file: pos/1.txt
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from neuropil.data.archive import Archive
from neuropil.data.faults import refuse
from neuropil.errors import InputError
from neuropil.registry import nearest
from neuropil.sequences.text_files import Cells, TextFile, cells_of, part_of, plain_name, read_text

__all__ = [
    "Column", "Form", "Labelled", "TextColumns", "TextTable", "form_of", "has_class_folders", "is_labelled_name",
    "looks_labelled", "read_texts",
]  # fmt: skip

Form = Literal["table", "lines", "files", "folders"]

MAX_CLASSES = 1000
"""More different labels than this are none."""

ENDS = (".txt", ".tsv", ".csv", ".pos", ".neg", ".train", ".dev", ".valid", ".val", ".test", ".data")


class Labelled(NamedTuple):
    """One text and its label; of a pair the second text, too."""

    text: str
    label: str
    where: str
    second: str | None = None


Column = str | int
"""A column of a table, by name or number from 1."""

TextColumns = Column | tuple[Column, Column] | None
"""The column of texts, those of pairs of texts, or none named."""


class TextTable(NamedTuple):
    """Where text and label stand in a table, and of pairs the second text."""

    delimiter: str
    text: int
    label: int
    width: int
    header: bool
    names: tuple[str, ...]
    second: int | None = None

    @property
    def told(self) -> str:
        """How the columns were read, in words."""
        columns = self.names or tuple(f"column {number}" for number in range(1, self.width + 1))
        beside = "" if self.second is None else f" and {columns[self.second]!r}"
        return (
            f"texts from {columns[self.text]!r}{beside}, labels from {columns[self.label]!r}; the first line holds "
            f"{'names' if self.header else 'data'}"
        )


def is_labelled_name(name: str) -> bool:
    """Whether a file may hold labelled texts, by its name."""
    plain = plain_name(name).lower()
    return plain.endswith(ENDS) or "." not in plain


def form_of(store: Archive, names: Sequence[str], encoding: str) -> Form:
    """How texts and labels lie in some files."""
    if has_class_folders(names):
        return "folders"
    file = read_text(store, names[0], encoding)
    if delimiter_of(file) is not None:
        return "table"
    return "lines" if has_label_lines(file.lines) else "files"


def has_class_folders(names: Sequence[str]) -> bool:
    """Whether files lie in two folders or more, each with several, whose names are no parts of the data."""
    folders = Counter(PurePosixPath(name).parent.name for name in names)
    different = {one: count for one, count in folders.items() if one and part_of(f"{one}/x") is None}
    return len(different) >= 2 and min(different.values()) >= 2


def delimiter_of(file: TextFile) -> str | None:
    """The sign between the columns of a table, if a file is one: a tab in every line, or commas in a `.csv`."""
    head = [line for line in file.lines[:50] if line.strip()]
    counts = {line.count("\t") for line in head}
    if 0 not in counts and head:
        return "\t"
    if not plain_name(file.name).lower().endswith(".csv"):
        return None
    return max(",;", key=lambda sign: head[0].count(sign)) if any(sign in head[0] for sign in ",;") else None


def has_label_lines(lines: Sequence[str]) -> bool:
    """Whether every line begins with a small whole number, or `__label__`, and a text follows."""
    head = [line.split(maxsplit=1) for line in lines[:500] if line.strip()]
    if len(head) < 2 or any(len(one) < 2 for one in head):
        return False
    first = {one[0] for one in head}
    short = all(one.isdecimal() and len(one) <= 3 for one in first) or all(one.startswith("__label__") for one in first)
    return short and 2 <= len(first) <= max(2, len(head) // 2)


def looks_labelled(file: TextFile) -> bool:
    """Whether a table has a column of free text beside one of labels."""
    if has_label_lines(file.lines):
        return True
    if (delimiter := delimiter_of(file)) is None:
        return False
    try:
        rows = list(cells_of(file, delimiter))[:200]
        table = text_table(file, rows, delimiter, None, None, None)
    except InputError:
        return False
    texts = [row.cells[table.text] for row in rows[table.header :]]
    return sum(len(one.split()) for one in texts) >= 3 * len(texts) and len(set(texts)) >= 0.8 * len(texts)


def text_table(
    file: TextFile,
    rows: Sequence[Cells],
    delimiter: str,
    text: TextColumns,
    label: Column | None,
    header: bool | None,
) -> TextTable:
    """Which column holds texts, which labels, and whether the first line holds their names.

    Where it is not said, the column of the fewest different cells holds the labels, and of the others that of the
    longest cells the texts.

    Raises:
        InputError: too few columns, no such column, or none that could hold labels.
    """
    width = len(rows[0].cells)
    text, second = text if isinstance(text, tuple) else (text, None)
    if width < (2 if second is None else 3):
        texts = "a text" if second is None else "two texts"
        columns = "column" if width == 1 else "columns"
        raise InputError(
            f"{file.place(rows[0].line)}: it has {'one' if width == 1 else width} {columns} only; give {texts} and a "
            "label in each line"
        )
    named = header is not False and any(isinstance(one, str) for one in (text, second, label))
    names = tuple(rows[0].cells)
    _check_names(file, rows[0].line, (text, second, label) if named else (), names)
    body = [row.cells for row in rows[1:] if len(row.cells) == width] or [rows[0].cells]
    different = [len({cells[place] for cells in body}) for place in range(width)]
    lengths = [sum(len(cells[place]) for cells in body) for place in range(width)]
    most = max(2, min(MAX_CLASSES, len(body) // 2))
    known = [_chosen(file, one, names, None) for one in (text, second) if second is not None]
    free = [place for place in range(width) if place not in known]
    fitting = [place for place in free if 2 <= different[place] <= most and lengths[place] < max(lengths)]
    label_at = _chosen(file, label, names, min(fitting, key=lambda place: (different[place], -place), default=None))
    if label_at is None:
        raise InputError(f"{file.where} has no column that could hold labels; name it with data.label=")
    others = [place for place in range(width) if place != label_at]
    text_at = _chosen(file, text, names, max(others, key=lambda place: lengths[place]))
    second_at = _chosen(file, second, names, None)
    if text_at is None or label_at in (text_at, second_at):
        raise InputError(f"{file.where}: text and label are one column; name another with data.text= or data.label=")
    if text_at == second_at:
        raise InputError(f"{file.where}: both texts of a pair are one column; name two different ones with data.text=")
    if header is None:
        first = rows[0].cells[label_at]
        unlike = first not in {cells[label_at] for cells in body} and not any(map(str.isdecimal, names))
        header = named or (len(rows) > 1 and unlike and len(set(names)) == width)
    return TextTable(delimiter, text_at, label_at, width, header, names if header else (), second_at)


def _check_names(file: TextFile, line: int, given: Sequence[Column | None], names: Sequence[str]) -> None:
    """Refuse names that no column has, or two.

    Raises:
        InputError: there is one.
    """
    for one in given:
        if isinstance(one, str) and not one.isdecimal() and names.count(one) != 1:
            if many := names.count(one):
                raise InputError(f"{file.place(line)}: {many} columns are named {one!r}; give each a name of its own")
            raise InputError(f"{file.place(line)}: there is no column {one!r}; {nearest(one, names)}")


def _chosen(file: TextFile, given: str | int | None, names: Sequence[str], guess: int | None) -> int | None:
    """The place of a column that was named or numbered, else the guess."""
    if given is None:
        return guess
    if str(given) in names:
        return list(names).index(str(given))
    if str(given).isdecimal() and 1 <= int(given) <= len(names):
        return int(given) - 1
    raise InputError(f"{file.where} has no column {given!r}; {nearest(str(given), names)}")


def read_texts(
    store: Archive,
    name: str,
    form: Form,
    encoding: str,
    table: TextTable | None = None,
    *,
    class_of_file: str = "",
) -> Iterator[Labelled]:
    """The texts of one file, also empty ones.

    Args:
        store: where the file lies.
        name: of the file.
        form: how texts and labels lie in it.
        encoding: of the file.
        table: of the form `table`: where the columns are.
        class_of_file: of the forms `files` and `folders`: the label.

    Raises:
        InputError: a line without a label, or with another number of columns; it is named.
    """
    file = read_text(store, name, encoding)
    if form == "folders":
        yield Labelled(" ".join(file.lines).strip(), class_of_file, file.where)
        return
    file.check_lines()
    if form == "table" and table is not None:
        yield from _table_texts(file, table)
        return
    for number, line in enumerate(file.lines, 1):
        if form == "files":
            yield Labelled(line.strip(), class_of_file, file.place(number))
        elif line.strip():
            label, _, text = line.strip().partition(" " if "\t" not in line else "\t")
            yield Labelled(text.strip(), label.removeprefix("__label__"), file.place(number))


def _table_texts(file: TextFile, table: TextTable) -> Iterator[Labelled]:
    first = True
    for cells, line in ((row.cells, row.line) for row in cells_of(file, table.delimiter)):
        if first and table.header and tuple(cells) == table.names:
            first = False
            continue
        first = False
        if len(cells) != table.width:
            refuse(file.place(line), f"it has {len(cells)} cells, but {table.width} are needed; correct this line")
            continue
        if not cells[table.label]:
            refuse(file.place(line), "there is no label; fill it in, or remove the line")
            continue
        second = None if table.second is None else cells[table.second]
        yield Labelled(cells[table.text], cells[table.label], file.place(line), second)
