"""LeNet-5 held against the paper's counts and against the formulas of the chapter."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from neuropil.models import create_model
from neuropil.models.lenet import C3_TABLE, LeNet5, TableConvolution

PAPER = {"c1": 156, "s2": 12, "c3": 1_516, "s4": 32, "c5": 48_120, "f6": 10_164}
"""Trainable parameters of each layer, section II.B."""

CONNECTIONS = {"c1": 122_304, "s2": 5_880, "c3": 151_600, "s4": 2_000}
"""Connections of each layer, section II.B (biases among them)."""

PAPER_COLUMNS = """
X...XXX..XXXX.XX
XX...XXX..XXXX.X
XXX...XXX..X.XXX
.XXX..XXXX..X.XX
..XXX..XXXX.XX.X
...XXX..XXXX.XXX
"""
"""The paper's table I: rows are the maps of S2, columns those of C3."""


def layer(network: nn.Module, name: str) -> nn.Module:
    return next(module for path, module in network.named_modules() if path.split(".")[-1] == name)


def test_counts_of_the_paper() -> None:
    network = create_model("lenet5")
    assert {name: sum(p.numel() for p in layer(network, name).parameters()) for name in PAPER} == PAPER
    assert sum(PAPER.values()) == 60_000
    assert sum(p.numel() for p in network.parameters()) == 60_000 + 84 * 10 + 10


def test_connections_of_the_paper() -> None:
    sides = {"c1": 28 * 28, "s2": 14 * 14, "c3": 10 * 10, "s4": 5 * 5}
    weights_a_position = {"c1": 156, "s2": 6 * 5, "c3": 1_516, "s4": 16 * 5}
    assert {name: sides[name] * weights_a_position[name] for name in sides} == CONNECTIONS
    network, shapes = create_model("lenet5").eval(), {}
    for name in sides:
        layer(network, name).register_forward_hook(lambda _m, _x, y, name=name: shapes.update({name: y.shape[-2:]}))
    network(torch.zeros(1, 1, 32, 32))
    assert {name: shape.numel() for name, shape in shapes.items()} == sides


def test_the_connection_table_is_the_papers() -> None:
    rows = PAPER_COLUMNS.split()
    columns = tuple(tuple(source for source in range(6) if rows[source][out] == "X") for out in range(16))
    assert columns == C3_TABLE
    assert sum(map(len, C3_TABLE)) == 60


def test_table_convolution_is_sixteen_small_convolutions() -> None:
    torch.manual_seed(0)
    conv = TableConvolution(C3_TABLE, 5).double()
    nn.init.normal_(conv.weight)
    nn.init.normal_(conv.bias)
    x = torch.randn(2, 6, 14, 14, dtype=torch.float64)
    found, maps, start = conv(x), [], 0
    for number, sources in enumerate(C3_TABLE):
        kernels = conv.weight[start : start + len(sources)]
        maps.append(F.conv2d(x[:, list(sources)], kernels[None], conv.bias[number : number + 1]))
        start += len(sources)
    torch.testing.assert_close(found, torch.cat(maps, 1))
    small = TableConvolution(((0, 1), (1,)), 2).double()
    nn.init.normal_(small.weight)
    inputs = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda a, w, b: torch.func.functional_call(small, {"weight": w, "bias": b}, (a,)),
        (inputs, small.weight, small.bias),
    )


def test_the_graph_written_out() -> None:
    """The whole network once more, in torch's own functions, on the network's own weights."""
    torch.manual_seed(0)
    network = create_model("lenet5", activation="scaled_tanh").double().eval()
    w = {name: (layer(network, name).weight, layer(network, name).bias) for name in (*PAPER, "output")}

    def squash(x: torch.Tensor) -> torch.Tensor:
        return 1.7159 * torch.tanh(2 / 3 * x)

    def subsample(x: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = w[name]
        return 4 * F.avg_pool2d(x, 2) * weight.view(-1, 1, 1) + bias.view(-1, 1, 1)

    x = torch.randn(2, 1, 32, 32, dtype=torch.float64)
    y = squash(subsample(squash(F.conv2d(x, *w["c1"])), "s2"))
    y = squash(subsample(squash(layer(network, "c3")(y)), "s4"))
    y = squash(F.conv2d(y, *w["c5"])).flatten(1)
    y = F.linear(squash(F.linear(y, *w["f6"])), *w["output"])
    torch.testing.assert_close(network(x), y)


def test_pictures_of_mnist_are_framed_with_their_border() -> None:
    torch.manual_seed(0)
    network = create_model("lenet5").eval()
    x = torch.randn(3, 1, 28, 28)
    torch.testing.assert_close(network(x), network(F.pad(x, (2, 2, 2, 2), mode="replicate")))


def test_distance_to_codes() -> None:
    network = LeNet5(activation="scaled_tanh", output="rbf").eval()
    codes = layer(network, "output").codes
    assert sum(p.numel() for p in network.parameters()) == 60_000
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    rows = torch.randn(4, 84)
    expected = -torch.cdist(rows, codes).square()
    torch.testing.assert_close(layer(network, "output")(rows), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("width", [1, 2])
def test_modern_counts(width: int) -> None:
    c1, c3, c5, f6 = 6 * width, 16 * width, 120 * width, 84 * width
    expected = 26 * c1 + (25 * c1 + 1) * c3 + (25 * c3 + 1) * c5 + (c5 + 1) * f6 + (f6 + 1) * 10
    assert sum(p.numel() for p in create_model("lenet5_modern", width=width).parameters()) == expected
    assert width > 1 or expected == 61_706


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "at_least"), [("sigmoid", 0.8), ("scaled_tanh", 0.9)], ids=["the chapter's", "the paper's"]
)
def test_twenty_thousand_pictures_teach_it_digits(shared_data: Path, activation: str, at_least: float) -> None:
    def read(name: str, header: int) -> torch.Tensor:
        with gzip.open(shared_data / "mnist" / name) as file:
            return torch.from_numpy(np.frombuffer(file.read(), np.uint8)[header:].copy())

    pictures = (read("train-images-idx3-ubyte.gz", 16)[: 22_000 * 784].view(-1, 1, 28, 28) - 33.3) / 78.6
    digits = read("train-labels-idx1-ubyte.gz", 8)[:22_000].long()
    torch.manual_seed(0)
    network = create_model("lenet5", activation=activation)
    rule = torch.optim.Adam(network.parameters(), lr=2e-3)
    for x, y in zip(pictures[:20_000].split(64), digits[:20_000].split(64), strict=True):
        rule.zero_grad()
        F.cross_entropy(network(x), y).backward()
        rule.step()
    with torch.no_grad():
        right = network(pictures[20_000:]).argmax(1) == digits[20_000:]
    assert right.float().mean().item() >= at_least
