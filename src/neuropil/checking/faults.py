"""What the readers refused, left out or changed, sorted by what it is; and texts that were decoded wrongly before."""

from __future__ import annotations

import re
from collections.abc import Iterator

from neuropil.checking.records import Finding, Place, Severity
from neuropil.checking.subjects import Subject
from neuropil.data.faults import Fault

__all__ = ["broken", "encoding", "noted"]

SIGNS = (
    ("encoding", re.compile(r"this is not .* text|is not UTF-8|NUL byte")),
    ("sizes", re.compile(r"^it is for a picture of|^it is \d+x\d+, but its picture")),
    ("box_shapes", re.compile(r"^a box of .* has no area")),
    ("boxes_outside", re.compile(r"^a box of .* lies outside the picture")),
    ("lengths", re.compile(r"^it is longer than \d+ tokens|characters, at most")),
)
"""Checks other than `broken`, by what the readers say."""

LATIN = re.compile(
    "[\u00c2-\u00c5\u00e2\u00d0\u00d1][\u0080-\u00bf\u0152-\u0178\u02c6\u2013-\u2122]|\u00ec[\u0080-\u00bf]"
)
"""Pairs that letters in UTF-8 become, when they are read as Latin-1 or Windows-1252."""

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffd\ufeff]")


def noted(subject: Subject, check: str) -> Iterator[tuple[Fault, bool]]:
    """What the readers noted that belongs to a check, and whether training would stop at it."""
    skipped = () if subject.info is None else subject.info.skipped
    left_out = [Fault(one.where, one.reason) for one in skipped]
    for stops, faults in ((True, subject.faults), (False, left_out)):
        for fault in faults:
            sign = next((name for name, pattern in SIGNS if pattern.search(fault.reason)), fault.kind)
            if sign == check:
                yield fault, stops and fault.kind == "broken"


def broken(subject: Subject) -> list[Finding]:
    """Files, lines and cells that training would stop at, or leave out."""
    return list(findings_of(subject, "broken"))


def findings_of(subject: Subject, check: str) -> Iterator[Finding]:
    """What the readers noted, as findings of a check."""
    for fault, stops in noted(subject, check):
        severity: Severity = "error" if stops else "warning"
        place = subject.short(fault.where) or subject.options.get("root", subject.kind)
        left = "" if stops or fault.kind != "broken" else " (it would be left out)"
        sample = subject.by_name.get(str(place), Place("", str(place)))
        yield Finding(check, severity, str(place), f"{fault.reason}{left}", (sample,))


def encoding(subject: Subject) -> list[Finding]:
    """Lines that are not in the encoding of the others, or whose letters were taken apart by a wrong one before."""
    found = list(findings_of(subject, "encoding"))
    told = {one.where.rpartition(", ")[2] for one in found}  # of a pair, either file
    texts = [(one.place, " ".join(one.sides)) for one in subject.records]
    if subject.table is not None:
        cells = zip(*subject.table.columns, strict=True)
        texts = [(Place("", subject.short(subject.table.place(row))), " ".join(one)) for row, one in enumerate(cells)]
    for place, text in texts:
        if text.isascii() and not CONTROL.search(text):
            continue
        if place.name.rpartition(", ")[2] in told and "\ufffd" in text:
            continue
        if (mended := _mended(text)) is not None:
            sentence = (
                f"{_around(text, LATIN)!r} looks like UTF-8 read as Latin-1 ({_shown(mended)!r}); decode it again"
            )
            found.append(Finding("encoding", "warning", place.name, sentence, (place,)))
        elif match := CONTROL.search(text):
            sign = f"U+{ord(match[0]):04X}"
            what = "stands for a letter that was lost" if match[0] == "\ufffd" else "is a sign that no text holds"
            found.append(Finding("encoding", "warning", place.name, f"{sign} {what}; repair the line", (place,)))
    return found


def _mended(text: str) -> str | None:
    """What a wrongly decoded text should have been; nothing of others."""
    match = LATIN.search(text)
    if match is None:
        return None
    for wrong in ("cp1252", "latin-1"):
        try:
            begin = match.start()
            end = begin
            while end < len(text) and not text[end].isascii():
                end += 1
            return text[begin:end].encode(wrong).decode("utf-8")
        except UnicodeError:
            continue
    return None


def _around(text: str, pattern: re.Pattern[str]) -> str:
    match = pattern.search(text)
    begin = max(0, match.start() - 12) if match else 0
    return text[begin : begin + 30]


def _shown(text: str) -> str:
    return text if len(text) <= 20 else text[:19] + "…"
