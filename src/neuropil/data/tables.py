"""CSV files into training, validation and test rows: what the columns are is found out, and said in notes."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from neuropil.data.faults import is_noting, refuse
from neuropil.data.in_memory import InMemory
from neuropil.data.records import DataInfo, Splits
from neuropil.data.splitting import check_fractions, split, split_indices
from neuropil.data.tables_encoding import (
    MISSING,
    CategoryColumn,
    NumberColumn,
    Table,
    TableEncoding,
    TargetColumn,
    category_cells,
    class_name,
    numbers,
    with_targets,
)
from neuropil.errors import InputError
from neuropil.registry import nearest

__all__ = ["Rows", "TargetTask", "headed_table", "named_table", "open_csv", "read_rows", "split_table"]

Array = np.ndarray[Any, Any]
TargetTask = Literal["auto", "classification", "regression"]

DELIMITERS = ",;\t"
MAX_CATEGORIES = 100
"""More different texts than this, in more than half of the rows, are no category."""

MAX_NUMBER_CLASSES = 20
"""At most so many different whole numbers, each five times on average, are read as classes."""

NUMERIC_TASKS = {"classification": False, "regression": True}

NUMERIC_SHARE = 0.9
"""Share of numbers above which a column is one of numbers, and a text in it a mistake."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a file, all equally long, the cells stripped.

    Args:
        where: the file, for messages.
        cells: one list a row.
        lines: the line that each row ends on.
    """

    where: str
    cells: list[list[str]]
    lines: list[int]


def open_csv(
    *,
    root: str,
    target: str | int | None = None,
    task: TargetTask = "auto",
    delimiter: str | None = None,
    header: bool | None = None,
    ignore: tuple[str, ...] = (),
    categories: tuple[str, ...] = (),
    valid_fraction: float = 0.1,
    test_fraction: float = 0.2,
    split_seed: int = 0,
) -> Splits:
    """A table in a text file (UTF-8): numbers stay numbers, texts become one 0/1 column a category.

    Missing cells (empty, NA, N/A, NaN, ?, null) become the training part's median, or a category of their own.

    Args:
        root: the file.
        target: the column to predict, by name or by number from 1; the last one where left out.
        task: `classification`, `regression`, or told apart by the target's cells: texts and few whole numbers are
            classes.
        delimiter: one character; comma, semicolon and tab are told apart where left out.
        header: whether the first line holds names; found out where left out.
        ignore: columns to leave out.
        categories: columns of numbers that stand for categories.
        valid_fraction: share for validation, in [0, 1).
        test_fraction: share for the test, in [0, 1).
        split_seed: of the split.

    Raises:
        InputError: the file cannot be read as a table, a column is unknown, or a cell cannot be used; line and column
            are named.
    """
    path = Path(root)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{root!r} cannot be read: {error.strerror}") from error
    table, notes = headed_table(read_rows(root, content, delimiter), header)
    return split_table(
        table,
        source=root,
        target=target,
        task=task,
        ignore=ignore,
        categories=categories,
        valid_fraction=valid_fraction,
        test_fraction=test_fraction,
        split_seed=split_seed,
        notes=notes,
        delimiter=delimiter,
    )


def read_rows(where: str, content: bytes, delimiter: str | None = None) -> Rows:
    """The cells of a text; empty lines are passed over.

    Args:
        where: the file, for messages.
        content: UTF-8, with or without a byte-order mark.
        delimiter: one character; told apart where left out.

    Raises:
        InputError: not UTF-8, no rows, broken quotes, or rows of different lengths.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{where}, line {line}: this is not UTF-8 text; save the file as UTF-8") from error
    if delimiter is not None and len(delimiter) != 1:
        raise InputError(f"the delimiter is {delimiter!r}; give one character")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or _delimiter(text), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if len(cells) > 1 or any(cells):
                rows.append(cells)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise InputError(f"{where}, line {reader.line_num}: {error}; correct the quotes of this line") from error
    if not rows:
        raise InputError(f"{where} is empty; give a table with a header and rows")
    width = len(rows[0])
    for row, line in zip(rows, lines, strict=True):
        if len(row) != width:
            said = f"it has {len(row)} cells, but line {lines[0]} has {width}; correct this line"
            refuse(f"{where}, line {line}", said)
    kept = [place for place, row in enumerate(rows) if len(row) == width]
    return Rows(where, [rows[place] for place in kept], [lines[place] for place in kept])


