"""How verbs answer: one JSON object, or words and tables for people."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter

__all__ = ["AsJson", "counted", "say", "say_json", "say_table", "show_figures", "warn"]

AsJson = Annotated[bool, Parameter(name="--json", negative="")]
"""The option of every verb that answers."""


def say_json(answer: Mapping[str, Any]) -> None:
    """One JSON object on standard output; numbers that are not finite become null."""
    print(json.dumps(_finite(answer), ensure_ascii=False))


def say(*lines: str) -> None:
    """Lines on standard output."""
    print("\n".join(lines))


def say_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on standard output."""
    from rich.console import Console

    from neuropil.drawing.tables import table
    from neuropil.drawing.wording import printable

    print(printable(title))
    Console().print(table("", columns, rows))


def warn(*lines: str) -> None:
    """Lines on standard error."""
    sys.stderr.writelines(f"neuropil: {line}\n" for line in lines)


def counted(number: int, noun: str) -> str:
    """A number and what it counts: `1 network`, `2 networks`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def show_figures(title: str, figures: Mapping[str, float]) -> None:
    """Metrics as a table of names and numbers."""
    say_table(title, ("metric", "value"), [(name.replace("_", " "), f"{one:.4f}") for name, one in figures.items()])


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
