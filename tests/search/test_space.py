"""Space files, good and broken."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from neuropil.errors import InputError
from neuropil.search.space import Choices, Range, read_space, space_from_toml
from search.workshop import SPACE


def test_a_space_reads_like_a_recipe() -> None:
    name, lr, hidden = space_from_toml(SPACE)
    assert name == Choices("optimizer.name", ("sgd", "adam"))
    assert lr == Range("optimizer.lr", 1e-3, 0.3, log=True, points=3)
    assert hidden == Choices("model.hidden", ([8], [16]))
    assert space_from_toml("lr = [0.1, 0.01]") == [Choices("lr", (0.1, 0.01))]


@pytest.mark.parametrize(
    ("one", "wanted"),
    [
        (Range("a", 1e-4, 1.0, log=True, points=5), np.logspace(-4, 0, 5)),
        (Range("a", -1.0, 1.0, points=5), np.linspace(-1, 1, 5)),
        (Range("a", 1, 4, whole=True, points=9), np.arange(1, 5)),
    ],
)
def test_the_points_of_a_range_are_numpys(one: Range, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(one.several(), wanted, rtol=1e-5, atol=1e-12)


def test_draws_fill_a_range_evenly() -> None:
    """Held to the exact distribution by Kolmogorov's test of SciPy."""
    stats = pytest.importorskip("scipy.stats")
    shares = np.random.default_rng(0).random(2000)
    logs = [math.log(Range("a", 1e-4, 1e-1, log=True).draw(share)) for share in shares]
    ends = (math.log(1e-4), math.log(1e-1))
    assert stats.kstest(logs, "uniform", (ends[0], ends[1] - ends[0])).pvalue > 0.01
    wholes = [Range("a", 1, 4, whole=True).draw(share) for share in shares]
    assert stats.chisquare(np.bincount(wholes)[1:]).pvalue > 0.01
    assert all(type(one) is int for one in wholes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = [1\nb = 2", "not valid TOML.*line 2"),
        ("", "names nothing to search"),
        ("lr = 0.1", "lr must be a list of choices or a range"),
        ("lr = [0.1]", "lr has 1 choices"),
        ("lr = [0.1, 0.1]", "has the choice 0.1 twice"),
        ("seed = [1, 2]", "seed is nothing to search for"),
        ("[optimizer]\nlr = {low = 0.1}", "optimizer.lr has no high"),
        ("lr = {low = 1.0, high = 0.1}", "low must be below high"),
        ("lr = {low = 0.0, high = 0.1, log = true}", "low must be above 0"),
        ("lr = {low = 0.1, high = inf}", "lr.high must be a finite number"),
        ("lr = {low = 0.1, high = 1.0, logs = true}", "unknown key 'logs'; did you mean 'log'"),
        ("lr = {low = 0.1, high = 1.0, log = 1}", "log must be true or false"),
        ("lr = {low = 0.1, high = 1.0, points = 1}", "points must be a whole number from 2 on"),
        ("lr = {low = true, high = 1.0}", "lr.low must be a finite number"),
        ("[model]\nhidden = {}", "model.hidden has no low"),
        ("[a.b]\nc = [1, 2]", "a.b must|unknown key"),
    ],
)
def test_each_fault_is_told_in_one_sentence(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        space_from_toml(text)
    assert "\n" not in str(raised.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_space(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        read_space(tmp_path / "bytes.toml")


def test_a_range_without_points_has_no_single_values() -> None:
    with pytest.raises(InputError, match="points = 4"):
        Range("lr", 0.1, 1.0).several()
