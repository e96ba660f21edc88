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
    out: Path | None = None,
    as_json: AsJson = False,
) -> None:
    """What a run says of new files.

    Parameters
    ----------
    run
        The run folder.
    files
        Pictures, folders of them, CSV tables, files of a text a line, or texts in quotes; `-` reads standard input.
    weights
        The best checkpoint on the validation part, or the last one.
    out
        A new folder for the pictures with boxes drawn in and predictions.json, or with masks.
    as_json
        Answer with one JSON object.
    """
    from neuropil.recipes.run import load_run

    if not files and sys.stdin.isatty():
        raise InputError("nothing to predict on was given; name files or folders, or write - to type or pipe them in")
    opened, paths = load_run(run, weights=weights), list(files) or ["-"]
    predictions, skipped = opened.predict_and_skip(paths)
    warn(*opened.complaints, *(f"skipped {one.where}: {one.reason}" for one in skipped))
    if not predictions:
        raise InputError(f"none of {counted(len(skipped), 'sample')} could be read; see the reasons above")
    if out is not None:
        warn(f"{counted(len(opened.write_annotated(predictions, paths, out)), 'file')} written to {out}")
    if as_json:
        found = [{"name": one.name, **{k: v for k, v in one.answer.items() if k != "mask"}} for one in predictions]
        say_json({"predictions": found, "skipped": [{"name": s.where, "reason": s.reason} for s in skipped]})
        return
    columns = [key for key, one in predictions[0].answer.items() if isinstance(one, str | int | float)]
    shown = [[one.answer[key] for key in columns] for one in predictions]
    rows = [[f"{one:.4g}" if isinstance(one, float) else str(one) for one in row] for row in shown]
    named = [[one.name, *row] for one, row in zip(predictions, rows, strict=True)]
    say_table(counted(len(rows), "prediction"), ["sample", *columns], named)
