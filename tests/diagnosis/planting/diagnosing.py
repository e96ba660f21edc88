"""Asking the command line what is wrong with a run."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

from neuropil.cli import main

__all__ = ["diagnosed"]


def diagnosed(run: Path) -> list[str]:
    """The kinds that `neuropil diagnose RUN --json` names.

    Raises:
        AssertionError: it ends in another status than 0, or its answer is not one object of findings.
    """
    out = io.StringIO()
    status: object = 0
    with contextlib.redirect_stdout(out):
        try:
            main(["diagnose", str(run), "--json"])
        except SystemExit as leaving:
            status = leaving.code
    assert status in (0, None), f"diagnose {run} ended in {status}: {out.getvalue()}"
    return [one["fault"] for one in json.loads(out.getvalue())["findings"]]
