"""Catalogues: a closed table of names, each with the place of its builder and one line of description.

Nothing is imported until a name is asked for, a file can never name code outside the table, and an unknown
name or option is answered with the nearest right one. Standard library only.
"""

from __future__ import annotations

import difflib
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any, Literal, Union

from neuropil.errors import InputError

__all__ = ["Catalogue", "checked_options", "nearest"]


def nearest(given: str, allowed: Iterable[str]) -> str:
    """A clause that offers the nearest allowed name, or lists them all where none is near.

    Example:
        >>> nearest("resnet19", ["resnet18", "lenet5"])
        "did you mean 'resnet18'?"
    """
    names = list(allowed)
    close = difflib.get_close_matches(given.lower(), names, n=1, cutoff=0.55)
    close = close or [name for name in names if given and given.lower() in name][:3]
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    return f"allowed: {', '.join(names)}" if names else "none is allowed here"


class Catalogue:
    """A closed table `name -> ("module:builder", description)` of one kind of part.

    Args:
        kind: what the entries are, for messages ("model", "schedule").
        entries: the table; builders are imported on first use.

    Example:
        >>> shapes = Catalogue("shape", {"fraction": ("fractions:Fraction", "a ratio of whole numbers")})
        >>> shapes.build("fraction", numerator=1, denominator=2)
        Fraction(1, 2)
    """

    def __init__(self, kind: str, entries: Mapping[str, tuple[str, str]]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def names(self, pattern: str = "*") -> list[str]:
        """The names that match a shell pattern, in the table's order."""
        return [name for name in self._entries if fnmatchcase(name, pattern)]

    def describe(self, name: str) -> str:
        """The one line that says what a name stands for."""
        return self._entry(name)[1]

    def builder(self, name: str) -> Callable[..., Any]:
        """The class or function behind a name, imported now.

        Raises:
            InputError: the name is not in the table.
        """
        module, _, attribute = self._entry(name)[0].partition(":")
        found: Callable[..., Any] = getattr(import_module(module), attribute)
        return found

    def build(self, name: str, /, *args: object, **options: object) -> Any:
        """Call the builder with `options`, each checked against its signature first.

        Raises:
            InputError: unknown name or option, or a value of the wrong type.
        """
        builder = self.builder(name)
        positional = list(inspect.signature(builder).parameters)[: len(args)]
        where = f"{self.kind} {name!r}"
        return builder(*args, **checked_options(builder, options, where=where, supplied=positional))

    def _entry(self, name: str) -> tuple[str, str]:
        if not isinstance(name, str) or name not in self._entries:
            raise InputError(f"no {self.kind} is named {name!r}; {nearest(str(name), self._entries)}")
        return self._entries[name]


def checked_options(
    builder: Callable[..., Any],
    options: Mapping[str, Any],
    *,
    where: str,
    supplied: Sequence[str] = (),
) -> dict[str, Any]:
    """Check options against a builder's own signature and give them in its types (a list where a tuple is asked).

    Args:
        builder: the class or function whose keyword parameters are the allowed options.
        options: what the user wrote.
        where: how to call this place in a message ("optimizer 'adam'").
        supplied: parameters that the program itself fills in; the user may not, and need not, give them.

    Raises:
        InputError: an unknown option (the nearest one is offered), a missing one, or a value of the wrong type.
    """
    parameters = inspect.signature(builder).parameters
    target = builder.__init__ if inspect.isclass(builder) else builder
    hints = typing.get_type_hints(target)
    allowed = {
        name: parameter
        for name, parameter in parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and name not in supplied
    }
    result: dict[str, Any] = {}
    for name, value in options.items():
        if name not in allowed:
            raise InputError(f"{where} has no option {name!r}; {nearest(name, allowed)}")
        result[name] = _fitted(value, hints.get(name, Any), f"{where}: option {name!r}")
    for name, parameter in allowed.items():
        if parameter.default is parameter.empty and name not in result:
            raise InputError(f"{where} needs the option {name!r}: {_in_words(hints.get(name, Any))}")
    return result


def _fitted(value: Any, hint: Any, where: str) -> Any:
    """`value` in the type that `hint` asks for, or an InputError."""
    matched, fitted = _match(value, hint)
    if matched:
        return fitted
    choices = _choices(hint)
    if choices and isinstance(value, str):
        raise InputError(f"{where} cannot be {value!r}; {nearest(value, choices)}")
    raise InputError(f"{where} must be {_in_words(hint)}, but {value!r} was given")


def _match(value: Any, hint: Any) -> tuple[bool, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or isinstance(hint, typing.TypeVar):
        return True, value
    if hint is None or hint is type(None):
        return value is None, value
    if origin in (Union, types.UnionType):
        return next((found for found in (_match(value, part) for part in arguments) if found[0]), (False, value))
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in arguments), value
    if hint is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number, float(value) if is_number else value
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool), value
    if origin is tuple and isinstance(value, list | tuple):
        return _match_tuple(value, arguments)
    if origin in (list, Sequence) and isinstance(value, list | tuple):
        found = [_match(one, arguments[0]) for one in value]
        return all(ok for ok, _ in found), [one for _, one in found]
    if isinstance(origin or hint, type):
        return isinstance(value, origin or hint), value
    return True, value


def _match_tuple(value: Sequence[Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    if len(arguments) != len(value):
        return False, value
    found = [_match(one, hint) for one, hint in zip(value, arguments, strict=True)]
    return all(ok for ok, _ in found), tuple(one for _, one in found)


def _choices(hint: Any) -> list[str]:
    if typing.get_origin(hint) is Literal:
        return [str(one) for one in typing.get_args(hint)]
    if typing.get_origin(hint) in (Union, types.UnionType):
        return [choice for part in typing.get_args(hint) for choice in _choices(part)]
    return []


def _in_words(hint: Any) -> str:
    words = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "text",
        type(None): "left out",
    }
    if hint in words:
        return words[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return " or ".join(repr(one) for one in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_in_words(one) for one in arguments)
    if origin in (tuple, list, Sequence):
        inner = [one for one in arguments if one is not Ellipsis]
        return f"a list of {len(inner)} values" if origin is tuple and Ellipsis not in arguments else "a list"
    return getattr(hint, "__name__", str(hint))
