"""Time series from CSV files: windows of the past, and the values that follow."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from neuropil.data.in_memory import InMemory, Subset
from neuropil.data.records import DataInfo, Splits
from neuropil.errors import InputError
from neuropil.registry import nearest
from neuropil.sequences.division import in_order
from neuropil.sequences.naive import forecast_error, season_of
from neuropil.sequences.text_files import TextFile, read_text, text_store, usable_names

__all__ = ["Series", "is_time", "open_series", "read_series", "series_windows"]

Array = np.ndarray[Any, Any]

TIME = re.compile(r"\d{4}-\d{1,2}(-\d{1,2})?([ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?")

MISSING = {"", "na", "n/a", "nan", "?", "null", "none"}


def is_time(cell: str) -> bool:
    """Whether a cell is a month, a day, or a time of day: `1949-01`, `1981-01-01`, `2024-05-01 12:30`."""
    return TIME.fullmatch(cell) is not None


@dataclass(frozen=True, slots=True)
class Series:
    """Columns of numbers, one row a step.

    Args:
        where: the file, for messages.
        names: of the columns.
        values: float64 `[n, D]`.
        times: how each row is called.
        time: name of the column of times; empty where there is none.
    """

    where: str
    names: tuple[str, ...]
    values: Array
    times: tuple[str, ...]
    time: str


def open_series(
    *,
    root: str,
    target: str | tuple[str, ...] | None = None,
    time: str | None = None,
    columns: tuple[str, ...] = (),
    window: int = 24,
    horizon: int = 1,
    missing: Literal["refuse", "previous"] = "refuse",
    encoding: str = "utf-8",
    valid_fraction: float = 0.1,
    test_fraction: float = 0.2,
) -> Splits:
    """A table of one row a step, in the order of time: from the last `window` rows the next `horizon` values.

    The parts follow one another in time: the last rows are the test part, those before them the validation part. What
    is to be foretold lies wholly within its part; the rows it is foretold from may reach back into the part before.
    Inputs and targets are brought to mean 0 and deviation 1 by the training rows.

    Shape: inputs float32 `[N, window, D]`, targets `[N, horizon * targets]`, step by step.

    Args:
        root: a CSV file with a header or without, or a folder with one.
        target: the columns to foretell, one name or several; all where left out.
        time: the column that says the time; where left out the first one, if it holds texts such as 1981-01-01.
        columns: those to read; all that hold numbers where left out.
        window: rows that are looked at, 1 or more.
        horizon: rows that are foretold, 1 or more.
        missing: `refuse` a missing value, or take the `previous` one of its column.
        encoding: of the file.
        valid_fraction: share of the rows to validate on, in [0, 1).
        test_fraction: share to test on, likewise.

    Raises:
        InputError: the file cannot be read, a value is missing or no number, times that go back, a series too short
            for its window; file and line are named.
    """
    store = text_store(root)
    names = [name for name in usable_names(store) if name.lower().endswith((".csv", ".tsv", ".txt", ".gz"))]
    if len(names) != 1:
        raise InputError(f"{root!r} holds {len(names)} tables; name one of them: {', '.join(names[:5])}")
    series = read_series(read_text(store, names[0], encoding), time, columns, missing)
    valid_at, test_at = in_order(len(series.values), valid_fraction, test_fraction)
    saved = {"window": window, "horizon": horizon, "missing": missing, "encoding": encoding}
    info = _described(root, series, _targets(series, target), valid_at, saved)
    return _parts(series, info, valid_at, test_at)


def _described(root: str, series: Series, wanted: tuple[str, ...], valid_at: int, saved: dict[str, Any]) -> DataInfo:
    """What is known of a series; mean and deviation are those of the training rows."""
    for name in ("window", "horizon"):
        if saved[name] < 1:
            raise InputError(f"{name} is {saved[name]} rows; give 1 or more")
    train = series.values[:valid_at]
    spread = train.std(axis=0)
    return DataInfo(
        source=root,
        kind="sequences",
        target="values",
        input_shape=(saved["window"], len(series.names)),
        columns=series.names,
        targets=tuple(f"{name} +{step}" for step in range(1, saved["horizon"] + 1) for name in wanted),
        encoding={
            "reads": "series",
            **saved,
            "time": series.time,
            "columns": list(series.names),
            "target": list(wanted),
            "mean": train.mean(axis=0).tolist(),
            "std": np.where(spread > 0, spread, 1.0).tolist(),
        },
    )


def _parts(series: Series, info: DataInfo, valid_at: int, test_at: int) -> Splits:
    """The windows whose targets lie in each part."""
    window, horizon = info.input_shape[0], int(info.encoding["horizon"])
    count = len(series.values) - window - horizon + 1
    if count < 1 or valid_at < window + horizon:
        raise InputError(
            f"{series.where} has {len(series.values)} rows, {valid_at} of them to train on; a window of {window} and a "
            f"horizon of {horizon} need {window + horizon} there: give a smaller data.window"
        )
    begins = np.arange(count) + window  # the first row that is foretold
    edges = {"train": (0, valid_at), "valid": (valid_at, test_at), "test": (test_at, len(series.values))}
    chosen = {part: np.flatnonzero((begins >= low) & (begins + horizon <= high)) for part, (low, high) in edges.items()}
    shares = ", ".join(f"{len(chosen[part]):,} to {verb}" for part, verb in VERBS.items())
    info = replace(
        info,
        notes=(
            f"{len(series.values):,} rows from {series.times[0]} to {series.times[-1]}; columns: "
            f"{', '.join(series.names)}",
            f"windows of {window} rows, {horizon} to foretell: {shares}, in the order of time",
            *_without_learning(series, info, valid_at, begins[chosen["test"]]),
        ),
    )
    whole = series_windows(series, info)
    made = {part: Subset(whole, indices) if len(indices) else None for part, indices in chosen.items()}
    return Splits(made["train"], made["valid"], made["test"])  # type: ignore[arg-type]


def _without_learning(series: Series, info: DataInfo, valid_at: int, begins: Array) -> list[str]:
    """How far off the test part is what one foretells without a network."""
    if not len(begins):
        return []
    values = series.values[:, [series.names.index(name) for name in info.encoding["target"]]]
    horizon, season = int(info.encoding["horizon"]), season_of(values[:valid_at])
    said = f"without learning, test part: the last value is off by {forecast_error(values, begins, horizon):.4g} (rmse)"
    if season > 1:
        said += f", that of a season of {season} rows ago by {forecast_error(values, begins, horizon, season):.4g}"
    return [said]


VERBS = {"train": "train", "valid": "validate", "test": "test"}


def series_windows(series: Series, info: DataInfo) -> InMemory:
    """Every window of a series that has all its targets, as samples; nothing is copied before it is fetched."""
    window, horizon = info.input_shape[0], int(info.encoding["horizon"])
    values = series.values.astype(np.float32)
    places = [series.names.index(name) for name in info.encoding["target"]]
    count = len(values) - window - horizon + 1
    inputs = np.lib.stride_tricks.sliding_window_view(values, window, axis=0)[:count].transpose(0, 2, 1)
    steps = np.lib.stride_tricks.sliding_window_view(values[window:, places], horizon, axis=0)
    targets = steps.transpose(0, 2, 1).reshape(count, horizon * len(places))
    return InMemory(inputs, np.ascontiguousarray(targets), info, series.times[window : window + count])


def _targets(series: Series, target: str | tuple[str, ...] | None) -> tuple[str, ...]:
    wanted = series.names if target is None else (target,) if isinstance(target, str) else target
    for name in wanted:
        if name not in series.names:
            raise InputError(f"{series.where} has no column {name!r} to foretell; {nearest(name, series.names)}")
    return tuple(wanted)


def read_series(
    file: TextFile, time: str | None = None, columns: Sequence[str] = (), missing: str = "refuse"
) -> Series:
    """A file's columns of numbers.

    Args:
        file: its lines.
        time: the column of times; found out where left out.
        columns: those to read; all but the times where left out.
        missing: `refuse` or `previous`.

    Raises:
        InputError: as `open_series`.
    """
    rows = list(_rows(file))
    first = rows[0][0]
    header = not any(_number(cell) is not None or is_time(cell) for cell in first)
    names = first if header else [f"column {number}" for number in range(1, len(first) + 1)]
    if len(set(names)) < len(names):
        raise InputError(f"{file.place(rows[0][1])}: two columns have one name; give each a name of its own")
    body = rows[1:] if header else rows
    if not body:
        raise InputError(f"{file.where} holds a header and no rows; give a row for each step")
    for wanted in (*columns, *((time,) if time else ())):
        if wanted not in names:
            raise InputError(f"{file.where} has no column {wanted!r}; {nearest(wanted, names)}")
    for cells, line in body:
        if len(cells) != len(names):
            raise InputError(
                f"{file.place(line)}: it has {len(cells)} cells, but {len(names)} are needed; correct this line"
            )
    clock = time or (names[0] if _number(body[0][0][0]) is None and names[0] not in columns else "")
    chosen = [name for name in columns or names if name != clock]
    if not chosen:
        raise InputError(f"{file.where} has no column of numbers beside {clock!r}; give a series")
    times = _times(file, body, names.index(clock)) if clock else tuple(f"line {line}" for _, line in body)
    values = np.empty((len(body), len(chosen)))
    for place, name in enumerate(chosen):
        values[:, place] = list(_column(file, body, names.index(name), name, missing))
    return Series(file.where, tuple(chosen), values, times, clock)


def _rows(file: TextFile) -> Iterator[tuple[list[str], int]]:
    """The rows that are not empty, with their lines."""
    head = file.lines[0]
    sign = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO("\n".join(file.lines), newline=""), delimiter=sign, strict=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield cells, reader.line_num
    except csv.Error as error:
        raise InputError(f"{file.place(reader.line_num)}: {error}; correct the quotes of this line") from error


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _column(
    file: TextFile, body: Sequence[tuple[list[str], int]], place: int, name: str, missing: str
) -> Iterator[float]:
    previous: float | None = None
    for cells, line in body:
        value = _number(cells[place])
        if value is None and cells[place].lower() in MISSING:
            if missing == "refuse" or previous is None:
                raise InputError(
                    f"{file.place(line)}: there is no number in the column {name!r}; fill it in, or give "
                    "data.missing=previous to take the one before"
                )
            value = previous
        if value is None:
            raise InputError(
                f"{file.place(line)}: {cells[place]!r} in the column {name!r} is no finite number; correct it, or name "
                "the columns to read with data.columns="
            )
        previous = value
        yield value


def _times(file: TextFile, body: Sequence[tuple[list[str], int]], place: int) -> tuple[str, ...]:
    """The times of all rows; those that look like dates must not go back."""
    times = tuple(cells[place] for cells, _ in body)
    if all(map(is_time, times)) and len({len(one) for one in times}) == 1:
        for number in range(1, len(times)):
            if times[number] < times[number - 1]:
                raise InputError(
                    f"{file.place(body[number][1])}: {times[number]} comes after {times[number - 1]}; sort the rows by "
                    "their time"
                )
    return times
