"""`neuropil check`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from neuropil.cli.output import AsJson, counted, say, say_json, say_table

__all__ = ["check"]


def check(
    source: str,
    /,
    *words: str,
    checks: str = "",
    without: str = "",
    setting: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    out: Path = Path("data-check.html"),
    as_json: AsJson = False,
) -> None:
    """Look for faults in data before training: broken files, copies, leakage, odd labels; exit status 1 if there are.

    Parameters
    ----------
    source
        A built-in set (digits, iris ...) or a path.
    words
        Options of the source, as for train, such as target=quality size=64.
    checks
        Names of checks with commas between; left out: all that apply.
    without
        Names of checks to leave out.
    setting
        A threshold, such as near_duplicates.difference=0.05; may be given several times.
    out
        The page of all findings.
    as_json
        Answer with one JSON object.
    """
    from neuropil.checking.running import check_data
    from neuropil.checking.words import counts_of, examples_of, names_of, settings_of
    from neuropil.recipes.recipe import Recipe

    name, settings, left = source.removeprefix("data="), settings_of(setting), names_of(without)
    options = Recipe().with_overrides([f"data.{word.removeprefix('data.')}" for word in words]).section("data")
    report = check_data(name, options, checks=names_of(checks), without=left, settings=settings, out=out)
    if as_json:
        say_json({**report.to_json(), "report": str(out)})
    else:
        parts = ", ".join(f"{count:,} {part}" for part, count in report.parts.items()) or "nothing could be opened"
        say_table(f"{name}: read as {report.kind!r}: {parts}", ("check", "severity", "findings"), counts_of(report))
        say(*examples_of(report), f"{counted(len(report.findings), 'finding')}; page: {out}  (open it in a browser)")
    if report.findings:
        sys.exit(1)
