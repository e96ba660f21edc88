"""The claims: formulas are met by what is counted but where the chapter is wrong, and nothing counted is typed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import nn

import neuropil
from neuropil.costs import CLAIMS, by_layer, kernels
from neuropil.costs.claims import Claim
from neuropil.costs.page import claim_names, cost_page, cost_pictures, rows_of, try_claims
from neuropil.errors import InputError
from neuropil.inspection.racing import Timing
from neuropil.models import create_model
from neuropil.nn.convolution import Convolution2d
from neuropil.pictures.cost_lines import CostLine
from oracle_shim import torchvision

SLIPS = {("googlenet", "GoogLeNet, as the chapter has it"), ("separable", "standard, as the chapter prints it")}
"""SCOPE's rows 66 and 75."""


@pytest.fixture(scope="module")
def claims() -> dict[str, Claim]:
    return {one.name: one for one in try_claims(times=False)}


def counted(claim: Claim, unit: str) -> dict[str, float]:
    return {line.what: line.measured for line in claim.lines if line.unit == unit}


@pytest.mark.slow
def test_formulas_and_counts_are_equal_but_where_the_chapter_slips(claims: dict[str, Claim]) -> None:
    differ = {(one.name, line.what) for one in claims.values() for line in one.lines if line.agrees is False}
    assert differ == SLIPS
    assert {name: one.verdict for name, one in claims.items() if one.verdict != "holds"} == {
        "googlenet": "wrong",
        "separable": "holds in part",
        "attention": "holds in part",  # its time was not measured
    }
    assert sum(line.agrees is True for one in claims.values() for line in one.lines) > 150


@pytest.mark.slow
def test_every_claim_of_the_chapter_has_its_rows(claims: dict[str, Claim]) -> None:
    assert {name: rows_of(name) for name in CLAIMS} == {name: one.rows for name, one in claims.items()}
    rows = {row for one in claims.values() for row in one.rows}
    assert rows >= {41, 43, 45, 46, 47, 48, 55, 56, 57, 62, 66, 74, 75, 76, 77, 79, 80, 81, 99, 108, 115, 116, 118, 122}


@pytest.mark.slow
def test_counts_are_torchvisions(claims: dict[str, Claim]) -> None:
    with torch.device("meta"):
        theirs = [torchvision.models.vgg16(), torchvision.models.resnet18(num_classes=10)]
    vgg, resnet = (sum(one.numel() for one in network.parameters()) for network in theirs)
    assert counted(claims["googlenet"], "weights")["VGG-16"] == vgg
    assert sum(counted(claims["vgg"], "weights").values()) == vgg
    assert counted(claims["transfer"], "weights to train")["all of ResNet-18"] == resnet


@pytest.mark.slow
def test_counts_are_the_papers(claims: dict[str, Claim]) -> None:
    mobile = claims["mobilenet"]  # Howard et al. 2017, table 4
    assert [round(value / 1e6, 1) for value in counted(mobile, "weights").values()] == [4.2, 29.3]
    assert [round(value / 1e6) for value in counted(mobile, "multiply-adds").values()] == [569, 4867]  # printed: 4866
    stack = counted(claims["stacks"], "weights")  # Simonyan and Zisserman 2015, section 2.3
    assert (stack["three 3×3, one map"], stack["one 7×7, one map"]) == (27, 49)
    shares = counted(claims["gates"], "share of the weights")
    assert (shares["GRU / LSTM"], shares["plain / LSTM"]) == (0.75, 0.25)
    assert 0.74 < shares["GRU / LSTM with the chapter's peephole"] < 0.75


def test_counts_follow_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another network in AlexNet's place: its own numbers are counted, and the formulas no longer agree."""
    monkeypatch.setattr(by_layer, "create_model", lambda name: create_model(name, form="torchvision", hidden=64))
    claim = by_layer.alexnet(None)
    assert "conv1" in claim.told
    assert any(line.agrees is False for line in claim.lines)


def test_a_wrong_layer_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def wide(*sizes: int, groups: int = 1, **options: Any) -> nn.Module:
        return Convolution2d(*sizes, groups=1, **options)

    monkeypatch.setattr(kernels, "Convolution2d", wide)
    claim = kernels.grouped(None)
    assert not claim.holds
    assert {line.what for line in claim.lines if line.agrees is False} == {"2 groups", "4 groups", "8 groups"}


def slow_clock(runs: Mapping[str, Callable[[], object]]) -> dict[str, Timing]:
    """A clock by which everything takes as long: small work is slower than its count."""
    for run in runs.values():
        run()
    return {name: Timing(0.010, 0.009, 0.012, 7, 0.5) for name in runs}


def test_times_stand_beside_what_the_count_says() -> None:
    lines = [line for line in kernels.separable(slow_clock).lines if line.unit == "seconds"]
    usual, apart = lines
    assert usual.expected is None
    assert apart.expected == pytest.approx(0.010 * (1 / 512 + 1 / 9))
    assert apart.agrees is False and apart.verdict == "8.84 × the formula"
    assert "depthwise separable 1 (0.113 by the count)" in kernels.separable(slow_clock).told


@pytest.mark.proof
def test_every_claim_with_times_runs() -> None:
    for name in CLAIMS:
        claim = CLAIMS.builder(name)(slow_clock)
        assert all(line.low is not None for line in claim.lines if line.unit == "seconds")
    assert CLAIMS.builder("attention")(slow_clock).verdict == "holds in part"  # nothing is quicker there


def test_within_the_spread_is_agreement() -> None:
    line = CostLine("a", "seconds", 0.010, 0.0115, low=0.009, high=0.012)
    assert line.agrees and line.verdict == "within its spread"
    assert CostLine("a", "seconds", 0.010, 0.013, low=0.009, high=0.012).agrees is False
    assert CostLine("a", "weights", 10, 11).agrees is False


def test_two_pages_without_times_are_alike() -> None:
    first, second = (cost_pictures(["bptt", "gates", "updates"], times=False).html for _ in range(2))
    assert first == second


@pytest.mark.slow
def test_the_page_says_what_is_wrong(claims: dict[str, Claim]) -> None:
    page = cost_page([claims["googlenet"], claims["separable"]])
    assert "GoogLeNet (Nos. 63, 66): wrong" in page.html and "holds in part" in page.html
    assert "PyTorch" not in "".join(page.notes) and "measured" not in page.pictures[0][1].body
    assert "<iframe" in page._repr_html_()


def test_a_busy_machine_is_told() -> None:
    page = cost_page([kernels.separable(slow_clock)])
    assert "had only 50% of a processor" in page.notes[2] and "Times: medians" in page.notes[1]


def test_claims_are_chosen_by_name_and_by_number() -> None:
    assert claim_names(["gates", "62"]) == ["stacks", "gates"]
    assert claim_names(["74"]) == ["separable", "mobilenet", "phones"]
    assert claim_names() == list(CLAIMS)
    assert claim_names("62") == ["stacks"]
    assert neuropil.cost_pictures("62", times=False).title == cost_pictures(["62"], times=False).title


@pytest.mark.parametrize(
    ("word", "sentence"),
    [("stack", "did you mean 'stacks'"), ("5", "no claim here is about No. 5"), (" , ", "names no claim")],
)
def test_other_words_are_refused(word: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        claim_names([word])
