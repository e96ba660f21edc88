from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from neuropil.drawing.tables import facts, table
from neuropil.errors import InputError


def shown(one: Table, width: int = 60) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(one)
    return stream.getvalue()


def test_cells_are_worded_and_numbers_stand_right() -> None:
    written = shown(table("networks", ["name", "parameters"], [["lenet5", 61706], ["resnet18", 11689512]]))
    lines = [line.rstrip() for line in written.splitlines()]
    assert lines[0].strip() == "networks"
    (small,) = [line for line in lines if "lenet5" in line]
    (large,) = [line for line in lines if "resnet18" in line]
    assert small.endswith("61,706")
    assert large.endswith("11,689,512")
    assert len(small) == len(large)


def test_markup_and_terminal_commands_are_shown_not_obeyed() -> None:
    written = shown(table("[bold]t[/]", ["[red]c"], [["[link=x]a\x1b[2J"], [None]]))
    assert "[bold]t[/]" in written
    assert "[red]c" in written
    assert "[link=x]a\ufffd[2J" in written
    assert "\x1b" not in written


def test_facts_are_flattened() -> None:
    written = shown(facts("speed", {"plan": {"channels_last": True}, "samples_per_second": 52013.7}))
    assert "plan.channels last" in written
    assert "52,014" in written


def test_no_rows_is_a_table() -> None:
    assert "name" in shown(table("none", ["name"], []))


def test_a_row_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(InputError, match="row 2 of table 't' has 1 cells for 2 columns"):
        table("t", ["a", "b"], [[1, 2], [3]])
