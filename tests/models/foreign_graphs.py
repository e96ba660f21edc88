"""Graphs of published networks as others wrote them down (ONNX), with random weights, run by onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"

Array = np.ndarray[Any, Any]


class ForeignGraph:
    """One graph of the onnx package, its constant weights replaced by random ones.

    Args:
        name: of the file, without `light_`.
        seed: of the weights.
    """

    def __init__(self, name: str, seed: int = 0) -> None:
        self._made: set[str] = set()
        self.model = onnx.load(FOLDER / f"light_{name}.onnx")
        graph = self.model.graph
        draw = np.random.default_rng(seed)
        shapes = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
        for node in [node for node in graph.node if node.op_type == "ConstantOfShape"]:
            shape = tuple(int(n) for n in shapes[node.input[0]])
            self._replace(node.output[0], shape, draw)
            graph.node.remove(node)
        for one in list(graph.initializer):
            if one.data_type == onnx.TensorProto.FLOAT and len(one.dims) == 1 and one.name not in self._made:
                self._replace(one.name, tuple(one.dims), draw)
        self.weights = {one.name: onnx.numpy_helper.to_array(one).copy() for one in graph.initializer}
        self.nodes = list(graph.node)

    def _replace(self, name: str, shape: tuple[int, ...], draw: np.random.Generator) -> None:
        graph = self.model.graph
        fan_in = max(1, int(np.prod(shape[1:])))
        if len(shape) > 1:
            value = draw.normal(0, np.sqrt(2 / fan_in), shape)
        else:
            value = draw.uniform(0.5, 1.5, shape)  # scales and variances are above 0; biases may be anything
        for one in [one for one in graph.initializer if one.name == name]:
            graph.initializer.remove(one)
        graph.initializer.append(onnx.numpy_helper.from_array(value.astype(np.float32), name))
        self._made.add(name)

    def outputs(self, x: Array, at: str) -> Array:
        """What the graph computes at one of its values."""
        del self.model.graph.output[:]
        self.model.graph.output.append(onnx.helper.make_tensor_value_info(at, onnx.TensorProto.FLOAT, None))
        given = {one.name for one in self.model.graph.initializer}
        given_input = next(one for one in self.model.graph.input if one.name not in given)
        for dim, size in zip(given_input.type.tensor_type.shape.dim, x.shape, strict=True):
            dim.dim_value = size
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(self.model.SerializeToString(), options)
        found: Array = session.run([at], {given_input.name: x})[0]
        return found

    def weighted(self) -> list[list[str]]:
        """The names of weight and bias of each convolution and dense layer, behind whatever reshapes them."""
        reshaped = {node.output[0]: node.input[0] for node in self.nodes if node.op_type == "Reshape"}
        rows = [node.input[1:] for node in self.nodes if node.op_type in ("Conv", "Gemm")]
        return [[reshaped.get(name, name) for name in row] for row in rows]

    def before_softmax(self) -> str:
        """The name of the logits."""
        return str(next(node for node in self.nodes if node.op_type == "Softmax").input[0])


def layers_in_order(network: nn.Module, x: Tensor, kinds: tuple[type[nn.Module], ...]) -> list[nn.Module]:
    """The layers of some kinds, in the order in which the network calls them."""
    called: list[nn.Module] = []
    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output: called.append(layer))
        for layer in network.modules()
        if isinstance(layer, kinds)
    ]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    return called
