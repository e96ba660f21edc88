"""`neuropil resume`."""

from __future__ import annotations

from pathlib import Path

from neuropil.cli.output import AsJson
from neuropil.cli.train import report_run

__all__ = ["resume"]


def resume(run: Path, /, *, as_json: AsJson = False) -> None:
    """Go on with a run that was interrupted or killed; it ends as if it had never stopped, bit for bit.

    Parameters
    ----------
    run
        The run folder.
    as_json
        Answer with one JSON object.
    """
    from neuropil.recipes.train import resume_run

    report_run(resume_run(run), as_json)