def _delimiter(text: str) -> str:
    """The one that cuts most of the first lines into equally many cells, more than one."""
    head = [line for line in text[: 1 << 16].splitlines() if line.strip()][:50]

    def fitness(delimiter: str) -> tuple[float, int]:
        try:
            widths = Counter(len(row) for row in csv.reader(head, delimiter=delimiter) if row)
        except csv.Error:
            return 0.0, 0
        width, count = max(widths.items(), key=lambda item: (item[0] > 1, item[1]), default=(1, 0))
        return (count / sum(widths.values()), width) if width > 1 else (0.0, 0)

    return max(DELIMITERS, key=fitness)


def named_table(rows: Rows, names: Sequence[str] | None) -> Table:
    """The rows as columns under the names of the first row, or under the given ones.

    Raises:
        InputError: nothing below the header, or one name twice.
    """
    cells, lines = (rows.cells, rows.lines) if names is not None else (rows.cells[1:], rows.lines[1:])
    if not cells:
        raise InputError(f"{rows.where} holds a header and no rows; give it at least one row")
    given = names if names is not None else rows.cells[0]
    called = tuple(name or f"column {number}" for number, name in enumerate(given, 1))
    for name, count in Counter(called).items():
        if count > 1:
            raise InputError(f"{rows.where} has {count} columns named {name!r}; give each a name of its own")
    return Table(rows.where, called, tuple(zip(*cells, strict=True)), lines)


def headed_table(rows: Rows, header: bool | None) -> tuple[Table, list[str]]:
    """The table, its first line a header where the user says so or none of its cells is a number."""
    plain = [f"column {number}" for number in range(1, len(rows.cells[0]) + 1)]
    if header is not None:
        return named_table(rows, None if header else plain), []
    if _looks_like_header(rows):
        return named_table(rows, None), []
    note = (
        f"the first line holds no names, so the columns are called 'column 1' to 'column {len(plain)}'; "
        "header=true reads it as names"
    )
    return named_table(rows, plain), [note]


def _looks_like_header(rows: Rows) -> bool:
    first = rows.cells[0]
    values, strange = numbers(first)
    if np.isfinite(values).any() or not strange:
        return False
    if len(rows.cells) == 1:
        return True
    below = list(zip(*rows.cells[1:], strict=True))
    if any(np.isfinite(numbers(column)[0]).any() for column in below):
        return True
    return len(set(first)) == len(first) and all(cell not in column for cell, column in zip(first, below, strict=True))


def split_table(
    table: Table,
    *,
    source: str,
    target: str | int | None,
    task: TargetTask,
    ignore: Sequence[str],
    categories: Sequence[str],
    valid_fraction: float,
    test_fraction: float,
    split_seed: int,
    notes: Sequence[str] = (),
    delimiter: str | None = None,
) -> Splits:
    """Find out what the columns are, divide the rows, and fit the encoding on the training part; see `open_csv`."""
    check_fractions(valid_fraction, test_fraction)
    notes = list(notes)
    if len(table.names) < 2:
        raise InputError(f"{table.where} has one column only; give a table of inputs and a target, or the delimiter")
    name = _target_name(table, target, notes)
    for one in (*ignore, *categories):
        table.column(one)
    inputs = [one for one in table.names if one != name and one not in ignore]
    if name in ignore or not inputs:
        raise InputError(
            f"{table.where}: ignore leaves no {'target' if name in ignore else 'input column'}; ignore less"
        )
    if is_noting():
        table = with_targets(table, name, numeric=NUMERIC_TASKS.get(task), least=NUMERIC_SHARE)
    column, classes = _target_column(table, name, task, notes)
    targets = column.read(table, classes)
    train, _, _ = split_indices(
        targets,
        classes=bool(classes),
        valid_fraction=valid_fraction,
        test_fraction=test_fraction,
        seed=split_seed,
    )
    columns = _input_columns(table, inputs, categories, train, notes)
    encoding = TableEncoding(table.names, columns, column, delimiter)
    info = DataInfo(
        source=source,
        kind="table",
        target=column.kind,
        input_shape=(len(encoding.names),),
        classes=classes,
        columns=encoding.names,
        targets=() if classes else (name,),
        notes=tuple(notes),
        encoding=encoding.to_json(),
    )
    samples = InMemory(
        encoding.encode(table, strict=False), targets, info, [f"{table.unit} {line}" for line in table.lines]
    )
    return split(samples, valid_fraction=valid_fraction, test_fraction=test_fraction, seed=split_seed)


def _target_name(table: Table, target: str | int | None, notes: list[str]) -> str:
    if target is None:
        notes.append(f"the last column, {table.names[-1]!r}, is what is predicted; target=NAME chooses another")
        return table.names[-1]
    if target in table.names:
        return str(target)
    if str(target).isdecimal() and 1 <= int(target) <= len(table.names):
        return table.names[int(target) - 1]
    raise InputError(f"{table.where} has no column {str(target)!r} to predict; {nearest(str(target), table.names)}")


