"""Residual networks against torchvision, the paper's tables and public weights."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.inspection.summary import summarize
from neuropil.models import create_model
from neuropil.models.resnet import ResNet, ResNet20, ZeroPaddedShortcut
from neuropil.transfer.loading import load_weights

TABLE_1 = {"resnet18": 1.8e9, "resnet34": 3.6e9, "resnet50": 3.8e9, "resnet101": 7.6e9, "resnet152": 11.3e9}
"""Multiply-adds at 224x224; the paper's bottlenecks have their stride at the first 1x1."""

TABLE_6 = {"resnet20": 0.27, "resnet32": 0.46, "resnet44": 0.66, "resnet56": 0.85, "resnet110": 1.7}
"""Million weights for CIFAR-10."""

PARITY = [
    "resnet18",
    "resnet50",
    pytest.param("resnet34", marks=pytest.mark.slow),
    pytest.param("resnet101", marks=pytest.mark.proof),
    pytest.param("resnet152", marks=pytest.mark.proof),
]


def randomize(network: nn.Module) -> None:
    """Scales, shifts and averages that a trained network could have, so that none hides behind 0 or 1."""
    generator = torch.Generator().manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor, low, high in (
                (layer.weight, 0.3, 0.8),
                (layer.bias, -0.2, 0.2),
                (layer.running_mean, -0.2, 0.2),
                (layer.running_var, 0.7, 1.4),
            ):
                assert tensor is not None
                nn.init.uniform_(tensor, low, high, generator=generator)


@pytest.mark.parametrize("name", PARITY)
def test_outputs_and_gradients_are_torchvisions(name: str) -> None:
    torchvision = pytest.importorskip("oracle_shim").torchvision
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = getattr(torchvision.models, name)()
    randomize(theirs)
    ours = create_model(name)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    a, b = ours.eval()(x), theirs.eval()(x)
    assert (a - b).abs().max().item() <= 1e-5 * max(1.0, b.abs().max().item())
    ours.train()(x).square().mean().backward(), theirs.train()(x).square().mean().backward()
    for key in ("conv1.weight", "layer3.0.conv1.weight", "fc.weight"):
        mine, other = ours.get_parameter(key).grad, theirs.get_parameter(key).grad
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-4 * other.abs().max().item())


@pytest.mark.parametrize("name", TABLE_1)
def test_multiply_adds_are_the_papers(name: str) -> None:
    options = {"downsample_at": "1x1"} if int(name.removeprefix("resnet")) >= 50 else {}
    with torch.device("meta"):
        network = create_model(name, **options)
    summary = summarize(network, (3, 224, 224))
    assert round(summary.multiply_adds / 1e9, 1) == pytest.approx(TABLE_1[name] / 1e9, abs=0.11)


@pytest.mark.parametrize("name", TABLE_6)
def test_weights_for_small_pictures_are_the_papers(name: str) -> None:
    network = create_model(name)
    millions = sum(p.numel() for p in network.parameters()) / 1e6
    assert millions == pytest.approx(TABLE_6[name], abs=0.05 if name == "resnet110" else 0.005)
    weighted = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(weighted) == int(name.removeprefix("resnet")), "option A has no weights of its own"


def test_stage_sizes_are_the_papers() -> None:
    with torch.device("meta"):
        network = create_model("resnet50")
        shapes = [tuple(f.shape[1:]) for f in network.features(torch.zeros(1, 3, 224, 224))]  # type: ignore[operator]
    assert shapes == [(256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7)]


def test_the_stride_moves_to_the_first_convolution_of_a_bottleneck() -> None:
    today, paper = (create_model("resnet50", width=8, downsample_at=place) for place in ("3x3", "1x1"))
    assert [c.stride[0] for c in (today.layer2[0].conv1, today.layer2[0].conv2)] == [1, 2]  # type: ignore[union-attr,index]
    assert [c.stride[0] for c in (paper.layer2[0].conv1, paper.layer2[0].conv2)] == [2, 1]  # type: ignore[union-attr,index]
    assert list(today.state_dict()) == list(paper.state_dict())


def test_a_block_that_learned_nothing_hands_its_input_on() -> None:
    """Row 68: with a residual of zero, a block of unchanged shape is the identity on what a ReLU gave."""
    block = ResNet20(width=4).layer1[1].eval()  # type: ignore[index,union-attr]
    nn.init.zeros_(block.bn2.weight)
    x = torch.rand(2, 4, 8, 8)
    assert torch.equal(block(x), x)


def test_shortcut_a_pads_both_sides_with_zeros() -> None:
    x = torch.randn(1, 4, 6, 6)
    out = ZeroPaddedShortcut(4, 9, 2)(x)
    assert out.shape == (1, 9, 3, 3) and torch.equal(out[:, 2:6], x[:, :, ::2, ::2])
    assert not out[:, :2].any() and not out[:, 6:].any()


def test_shortcut_b_projects() -> None:
    a, b = ResNet20(), ResNet20(shortcut="B")
    extra = sum(p.numel() for p in b.parameters()) - sum(p.numel() for p in a.parameters())
    assert extra == (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)


@pytest.mark.parametrize("size", [(17, 23), (64, 40), (224, 224)])
def test_any_size_of_picture_will_do(size: tuple[int, int]) -> None:
    for name in ("resnet18", "resnet20"):
        network = create_model(name, width=4, in_channels=2).eval()
        assert network(torch.zeros(1, 2, *size)).isfinite().all()


def test_a_network_without_channels_is_refused() -> None:
    with pytest.raises(InputError, match="a width of 0"):
        ResNet20(width=0)


# public weights: trained on CIFAR-10 by others


def pictures(shared_data: Path, count: int) -> tuple[Tensor, Tensor]:
    """Records of the official binary file: a label, then 3x32x32 bytes; normalized as their training did."""
    with lzma.open(shared_data / "cifar10" / "data_batch_1.first4000.bin.xz") as file:
        records = np.frombuffer(file.read(3073 * count), np.uint8).reshape(count, 3073)
    x = torch.from_numpy(records[:, 1:].reshape(count, 3, 32, 32).copy()) / 255
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (x - mean[:, None, None]) / deviation[:, None, None], torch.from_numpy(records[:, 0].astype(np.int64))


def accuracy(network: ResNet, x: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        said = torch.cat([network(part).argmax(1) for part in x.split(100)])
    return (said == labels).double().mean().item()


def public_network(shared_data: Path) -> ResNet:
    network = ResNet20()
    report = load_weights(network, shared_data / "weights" / "resnet20-12fca82f.th")
    assert report.complete and "akamaster" in report.table
    return network.eval()


def test_public_weights_know_cifar_pictures(shared_data: Path) -> None:
    x, labels = pictures(shared_data, 200)
    network = public_network(shared_data)
    assert accuracy(network, x, labels) >= 0.99
    assert F.cross_entropy(network(x[:50]), labels[:50]).item() < 0.05


@pytest.mark.proof
def test_public_weights_score_what_they_should(shared_data: Path) -> None:
    score = accuracy(public_network(shared_data), *pictures(shared_data, 4000))
    assert round(100 * score, 1) == 99.8
