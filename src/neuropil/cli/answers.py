"""Answers of a run on the screen: a table of predictions, or a text as it is written."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Any

from neuropil.cli.output import counted, say_json, say_table, warn
from neuropil.cli.prompting import Prompting
from neuropil.errors import InputError

if TYPE_CHECKING:
    from neuropil.recipes.run import Prediction, Run

__all__ = ["options_of", "show_predictions", "write_behind"]


def show_predictions(predictions: Sequence[Prediction], skipped: Sequence[Any], as_json: bool) -> None:
    """A table with a row each and a column for each plain value of the answers, or one JSON object."""
    if as_json:
        found = [{"name": one.name, **{k: v for k, v in one.answer.items() if k != "mask"}} for one in predictions]
        return say_json({"predictions": found, "skipped": [{"name": s.where, "reason": s.reason} for s in skipped]})
    columns = [key for key, one in predictions[0].answer.items() if isinstance(one, str | int | float)]
    shown = [[one.answer[key] for key in columns] for one in predictions]
    rows = [[f"{one:.4g}" if isinstance(one, float) else str(one) for one in row] for row in shown]
    named = [[one.name, *row] for one, row in zip(predictions, rows, strict=True)]
    return say_table(counted(len(rows), "prediction"), ["sample", *columns], named)


def options_of(prompting: Prompting) -> dict[str, object]:
    """The options that were given, without the prompt.

    Raises:
        InputError: there are some, but no prompt.
    """
    found = {name: one for name, one in asdict(prompting).items() if one is not None and name != "prompt"}
    if found and prompting.prompt is None:
        raise InputError(
            f"--{next(iter(found)).replace('_', '-')} is for a text to go on with; give --prompt TEXT, too"
        )
    return found


def write_behind(run: Run, prompting: Prompting, as_json: bool) -> None:
    """The prompt and what the run writes behind it, piece by piece, or one JSON object when it is whole."""
    from neuropil.drawing.wording import printable
    from neuropil.recipes.writing_on import prompt_of

    writing = run.writing_on(prompt_of(prompting.prompt or ""), **options_of(prompting))
    warn(*run.complaints, *writing.notes)
    if as_json:
        return say_json({"prompt": writing.prompt, "text": "".join(writing.pieces)})
    for piece in chain([writing.prompt], writing.pieces):
        sys.stdout.write(printable(piece))
        sys.stdout.flush()
    sys.stdout.write("\n")
    return None
