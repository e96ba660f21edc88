"""Starts of weights against torch.nn.init, Keras, timm and the laws that they are drawn from."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from neuropil.errors import InputError
from neuropil.models.lenet import C3_TABLE, TableConvolution
from neuropil.nn import INITIALIZATIONS
from neuropil.nn.initialization import InitializationName, _parts, initialize, truncated_normal

TORCH: dict[str, Callable[..., Tensor]] = {
    "uniform": nn.init.xavier_uniform_,
    "glorot_normal": nn.init.xavier_normal_,
    "xavier": lambda w, generator: nn.init.kaiming_normal_(w, nonlinearity="linear", generator=generator),
    "he": lambda w, generator: nn.init.kaiming_normal_(w, nonlinearity="relu", generator=generator),
    "small_random": lambda w, generator: nn.init.normal_(w, 0, 0.01, generator=generator),
    "orthogonal": nn.init.orthogonal_,
}

LAWS = {
    "small_random": stats.norm(0, 0.01),
    "uniform": stats.uniform(-math.sqrt(6 / 500), 2 * math.sqrt(6 / 500)),
    "xavier": stats.norm(0, math.sqrt(1 / 300)),
    "glorot_normal": stats.norm(0, math.sqrt(2 / 500)),
    "he": stats.norm(0, math.sqrt(2 / 300)),
    "he_truncated": stats.truncnorm(-2, 2, 0, math.sqrt(2 / 300) / stats.truncnorm(-2, 2).std()),
    "lenet": stats.uniform(-2.4 / 300, 4.8 / 300),
    "truncated_normal": stats.truncnorm(-2, 2, 0, 0.02),
}
"""What `nn.Linear(300, 200)` is drawn from."""

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


@pytest.mark.parametrize("scheme", LAWS)
def test_draws_follow_their_law(scheme: str) -> None:
    """Kolmogorov and Smirnov, on 60,000 draws; the law of another scheme is refused."""
    values = initialize(nn.Linear(300, 200), scheme, seeded()).weight.detach().double().flatten().numpy()
    assert stats.kstest(values, LAWS[scheme].cdf).pvalue > 0.01
    for other in set(LAWS) - {scheme}:
        assert stats.kstest(values, LAWS[other].cdf).pvalue < 1e-4, other


def test_every_scheme_is_tested() -> None:
    assert {*TORCH, *LAWS, "delta_orthogonal"} == set(INITIALIZATIONS) == set(get_args(InitializationName))


def test_the_bound_of_the_1998_paper() -> None:
    largest = initialize(nn.Linear(300, 200), "lenet", seeded()).weight.abs().max().item()
    assert 0.99 * 2.4 / 300 < largest <= 2.4 / 300


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "theirs"),
    [
        ("he_truncated", "HeNormal"),
        ("uniform", "GlorotUniform"),
        ("truncated_normal", "TruncatedNormal"),
    ],
)
def test_bounds_and_deviation_are_keras(scheme: str, theirs: str) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    initializers = pytest.importorskip("keras").initializers
    ours = initialize(nn.Linear(300, 200), scheme, seeded()).weight
    options = {"stddev": 0.02} if theirs == "TruncatedNormal" else {}
    other = getattr(initializers, theirs)(seed=1, **options)((300, 200)).detach()
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


FANS: list[tuple[nn.Module, int, int]] = [
    (nn.Linear(30, 20), 30, 20),
    (nn.Conv1d(6, 8, 3), 18, 24),
    (nn.Conv2d(6, 8, (3, 5), stride=2, dilation=3), 90, 120),
    (nn.Conv3d(6, 8, 3), 162, 216),
    (nn.ConvTranspose1d(6, 8, 3), 18, 24),
    (nn.ConvTranspose2d(6, 8, 3, stride=2), 54, 72),
    (nn.Conv2d(6, 8, 3, groups=2), 27, 36),
    (nn.ConvTranspose2d(6, 8, 3, groups=2), 27, 36),
    (nn.Conv2d(6, 6, 3, groups=6), 9, 9),
    (nn.Conv2d(6, 12, 3, groups=6), 9, 18),
    (nn.Embedding(50, 20), 1, 20),
]


@pytest.mark.parametrize(("layer", "fan_in", "fan_out"), FANS, ids=lambda one: str(one))
def test_fans_count_the_connections_of_a_unit(layer: Any, fan_in: int, fan_out: int) -> None:
    """Counted in the layer itself: which inputs an output hears, and which outputs an input reaches."""
    bound = math.sqrt(6 / (fan_in + fan_out))
    largest = max(initialize(layer, "uniform", seeded(n)).weight.abs().max().item() for n in range(20))
    assert 0.98 * bound < largest <= bound
    if isinstance(layer, nn.Conv2d) and layer.stride == (1, 1):
        with torch.no_grad():
            layer.weight.fill_(1)
        x = torch.zeros(1, layer.in_channels, 9, 9, requires_grad=True)
        middle = layer(x)[0, 0, 3, 3]
        (heard,) = torch.autograd.grad(middle, x)
        assert heard.sum() == fan_in
        alone = torch.zeros(1, layer.in_channels, 9, 9)
        alone[0, 0, 4, 4] = 1
        assert (layer(alone) - layer(torch.zeros_like(alone))).sum().item() == fan_out


@pytest.mark.parametrize("layer", [one for one, *_ in FANS if not isinstance(one, nn.Embedding)], ids=str)
def test_fans_beside_torchs(layer: Any) -> None:
    """torch's own count where it has it right: no groups, and not transposed."""
    fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(layer.weight)
    ((_, ours_in, ours_out),) = _parts(layer)
    if isinstance(layer, _ConvTransposeNd):
        fan_in, fan_out = fan_out // layer.groups, fan_in
    elif isinstance(layer, _ConvNd):
        fan_out //= layer.groups
    assert (ours_in, ours_out) == (fan_in, fan_out)


