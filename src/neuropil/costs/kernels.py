"""Claims about single layers: stacks of small kernels, kernels that come apart, groups."""

from __future__ import annotations

import torch
from torch import nn

from neuropil.costs.claims import (
    COUNTED,
    FOLLOWED,
    WALKED,
    Claim,
    Clock,
    by_unit,
    forward,
    sight,
    timed,
    timed_words,
    weights_of,
)
from neuropil.formulas.costs import (
    convolution_weights,
    flattened_weights,
    receptive_field,
    separable_cost,
    separable_share,
    separable_weights,
    spatial_weights,
    stack_weights,
    standard_cost,
)
from neuropil.inspection.summary import summarize
from neuropil.nn.convolution import Convolution2d
from neuropil.nn.separable import (
    DepthwiseSeparableConvolution2d,
    FlattenedConvolution2d,
    SpatiallySeparableConvolution2d,
)
from neuropil.nn.shuffled import ShuffledGroupedConvolution2d
from neuropil.pictures.cost_lines import CostLine

__all__ = ["come_apart", "grouped", "separable", "stacks"]


def _stack(kernel: int, layers: int, maps: int) -> nn.Sequential:
    made: list[nn.Module] = []
    for _ in range(layers):
        made += [Convolution2d(maps, maps, kernel, padding="same", bias=False), nn.ReLU()]
    return nn.Sequential(*made)


def stacks(clock: Clock | None) -> Claim:
    """27 weights against 49 (row 62), and what a stack sees (row 56)."""
    maps, side = 64, 56
    kinds = {"three 3×3": (3, 3), "one 7×7": (7, 1), "two 3×3": (3, 2), "one 5×5": (5, 1)}
    lines, found, runs = [], {}, {}
    for name, (kernel, layers) in kinds.items():
        single, many = _stack(kernel, layers, 1), _stack(kernel, layers, maps)
        found[name] = summarize(many, (maps, side, side))
        said, power = f"{layers} · {kernel}²", stack_weights(kernel, layers, maps)
        lines += [
            CostLine(f"{name}, one map", "weights", weights_of(single), stack_weights(kernel, layers), said, COUNTED),
            CostLine(
                f"{name}, {maps} maps", "weights, 64 maps", found[name].weights, power, f"{said} · {maps}²", COUNTED
            ),
            CostLine(
                f"{name}, {maps} maps of {side}×{side}", "multiply-adds", found[name].multiply_adds,
                layers * standard_cost(kernel, maps, maps, side), f"{said} · {maps}² · {side}²", WALKED,
            ),
            CostLine(
                name, "cells that one value sees, along an axis", sight(found[name]),
                receptive_field([(kernel, 1, 1)] * layers), f"1 + {layers} · ({kernel} - 1)", FOLLOWED,
            ),
        ]  # fmt: skip
        runs[name] = (forward(many, torch.randn(1, maps, side, side)), found[name].multiply_adds)
    times = timed(clock, {name: runs[name] for name in ("one 7×7", "three 3×3")})
    few, many_weights = found["three 3×3"].weights, found["one 7×7"].weights
    same = sight(found["three 3×3"]) == sight(found["one 7×7"]) and sight(found["two 3×3"]) == sight(found["one 5×5"])
    return Claim(
        "stacks", (56, 62), "VGGNet",
        "Two 3×3 filters do what a 5×5 does, three what a 7×7 does, with 27 weights in place of 49, less computation "
        "and more ReLUs.",
        same and few < many_weights and found["three 3×3"].multiply_adds < found["one 7×7"].multiply_adds,
        f"They see as much, with {few / many_weights:.3f} of the weights (27/49) and of the multiply-adds. Two slips: "
        "with C maps on both sides it is 27 C² against 49 C², and what is seen is the same, not what can be computed: "
        "without a ReLU between them, not every 7×7 kernel is three 3×3 ones." + timed_words(times),
        (*by_unit(lines), *times),
    )  # fmt: skip


def separable(clock: Clock | None) -> Claim:
    """Standard against depthwise separable: 1/N + 1/k^2 (rows 44, 74, 75)."""
    k, M, N, F = 3, 512, 512, 14
    usual = Convolution2d(M, N, k, padding="same", bias=False)
    apart = DepthwiseSeparableConvolution2d(M, N, k, normalization=False)
    costs = [summarize(one, (M, F, F)).multiply_adds for one in (usual, apart)]
    weights = [weights_of(usual), sum(one.numel() for one in apart.parameters() if one.ndim == 4)]
    printed, right = standard_cost(k, M, F, F), standard_cost(k, M, N, F)
    lines = [
        CostLine("standard", "weights", weights[0], convolution_weights(k, M, N), f"{k}² · {M} · {N}", COUNTED),
        CostLine("depthwise separable", "weights", weights[1], separable_weights(k, M, N), f"{k}² · {M} + {M} · {N}",
                 COUNTED),
        CostLine("standard", "multiply-adds", costs[0], right, f"{k}² · {M} · {N} · {F}²", WALKED),
        CostLine("standard, as the chapter prints it", "multiply-adds", costs[0], printed,
                 f"D_K D_K M D_F D_F D_F = {k}² · {M} · {F}³", WALKED),
        CostLine("depthwise separable", "multiply-adds", costs[1], separable_cost(k, M, N, F),
                 f"{k}² · {M} · {F}² + {M} · {N} · {F}²", WALKED),
        CostLine("separable / standard", "share of the multiply-adds", costs[1] / costs[0], separable_share(k, N),
                 f"1/N + 1/k² = 1/{N} + 1/{k}²", WALKED),
    ]  # fmt: skip
    x = torch.randn(1, M, F, F)
    times = timed(
        clock, {"standard": (forward(usual, x), costs[0]), "depthwise separable": (forward(apart, x), costs[1])}
    )
    return Claim(
        "separable", (44, 74, 75), "MobileNet: cost",
        "Standard convolution costs D_K D_K M D_F D_F D_F, depthwise separable D_K D_K M D_F D_F + M N D_F D_F; so "
        "there are fewer weights to compute.",
        costs[1] < costs[0] and weights[1] < weights[0],
        f"Fewer they are: {costs[0] / costs[1]:.2f} times fewer multiply-adds, {weights[0] / weights[1]:.2f} times "
        f"fewer weights, as 1/N + 1/k² says. But the chapter's standard cost is a slip: its third D_F must be N "
        f"(Howard et al. 2017, equation 2); as printed it gives {printed:,} here, counted are {costs[0]:,}."
        + timed_words(times),
        (*by_unit(lines), *times),
        in_part=costs[0] != printed,
    )  # fmt: skip


