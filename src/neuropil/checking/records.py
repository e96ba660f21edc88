"""What checks find, as plain records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["SEVERITIES", "DataReport", "Finding", "Place", "Severity"]

Severity = Literal["error", "warning", "note"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The worst first. An error stops training or spoils what it measures; a note may well be as it should."""


@dataclass(frozen=True, slots=True)
class Place:
    """One sample.

    Args:
        part: `train`, `valid`, `test`, or nothing where it is in none.
        name: file, file and line, or row.
        index: its number in the part; -1 where it was left out.
    """

    part: str
    name: str
    index: int = -1

    def __str__(self) -> str:
        return f"{self.part}: {self.name}" if self.part else self.name


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found.

    Args:
        check: its name in `CHECKS`.
        severity: `error`, `warning` or `note`.
        where: file, file and line, row, class or column.
        sentence: what it is.
        samples: those that it is about.
    """

    check: str
    severity: Severity
    where: str
    sentence: str
    samples: tuple[Place, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        samples = [{"part": one.part, "name": one.name} for one in self.samples]
        return {
            "check": self.check,
            "severity": self.severity,
            "where": self.where,
            "sentence": self.sentence,
            "samples": samples,
        }


@dataclass(frozen=True, slots=True)
class DataReport:
    """All that was found in one set.

    Args:
        source: how the user named it.
        kind: of the source, as in `SOURCES`.
        parts: samples of each part.
        checks: what was looked for, in order.
        findings: the worst first, in the order of the checks.
        notes: how the data were read.
        seconds: that it took.
    """

    source: str
    kind: str
    parts: dict[str, int]
    checks: tuple[str, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "source": self.source,
            "kind": self.kind,
            "parts": self.parts,
            "checks": list(self.checks),
            "findings": [one.to_json() for one in self.findings],
            "notes": list(self.notes),
            "seconds": round(self.seconds, 2),
        }
