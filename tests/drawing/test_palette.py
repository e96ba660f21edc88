from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from neuropil.drawing.palette import DARK, LIGHT

# Machado, Oliveira and Fernandes 2009, "A Physiologically-based Model for Simulation of Color Vision Deficiency",
# table 1, severity 1.0; they act on linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
SERIES = [f"s{n}" for n in range(1, 7)]


def linear(colour: str) -> np.ndarray:
    signal = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """WCAG 2.2, contrast ratio."""
    light, dark = sorted((float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* of linear RGB, white point D65."""
    matrix = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = np.array(matrix) @ np.clip(rgb, 0, 1) / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_curves_stand_out_from_the_paper(colours: dict[str, str]) -> None:
    for ground in ("paper", "panel"):
        assert contrast(colours["ink"], colours[ground]) >= 7
        assert contrast(colours["muted"], colours[ground]) >= 4.5
        for series in ("s1", "s2"):
            assert contrast(colours[series], colours[ground]) >= 4  # bold names in tables
    assert all(contrast(colours[series], colours["paper"]) >= 3 for series in SERIES)


@pytest.mark.parametrize("kind", DEFICIENCIES)
@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_right_and_wrong_and_the_first_three_curves_keep_apart(colours: dict[str, str], kind: str) -> None:
    seen = {name: lab(DEFICIENCIES[kind] @ linear(colours[name])) for name in SERIES}
    distances = {(a, b): float(np.linalg.norm(seen[a] - seen[b])) for a, b in combinations(SERIES, 2)}
    assert distances["s1", "s2"] >= 40
    assert min(distances[pair] for pair in combinations(SERIES[:3], 2)) >= 20
    assert min(distances.values()) >= 12, distances


def test_light_and_dark_have_the_same_names() -> None:
    assert LIGHT.keys() == DARK.keys()
