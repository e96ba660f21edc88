"""`neuropil predict`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from neuropil.cli.output import AsJson, say, say_json, say_table

__all__ = ["predict"]


def predict(
    run: Path,
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

    opened = load_run(run, weights=weights)
    predictions, skipped = opened.predict_and_skip(list(files) or ["-"])
    for one in skipped:
        print(f"neuropil: skipped {one.where}: {one.reason}", file=sys.stderr)
    if as_json:
        found = [{"name": one.name, **one.answer} for one in predictions]
        say_json({"predictions": found, "skipped": [{"name": s.where, "reason": s.reason} for s in skipped]})
    elif predictions:
        columns = [key for key in predictions[0].answer if key != "top"]
        rows = [[one.name, *(_short(one.answer[key]) for key in columns)] for one in predictions]
        say_table(f"{len(rows)} predictions", ["sample", *columns], rows)
    else:
        say("no sample could be read")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