@pytest.mark.slow
def test_grouped_fan_out_is_timms() -> None:
    """timm's rule for MobileNet and EfficientNet: N(0, 2 / fan_out), the fan-out that of a group."""
    from oracle_shim import torchvision  # noqa: F401

    builder = pytest.importorskip("timm.models._efficientnet_builder")
    layer = nn.Conv2d(256, 256, 5, groups=64)
    builder._init_weight_goog(layer)
    ((_, _, fan_out),) = _parts(layer)
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=0.02)


RECURRENT = [nn.RNN(7, 40, 2), nn.GRU(7, 40, bidirectional=True), nn.LSTM(7, 40), nn.LSTMCell(7, 40), nn.GRUCell(7, 40)]


@pytest.mark.parametrize("layer", RECURRENT, ids=lambda layer: type(layer).__name__)
def test_each_gate_of_a_recurrent_layer_is_a_matrix_of_its_own(layer: Any) -> None:
    initialize(layer, "orthogonal", seeded())
    for name, weight in layer.named_parameters():
        if weight.ndim == 1:
            assert not weight.any(), name
            continue
        for gate in weight.detach().split(40):
            square = gate.T @ gate  # columns at right angles, each of length 1
            if gate.shape[1] <= 40:
                torch.testing.assert_close(square, torch.eye(len(square)), rtol=0, atol=1e-5)
    initialize(layer, "xavier", seeded())
    for name, weight in layer.named_parameters():
        if weight.ndim == 2:
            assert weight.std().item() == pytest.approx(1 / math.sqrt(weight.shape[1]), rel=0.15), name


def test_query_key_and_value_are_matrices_of_their_own() -> None:
    layer = initialize(nn.MultiheadAttention(60, 4), "uniform", seeded())
    assert 0.98 * math.sqrt(6 / 120) < layer.in_proj_weight.abs().max().item() <= math.sqrt(6 / 120)
    assert not layer.in_proj_bias.any() and not layer.out_proj.bias.any()
    assert layer.out_proj.weight.abs().max().item() <= math.sqrt(6 / 120)


def test_an_embedding_keeps_its_padding_at_zero() -> None:
    layer = initialize(nn.Embedding(9, 4, padding_idx=2), "truncated_normal", seeded())
    assert not layer.weight[2].any() and layer.weight[3].all() and layer.weight.abs().max() <= 0.04


@pytest.mark.parametrize("shape", [(20, 12), (12, 20), (16, 4, 2, 2)])
def test_orthogonal_keeps_length(shape: tuple[int, ...]) -> None:
    layer = nn.Linear(shape[1], shape[0]) if len(shape) == 2 else nn.Conv2d(*shape[1::-1], shape[2:])
    flat = initialize(layer, "orthogonal", seeded()).weight.detach().flatten(1)
    square = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    torch.testing.assert_close(square, torch.eye(len(square)), rtol=0, atol=1e-5)
    half = initialize(layer.to(torch.bfloat16), "orthogonal", seeded()).weight.detach().flatten(1)
    torch.testing.assert_close(half.float(), flat, rtol=0.01, atol=0)
    if len(shape) == 4:
        last = initialize(layer.float().to(memory_format=torch.channels_last), "orthogonal", seeded()).weight
        torch.testing.assert_close(last.detach().flatten(1), flat)


@pytest.mark.parametrize("layer", [nn.Conv1d(5, 8, 3), nn.Conv2d(5, 8, (3, 5)), nn.Conv3d(5, 8, 3), nn.Linear(5, 8)])
def test_delta_orthogonal_keeps_the_length_of_a_picture(layer: Any) -> None:
    """Xiao et al. 2018: with a circular border, a convolution is an isometry."""
    initialize(layer, "delta_orthogonal", seeded())
    x = torch.randn(2, 5, *(7,) * (layer.weight.ndim - 2))
    sides = [amount for size in reversed(layer.weight.shape[2:]) for amount in (size // 2, size // 2)]
    y = layer(nn.functional.pad(x, sides, mode="circular") if sides else x)
    torch.testing.assert_close(y.flatten(1).norm(dim=1), x.flatten(1).norm(dim=1))


def test_truncated_normal_of_another_deviation() -> None:
    weight = torch.empty(300, 200)
    truncated_normal(weight, 200, 300, seeded(), deviation=0.5)
    assert 0.99 < weight.abs().max().item() <= 1


def test_units_of_a_connection_table_have_fans_of_their_own() -> None:
    layer = initialize(TableConvolution(C3_TABLE, 5), "lenet", seeded())
    rows = torch.split(layer.weight, [len(row) for row in C3_TABLE])
    for row, sources in zip(rows, C3_TABLE, strict=True):
        bound = 2.4 / (25 * len(sources))
        assert 0.9 * bound < row.abs().max().item() <= bound


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(InputError, match="no initialization is named 'xavir'; did you mean 'xavier'"):
        initialize(nn.Linear(2, 2), "xavir")
