"""Costs of convolutions against the MobileNet paper, Keras, torch's own counts, and where gradients reach."""

from __future__ import annotations

import os
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from neuropil.formulas import convolution as formulas
from neuropil.formulas import costs
from neuropil.nn.convolution import Convolution1d, Convolution2d
from neuropil.nn.padding import resolve_padding
from neuropil.nn.separable import DepthwiseSeparableConvolution2d

MOBILENET = [(32, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1)]
"""Howard et al. 2017, table 1: maps of the first layer and of each block, and the stride of each block's depthwise."""


def mobilenet(ordinary: bool) -> nn.Sequential:
    """Table 1 with our blocks, or with ordinary convolutions in their place (the paper's "Conv MobileNet")."""

    def block(maps: int, wanted: int, stride: int) -> nn.Module:
        if not ordinary:
            return DepthwiseSeparableConvolution2d(maps, wanted, stride=stride)
        return nn.Sequential(
            Convolution2d(maps, wanted, 3, stride=stride, padding="same", bias=False), nn.BatchNorm2d(wanted), nn.ReLU()
        )

    stem = Convolution2d(3, 32, 3, stride=2, padding="same", bias=False)
    blocks = [block(maps, wanted, stride) for (maps, _), (wanted, stride) in pairwise(MOBILENET)]
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000))
    return nn.Sequential(stem, nn.BatchNorm2d(32), nn.ReLU(), *blocks, *head)


@pytest.mark.parametrize(("ordinary", "millions", "multiply_adds"), [(False, 4.2, 569), (True, 29.3, 4866)])
def test_mobilenets_are_as_large_as_the_paper_says(ordinary: bool, millions: float, multiply_adds: int) -> None:
    """Howard et al. 2017, table 4; the operations are torch's own count (one million more than the paper's 4866)."""
    with torch.device("meta"):
        network = mobilenet(ordinary)
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, 224, 224))
    assert round(sum(weight.numel() for weight in network.parameters()) / 1e6, 1) == millions
    assert counter.get_total_flops() / 2e6 == pytest.approx(multiply_adds, rel=5e-4)
    cost, size = costs.standard_cost(3, 3, 32, 112) + 1024 * 1000, 112
    for (maps, _), (wanted, stride) in pairwise(MOBILENET):
        size //= stride
        cost += (costs.standard_cost if ordinary else costs.separable_cost)(3, maps, wanted, size)
    assert cost == counter.get_total_flops() // 2


@pytest.mark.slow
def test_mobilenet_has_keras_count_of_weights() -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    theirs = keras.applications.MobileNet(weights=None)
    ours = sum(weight.numel() for weight in mobilenet(False).parameters())
    assert ours == sum(int(np.prod(weight.shape)) for weight in theirs.trainable_weights)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [(32, 64), (512, 512)])
def test_the_cost_formulas_are_torchs_count(channels: tuple[int, int], stride: int) -> None:
    with torch.device("meta"):
        counts = []
        for layer in (
            Convolution2d(*channels, 3, stride=stride, padding="same"),
            DepthwiseSeparableConvolution2d(*channels, stride=stride, normalization=False),
        ):
            with FlopCounterMode(display=False) as counter:
                layer(torch.empty(1, channels[0], 14 * stride, 14 * stride))
            counts.append(counter.get_total_flops() // 2)
    assert counts == [costs.standard_cost(3, *channels, 14), costs.separable_cost(3, *channels, 14)]
    assert counts[1] / counts[0] == pytest.approx(costs.separable_share(3, channels[1]))


def test_stacks_of_small_kernels() -> None:
    assert (costs.stack_weights(3, 3), costs.stack_weights(7)) == (27, 49)  # Simonyan and Zisserman 2015, section 2.3
    three = nn.Sequential(*(Convolution2d(8, 8, 3, bias=False) for _ in range(3)))
    assert sum(weight.numel() for weight in three.parameters()) == costs.stack_weights(3, 3, channels=8)


@pytest.mark.parametrize(
    "layers",
    [
        [(3, 1, 1)] * 2,
        [(3, 1, 1)] * 3,
        [(7, 2, 1), (3, 2, 1), (3, 1, 1)],
        [(3, 1, 1), (3, 1, 2), (3, 1, 4)],
        [(4, 3, 2)],
    ],
)
def test_the_receptive_field_is_where_the_gradient_reaches(layers: list[tuple[int, int, int]]) -> None:
    x = torch.ones(1, 1, 60, requires_grad=True)
    y = x
    for kernel, stride, dilation in layers:
        y = F.conv1d(y, torch.ones(1, 1, kernel), stride=stride, dilation=dilation)
    y[0, 0, y.shape[-1] // 2].backward()
    assert x.grad is not None
    reached = x.grad.flatten().nonzero().flatten()
    assert int(reached[-1] - reached[0]) + 1 == costs.receptive_field(layers)


@pytest.mark.parametrize("size", [9, 10])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 1, 1), (3, 2, 1), (2, 2, 2), (5, 3, 1)])
def test_the_output_has_as_many_cells_as_the_formulas_say(size: int, kernel: int, stride: int, dilation: int) -> None:
    said = formulas.same_padding_tensorflow(size, kernel, stride, dilation)
    assert costs.output_size(size, kernel, said, stride, dilation) == -(-size // stride)
    for padding in ("valid", "same_tensorflow", 2):
        layer = Convolution1d(1, 1, kernel, stride=stride, dilation=dilation, padding=padding)  # type: ignore[arg-type]
        amounts = {"valid": (0, 0), "same_tensorflow": said, 2: (2, 2)}[padding]
        expected = costs.output_size(size, kernel, amounts, stride, dilation)
        assert layer(torch.zeros(1, 1, size)).shape[-1] == expected
    if dilation * (kernel - 1) % 2 == 0:
        assert resolve_padding("same", (kernel,), (dilation,)) == (formulas.same_padding(kernel, dilation),)
