"""`neuropil predict`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from neuropil.cli.output import AsJson, counted, say_json, say_table, warn
from neuropil.errors import InputError

__all__ = ["predict"]


def predict(
    run: Path,
    /,
    *files: Annotated[str, Parameter(allow_leading_hyphen=True)],
    weights: Literal["best", "last"] = "best",
    as_json: AsJson = False,
) -> None:
    """What a run says of new files.

    Parameters
    ----------
    run
        The run folder.
    files
        Pictures, folders of pictures, or CSV tables, as the run was trained on; `-` reads standard input.
    weights
        The best checkpoint on the validation part, or the last one.
    as_json
        Answer with one JSON object.
    """
    from neuropil.recipes.run import load_run

    if not files and sys.stdin.isatty():
        raise InputError("nothing to predict on was given; name files or folders, or write - to type or pipe them in")
    opened = load_run(run, weights=weights)
    predictions, skipped = opened.predict_and_skip(list(files) or ["-"])
    warn(*opened.complaints, *(f"skipped {one.where}: {one.reason}" for one in skipped))
    if not predictions:
        raise InputError(f"none of {counted(len(skipped), 'sample')} could be read; see the reasons above")
    if as_json:
        found = [{"name": one.name, **one.answer} for one in predictions]
        say_json({"predictions": found, "skipped": [{"name": s.where, "reason": s.reason} for s in skipped]})
        return
    columns = [key for key in predictions[0].answer if key != "top"]
    rows = [[one.name, *(_short(one.answer[key]) for key in columns)] for one in predictions]
    say_table(counted(len(rows), "prediction"), ["sample", *columns], rows)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
