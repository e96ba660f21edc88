"""Optuna, loaded when it is needed, and our spaces in its words and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neuropil.errors import MissingExtraError
from neuropil.search.space import Choices, Parameter, Point, written

__all__ = ["distributions", "in_optuna", "load_optuna", "out_of_optuna"]


def load_optuna() -> Any:
    """The package, told to be quiet.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError(
            "a search keeps its trials with Optuna, which is not installed; install it with: pip install "
            "'neuropil[search]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def distributions(space: Sequence[Parameter]) -> dict[str, Any]:
    """What each path may be, as Optuna says it; choices go by their texts."""
    kinds = load_optuna().distributions
    found: dict[str, Any] = {}
    for one in space:
        if isinstance(one, Choices):
            found[one.path] = kinds.CategoricalDistribution([written(value) for value in one.values])
        elif one.whole:
            found[one.path] = kinds.IntDistribution(int(one.low), int(one.high), log=one.log)
        else:
            found[one.path] = kinds.FloatDistribution(one.low, one.high, log=one.log)
    return found


def in_optuna(space: Sequence[Parameter], point: Point) -> dict[str, Any]:
    """Our values in Optuna's words."""
    return {one.path: written(point[one.path]) if isinstance(one, Choices) else point[one.path] for one in space}


def out_of_optuna(space: Sequence[Parameter], params: Mapping[str, Any]) -> dict[str, Any]:
    """Optuna's values in our words."""
    found: dict[str, Any] = {}
    for one in space:
        value = params[one.path]
        found[one.path] = (
            next(known for known in one.values if written(known) == value) if isinstance(one, Choices) else value
        )
    return found
