"""`neuropil draw costs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from neuropil.cli.output import AsJson, say, say_json

__all__ = ["costs"]


def costs(
    *,
    only: tuple[str, ...] = (),
    times: bool = True,
    to: Annotated[Path, Parameter(name=("--to", "--out"))] = Path("costs.html"),
    as_json: AsJson = False,
) -> None:
    """The chapter's claims about weights, multiply-adds, memory and time: formula beside measurement.

    Parameters
    ----------
    only
        Claims by name (stacks, separable, googlenet, gates ...) or by the chapter's number (62), commas between.
    times
        Measure times, too: about a minute; without them the page is the same each time.
    to
        The file to write: .html, or .svg for the first picture alone.
    as_json
        Answer with one JSON object that holds every number.
    """
    from neuropil.costs.page import cost_page, try_claims
    from neuropil.gallery.building import checked_page_name, write_page

    checked_page_name(to)
    claims = try_claims(only, times=times)
    page = cost_page(claims)
    written = write_page(page, to)
    if as_json:
        return say_json({"file": str(written), "claims": [one.to_json() for one in claims]})
    say(str(written), page.notes[0], *(f"{one.name}: {one.verdict}. {one.told}" for one in claims))
    return None
