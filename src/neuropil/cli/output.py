"""How verbs answer: one JSON object, or words and tables for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter

__all__ = ["AsJson", "say", "say_json", "say_table", "show_figures"]

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

    Console().print(table(title, columns, rows))


def show_figures(title: str, figures: Mapping[str, float]) -> None:
    """Metrics as a table of names and numbers."""
    say_table(title, ("metric", "value"), [(name.replace("_", " "), f"{value:.4f}") for name, value in figures.items()])


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
