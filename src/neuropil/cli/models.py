"""`neuropil models`."""

from __future__ import annotations

from neuropil.cli.output import AsJson, counted, say_json, say_table
from neuropil.errors import InputError

__all__ = ["models"]


def models(pattern: str = "*", /, *, as_json: AsJson = False) -> None:
    """List the networks whose names match a pattern.

    Parameters
    ----------
    pattern
        A shell pattern, such as '*resnet*'.
    as_json
        Answer with one JSON object.
    """
    from neuropil.models import MODELS
    from neuropil.registry import nearest

    found = {name: MODELS.describe(name) for name in MODELS.names(pattern)}
    if not found:
        raise InputError(f"no network's name matches {pattern!r}; {nearest(pattern.strip('*?'), MODELS)}")
    if as_json:
        say_json({"models": found})
    else:
        say_table(counted(len(found), "network"), ("name", "what it is"), list(found.items()))
