"""`neuropil train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from neuropil.cli.output import AsJson, say, say_json

__all__ = ["report_run", "train"]


def train(
    *words: str,
    runs: Path = Path("runs"),
    strict: Annotated[bool, Parameter(negative="")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a network, with a live bar, into a new run folder.

    Parameters
    ----------
    words
        A recipe (built-in name or TOML file) and key=value words; or key=value words alone, such as
        model=lenet5 data=digits epochs=5 lr=0.002. `neuropil recipes` lists recipes, `neuropil models` networks.
    runs
        The folder that holds all run folders.
    strict
        Stop at the first broken sample instead of leaving it out.
    as_json
        Answer with one JSON object; progress still goes to standard error.
    """
    from neuropil.recipes.train import read_recipe
    from neuropil.recipes.train import train as carry_out

    recipe = read_recipe([*words, *(["data.strict=true"] if strict else [])])
    report_run(carry_out(recipe, runs=runs), as_json)


def report_run(run: object, as_json: bool) -> None:
    """Say what came out of a run, where it is, and what to type next."""
    from neuropil.recipes.finishing import next_commands
    from neuropil.recipes.run import Run

    if not isinstance(run, Run):
        raise TypeError(type(run).__name__)
    folder, results = run.folder.path, run.results
    if as_json:
        say_json({"run": str(folder), "results": results, "report": str(folder / "report.html")})
        return
    part = "test" if "test" in results else "valid"
    figures = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in results.get(part, {}).items())
    say(f"{part} part: {figures}" if figures else "nothing was set aside to score it on")
    say(f"report: {folder / 'report.html'}  (open it in a browser)", "next:")
    say(*(f"  {line}" for line in next_commands(str(folder), run.signature.target)))
