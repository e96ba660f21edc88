"""What a search may choose from: a TOML file like a recipe, with lists of choices and ranges in place of values.

[optimizer]
name = ["sgd", "adam"]                                # choices
lr = { low = 1e-4, high = 0.1, log = true }           # a range, drawn evenly in its logarithm
[model]
hidden = [[16], [32, 32]]                             # choices may be lists themselves
dropout = { low = 0.0, high = 0.5, points = 3 }       # grid and greedy take 0, 0.25 and 0.5
[batches]
batch_size = { low = 8, high = 64 }                   # whole, since both ends are
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuropil.errors import InputError
from neuropil.registry import nearest

__all__ = ["Choices", "Parameter", "Point", "Range", "read_space", "space_from_toml", "written"]

Point = Mapping[str, Any]
"""A value for each path."""

RANGE_KEYS = ("low", "high", "log", "points")


def written(value: Any) -> str:
    """A value as text; different values have different texts."""
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True, slots=True)
class Choices:
    """A path and the values that it may take."""

    path: str
    values: tuple[Any, ...]

    def draw(self, share: float) -> Any:
        """The value at a share, 0 up to 1 (excluded), of the way through them."""
        return self.values[int(share * len(self.values))]

    def several(self) -> Sequence[Any]:
        """All values."""
        return self.values

    def rounded(self, value: Any) -> Any:
        """The value as it is."""
        return value


@dataclass(frozen=True, slots=True)
class Range:
    """A path and the numbers between which its value lies, both included.

    Args:
        path: of a recipe.
        low: the least.
        high: the greatest.
        log: equal ratios are equally likely, not equal distances.
        whole: only whole numbers.
        points: how many values a grid takes.
    """

    path: str
    low: float
    high: float
    log: bool = False
    whole: bool = False
    points: int | None = None

    def draw(self, share: float) -> Any:
        """The value at a share, 0 to 1, of the way from the least to the greatest.

        Example:
            >>> Range("lr", 0.001, 0.1, log=True).draw(0.5)
            0.01
            >>> [Range("n", 1, 3, whole=True).draw(share) for share in (0.0, 0.5, 0.99)]
            [1, 2, 3]
        """
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        if self.log:
            value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            value = low + share * (high - low)
        return self.rounded(value)

    def rounded(self, value: float) -> Any:
        """The value inside the range, in the six digits that are written down."""
        if self.whole:
            return round(min(max(value, self.low), self.high))
        return min(max(float(f"{value:.6g}"), self.low), self.high)

    def several(self) -> Sequence[Any]:
        """As many values as `points` says, evenly spread, both ends among them.

        Raises:
            InputError: `points` was not given.
        """
        if self.points is None:
            raise InputError(
                f"the space gives {self.path} a range, of which this method takes single values; say how many, as in "
                f"{{ low = {self.low:g}, high = {self.high:g}, points = 4 }}"
            )
        ends = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        steps = [ends[0] + (ends[1] - ends[0]) * number / (self.points - 1) for number in range(self.points)]
        return list(dict.fromkeys(self.rounded(math.exp(one) if self.log else one) for one in steps))


Parameter = Choices | Range


def read_space(path: Path | str) -> list[Parameter]:
    """Read a space file.

    Raises:
        InputError: it cannot be read, or something in it is wrong; the line or the key is named.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(f"the space {str(path)!r} cannot be read: {reason}") from error
    return space_from_toml(text, origin=f"the space {str(path)!r}")


def space_from_toml(text: str, *, origin: str = "the space") -> list[Parameter]:
    """The parameters of a space, in its order.

    Raises:
        InputError: as `read_space`.

    Example:
        >>> space_from_toml("optimizer.lr = [0.1, 0.01]")
        [Choices(path='optimizer.lr', values=(0.1, 0.01))]
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{origin} is not valid TOML: {error}") from error
    found = [_parameter(path, value, origin) for path, value in _leaves(document)]
    if not found:
        raise InputError(f"{origin} names nothing to search; write for example [optimizer] and lr = [0.1, 0.01]")
    return found


def _leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and (not value or not set(RANGE_KEYS) & set(value)) and not prefix and value:
            yield from _leaves(value, f"{key}.")
        else:
            yield f"{prefix}{key}", value


def _parameter(path: str, value: Any, origin: str) -> Parameter:
    if path in ("name", "title", "seed"):
        raise InputError(f"{origin}: {path} is nothing to search for; leave it out")
    if isinstance(value, list):
        texts = [written(one) for one in value]
        if len(texts) < 2:
            raise InputError(f"{origin}: {path} has {len(texts)} choices; give two or more, or set it in the recipe")
        twice = next((one for one in texts if texts.count(one) > 1), None)
        if twice is not None:
            raise InputError(f"{origin}: {path} has the choice {twice} twice; name each once")
        return Choices(path, tuple(value))
    if isinstance(value, Mapping):
        return _range(path, value, origin)
    raise InputError(
        f"{origin}: {path} must be a list of choices or a range {{ low = ..., high = ... }}, but {value!r} was given"
    )


def _range(path: str, table: Mapping[str, Any], origin: str) -> Range:
    unknown = next((key for key in table if key not in RANGE_KEYS), None)
    if unknown is not None:
        raise InputError(f"{origin}: {path} has an unknown key {unknown!r}; {nearest(unknown, RANGE_KEYS)}")
    for key in ("low", "high"):
        if key not in table:
            raise InputError(f"{origin}: {path} has no {key}; a range needs low and high")
        number = table[key]
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise InputError(f"{origin}: {path}.{key} must be a finite number, but {number!r} was given")
    low, high, log, points = table["low"], table["high"], table.get("log", False), table.get("points")
    if not low < high:
        raise InputError(f"{origin}: {path} goes from {low} to {high}; low must be below high")
    if not isinstance(log, bool):
        raise InputError(f"{origin}: {path}.log must be true or false, but {log!r} was given")
    if log and low <= 0:
        raise InputError(f"{origin}: {path} has log = true, but begins at {low}; low must be above 0 then")
    if points is not None and (isinstance(points, bool) or not isinstance(points, int) or points < 2):
        raise InputError(f"{origin}: {path}.points must be a whole number from 2 on, but {points!r} was given")
    whole = isinstance(low, int) and isinstance(high, int)
    return Range(path, low, high, log, whole, points)
