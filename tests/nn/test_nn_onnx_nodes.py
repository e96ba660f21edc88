"""ONNX's own node tests of convolution, run through our layers and the chapter's function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from neuropil.nn.convolution import Convolution1d, Convolution2d, conv2d
from neuropil.nn.padding import Amounts, same_tensorflow
from neuropil.nn.transposed import TransposedConvolution1d, TransposedConvolution2d
from nn.onnx_nodes import NodeTest, node_tests, parametrized, summary

CONV = node_tests("Conv", "conv")
TRANSPOSED = node_tests("ConvTranspose", "convtranspose")
LEFT_OUT = {"test_convtranspose_3d": "three axes, where the chapter has pictures"}


def tensors(node: NodeTest) -> tuple[Tensor, Tensor]:
    x, w = node.inputs
    assert x is not None and w is not None
    return torch.from_numpy(x), torch.from_numpy(w)


def numbers(node: NodeTest, axes: int) -> dict[str, Any]:
    """The attributes that both operators have, with ONNX's defaults."""
    said = {name: node.attributes.get(name, [1] * axes) for name in ("strides", "dilations")}
    return {
        "stride": tuple(said["strides"]),
        "dilation": tuple(said["dilations"]),
        "groups": node.attributes.get("group", 1),
        "bias": False,
    }


def pairs(pads: list[int]) -> Amounts:
    """ONNX has all that stands before first."""
    return tuple(zip(pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=True))


@parametrized(CONV, {})
def test_convolution(node: NodeTest) -> None:
    x, w = tensors(node)
    axes, kernel = x.ndim - 2, tuple(w.shape[2:])
    options = numbers(node, axes)
    amounts = pairs(node.attributes.get("pads", [0] * 2 * axes))
    if node.attributes.get("auto_pad") == "SAME_LOWER":  # TensorFlow's with the odd zero before
        there = same_tensorflow(x.shape[2:], kernel, options["stride"], options["dilation"])
        amounts = tuple((after, before) for before, after in there)
    kind: Any = Convolution1d if axes == 1 else Convolution2d
    layer = kind(x.shape[1], len(w), kernel, padding=amounts, **options)
    layer.load_state_dict({"weight": w})
    node.check(layer(x).detach())
    assert all(before == after for before, after in amounts), "the function has one number an axis"
    node.check(conv2d(x, w, p=(amounts[0][0], amounts[1][0]), s=options["stride"]))


@parametrized(TRANSPOSED, LEFT_OUT)
def test_transposed_convolution(node: NodeTest) -> None:
    x, w = tensors(node)
    axes, kernel = x.ndim - 2, tuple(w.shape[2:])
    options = numbers(node, axes)
    padding: Any = pairs(node.attributes.get("pads", [0] * 2 * axes))
    extra = node.attributes.get("output_padding", [0] * axes)
    if "output_shape" in node.attributes:  # here larger than what the kernels reach, or just that
        full = [s * (n - 1) + k for s, n, k in zip(options["stride"], x.shape[2:], kernel, strict=True)]
        extra = [want - have for want, have in zip(node.attributes["output_shape"], full, strict=True)]
    if node.attributes.get("auto_pad") == "SAME_UPPER":
        padding = "same_tensorflow"
    kind: Any = TransposedConvolution1d if axes == 1 else TransposedConvolution2d
    maps = w.shape[1] * options["groups"]
    layer = kind(x.shape[1], maps, kernel, padding=padding, output_padding=tuple(extra), **options)
    layer.load_state_dict({"weight": w})
    node.check(layer(x).detach())


def test_a_wrong_answer_is_noticed() -> None:
    node = CONV[0]
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        node.check(node.outputs[0] + np.float32(0.1))


def test_what_is_left_out_is_named() -> None:
    print(summary([*CONV, *TRANSPOSED], LEFT_OUT))  # noqa: T201
    assert summary([*CONV, *TRANSPOSED], LEFT_OUT).splitlines() == [
        "16 of 17 node tests are run",
        "left out: test_convtranspose_3d: three axes, where the chapter has pictures",
    ]
