"""Text files of rows and columns into lists of cells: delimiter and header found, every row as wide as the first."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from neuropil.errors import InputError
from neuropil.registry import nearest

__all__ = ["MISSING", "Delimiter", "Table", "as_number", "is_missing", "parse_table", "read_table", "table_of_rows"]

Delimiter = Literal["auto", ",", ";", "\t", "tab"]

MISSING = frozenset({"", "?", "na", "n/a", "#n/a", "nan", "null"})
"""What stands for a missing value, in lower case."""

MAX_FILE_BYTES = 1 << 30
"""Size above which a text file is refused."""

SNIFFED_LINES = 64
"""Lines that the delimiter and the header are found by."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text cells, each as wide as there are names.

    Args:
        where: the file, for messages.
        names: of the columns; `column 1`, `column 2`, ... where the file has no header.
        rows: the cells, without blanks around them.
        lines: the row of the file that each row ends on, counted from 1 with the header.
        header: whether the first row of the file held the names.
    """

    where: str
    names: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]
    header: bool

    def position(self, name: str) -> int:
        """Where a column stands.

        Raises:
            InputError: there is none of that name; the nearest is offered.
        """
        if name not in self.names:
            raise InputError(f"{self.where} has no column {name!r}; {nearest(name, self.names)}")
        return self.names.index(name)

    def column(self, name: str) -> list[str]:
        """The cells of one column."""
        position = self.position(name)
        return [row[position] for row in self.rows]

    def place(self, row: int, name: str) -> str:
        """How to call one cell in a message."""
        return f"{self.where}, row {self.lines[row]}, column {name!r}"


def is_missing(cell: str) -> bool:
    """Whether a cell stands for a missing value.

    Example:
        >>> is_missing("NA"), is_missing("0")
        (True, False)
    """
    return not cell or cell.lower() in MISSING


def as_number(cell: str, decimal: str = ".") -> float | None:
    """The number that a cell holds, which may be infinite; `None` for text and missing values.

    Example:
        >>> as_number("1e3"), as_number("1,5", decimal=","), as_number("abc")
        (1000.0, 1.5, None)
    """
    if decimal == ",":
        if "." in cell:
            return None
        cell = cell.replace(",", ".")
    try:
        number = float(cell)
    except ValueError:
        return None
    return None if math.isnan(number) or "_" in cell or not cell.isascii() else number


def read_table(path: Path, *, delimiter: Delimiter = "auto", header: bool | None = None) -> Table:
    """Read a file of comma, semicolon or tab separated values in UTF-8.

    Args:
        path: the file.
        delimiter: what stands between the values; `auto`: the one that divides the first rows most evenly.
        header: whether the first row holds the names; left out: it does where no cell of it is a number.

    Raises:
        InputError: the file cannot be read, is not UTF-8, is empty, or has rows of different width.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{str(path)!r} is larger than {MAX_FILE_BYTES:,} bytes; give it as .npz")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    return parse_table(content, str(path), delimiter=delimiter, header=header)


def parse_table(content: bytes, where: str, *, delimiter: Delimiter = "auto", header: bool | None = None) -> Table:
    r"""A table from the bytes of a file; see `read_table`.

    Example:
        >>> table = parse_table(b"length,kind\n1.5,long\n0.5,short\n", "example.csv")
        >>> table.names, list(table.rows), table.lines
        (('length', 'kind'), [['1.5', 'long'], ['0.5', 'short']], [2, 3])
    """
    text = _text(content, where)
    sign = "\t" if delimiter == "tab" else _sniffed(text) if delimiter == "auto" else delimiter
    rows, lines = _cells(text, where, sign)
    if not rows:
        raise InputError(f"{where!r} is empty; give a file with a row of names and rows of values")
    if header is None:
        header = _is_header(rows[:SNIFFED_LINES])
    names = _names(rows[0] if header else [""] * len(rows[0]), where)
    if header:
        rows, lines = rows[1:], lines[1:]
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(names):
            raise InputError(
                f"{where}, row {line}: {len(row)} values, but there are {len(names)} columns; "
                "repair the row (a value that holds the delimiter must stand in double quotes)"
            )
    if not rows:
        raise InputError(f"{where!r} holds a row of names but no values; give at least one row of them")
    return Table(where, names, rows, lines, header)


def table_of_rows(rows: Iterable[Mapping[str, Any]], where: str) -> Table:
    """A table from mappings of column name to value; what a row lacks, and `None` and NaN, is missing.

    Raises:
        InputError: no rows.

    Example:
        >>> table_of_rows([{"a": 1, "b": "x"}, {"a": None}], "two rows").rows
        [['1', 'x'], ['', '']]
    """
    given = list(rows)
    names = tuple(dict.fromkeys(str(name) for row in given for name in row))
    if not names:
        raise InputError(f"{where} are empty; give at least one row with a value")
    cells = [[_cell(row.get(name)) for name in names] for row in given]
    return Table(where, names, cells, range(1, len(cells) + 1), header=True)


def _cell(value: Any) -> str:
    if value is None or value != value:  # NaN and pandas' NaT differ from themselves
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return str(value).strip()


def _text(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{where}, row {line}: the byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from error


def _sniffed(text: str) -> str:
    """The delimiter that gives the most columns among those that divide most rows alike; a comma where none does."""
    head = "".join(line for line, _ in zip(io.StringIO(text, newline=""), range(SNIFFED_LINES), strict=False))
    best, best_score = ",", (0.0, 1)
    for sign in (",", ";", "\t"):
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(head, newline=""), delimiter=sign) if row]
        except csv.Error:
            continue
        if not widths or max(widths) == 1:
            continue
        usual = max(set(widths), key=widths.count)
        score = (round(widths.count(usual) / len(widths), 1) if usual > 1 else 0.0, usual)
        if score > best_score:
            best, best_score = sign, score
    return best


def _cells(text: str, where: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    rows, lines = [], []
    try:
        for row in reader:
            if row:  # blank lines are no rows
                rows.append([cell.strip() for cell in row])
                lines.append(reader.line_num)
    except csv.Error as error:
        raise InputError(f"{where}, row {reader.line_num}: {error}; repair its quotes") from error
    return rows, lines


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row holds names: no numbers, no gaps, and not only words that come again below."""
    first = rows[0]
    if any(as_number(cell) is not None or as_number(cell, ",") is not None for cell in first):
        return False
    below = [{row[place] for row in rows[1:] if place < len(row)} for place in range(len(first))]
    return not (len(rows) > 1 and all(cell in known for cell, known in zip(first, below, strict=True)))


def _names(cells: Sequence[str], where: str) -> tuple[str, ...]:
    names = tuple(cell or f"column {place}" for place, cell in enumerate(cells, start=1))
    for place, name in enumerate(names):
        if name in names[:place]:
            raise InputError(f"{where}: two columns are named {name!r}; give each its own name")
    return names
