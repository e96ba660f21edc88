"""Faults planted by a script of its own into copies of real sets: how many are found, how many findings are true."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from checking import planted, scoring
from neuropil.checking.running import check_data

pytestmark = pytest.mark.slow

LEAST_EXACT, LEAST_NEAR, LEAST_PRECISION = 0.95, 0.90, 0.90
INEXACT = ("near", "slipped")


def findings_of(root: Path, **options: Any) -> list[dict[str, Any]]:
    return check_data(str(root), options).to_json()["findings"]


def hold(faults: Sequence[planted.Planted], found: Sequence[dict[str, Any]], clean: Sequence[dict[str, Any]]) -> None:
    """Recall of every exact kind and of near copies, and the precision of what is called nearly the same."""
    counts = scoring.recalls(faults, found)
    for kind, (hits, there) in counts.items():
        least = LEAST_NEAR if kind in INEXACT else LEAST_EXACT
        assert hits >= least * there, (kind, hits, there, scoring.missed(faults, found)[:3])
    right, all_of_them, wrong = scoring.near_precision(faults, found, clean)
    assert right >= LEAST_PRECISION * all_of_them, (right, all_of_them, wrong[:3])


@pytest.mark.proof
def test_digits(shared_data: Path, tmp_path: Path) -> None:
    counts = {"train": 6000, "test": 1000}
    planted.write_digits(shared_data / "mnist", tmp_path / "clean", counts)
    faults = planted.plant_digits(shared_data / "mnist", tmp_path / "a", counts, 20)
    clean = findings_of(tmp_path / "clean")
    assert clean == []
    hold(faults, findings_of(tmp_path / "a"), clean)


@pytest.mark.proof
def test_boxes(shared_data: Path, tmp_path: Path) -> None:
    faults = planted.plant_boxes(shared_data / "bccd", tmp_path / "a", 7)
    clean = findings_of(shared_data / "bccd")
    assert [one["where"] for one in clean if one["check"] == "box_shapes"] == [  # as the data's own notes say
        "BCCD/Annotations/BloodImage_00338.xml, line 163",
        "BCCD/Annotations/BloodImage_00343.xml, line 55",
    ]
    hold(faults, findings_of(tmp_path / "a"), clean)


def test_masks(shared_data: Path, tmp_path: Path) -> None:
    faults = planted.plant_masks(shared_data / "membrane", tmp_path / "a")
    clean = findings_of(shared_data / "membrane")
    assert clean == []
    hold(faults, findings_of(tmp_path / "a"), clean)


@pytest.mark.parametrize(
    ("plant", "folder"),
    [
        pytest.param(planted.plant_pairs, "multi30k", marks=pytest.mark.proof),
        pytest.param(planted.plant_tags, "ud-english-ewt", marks=pytest.mark.proof),
    ],
)
def test_texts(plant: Callable[..., list[planted.Planted]], folder: str, shared_data: Path, tmp_path: Path) -> None:
    plant(shared_data / folder, tmp_path / "clean", 0)
    faults = plant(shared_data / folder, tmp_path / "a", 20)
    hold(faults, findings_of(tmp_path / "a"), findings_of(tmp_path / "clean"))


def test_a_table(shared_data: Path, tmp_path: Path) -> None:
    faults = planted.plant_table(shared_data / "tabular" / "wine.csv", tmp_path / "a.csv", 5)
    hold(faults, findings_of(tmp_path / "a.csv"), [])


@pytest.mark.proof
def test_sixty_thousand_pictures_take_a_minute_at_most(shared_data: Path, tmp_path: Path) -> None:
    planted.write_digits(shared_data / "mnist", tmp_path, {"train": 50_000, "test": 10_000})
    begin = time.monotonic()
    report = check_data(str(tmp_path), {}, out=tmp_path / "page.html")
    assert sum(report.parts.values()) == 60_000
    assert time.monotonic() - begin < 60
