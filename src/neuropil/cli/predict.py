"""`neuropil predict`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from neuropil.cli.answers import options_of, show_predictions, write_behind
from neuropil.cli.output import AsJson, counted, warn
from neuropil.cli.prompting import Prompting
from neuropil.errors import InputError

__all__ = ["predict"]


def predict(  # noqa: D417
    run: Path,
    /,
    *files: Annotated[str, Parameter(allow_leading_hyphen=True)],
    weights: Literal["best", "last", "average"] = "best",
    out: Path | None = None,
    prompting: Prompting = Prompting(),  # noqa: B008
    as_json: AsJson = False,
) -> None:
    """What a run says of new files, or what a language model writes behind a prompt.

    Parameters
    ----------
    run
        The run folder.
    files
        Pictures, folders of them, CSV tables, files of a text a line, or texts in quotes; `-` reads standard input.
    weights
        The best checkpoint on the validation part, the last one, or what `neuropil average` made.
    out
        A new folder for the pictures with boxes drawn in and predictions.json, or with masks.
    as_json
        Answer with one JSON object.
    """
    from neuropil.recipes.run import load_run

    if prompting.prompt is not None:
        if files or out:
            raise InputError("a prompt is all that a language model reads; leave files and --out out")
        return write_behind(load_run(run, weights=weights), prompting, as_json)
    options_of(prompting)
    if not files and sys.stdin.isatty():
        raise InputError("nothing to predict on was given; name files or folders, or write - to type or pipe them in")
    opened, paths = load_run(run, weights=weights), list(files) or ["-"]
    predictions, skipped = opened.predict_and_skip(paths)
    warn(*opened.complaints, *(f"skipped {one.where}: {one.reason}" for one in skipped))
    if not predictions:
        raise InputError(f"none of {counted(len(skipped), 'sample')} could be read; see the reasons above")
    if out is not None:
        warn(f"{counted(len(opened.write_annotated(predictions, paths, out)), 'file')} written to {out}")
    return show_predictions(predictions, skipped, as_json)
