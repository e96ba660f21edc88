"""Claims about where in a network the weights and the memory are: LeNet-5, AlexNet, VGG-16, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from neuropil.costs.claims import COUNTED, Claim, Clock
from neuropil.formulas.network_costs import ALEXNET, LENET, VGG16, Layer, layer_costs
from neuropil.inspection.summary import LayerSummary, summarize
from neuropil.models import create_model, usual_input_shape
from neuropil.pictures.cost_lines import CostLine

__all__ = ["alexnet", "lenet", "vgg"]

HELD = "bytes of the layer's output for one picture, 4 a number"


def lenet(_: Clock | None) -> Claim:
    """LeNet-5's layers against the numbers that its paper prints (row 57)."""
    found = [one for one in summarize(create_model("lenet5"), (1, 32, 32)).layers if one.weights]
    expected = [*LENET, ("output", (84 + 1) * 10)]
    lines = [
        CostLine(name, "weights", one.weights, said, "as printed" if name != "output" else "(84 + 1) · 10", COUNTED)
        for one, (name, said) in zip(found, expected, strict=True)
    ]
    total, printed = sum(one.weights for one in found), sum(said for _, said in expected)
    lines.append(
        CostLine("all", "weights of all layers", total, printed, "60,000 as printed, 850 of the output", COUNTED)
    )
    most = max(found, key=lambda one: one.weights)
    return Claim(
        "lenet",
        (57,),
        "LeNet",
        "Five layers, Conv - Pool - Conv - Pool - Conv - FC - FC; a pooling is a weight times a sum, plus a bias.",
        all(line.agrees for line in lines),
        f"{total:,} weights, layer by layer those of LeCun et al. 1998; a pooling has two a map, and {most.weights:,} "
        "stand in C5. The paper's output layer has fixed weights, the chapter's has 850.",
        tuple(lines),
    )


def _with_weights(name: str) -> tuple[list[LayerSummary], tuple[int, ...]]:
    with torch.device("meta"):
        network = create_model(name)
    shape = usual_input_shape(network)
    return [one for one in summarize(network, shape).layers if one.weights], shape


def _compared(found: Sequence[LayerSummary], layers: Sequence[Layer], shape: tuple[int, ...]) -> list[CostLine]:
    """A line of weights and a line of memory for each layer."""
    expected = layer_costs(layers, shape[0], shape[-1])
    lines, memory = [], []
    for one, said, layer in zip(found, expected, layers, strict=True):
        words = (
            f"{layer.kernel}² · M · {layer.N} / {layer.groups} + {layer.N}" if layer.kernel else f"(n + 1) · {layer.N}"
        )
        shown = "×".join(map(str, one.output_shape))
        lines.append(CostLine(said.name, "weights", one.weights, said.weights, words, COUNTED))
        memory.append(
            CostLine(said.name, "bytes of outputs", one.activation_bytes, 4 * said.outputs, f"4 · {shown}", HELD)
        )
    return [*lines, *memory]


def _where(found: Sequence[LayerSummary], layers: Sequence[Layer]) -> tuple[int, int, str]:
    """The places of the layer with most weights and of the one with most memory, and a sentence on both."""
    weights, memory = [one.weights for one in found], [one.activation_bytes for one in found]
    heavy, large = weights.index(max(weights)), memory.index(max(memory))
    dense = sum(one.weights for one, layer in zip(found, layers, strict=True) if not layer.kernel)
    told = (
        f"{sum(weights):,} weights: {max(weights) / sum(weights):.0%} of them in {layers[heavy].name}, "
        f"{dense / sum(weights):.0%} in the three dense layers. The largest output is that of {layers[large].name}, "
        f"{max(memory) / sum(memory):.0%} of the outputs of these layers; the dense ones have "
        f"{sum(m for m, layer in zip(memory, layers, strict=True) if not layer.kernel) / sum(memory):.2%}."
    )
    return heavy, large, told


def alexnet(_: Clock | None) -> Claim:
    """Where AlexNet's weights and memory are (rows 55, 58)."""
    found, shape = _with_weights("alexnet")
    heavy, large, told = _where(found, ALEXNET)
    return Claim(
        "alexnet",
        (55, 58),
        "Weights and memory of AlexNet",
        "A table of weights and memory, which is a picture; here by the paper's sizes: most weights are in the first "
        "dense layer, most memory in the first convolutions.",
        ALEXNET[heavy].name == "fc6" and ALEXNET[large].name == "conv1",
        told + " The two groups of 2012 are counted; without them there would be more in conv2, conv4 and conv5.",
        tuple(_compared(found, ALEXNET, shape)),
    )


def vgg(_: Clock | None) -> Claim:
    """Where VGG-16's weights and memory are (row 61)."""
    found, shape = _with_weights("vgg16")
    heavy, large, told = _where(found, VGG16)
    return Claim(
        "vgg",
        (61,),
        "VGGNet",
        "16 layers (or 19), and all kernels are 3×3.",
        len(found) == 16 and VGG16[heavy].name == "fc6" and VGG16[large].name == "conv1_1",
        f"As in AlexNet, the first dense layer has most weights and the first convolution most memory. {told}",
        tuple(_compared(found, VGG16, shape)),
    )
