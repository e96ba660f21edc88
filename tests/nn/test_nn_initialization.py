"""Starts of weights against torch.nn.init, Keras and theory."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.models.lenet import C3_TABLE, TableConvolution
from neuropil.nn import INITIALIZATIONS
from neuropil.nn.initialization import initialize

TORCH: dict[str, Callable[..., Tensor]] = {
    "uniform": nn.init.xavier_uniform_,
    "glorot_normal": nn.init.xavier_normal_,
    "xavier": lambda w, generator: nn.init.kaiming_normal_(w, nonlinearity="linear", generator=generator),
    "he": lambda w, generator: nn.init.kaiming_normal_(w, nonlinearity="relu", generator=generator),
    "small_random": lambda w, generator: nn.init.normal_(w, 0, 0.01, generator=generator),
}

LAYERS = [nn.Linear(300, 200), nn.Conv2d(20, 30, 5), nn.Conv1d(8, 16, 3)]


def seeded(seed: int = 4) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
@pytest.mark.parametrize("scheme", TORCH)
def test_the_same_draws_as_torch(scheme: str, layer: nn.Linear | nn.Conv2d) -> None:
    ours = initialize(layer, scheme, seeded()).weight
    theirs = TORCH[scheme](torch.empty_like(ours), generator=seeded())
    torch.testing.assert_close(ours.detach(), theirs, rtol=1e-6, atol=0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scheme", "deviation"),
    [
        ("small_random", 0.01),
        ("uniform", math.sqrt(2 / 500)),
        ("xavier", math.sqrt(1 / 300)),
        ("glorot_normal", math.sqrt(2 / 500)),
        ("he", math.sqrt(2 / 300)),
        ("he_truncated", math.sqrt(2 / 300)),
        ("lenet", 2.4 / 300 / math.sqrt(3)),
    ],
)
def test_standard_deviation_is_the_theory(scheme: str, deviation: float) -> None:
    assert scheme in INITIALIZATIONS
    layer = initialize(nn.Linear(300, 200), scheme, seeded())
    assert layer.weight.std().item() == pytest.approx(deviation, rel=0.01)
    assert layer.weight.mean().item() == pytest.approx(0, abs=4 * deviation / math.sqrt(60_000))
    assert not layer.bias.any()


def test_every_scheme_is_tested_above() -> None:
    assert {*TORCH, "he_truncated", "lenet"} == set(INITIALIZATIONS)


def test_the_bound_of_the_1998_paper() -> None:
    largest = initialize(nn.Linear(300, 200), "lenet", seeded()).weight.abs().max().item()
    assert 0.99 * 2.4 / 300 < largest <= 2.4 / 300


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "theirs"), [("he_truncated", "HeNormal"), ("uniform", "GlorotUniform")])
def test_bounds_and_deviation_are_keras(scheme: str, theirs: str) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    initializers = pytest.importorskip("keras").initializers
    ours = initialize(nn.Linear(300, 200), scheme, seeded()).weight
    other = getattr(initializers, theirs)(seed=1)((300, 200)).detach()
    assert ours.std().item() == pytest.approx(other.std().item(), rel=0.01)
    assert ours.abs().max().item() == pytest.approx(other.abs().max().item(), rel=0.01)


def test_one_call_for_a_whole_network() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 4))
    with torch.no_grad():
        for tensor in (*network.parameters(), network[1].running_mean, network[1].running_var):
            tensor.fill_(7)
    initialize(network, "he", seeded())
    assert network[1].weight.eq(1).all() and not network[1].bias.any()
    assert not network[1].running_mean.any() and network[1].running_var.eq(1).all()
    assert not network[0].bias.any() and not network[3].bias.any()
    assert network[0].weight.std() > 0.1 and network[3].weight.std() > 0.1


def test_the_source_of_random_numbers() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        state = torch.get_rng_state()
        a = initialize(nn.Linear(4, 4, device="meta").to_empty(device="cpu"), "he", seeded(2)).weight
        assert torch.equal(torch.get_rng_state(), state), "a generator of its own leaves the global one alone"
        b = initialize(nn.Linear(4, 4), "he", seeded(2)).weight
    assert torch.equal(a, b)


def test_a_transposed_convolution_reads_its_fans_the_other_way_round() -> None:
    layer = initialize(nn.ConvTranspose2d(10, 90, 5), "xavier", seeded())
    assert layer.weight.std().item() == pytest.approx(1 / math.sqrt(10 * 25), rel=0.02)


def test_units_of_a_connection_table_have_fans_of_their_own() -> None:
    layer = initialize(TableConvolution(C3_TABLE, 5), "lenet", seeded())
    rows = torch.split(layer.weight, [len(row) for row in C3_TABLE])
    for row, sources in zip(rows, C3_TABLE, strict=True):
        bound = 2.4 / (25 * len(sources))
        assert 0.9 * bound < row.abs().max().item() <= bound


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(InputError, match="no initialization is named 'xavir'; did you mean 'xavier'"):
        initialize(nn.Linear(2, 2), "xavir")
