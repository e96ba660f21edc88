"""Claims about maps: windows that all places share, what they see, what a pooling spares."""

from __future__ import annotations

import torch
from torch import nn

from neuropil.costs.claims import COUNTED, FOLLOWED, WALKED, Claim, Clock, by_unit, forward, sight, timed, timed_words
from neuropil.formulas.costs import convolution_weights, dense_weights, receptive_field, standard_cost
from neuropil.inspection.summary import summarize
from neuropil.models import create_model
from neuropil.nn.convolution import Convolution2d
from neuropil.pictures.cost_lines import CostLine

__all__ = ["dense", "dilated", "pooled"]


def dense(clock: Clock | None) -> Claim:
    """The same outputs by a convolution and by a fully connected layer (row 34)."""
    network = create_model("lenet5")
    first = next(one for one in summarize(network, (1, 32, 32)).layers if one.name.endswith("c1"))
    outputs = int(torch.Size(first.output_shape).numel())
    full = create_model("line", line=f"FC{outputs}", in_shape=(1, 32, 32))
    counted = summarize(full, (1, 32, 32))
    lines = [
        CostLine("LeNet-5's C1: 6 maps of 5×5", "weights", first.weights, convolution_weights(5, 1, 6, bias=True),
                 "(5² · 1 + 1) · 6", COUNTED),
        CostLine(f"fully connected, {outputs:,} outputs", "weights", counted.weights, dense_weights(1024, outputs),
                 f"(1024 + 1) · {outputs:,}", COUNTED),
        CostLine("LeNet-5's C1: 6 maps of 5×5", "multiply-adds", first.multiply_adds, standard_cost(5, 1, 6, 28),
                 "5² · 1 · 6 · 28²", WALKED),
        CostLine(f"fully connected, {outputs:,} outputs", "multiply-adds", counted.multiply_adds,
                 dense_weights(1024, outputs, bias=False), f"1024 · {outputs:,}", WALKED),
    ]  # fmt: skip
    x = torch.randn(1, 1, 32, 32)
    convolution = network.get_submodule(first.name)
    runs = {
        "fully connected": (forward(full, x), counted.multiply_adds),
        "convolution": (forward(convolution, x), first.multiply_adds),
    }
    times = timed(clock, runs)
    return Claim(
        "dense", (34,), "CNN",
        "Strong and mostly correct assumptions about pictures: stationary statistics, pixels that depend on near ones.",
        first.weights < counted.weights and first.multiply_adds < counted.multiply_adds,
        f"What the assumptions are worth: {counted.weights / first.weights:,.0f} times fewer weights for as many "
        f"outputs (all places share a small window), {counted.multiply_adds / first.multiply_adds:.0f} times fewer "
        "multiply-adds, since windows are small." + timed_words(times),
        (*by_unit(lines), *times),
    )  # fmt: skip


def dilated(clock: Clock | None) -> Claim:
    """More of the picture at the same number of weights (row 43)."""
    kinds = {"three 3×3": ((3, 1), (3, 1), (3, 1)), "three 3×3, dilated 1, 2, 4": ((3, 1), (3, 2), (3, 4)),
             "one 15×15": ((15, 1),)}  # fmt: skip
    lines, sights, weights = [], [], []
    for name, layers in kinds.items():
        stack = nn.Sequential(*(Convolution2d(1, 1, k, padding="same", dilation=d, bias=False) for k, d in layers))
        found = summarize(stack, (1, 64, 64))
        sights.append(sight(found))
        weights.append(found.weights)
        said = sum(convolution_weights(k, 1, 1) for k, _ in layers)
        lines.append(CostLine(name, "weights", found.weights, said, f"{len(layers)} · {layers[0][0]}²", COUNTED))
        steps = " + ".join(f"{d * (k - 1)}" for k, d in layers)
        lines.append(CostLine(name, "cells that one value sees, along an axis", sights[-1],
                              receptive_field([(k, 1, d) for k, d in layers]), f"1 + {steps}",
                              FOLLOWED))  # fmt: skip
    return Claim(
        "dilated", (43,), "Dilated convolution",
        "Enlarges cheaply what a unit sees without a larger kernel, above all when such layers are stacked.",
        weights[0] == weights[1] and sights[1] > sights[0],
        f"At {weights[1]} weights each, three plain layers see {sights[0]} cells and three dilated ones {sights[1]}; "
        f"one kernel that sees as many has {weights[2]} weights.",
        by_unit(lines),
    )  # fmt: skip


def pooled(clock: Clock | None) -> Claim:
    """What comes behind a pooling costs a quarter (rows 49, 50)."""
    lines, found, side = [], {}, 64
    for name, line in (
        ("without pooling", "Conv32 - ReLU - Conv64"), ("behind max pooling 2×2", "Conv32 - ReLU - Pool2 - Conv64"),
        ("behind average pooling 2×2", "Conv32 - ReLU - AvgPool2 - Conv64"),
    ):  # fmt: skip
        network = create_model("line", line=line, in_shape=(3, side, side))
        last = [one for one in summarize(network, (3, side, side)).layers if one.multiply_adds][-1]
        here = side if name == "without pooling" else side // 2
        found[name] = last
        lines.append(CostLine(name, "multiply-adds of the next layer", last.multiply_adds,
                              standard_cost(3, 32, 64, here), f"3² · 32 · 64 · {here}²", WALKED))  # fmt: skip
        lines.append(CostLine(name, "bytes", last.activation_bytes, 4 * 64 * here**2, f"4 · 64 · {here}²",
                              "outputs of the next layer"))  # fmt: skip
    whole, half = found["without pooling"], found["behind max pooling 2×2"]
    return Claim(
        "pooling", (49, 50), "Pooling",
        "Feature maps become smaller, so that the next step needs less memory and less computation.",
        half.multiply_adds < whole.multiply_adds and half.activation_bytes < whole.activation_bytes,
        f"Behind blocks of 2×2 the next layer takes {half.multiply_adds / whole.multiply_adds:g} of the multiply-adds "
        f"and {half.activation_bytes / whole.activation_bytes:g} of the memory; the weights stay as many.",
        by_unit(lines),
    )  # fmt: skip
