"""ONNX's own node tests of pooling, through our layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neuropil.nn.pooling import AveragePooling, GlobalAveragePooling, GlobalMaxPooling, MaxPooling
from nn.onnx_nodes import NodeTest, node_tests, parametrized, summary

MAX, AVERAGE = node_tests("MaxPool", "maxpool"), node_tests("AveragePool", "averagepool")
GLOBAL_MAX, GLOBAL_AVERAGE = (
    node_tests("GlobalMaxPool", "globalmaxpool"),
    node_tests("GlobalAveragePool", "globalaveragepool"),
)
TESTS = [*MAX, *AVERAGE, *GLOBAL_MAX, *GLOBAL_AVERAGE]
LEFT_OUT = {
    f"test_maxpool_with_argmax_2d_precomputed_{name}": "asks for places beside the values; the values are tested below"
    for name in ("pads", "strides")
}


def same_lower(length: int, size: int, stride: int, dilation: int) -> tuple[int, int]:
    """ONNX's `SAME_LOWER`: as our `"same"`, the odd place ahead."""
    gap = max(0, (-(-length // stride) - 1) * stride + (size - 1) * dilation + 1 - length)
    return gap - gap // 2, gap // 2


def layer_of(operator: str, attributes: Mapping[str, Any], lengths: tuple[int, ...]) -> nn.Module:
    """Our layer with a node's attributes."""
    if operator.startswith("Global"):
        return {"GlobalMaxPool": GlobalMaxPooling, "GlobalAveragePool": GlobalAveragePooling}[operator](keep_axes=True)
    size = tuple(attributes["kernel_shape"])
    stride = tuple(attributes.get("strides", (1,) * len(size)))
    dilation = tuple(attributes.get("dilations", (1,) * len(size)))
    pads = attributes.get("pads", (0,) * 2 * len(size))
    padding: Any = tuple(zip(pads[: len(size)], pads[len(size) :], strict=True))
    if attributes.get("auto_pad") == "SAME_UPPER":
        padding = "same"
    elif attributes.get("auto_pad") == "SAME_LOWER":
        padding = tuple(map(same_lower, lengths, size, stride, dilation))
    ceil_mode = bool(attributes.get("ceil_mode", 0))
    if operator == "MaxPool":
        return MaxPooling(size, stride, padding, dilation, ceil_mode)
    return AveragePooling(size, stride, padding, dilation, ceil_mode, bool(attributes.get("count_include_pad", 0)))


def said_by_ours(node: NodeTest) -> Tensor:
    (x,) = node.inputs
    assert x is not None
    said: Tensor = layer_of(node.operator, node.attributes, x.shape[2:])(torch.from_numpy(np.array(x)))
    return said


@parametrized(TESTS, LEFT_OUT)
def test_a_node_of_onnx(node: NodeTest) -> None:
    node.check(said_by_ours(node))


@pytest.mark.parametrize("node", [node for node in MAX if node.name in LEFT_OUT], ids=lambda node: node.name)
def test_the_values_of_nodes_that_also_say_where(node: NodeTest) -> None:
    np.testing.assert_allclose(said_by_ours(node), node.outputs[0], rtol=node.rtol, atol=node.atol)


def test_only_what_is_named_is_left_out() -> None:
    assert summary(TESTS, LEFT_OUT).startswith(f"{len(TESTS) - 2} of {len(TESTS)} node tests are run")
    assert len(TESTS) == len({node.name for node in TESTS}) and len(TESTS) >= 42
