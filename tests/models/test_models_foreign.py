"""Our networks against the graphs of the onnx package: same weights, same outputs, the papers' counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from models.foreign_graphs import ForeignGraph, layers_in_order
from neuropil.models import create_model

PLAIN = [
    ("bvlc_alexnet", "alexnet", {"form": "bvlc"}, 227, 60_965_224),
    ("vgg19", "vgg19", {}, 224, 143_667_240),
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
