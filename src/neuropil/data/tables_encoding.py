"""Cells of text into numbers: what training fitted, and prediction repeats on new rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from neuropil.data.faults import is_noting, refuse
from neuropil.data.records import DataInfo
from neuropil.errors import InputError
from neuropil.registry import nearest

__all__ = [
    "MISSING",
    "CategoryColumn",
    "NumberColumn",
    "Table",
    "TableEncoding",
    "TargetColumn",
    "class_name",
    "numbers",
    "with_targets",
]

Array = np.ndarray[Any, Any]

MISSING = frozenset(("", "na", "n/a", "nan", "?", "null"))
"""Cells, in lower case, that stand for a missing value."""

LACKING = "(missing)"
"""How the category of missing values is called in the names of encoded columns."""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of text under names.

    Args:
        where: the file, for messages.
        names: of the columns, each once.
        columns: the cells of each column, stripped.
        lines: for messages, the line of the file, or the number, of each row.
        unit: what `lines` count.
    """

    where: str
    names: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    lines: Sequence[int]
    unit: str = "line"

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> tuple[str, ...]:
        """The cells of one column.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self.names:
            raise InputError(f"{self.where} has no column {name!r}; {nearest(name, self.names)}")
        return self.columns[self.names.index(name)]

    def place(self, row: int) -> str:
        """File and line of a row."""
        return f"{self.where}, {self.unit} {self.lines[row]}"


def numbers(cells: Sequence[str]) -> tuple[Array, list[int]]:
    """Cells as float64, NaN where one is missing, and the places of those that are no number.

    Example:
        >>> values, strange = numbers(["1.5", "NA", "two"])
        >>> values.tolist(), strange
        ([1.5, nan, nan], [2])
    """
    if "_" not in "".join(cells):
        try:
            return np.fromiter(map(float, cells), dtype=np.float64, count=len(cells)), []
        except ValueError:
            pass
    values = np.full(len(cells), np.nan)
    strange = []
    for row, cell in enumerate(cells):
        if cell.lower() in MISSING:
            continue
        try:
            if "_" in cell:
                raise ValueError
            values[row] = float(cell)
        except ValueError:
            strange.append(row)
    return values, strange


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A column of numbers; a missing one becomes `fill`, the training part's median."""

    name: str
    fill: float

    @property
    def names(self) -> tuple[str, ...]:
        """Of the encoded column."""
        return (self.name,)

    def encode(self, table: Table) -> Array:
        """The numbers, float32 `[n, 1]`.

        Raises:
            InputError: a cell is neither a finite number nor missing.
        """
        cells = table.column(self.name)
        values, strange = numbers(cells)
        if strange and not is_noting():  # else it was noted when the column's kind was settled
            raise InputError(
                f"{table.place(strange[0])}: column {self.name!r} holds {cells[strange[0]]!r}, but its cells are "
                f"numbers; correct the cell or leave it empty"
            )
        with np.errstate(over="ignore"):
            found = np.where(np.isnan(values), self.fill, values).astype(np.float32)
        for row in np.flatnonzero(np.isinf(found)).tolist():
            refuse(
                table.place(row),
                f"column {self.name!r} holds {cells[row]!r}, which is no finite number (float32); correct the cell or "
                "leave it empty",
            )
            found[row] = self.fill
        return found[:, None]


