"""Each fault planted into a small run is named, and nothing is said of healthy runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from diagnosis.planted_runs import run_of
from neuropil.diagnosis.diagnosing import diagnose
from neuropil.diagnosis.records import FAULTS

FEW = {"constant_labels", "healthy"}
"""Those that the fast tests look at."""


def cases() -> list[object]:
    names = [
        *FAULTS, "healthy", "healthy sigmoid", "healthy tanh", "healthy normed", "healthy after an epoch",
    ]  # fmt: skip
    return [pytest.param(name, marks=() if name in FEW else pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", cases())
def test_faults_are_named_and_healthy_runs_left_alone(name: str, tmp_path: Path) -> None:
    found = diagnose(run_of(tmp_path, name))
    if name.startswith("healthy"):
        assert found.findings == ()
        return
    assert name in found.faults
    assert len(found.faults) <= 2
    for one in found.findings:
        assert any(character.isdigit() for character in one.evidence) and one.change and one.numbers


@pytest.mark.slow
def test_a_cause_stands_without_what_it_brings_about(tmp_path: Path) -> None:
    """Columns in thousands make gradients explode and the loss high; only the columns are named."""
    assert diagnose(run_of(tmp_path, "unscaled_input")).faults == ("unscaled_input",)
