"""How many planted faults were found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from checking.planted import Planted

SAID_BY: dict[str, set[str]] = {
    "broken": {"broken"},
    "duplicate": {"duplicates", "leakage"},  # a part that is drawn may take one of the two
    "leak": {"leakage"},
    "duplicate or leak": {"duplicates", "leakage"},
    "contradiction": {"contradictions"},
    "blank": {"constant"},
    "constant mask": {"constant"},
    "constant column": {"constant"},
    "inverted": {"inverted"},
    "near": {"near_duplicates", "leakage"},
    "box outside": {"boxes_outside"},
    "box no area": {"box_shapes"},
    "box thin": {"box_shapes"},
    "box before": {"broken"},
    "box doubled": {"doubled_boxes"},
    "annotation size": {"sizes"},
    "mask size": {"sizes"},
    "mask value": {"mask_values"},
    "untranslated": {"untranslated"},
    "wrong language": {"untranslated"},
    "swapped": {"swapped"},
    "empty line": {"broken"},
    "length ratio": {"misaligned", "lengths"},
    "too long": {"lengths", "misaligned"},
    "slipped": {"misaligned"},
    "decoded wrongly": {"encoding"},
    "other encoding": {"encoding"},
    "tag once": {"rare_tags"},
    "unknown tag": {"broken"},
    "outlier": {"outliers"},
}
"""Kind of fault -> checks whose findings may name it."""


def names_in(finding: dict[str, Any]) -> list[str]:
    return [finding["where"], *(one["name"] for one in finding["samples"])]


def is_named(mark: str, names: Iterable[str]) -> bool:
    """Whether one of some names ends in a mark, or goes on with a column."""
    places = [name.rpartition(", line ")[0] if ", line " not in mark else name for name in names]
    both = [*names, *places]
    return any(name == mark or name.endswith((f"/{mark}", f" {mark}", f"'{mark}'")) for name in both)


def by_mark(findings: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Findings by the last parts of the names that they hold."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in findings:
        for name in names_in(one):
            if ".xml, line" in name:
                found[name.rpartition(", line ")[0].rpartition("/")[2]].append(one)
            for key in {name.rpartition("/")[2], name.rpartition(": ")[2].rpartition("/")[2], *name.split("'")[1:2]}:
                found[key].append(one)
            found["line " + name.rpartition("line ")[2]].append(one)
    return found


def recalls(planted: Sequence[Planted], findings: Sequence[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """Of each kind: how many were found, and how many there are."""
    index = by_mark(findings)
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for one in planted:
        candidates = index.get(one.names[-1].rpartition("/")[2], [])
        hit = any(
            finding["check"] in SAID_BY[one.kind] and all(is_named(mark, names_in(finding)) for mark in one.names)
            for finding in candidates
        )
        counts[one.kind][0] += hit
        counts[one.kind][1] += 1
    return {kind: (found, there) for kind, (found, there) in counts.items()}


def missed(planted: Sequence[Planted], findings: Sequence[dict[str, Any]]) -> list[Planted]:
    return [one for one in planted if recalls([one], findings)[one.kind][0] == 0]


def near_findings(findings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in findings if one["check"] in ("near_duplicates", "leakage") and "nearly" in one["sentence"]]


def near_precision(
    planted: Sequence[Planted], findings: Sequence[dict[str, Any]], clean: Sequence[dict[str, Any]]
) -> tuple[int, int, list[dict[str, Any]]]:
    """Near findings that hold a planted pair, all near findings but those that the clean set has too, and the rest."""
    before = {frozenset(names_in(one)) for one in near_findings(clean)}
    new = [one for one in near_findings(findings) if frozenset(names_in(one)) not in before]
    pairs = [one.names for one in planted]
    wrong = [one for one in new if not any(all(is_named(mark, names_in(one)) for mark in marks) for marks in pairs)]
    return len(new) - len(wrong), len(new), wrong