def come_apart(clock: Clock | None) -> Claim:
    """Spatially separable and flattened convolution (rows 45, 46)."""
    k, M, N, side = 3, 64, 64, 28
    layers = {
        "standard 3×3": (Convolution2d(M, N, k, padding="same", bias=False), convolution_weights(k, M, N), "k² M N"),
        "3×1, then 1×3": (
            SpatiallySeparableConvolution2d(M, N, k, bias=False), spatial_weights(k, M, N), "k M N + k N²",
        ),
        "flattened": (FlattenedConvolution2d(M, N, k, bias=False), flattened_weights(k, M, N), "(M + 2 k) N"),
    }  # fmt: skip
    lines, runs = [], {}
    for name, (layer, expected, said) in layers.items():
        lines.append(CostLine(name, "weights", weights_of(layer), expected, f"{said}, k = {k}, M = N = {M}", COUNTED))
    for name, (layer, expected, said) in layers.items():
        cost = summarize(layer, (M, side, side)).multiply_adds
        lines.append(CostLine(name, "multiply-adds", cost, expected * side**2, f"({said}) · {side}²", WALKED))
        runs[name] = (forward(layer, torch.randn(1, M, side, side)), cost)
    counts = [line.measured for line in lines[:3]]
    times = timed(clock, runs)
    return Claim(
        "come-apart", (45, 46), "Separable convolution: spatially, flattened",
        "Shown as pictures: k×k becomes k×1 and 1×k; flattened, a filter is a line in each of three directions.",
        counts[0] > counts[1] > counts[2],
        f"Between as many maps {counts[1] / counts[0]:.3f} of the weights as k×1 and 1×k, {counts[2] / counts[0]:.3f} "
        "flattened. Not every kernel comes apart; neuropil.nn.separable.separate says how much of one is lost."
        + timed_words(times),
        (*by_unit(lines), *times),
    )  # fmt: skip


def grouped(clock: Clock | None) -> Claim:
    """Groups share the weights out; the shuffle is free (rows 47, 48)."""
    k, M, side = 3, 256, 14
    lines, runs = [], {}
    for groups in (1, 2, 4, 8):
        layer = Convolution2d(M, M, k, padding="same", groups=groups, bias=False)
        expected, said = convolution_weights(k, M, M, groups), f"{k}² · {M} · {M} / {groups}"
        cost = summarize(layer, (M, side, side)).multiply_adds
        name = f"{groups} group{'s' * (groups > 1)}"
        lines.append(CostLine(name, "weights", weights_of(layer), expected, said, COUNTED))
        lines.append(CostLine(name, "multiply-adds", cost, expected * side**2, f"{said} · {side}²", WALKED))
        runs[name] = (forward(layer, torch.randn(1, M, side, side)), cost)
    shuffled = ShuffledGroupedConvolution2d(M, M, k, padding="same", groups=4, bias=False)
    cost = summarize(shuffled, (M, side, side)).multiply_adds
    lines.append(CostLine("4 groups, shuffled", "weights", weights_of(shuffled), convolution_weights(k, M, M, 4),
                          f"{k}² · {M} · {M} / 4, and none for the shuffle", COUNTED))  # fmt: skip
    lines.append(CostLine("4 groups, shuffled", "multiply-adds", cost, convolution_weights(k, M, M, 4) * side**2,
                          f"{k}² · {M} · {M} / 4 · {side}²", WALKED))  # fmt: skip
    runs["4 groups, shuffled"] = (forward(shuffled, torch.randn(1, M, side, side)), cost)
    times = timed(clock, runs)
    return Claim(
        "groups", (47, 48), "Grouped convolution, shuffled grouped convolution",
        "Shown as pictures: the maps are dealt into groups, each with its own convolution; then they are shuffled.",
        all(line.agrees for line in lines),
        "With g groups there are one g-th of the weights and of the multiply-adds, and dealing the maps out again adds "
        "neither." + timed_words(times),
        (*by_unit(lines), *times),
    )  # fmt: skip
