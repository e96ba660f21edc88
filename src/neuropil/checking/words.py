"""Words of the command line as names and thresholds of checks, and findings as lines for it."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from neuropil.checking.records import DataReport
from neuropil.errors import InputError

__all__ = ["counts_of", "examples_of", "names_of", "settings_of"]

EXAMPLES = 3
"""Findings of a check that are told in full."""


def names_of(text: str) -> list[str]:
    """Names with commas between.

    Example:
        >>> names_of("leakage, labels")
        ['leakage', 'labels']
    """
    return [name.strip() for name in text.split(",") if name.strip()]


def settings_of(words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`check.option=value` words as options of each check.

    Raises:
        InputError: a word of another form.

    Example:
        >>> settings_of(["near_duplicates.difference=0.05"])
        {'near_duplicates': {'difference': 0.05}}
    """
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        path, equals, text = word.partition("=")
        check, dot, option = path.strip().partition(".")
        if not (equals and dot and option):
            raise InputError(f"--set {word!r} is no threshold; write for example near_duplicates.difference=0.05")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except (tomllib.TOMLDecodeError, RecursionError):
            value = text
        found.setdefault(check, {})[option] = value
    return found


def counts_of(report: DataReport) -> list[tuple[str, str, int]]:
    """Check, severity and number of findings, the worst first."""
    counts = Counter((one.check, one.severity) for one in report.findings)
    return [(*key, count) for key, count in counts.items()]


def examples_of(report: DataReport) -> list[str]:
    """The first findings of each check and severity as lines."""
    lines = []
    for check, severity, _ in counts_of(report):
        alike = [one for one in report.findings if (one.check, one.severity) == (check, severity)]
        lines += [f"{severity}: {one.where}: {one.sentence}" for one in alike[:EXAMPLES]]
    return lines
