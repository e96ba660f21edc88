"""`neuropil compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from neuropil.cli.output import AsJson, say, say_json, say_table, warn

__all__ = ["compare"]


def compare(
    *words: str,
    vary: Annotated[list[str], Parameter(negative="")],
    seeds: int = 1,
    folder: Path | None = None,
    together: bool = True,
    as_json: AsJson = False,
) -> None:
    """Carry out all combinations of what is varied, and show them in one report; typed again, it goes on.

    Parameters
    ----------
    words
        A recipe and key=value words, as `neuropil train` takes them.
    vary
        PATH=VALUE,VALUE of any path of the recipe, such as optimizer=sgd,adam; may be given several times.
    seeds
        Runs of each combination, with the recipe's seed and the ones after it.
    folder
        Where runs and report go; comparisons/NAME by default.
    together
        Let small networks take their steps in one vectorised pass where that is faster.
    as_json
        Answer with one JSON object.
    """
    from neuropil.drawing.wording import number
    from neuropil.recipes.train import read_recipe
    from neuropil.search.comparing import compare as carry_out

    recipe = read_recipe(words)
    place = folder or Path("comparisons") / recipe.name
    found = carry_out(recipe, vary, seeds=seeds, folder=place, together=together, tell=warn)
    report = place / "report.html"
    if as_json:
        say_json({"folder": str(place), "report": str(report), "metric": found.metric, "runs": found.rows()})
        return
    rows = [(label, number(mean), number(half, 2), str(count)) for label, mean, half, count in found.summary()]
    say_table(f"{found.part} {found.metric}, best first", ("varied", "mean", "±", "runs"), rows)
    say(f"report: {report}  (open it in a browser)")
