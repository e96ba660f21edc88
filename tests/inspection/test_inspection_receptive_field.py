"""Receptive fields: published ones, and what automatic differentiation says of networks made at random."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor, nn

from models.published_lines import PUBLISHED
from neuropil.formulas.costs import receptive_field
from neuropil.inspection.summary import summarize
from neuropil.models import create_model
from neuropil.nn.pooling import AveragePooling, MaxPooling
from neuropil.nn.stochastic_pooling import StochasticPooling


def fields_of(model: nn.Module, shape: tuple[int, ...]) -> dict[str, tuple[int, ...] | None]:
    return {layer.name: layer.receptive_field for layer in summarize(model, shape).layers}


@pytest.mark.parametrize(
    ("name", "layer", "field"),
    [
        ("alexnet", "pool3", 195),
        ("torchvision_alexnet", "pool3", 195),
        ("vgg16", "pool5", 212),
        ("mobilenet_v1", "relu27", 315),
    ],
)
def test_fields_are_those_of_the_literature(name: str, layer: str, field: int) -> None:
    """Araujo, Norris and Sim 2019, table 1: alexnet_v2 195, vgg_16 212, mobilenet_v1 315."""
    with torch.device("meta"):
        model = create_model(PUBLISHED[name].line, in_shape=PUBLISHED[name].in_shape)
    found = {path.rpartition(".")[2]: size for path, size in fields_of(model, PUBLISHED[name].in_shape).items()}
    assert found[layer] == (field, field)


@pytest.mark.parametrize("depth", range(1, 6))
def test_chains_follow_the_formula(depth: int) -> None:
    rng = random.Random(depth)
    layers = [(rng.randint(1, 5), rng.randint(1, 2), rng.randint(1, 2)) for _ in range(depth)]
    model = nn.Sequential(*(nn.Conv1d(1, 1, k, stride=s, dilation=d) for k, s, d in layers))
    assert fields_of(model, (1, 300))[str(depth - 1)] == (receptive_field(layers),)


class Branches(nn.Module):
    """Two paths that are added, then joined to the input's own."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()

        def path() -> nn.Sequential:
            parts: list[nn.Module] = []
            for _ in range(rng.randint(1, 3)):
                k, d = rng.choice([1, 3, 5]), rng.randint(1, 2)
                parts.append(nn.Conv2d(2, 2, k, padding=d * (k // 2), dilation=d))
            return nn.Sequential(*parts)

        self.stem = nn.Conv2d(1, 2, 3, stride=rng.randint(1, 2))
        self.left, self.right = path(), path()
        pools = [
            AveragePooling(rng.randint(2, 3), stride=rng.randint(1, 3)),
            AveragePooling(2, dilation=2),
            StochasticPooling(3, stride=2),
            nn.AvgPool2d(3, 2, 1),
            nn.ConvTranspose2d(4, 4, rng.randint(2, 4), stride=2),
        ]
        self.pool = rng.choice(pools)
        self.last = nn.Conv2d(4, 1, rng.choice([1, 3]))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        joined = torch.cat([self.left(x) + self.right(x), x], dim=1)
        out: Tensor = self.last(self.pool(joined))
        return out


@pytest.mark.parametrize("seed", range(12))
def test_branches_see_what_the_gradient_of_one_value_reaches(seed: int) -> None:
    model = Branches(random.Random(seed)).eval()
    for weight in model.parameters():  # all positive: nothing cancels
        nn.init.uniform_(weight, 0.5, 1.0)
    x = torch.ones(1, 1, 96, 96, requires_grad=True)
    y = model(x)
    widest = 0
    for place in range(4):  # of a transposed convolution, neighbours see unequally much
        (gradient,) = torch.autograd.grad(y[0, 0, y.shape[2] // 2 + place, y.shape[3] // 2], x, retain_graph=True)
        rows = gradient[0, 0].abs().sum(1).nonzero()
        widest = max(widest, int(rows.max() - rows.min()) + 1)
    found = fields_of(model, (1, 96, 96))["last"]
    assert found is not None and found[0] == found[1]
    transposed = isinstance(model.pool, nn.ConvTranspose2d)
    assert widest <= found[0] <= widest + (2 if transposed else 0)


def test_global_pooling_and_dense_layers_see_everything() -> None:
    model = create_model("Conv2@3 - GAP - FC3", in_shape=(1, 9, 7))
    assert list(fields_of(model, (1, 9, 7)).values()) == [(3, 3), (9, 7), (9, 7)]
    flat = create_model("Conv2@3 - Pool - FC3 - ReLU", in_shape=(1, 10, 8))
    assert list(fields_of(flat, (1, 10, 8)).values()) == [(3, 3), (4, 4), (4, 4), (10, 8), (10, 8)]
    adaptive = nn.Sequential(nn.Conv2d(1, 1, 3), nn.AdaptiveAvgPool2d((2, 3)))
    assert fields_of(adaptive, (1, 10, 11))["1"] == (6, 5)
    for pool, field in ((nn.AdaptiveAvgPool1d(1), 20), (nn.AdaptiveMaxPool1d(1), 20), (nn.AdaptiveAvgPool1d(6), 5)):
        assert fields_of(nn.Sequential(nn.Conv1d(1, 1, 3), pool), (1, 20))["1"] == (field,)


def test_unequal_sides_and_one_axis() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, (3, 5), stride=(1, 2)), nn.MaxPool2d((2, 1)), MaxPooling((1, 2)))
    assert list(fields_of(model, (1, 20, 30)).values()) == [(3, 5), (4, 5), (4, 7)]
    assert list(fields_of(nn.Sequential(nn.Conv1d(3, 2, 5), nn.MaxPool1d(2)), (3, 20)).values()) == [(5,), (6,)]


def test_rows_of_numbers_have_no_field() -> None:
    assert set(fields_of(create_model("FC4 - ReLU - FC2", in_shape=(3,)), (3,)).values()) == {None}
