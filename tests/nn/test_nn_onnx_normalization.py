"""ONNX's own node tests of normalization, activations, dropout and cross-entropy, through our layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neuropil.nn import ACTIVATIONS, NORMALIZATIONS
from neuropil.nn.activation import TanhGELU, leaky_relu
from neuropil.nn.dropout import Dropout
from neuropil.nn.losses import cross_entropy
from neuropil.nn.normalization import BatchNormalization, LocalResponseNormalization
from nn.onnx_nodes import NodeTest, node_tests, parametrized, summary

NORMS = [
    *node_tests("BatchNormalization", "batch_normalization"),
    *node_tests("LRN", "lrn"),
    *node_tests("LayerNormalization", "layernormalization"),
    *node_tests("GroupNormalization", "groupnormalization"),
    *node_tests("RMSNormalization", "rmsnormalization"),
]
UNITS = [
    *node_tests("Relu", "relu"),
    *node_tests("LeakyRelu", "leakyrelu"),
    *node_tests("PRelu", "prelu"),
    *node_tests("Sigmoid", "sigmoid"),
    *node_tests("Tanh", "tanh"),
    *node_tests("HardSigmoid", "hardsigmoid"),
    *node_tests("HardSwish", "hardswish"),
    *node_tests("Swish", "swish"),
    *node_tests("Gelu", "gelu"),
    *node_tests("Softmax", "softmax"),
]
DROPOUTS = node_tests("Dropout", "dropout")
LOSSES = [
    *node_tests("SoftmaxCrossEntropyLoss", "softmax_cross_entropy_loss"),
    *node_tests("NegativeLogLikelihoodLoss", "negativeloglikelihoodloss"),
]
LEFT_OUT = {
    "test_prelu_example": "has a slope for each value; ours has one for each channel",
    **dict.fromkeys(
        ("test_hardsigmoid_example", "test_hardsigmoid", "test_hardsigmoid_default"),
        "has slope 0.5 or 0.2; ours is MobileNetV3's, with slope 1/6, and is tested within HardSwish",
    ),
    **dict.fromkeys(
        (
            "test_training_dropout_default",
            "test_training_dropout_default_mask",
            "test_training_dropout",
            "test_training_dropout_mask",
        ),
        "leaves out the nodes that NumPy's generator draws",
    ),
    **{
        one.name: "takes log probabilities where ours takes logits; SoftmaxCrossEntropyLoss has the same reductions"
        for one in LOSSES
        if one.operator == "NegativeLogLikelihoodLoss"
    },
}


def among(tests: list[NodeTest]) -> dict[str, str]:
    return {name: reason for name, reason in LEFT_OUT.items() if name in {one.name for one in tests}}


def tensors(node: NodeTest) -> list[Tensor]:
    return [torch.from_numpy(np.array(one)) for one in node.inputs if one is not None]


def with_weights(layer: nn.Module, *weights: Tensor) -> nn.Module:
    """The layer with `weight`, and `bias` where it has one."""
    layer.load_state_dict(dict(zip(("weight", "bias"), weights, strict=False)))
    return layer


def batch_normalization(node: NodeTest) -> list[Tensor]:
    x, scale, shift, mean, variance = tensors(node)
    layer = BatchNormalization(len(scale), alpha=node.attributes.get("momentum", 0.9), eps=epsilon(node))
    layer.load_state_dict(
        {"weight": scale, "bias": shift, "running_mean": mean, "running_var": variance, "num_batches_tracked": mean[0]}
    )
    if not node.attributes.get("training_mode", 0):
        return [layer.eval()(x)]
    return [layer(x), layer.running_mean, layer.running_var]


def local_response(node: NodeTest) -> list[Tensor]:
    (x,), given = tensors(node), node.attributes
    options = (given["size"], given.get("alpha", 1e-4), given.get("beta", 0.75), given.get("bias", 1.0))
    return [LocalResponseNormalization(*options, form="library")(x)]


def along_axes(node: NodeTest) -> list[Tensor]:
    """Layer and RMS normalization; what ONNX gives beside the values (mean, deviation) no layer of ours gives."""
    x, *weights = tensors(node)
    name = {"LayerNormalization": "layer", "RMSNormalization": "rms"}[node.operator]
    shape = list(x.shape[node.attributes.get("axis", -1) :])
    layer = NORMALIZATIONS.builder(name)(shape, eps=epsilon(node))
    return [with_weights(layer, *weights)(x)]


def group(node: NodeTest) -> list[Tensor]:
    x, *weights = tensors(node)
    return [with_weights(nn.GroupNorm(node.attributes["num_groups"], x.shape[1], epsilon(node)), *weights)(x)]


def epsilon(node: NodeTest) -> float:
    return float(node.attributes.get("epsilon", 1e-5))


SAID: dict[str, Callable[[NodeTest], list[Tensor]]] = {
    "BatchNormalization": batch_normalization,
    "LRN": local_response,
    "LayerNormalization": along_axes,
    "GroupNormalization": group,
    "RMSNormalization": along_axes,
}


@parametrized(NORMS, among(NORMS))
def test_normalization(node: NodeTest) -> None:
    with torch.no_grad():
        said = SAID[node.operator](node)
    replace(node, outputs=node.outputs[: len(said)]).check(*said)


@parametrized(UNITS, among(UNITS))
def test_activation(node: NodeTest) -> None:
    x, *weights = tensors(node)
    name = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "HardSwish": "hard_swish", "Swish": "silu"}
    with torch.no_grad():
        match node.operator:
            case "LeakyRelu":
                said = leaky_relu(node.attributes.get("alpha", 0.01))(x)
            case "Gelu":
                said = (TanhGELU() if "approximate" in node.attributes else ACTIVATIONS.build("gelu"))(x)
            case "PRelu":  # ONNX's slopes stand along the last axis, ours along the channels
                said = with_weights(nn.PReLU(len(weights[0])), *weights)(x.movedim(-1, 1)).movedim(1, -1)
            case "Softmax":
                axis = node.attributes.get("axis", -1)
                said = ACTIVATIONS.build("softmax")(x.movedim(axis, 1)).movedim(1, axis)
            case other:
                said = ACTIVATIONS.build(name[other])(x)
    node.check(said)


@parametrized(DROPOUTS, among(DROPOUTS))
def test_dropout(node: NodeTest) -> None:
    """Values only: ONNX also gives the mask, which no layer of ours gives."""
    x, *options = tensors(node)
    layer = Dropout(float(options[0]) if options else 0.5, form="inverted", per="sample")
    layer.train(len(options) > 1 and bool(options[1]))
    replace(node, outputs=node.outputs[:1]).check(layer(x))


@parametrized(LOSSES, among(LOSSES))
def test_cross_entropy(node: NodeTest) -> None:
    """Also the logarithms of the probabilities, where asked for: what each class would cost if it were the true one."""
    logits, targets, *weights = tensors(node)
    options = {"reduction": node.attributes["reduction"], "ignore_index": node.attributes.get("ignore_index")}
    said = [cross_entropy(logits, targets, class_weights=weights[0] if weights else None, **options)]
    if len(node.outputs) == 2:
        classes = range(logits.shape[1])
        said.append(-torch.stack([cross_entropy(logits, targets.fill_(k), reduction="none") for k in classes], dim=1))
    node.check(*said)


def test_how_many_are_run() -> None:
    tests = [*NORMS, *UNITS, *DROPOUTS, *LOSSES]
    assert summary(tests, LEFT_OUT).startswith("110 of 136 node tests are run")
    with pytest.raises(AssertionError, match="there are no such tests"):
        summary(tests, {"test_batchnorm_exampel": "misspelt"})
