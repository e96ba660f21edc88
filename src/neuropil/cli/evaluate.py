"""`neuropil evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from neuropil.cli.output import AsJson, say_json, show_figures, warn

__all__ = ["evaluate"]


def evaluate(
    run: Path,
    /,
    data: str | None = None,
    *,
    weights: Literal["best", "last", "average"] = "best",
    as_json: AsJson = False,
) -> None:
    """Score a run on its own test part, or on other labelled data.

    Parameters
    ----------
    run
        The run folder.
    data
        Other data of the same kind and with the same classes; a file or folder, also written data=PATH.
    weights
        The best checkpoint on the validation part, the last one, or what `neuropil average` made.
    as_json
        Answer with one JSON object.
    """
    from neuropil.recipes.run import load_run

    place = data.removeprefix("data=") if data else None
    opened = load_run(run, weights=weights)
    warn(*opened.complaints)
    figures = opened.evaluate(place).compute()
    part = place or f"its own {opened.own_part()} part"
    if as_json:
        say_json({"run": str(run), "data": part, "metrics": figures})
    else:
        show_figures(f"{run} on {part}", figures)
