"""Residual networks held against torchvision's."""

from __future__ import annotations

import pytest
import torch

from neuropil.models import create_model
from oracle_shim import torchvision

PUBLISHED = {"resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032, "resnet101": 44_549_160,
             "resnet152": 60_192_808}  # fmt: skip
"""torchvision's documented parameter counts."""

CIFAR = {"resnet20": 0.27, "resnet32": 0.46, "resnet44": 0.66, "resnet56": 0.85, "resnet110": 1.7}
"""The paper's table 6, in millions."""

SIDES = [
    pytest.param("resnet18", 64),
    pytest.param("resnet50", 64),
    *(pytest.param(name, 224, marks=pytest.mark.slow) for name in PUBLISHED),
]


def count(network: torch.nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())


def with_lively_averages(network: torch.nn.Module) -> torch.nn.Module:
    """Scales, shifts and averages away from 1 and 0, so that an exchange of two of them would show."""
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            for value, low, high in (
                (layer.weight, 0.3, 0.6), (layer.bias, -0.3, 0.3),
                (layer.running_mean, -0.1, 0.1), (layer.running_var, 0.8, 1.2),
            ):  # fmt: skip
                torch.nn.init.uniform_(value, low, high)
    return network


@pytest.mark.parametrize(("name", "side"), SIDES)
def test_the_same_weights_give_torchvisions_outputs(name: str, side: int) -> None:
    torch.manual_seed(1)
    theirs = with_lively_averages(getattr(torchvision.models, name)()).eval()
    ours = create_model(name).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(2, 3, side, side)
    with torch.no_grad():
        expected = theirs(x)
        found = ours(x)
    assert expected.std() > 0.05
    assert (found - expected).abs().max() <= 1e-5


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts(name: str) -> None:
    with torch.device("meta"):
        assert count(create_model(name)) == PUBLISHED[name]


@pytest.mark.parametrize("name", CIFAR)
def test_counts_for_cifar(name: str) -> None:
    network = create_model(name)
    assert round(count(network) / 1e6, 1 if name == "resnet110" else 2) == CIFAR[name]
    depth = sum(isinstance(layer, torch.nn.Conv2d | torch.nn.Linear) for layer in network.modules())
    assert depth == int(name.removeprefix("resnet"))


def test_shortcuts_of_resnet20() -> None:
    assert count(create_model("resnet20")) == 269_722
    projections = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    assert count(create_model("resnet20", shortcut="B")) == 269_722 + projections


def test_option_a_keeps_every_second_pixel_between_zeros() -> None:
    shortcut = create_model("resnet20").layer2[0].downsample
    x = torch.arange(16 * 4 * 4.0).reshape(1, 16, 4, 4)
    out = shortcut(x)
    assert out.shape == (1, 32, 2, 2)
    assert torch.equal(out[:, 8:24], x[:, :, ::2, ::2])
    assert not out[:, :8].any()
    assert not out[:, 24:].any()


def test_the_papers_stride_moves_to_the_first_convolution() -> None:
    paper, public = create_model("resnet50", downsample_at="1x1", width=8), create_model("resnet50", width=8)
    assert paper.layer2[0].conv1.stride == (2, 2)
    assert paper.layer2[0].conv2.stride == (1, 1)
    assert public.layer2[0].conv1.stride == (1, 1)
    assert public.layer2[0].conv2.stride == (2, 2)
    assert paper(torch.zeros(2, 3, 64, 64)).shape == (2, 1000)
