"""What readers do at a fault: stop, as training must, or note it and go on, so that all faults of a set are told.

Readers call `refuse` where one record of many cannot be used, and then leave the record out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, TypeVar

from neuropil.errors import InputError

__all__ = ["Fault", "attempt", "is_noting", "noting", "refuse", "remark"]

Made = TypeVar("Made")

PLACE = re.compile(r"(?P<where>.+?(?:, line \d+|\w\[\d+\])(?:, column \d+)?)[:,] (?P<reason>.+)", re.DOTALL)
"""How a sentence begins that names a line or an entry."""


class Fault(NamedTuple):
    """Something that training would refuse, or change without a word.

    Args:
        where: file, and line or entry.
        reason: what is wrong, and what to do.
        kind: `broken`, or what it was noticed by.
    """

    where: str
    reason: str
    kind: str = "broken"


_NOTED: ContextVar[list[Fault] | None] = ContextVar("noted", default=None)


@contextmanager
def noting() -> Iterator[list[Fault]]:
    """Within, faults of single records are noted in the list that is given; outside, the first one stops.

    Example:
        >>> with noting() as faults:
        ...     refuse("a.csv, line 3", "it has 4 cells")
        >>> faults
        [Fault(where='a.csv, line 3', reason='it has 4 cells', kind='broken')]
    """
    found: list[Fault] = []
    token = _NOTED.set(found)
    try:
        yield found
    finally:
        _NOTED.reset(token)


def is_noting() -> bool:
    """Whether faults are noted now."""
    return _NOTED.get() is not None


def refuse(where: str, reason: str) -> None:
    """Stop at a fault, or note it; whoever comes back leaves the record out.

    Raises:
        InputError: faults are not noted.
    """
    found = _NOTED.get()
    if found is None:
        raise InputError(f"{where}: {reason}")
    found.append(Fault(where, reason))


def remark(where: str, reason: str, kind: str) -> None:
    """Note something that does not stop training; nothing where faults are not noted."""
    found = _NOTED.get()
    if found is not None:
        found.append(Fault(where, reason, kind))


def attempt(make: Callable[[], Made]) -> Made | None:
    """What `make` gives; nothing where it refuses and faults are noted.

    Raises:
        InputError: it refuses, and faults are not noted.
    """
    found = _NOTED.get()
    if found is None:
        return make()
    try:
        return make()
    except InputError as error:
        found.append(fault_of(str(error)))
        return None


def fault_of(sentence: str) -> Fault:
    """A refusal's sentence, its place apart.

    Example:
        >>> fault_of("a.csv, line 3: it has 4 cells")
        Fault(where='a.csv, line 3', reason='it has 4 cells', kind='broken')
    """
    match = PLACE.match(sentence)
    return Fault(match["where"], match["reason"]) if match else Fault("", sentence)