@dataclass(frozen=True, slots=True)
class CategoryColumn:
    """A column of categories, one 0/1 column each; `''` among the values stands for a missing one."""

    name: str
    values: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the encoded columns."""
        return tuple(f"{self.name}={value or LACKING}" for value in self.values)

    def encode(self, table: Table, *, strict: bool) -> Array:
        """One-hot rows, float32 `[n, K]`; a missing cell is all 0 where training had none missing.

        Args:
            table: the rows.
            strict: refuse a category that training did not see; else its row is all 0.

        Raises:
            InputError: an unseen category.
        """
        cells = category_cells(table.column(self.name))
        numbered = {value: number for number, value in enumerate(self.values)}
        found = np.array([numbered.get(cell, -1) for cell in cells], dtype=np.int64)
        if strict:
            unseen = next((row for row, place in enumerate(found.tolist()) if place < 0 and cells[row]), None)
            if unseen is not None:
                known = [value for value in self.values if value]
                raise InputError(
                    f"{table.place(unseen)}: column {self.name!r} holds {cells[unseen]!r}, which training never saw; "
                    f"{nearest(cells[unseen], known)}"
                )
        result: Array = (found[:, None] == np.arange(len(self.values))).astype(np.float32)
        return result


def category_cells(cells: Sequence[str]) -> list[str]:
    """Cells with every way to say "missing" as the empty text."""
    return ["" if cell.lower() in MISSING else cell for cell in cells]


def class_name(cell: str, numeric: bool) -> str:
    """A class as it is called: `1`, `1.0` and `01` are one class where the column holds numbers.

    Example:
        >>> class_name("1.0", True), class_name("1.0", False)
        ('1', '1.0')
    """
    if not numeric:
        return cell
    value = float(cell)
    return str(int(value)) if value.is_integer() else repr(value)


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """The column that is predicted.

    Args:
        name: of the column.
        kind: `classes` or `values`.
        numeric: its cells are numbers, also where they are classes.
    """

    name: str
    kind: Literal["classes", "values"]
    numeric: bool

    def read(self, table: Table, classes: Sequence[str]) -> Array:
        """Class numbers int64 `[n]`, or values float32 `[n, 1]`.

        Raises:
            InputError: a cell is missing, no finite number, or a class that is not among `classes`.
        """
        cells = table.column(self.name)
        self.check(table)
        if self.kind == "values":
            return numbers(cells)[0].astype(np.float32)[:, None]
        place = {name: number for number, name in enumerate(classes)}
        names = [class_name(cell, self.numeric) for cell in cells]
        unknown = sorted(set(names) - place.keys())
        if unknown:
            row = next(row for row, name in enumerate(names) if name == unknown[0])
            listed = ", ".join(map(repr, unknown[:5])) + (" …" if len(unknown) > 5 else "")
            raise InputError(
                f"{table.place(row)}: column {self.name!r} holds classes that training never saw: {listed}; "
                f"known are {', '.join(map(repr, classes[:20]))}"
            )
        return np.array([place[name] for name in names], dtype=np.int64)

    def check(self, table: Table) -> None:
        """Refuse rows without a usable target.

        Raises:
            InputError: a cell is missing, or not a finite number where numbers are asked for.
        """
        cells = table.column(self.name)
        for row, cell in enumerate(cells):
            if cell.lower() in MISSING:
                said = f"holds {cell!r}" if cell else "is empty"
                raise InputError(
                    f"{table.place(row)}: the target column {self.name!r} {said}; fill the cell or delete the row"
                )
        if not self.numeric:
            return
        values, strange = numbers(cells)
        with np.errstate(over="ignore"):
            wrong = strange or np.flatnonzero(~np.isfinite(values.astype(np.float32))).tolist()
        if wrong:
            raise InputError(
                f"{table.place(wrong[0])}: the target column {self.name!r} holds {cells[wrong[0]]!r}, which is no "
                "finite number; correct it, or give task='classification' where its cells are classes"
            )


def with_targets(table: Table, name: str, *, numeric: bool | None, least: float) -> Table:
    """The rows that have a usable target; the others are noted.

    Args:
        table: all rows.
        name: of the target column.
        numeric: whether it must hold numbers; found out by their share where left out.
        least: that share.
    """
    cells = table.column(name)
    strange = set(numbers(cells)[1])
    if numeric is None:
        numeric = len(strange) <= (1 - least) * len(cells)
    kept = []
    for row, cell in enumerate(cells):
        if cell.lower() in MISSING:
            refuse(table.place(row), f"the target column {name!r} is empty; fill the cell or delete the row")
        elif numeric and row in strange:
            refuse(table.place(row), f"the target column {name!r} holds {cell!r}, which is no number; correct it")
        else:
            kept.append(row)
    if len(kept) == len(cells) or not kept:
        return table
    columns = tuple(tuple(column[row] for row in kept) for column in table.columns)
    return Table(table.where, table.names, columns, [table.lines[row] for row in kept], table.unit)


@dataclass(frozen=True, slots=True)
class TableEncoding:
    """How the columns of a table become the numbers of a network's input.

    Args:
        layout: all columns of the training file in their order, for files without a header.
        columns: the input columns.
        target: the column that is predicted.
        delimiter: of the training file, where the user named it.
    """

    layout: tuple[str, ...]
    columns: tuple[NumberColumn | CategoryColumn, ...]
    target: TargetColumn
    delimiter: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the encoded columns."""
        return tuple(name for column in self.columns for name in column.names)

    def encode(self, table: Table, *, strict: bool = True) -> Array:
        """The inputs, float32 `[n, D]`.

        Args:
            table: rows with at least the input columns; others are not looked at.
            strict: refuse categories that training did not see.

        Raises:
            InputError: a column is missing, or a cell cannot be used.
        """
        parts = [
            column.encode(table) if isinstance(column, NumberColumn) else column.encode(table, strict=strict)
            for column in self.columns
        ]
        return np.concatenate(parts, axis=1)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `DataInfo.encoding`."""
        columns: list[dict[str, Any]] = [
            {"name": one.name, "fill": one.fill}
            if isinstance(one, NumberColumn)
            else {"name": one.name, "values": list(one.values)}
            for one in self.columns
        ]
        target = {"name": self.target.name, "kind": self.target.kind, "numeric": self.target.numeric}
        return {"layout": list(self.layout), "columns": columns, "target": target, "delimiter": self.delimiter}

    @classmethod
    def from_info(cls, info: DataInfo) -> TableEncoding:
        """The encoding that a record carries.

        Raises:
            InputError: it carries none, or a damaged one.
        """
        if not info.encoding:
            raise InputError(
                "this run was trained on arrays, so it does not know the columns of a file; give predict an array"
            )
        try:
            return cls._from_json(info.encoding)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError("the saved description of the table's columns is damaged; train the run again") from error

    @classmethod
    def _from_json(cls, saved: Mapping[str, Any]) -> TableEncoding:
        columns: list[NumberColumn | CategoryColumn] = []
        for one in saved["columns"]:
            if "fill" in one:
                columns.append(NumberColumn(str(one["name"]), float(one["fill"])))
            else:
                columns.append(CategoryColumn(str(one["name"]), tuple(map(str, one["values"]))))
        if not columns or not all(math.isfinite(one.fill) for one in columns if isinstance(one, NumberColumn)):
            raise ValueError("no columns, or a fill value that is not finite")
        target = saved["target"]
        if target["kind"] not in ("classes", "values"):
            raise ValueError("neither classes nor values")
        return cls(
            tuple(map(str, saved["layout"])),
            tuple(columns),
            TargetColumn(str(target["name"]), target["kind"], bool(target["numeric"])),
            None if saved.get("delimiter") is None else str(saved["delimiter"]),
        )
