"""Our networks against the graphs of the onnx package: same weights, same outputs, the papers' counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.foreign_graphs import ForeignGraph, layers_in_order
from neuropil.models import create_model
from neuropil.models.shufflenet_v1 import ShuffleUnit

PLAIN = [
    pytest.param("bvlc_alexnet", "alexnet", {"form": "bvlc"}, 227, 60_965_224, marks=pytest.mark.proof),
    pytest.param("vgg19", "vgg19", {}, 224, 143_667_240, marks=pytest.mark.proof),
    ("inception_v1", "googlenet", {"auxiliary": False}, 221, 6_998_552),
]
"""With a size of pictures at which every pooling comes out even: whoever wrote the graphs lost Caffe's last windows."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "ours", "options", "side", "count"), PLAIN)
def test_plain_networks(name: str, ours: str, options: dict[str, Any], side: int, count: int) -> None:
    graph = ForeignGraph(name)
    rows = graph.weighted()
    assert sum(graph.weights[weight].size for row in rows for weight in row) == count
    with torch.device("meta"):
        network = create_model(ours, **options)
    network = network.to_empty(device="cpu").eval()
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        for layer, (weight, bias) in zip(layers, rows, strict=True):
            layer.weight.copy_(torch.from_numpy(graph.weights[weight]).reshape(layer.weight.shape))
            layer.bias.copy_(torch.from_numpy(graph.weights[bias]))  # type: ignore[union-attr]
        x = np.random.default_rng(1).normal(size=(1, 3, side, side)).astype(np.float32)
        expected = graph.outputs(x, graph.before_softmax())
        found = network(torch.from_numpy(x)).numpy()
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.slow
def test_densenet121() -> None:
    """Caffe's batch normalization has no scale and shift of its own: layers behind it multiply and add."""
    graph = ForeignGraph("densenet121")
    network = create_model("densenet121").eval()
    x = np.random.default_rng(1).normal(size=(1, 3, 224, 224)).astype(np.float32)
    layers = layers_in_order(network, torch.zeros(1, 3, 32, 32), (nn.Conv2d, nn.BatchNorm2d))
    unsqueezed = {node.output[0]: node.input[0] for node in graph.nodes if node.op_type == "Unsqueeze"}

    def factor(op: str, value: str) -> tuple[np.ndarray, str]:
        """The vector that a Mul or Add brings to a value, and the result's name."""
        node = next(node for node in graph.nodes if node.op_type == op and value in node.input)
        other = next(name for name in node.input if name != value)
        return graph.weights[unsqueezed[other]].reshape(-1), node.output[0]

    nodes = [node for node in graph.nodes if node.op_type in ("Conv", "BatchNormalization")]
    assert len(nodes) == len(layers) + 1, "the last layer is a 1x1 convolution there"
    with torch.no_grad():
        for node, layer in zip(nodes, layers, strict=False):
            if isinstance(layer, nn.Conv2d):
                assert node.op_type == "Conv"
                layer.weight.copy_(torch.from_numpy(graph.weights[node.input[1]]))
                continue
            assert isinstance(layer, nn.BatchNorm2d) and node.op_type == "BatchNormalization"
            scale, shift, mean, variance = (graph.weights[name] for name in node.input[1:5])
            times, name = factor("Mul", node.output[0])
            plus, _ = factor("Add", name)
            layer.eps = next(a.f for a in node.attribute if a.name == "epsilon")
            for ours, theirs in [
                (layer.weight, scale * times),
                (layer.bias, shift * times + plus),
                (layer.running_mean, mean),
                (layer.running_var, variance),
            ]:
                ours.copy_(torch.from_numpy(theirs))  # type: ignore[union-attr]
        weight, bias = (graph.weights[name] for name in nodes[-1].input[1:])
        network.classifier.weight.copy_(torch.from_numpy(weight).reshape(1000, 1024))  # type: ignore[operator, union-attr]
        network.classifier.bias.copy_(torch.from_numpy(bias))  # type: ignore[operator, union-attr]
        expected = graph.outputs(x, nodes[-1].output[0]).reshape(1, 1000)
        found = network(torch.from_numpy(x)).numpy()
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def fill(graph: ForeignGraph, layers: list[nn.Module]) -> None:
    """The graph's weights in layers that are called in the same order."""
    nodes = [node for node in graph.nodes if node.op_type in ("Conv", "BatchNormalization", "Gemm")]
    for node, layer in zip(nodes, layers, strict=True):
        values = [graph.weights[name] for name in node.input[1:]]
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
            parts = [layer.weight, layer.bias, layer.running_mean, layer.running_var]
        else:
            assert isinstance(layer, nn.Conv2d | nn.Linear)
            parts = [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
        for part, value in zip(parts, values, strict=True):
            assert part is not None
            part.copy_(torch.from_numpy(value).reshape(part.shape))


KINDS = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)


@pytest.mark.slow
def test_resnet50() -> None:
    graph = ForeignGraph("resnet50")
    network = create_model("resnet50").eval()
    with torch.no_grad():
        fill(graph, layers_in_order(network, torch.zeros(1, 3, 32, 32), KINDS))
        x = np.random.default_rng(1).normal(size=(1, 3, 224, 224)).astype(np.float32)
        expected = graph.outputs(x, graph.before_softmax())
        found = network(torch.from_numpy(x)).numpy()
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


class Halving(ShuffleUnit):
    """The graph joins the other way round, and its means leave the padding out."""

    def forward(self, x: Tensor) -> Tensor:
        means = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        return F.relu(torch.cat((self.residual(x), means), 1))


@pytest.mark.slow
def test_shuffle_units() -> None:
    """The graph is a variant of ShuffleNet: half the maps of four groups, nothing narrowed within a unit, and groups
    in the very first one: its table is written here, the units are ours.
    """
    graph = ForeignGraph("shufflenet")
    stem = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    units, channels = [], 24
    for maps, depth in ((136, 4), (272, 8), (544, 4)):
        units.append(Halving(channels, maps, 2, 4, 4, inner=maps - channels))
        units += [ShuffleUnit(maps, maps, 1, 4, 4, inner=maps) for _ in range(depth - 1)]
        channels = maps
    network = nn.Sequential(stem, *units, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(544, 1000)).eval()
    with torch.no_grad():
        fill(graph, layers_in_order(network, torch.zeros(1, 3, 64, 64), KINDS))
        x = np.random.default_rng(1).normal(size=(1, 3, 224, 224)).astype(np.float32)
        expected = graph.outputs(x, graph.before_softmax())
        found = network(torch.from_numpy(x)).numpy()
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
