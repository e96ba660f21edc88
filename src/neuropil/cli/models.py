"""`neuropil models`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from neuropil.cli.output import AsJson, counted, say_json, say_table
from neuropil.errors import InputError

__all__ = ["models"]


def models(
    pattern: str = "*",
    /,
    *,
    counts: Annotated[bool, Parameter(negative="")] = False,
    as_json: AsJson = False,
) -> None:
    """List the networks whose names match a pattern.

    Parameters
    ----------
    pattern
        A shell pattern, such as '*resnet*'.
    counts
        Weights and multiply-adds of each, beside those that its paper prints.
    as_json
        Answer with one JSON object.
    """
    from neuropil.models import MODELS
    from neuropil.registry import nearest

    found = {name: MODELS.describe(name) for name in MODELS.names(pattern)}
    if not found:
        raise InputError(f"no network's name matches {pattern!r}; {nearest(pattern.strip('*?'), MODELS)}")
    if counts:
        from dataclasses import asdict

        from neuropil.recipes.counting import COUNT_COLUMNS, count_networks, count_rows

        counted_networks = count_networks(pattern)
        if as_json:
            return say_json({"counts": [asdict(one) for one in counted_networks]})
        return say_table("for one sample", COUNT_COLUMNS, count_rows(counted_networks))
    if as_json:
        say_json({"models": found})
    else:
        say_table(counted(len(found), "network"), ("name", "what it is"), list(found.items()))
    return None