def _target_column(table: Table, name: str, task: TargetTask, notes: list[str]) -> tuple[TargetColumn, tuple[str, ...]]:
    """The target's kind and the class names, in order."""
    cells = table.column(name)
    values, strange = numbers(cells)
    numeric = (
        len(strange) <= (1 - NUMERIC_SHARE) * len(cells) if task == "auto" else task == "regression" or not strange
    )
    column = TargetColumn(name, "values", numeric)
    column.check(table)
    different = np.unique(values) if numeric else np.array(sorted(set(cells)))
    if len(different) < 2:
        raise InputError(
            f"{table.where}: all {len(cells)} rows have {cells[0]!r} in the target column {name!r}; "
            "give rows of at least two kinds"
        )
    whole = numeric and bool((values == np.rint(values)).all())
    few = len(different) == 2 or len(different) <= min(MAX_NUMBER_CLASSES, len(cells) / 5)
    if task == "regression" or (task == "auto" and numeric and not (whole and few)):
        notes.append(f"{name!r} holds numbers from {values.min():g} to {values.max():g}, read as values (regression)")
        return column, ()
    if len(different) > max(MAX_NUMBER_CLASSES, len(cells) / 2):
        raise InputError(
            f"{table.where}: the target column {name!r} holds {len(different)} different cells in {len(cells)} rows, "
            "too many to be classes; name another target" + (", or give task='regression'" if numeric else "")
        )
    kind = "whole numbers" if whole else "numbers" if numeric else "texts"
    notes.append(
        f"{name!r} holds {len(different)} different {kind}, read as classes"
        + ("; task=regression reads them as values" if numeric and task == "auto" else "")
    )
    classes = [class_name(str(one), True) for one in different.tolist()] if numeric else different.tolist()
    return TargetColumn(name, "classes", numeric), tuple(classes)


def _input_columns(
    table: Table, names: Sequence[str], categories: Sequence[str], train: Array, notes: list[str]
) -> tuple[NumberColumn | CategoryColumn, ...]:
    found: list[NumberColumn | CategoryColumn] = []
    missing = 0
    for name in names:
        cells = table.column(name)
        lacking = sum(cell.lower() in MISSING for cell in cells)
        if lacking == len(cells):
            notes.append(f"column {name!r} is empty and was left out")
            continue
        missing += lacking
        if name not in categories and _is_numeric(table, name, lacking):
            values = numbers(cells)[0][train]
            known = values[~np.isnan(values)]
            found.append(NumberColumn(name, float(np.median(known)) if len(known) else 0.0))
        else:
            found.append(_category_column(table, name, train, notes))
    if not found:
        raise InputError(f"{table.where}: every input column is empty; give rows with values")
    if missing:
        notes.append(
            f"{missing} missing cell{'s' if missing > 1 else ''}: the training part's median where numbers are, "
            "else a category of their own"
        )
    return tuple(found)


def _is_numeric(table: Table, name: str, lacking: int) -> bool:
    """Whether a column holds numbers.

    Raises:
        InputError: nearly all cells are numbers, and one is not.
    """
    cells = table.column(name)
    strange = numbers(cells)[1]
    if strange and len(strange) <= (1 - NUMERIC_SHARE) * (len(cells) - lacking):
        for row in strange:
            refuse(
                table.place(row),
                f"column {name!r} holds {cells[row]!r}, but {len(cells) - lacking - len(strange)} of its "
                f"{len(cells) - lacking} cells are numbers; correct or empty the cell, or give categories=[{name!r}]",
            )
        return True
    return not strange


def _category_column(table: Table, name: str, train: Array, notes: list[str]) -> CategoryColumn:
    cells = category_cells(table.column(name))
    different = set(cells)
    if len(different) > MAX_CATEGORIES and len(different) > len(cells) / 2:
        hint = "write its numbers with a point" if _decimal_commas(cells) else f"give ignore=[{name!r}] to leave it out"
        raise InputError(
            f"{table.where}: column {name!r} holds {len(different)} different texts in {len(cells)} rows, too many for "
            f"categories; {hint}"
        )
    known = {cells[row] for row in train.tolist()}
    unseen = sorted(different - known - {""})
    if unseen:
        notes.append(
            f"outside the training part {name!r} also holds {', '.join(map(repr, unseen[:3]))}"
            f"{' …' if len(unseen) > 3 else ''}, read there as none of the known categories"
        )
    values = sorted(known - {""}) + ([""] if "" in known else [])
    return CategoryColumn(name, tuple(values))


def _decimal_commas(cells: Sequence[str]) -> bool:
    """Whether a column would be one of numbers if its commas were points."""
    return not numbers([cell.replace(",", ".") for cell in cells])[1]
