"""Opening a set as training would, and asking every check that applies."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from neuropil.checking import APPLIES, CHECKS
from neuropil.checking.page import write_page
from neuropil.checking.records import SEVERITIES, DataReport, Finding
from neuropil.checking.subjects import Subject, subject_of
from neuropil.data.faults import attempt, noting
from neuropil.data.records import Splits
from neuropil.errors import InputError
from neuropil.files import write_atomic
from neuropil.registry import checked_options, nearest
from neuropil.sources.opening import open_source, settled_source

__all__ = ["check_data"]


def check_data(
    source: str,
    options: Mapping[str, Any] | None = None,
    *,
    checks: Sequence[str] = (),
    without: Sequence[str] = (),
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    out: Path | None = None,
) -> DataReport:
    """Look for faults in data before training on them.

    Args:
        source: a name of `SOURCES`, or a path.
        options: of the source, as for training.
        checks: names of those to be made; all that apply where left out.
        without: names of those to be left out.
        settings: options of checks, such as `{"near_duplicates": {"difference": 0.05}}`.
        out: where to write a page of all findings, with the pictures that they are about.

    Raises:
        InputError: an unknown name, option or check, a missing file, or a page that cannot be written. Data that
            cannot be read are a finding.

    Example:
        >>> report = check_data("iris")
        >>> [(one.check, one.sentence) for one in report.findings][:1]
        [('leakage', 'the same row as train: row 102')]
    """
    begin = time.monotonic()
    kind, full = settled_source(source, options or {})
    chosen = _chosen(checks, without, settings or {})
    splits: Splits | None = None
    with noting() as faults:
        splits = attempt(partial(open_source, source, options or {}))
        subject = subject_of(kind, full, splits, faults)
        findings = _findings(subject, chosen, bool(checks))
    asked = tuple(name for name in chosen if _applies(name, subject))
    report = DataReport(
        source,
        kind,
        {part: len(samples) for part, samples in subject.parts.items()},
        asked,
        tuple(sorted(findings, key=lambda one: SEVERITIES.index(one.severity))),
        (*(splits.info.notes if splits is not None else ()), *subject.notes),
        time.monotonic() - begin,
    )
    if out is not None:
        try:
            write_atomic(out, write_page(report, subject), durable=False)
        except OSError as error:
            raise InputError(
                f"the page {str(out)!r} cannot be written: {error.strerror}; give another place"
            ) from error
    return report


def _chosen(
    checks: Sequence[str], without: Sequence[str], settings: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The checks to be made, each with its options."""
    for name in (*checks, *without, *settings):
        if name not in CHECKS:
            raise InputError(f"there is no check {name!r}; {nearest(name, CHECKS)}")
    chosen = {}
    for name in CHECKS:
        given = settings.get(name, {})
        options = checked_options(CHECKS.builder(name), given, where=f"check {name!r}", supplied=("subject",))
        if (not checks or name in checks) and name not in without:
            chosen[name] = options
        elif given:
            raise InputError(f"an option of {name!r} was given, but this check is left out; leave one of both")
    return chosen


def _applies(name: str, subject: Subject) -> bool:
    return bool(APPLIES[name] & subject.traits)


def _findings(subject: Subject, chosen: Mapping[str, Mapping[str, Any]], named: bool) -> list[Finding]:
    found: list[Finding] = []
    for name, options in chosen.items():
        if _applies(name, subject):
            found += CHECKS.builder(name)(subject, **options)
        elif named and subject.splits is not None:
            raise InputError(
                f"the check {name!r} looks at {', '.join(sorted(APPLIES[name]))}, but the data were read as "
                f"{subject.kind!r}; leave it out"
            )
    return found
