"""Claims about whole networks that look at pictures: GoogLeNet, MobileNet, ShuffleNet and those before them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.costs.claims import COUNTED, WALKED, Claim, Clock, by_unit, forward, raced, timed, timed_words, weights_of
from neuropil.formulas.costs import convolution_weights, dense_weights
from neuropil.formulas.network_costs import (
    ALEXNET,
    VGG16,
    auxiliary_weights,
    googlenet_cost,
    googlenet_weights,
    layer_costs,
    mobilenet_weights,
    residual_unit_cost,
    shuffle_unit_cost,
)
from neuropil.inspection.summary import summarize
from neuropil.models import create_model, usual_input_shape
from neuropil.models.published import published_for
from neuropil.models.resnet import Bottleneck
from neuropil.nn.convolution import Convolution2d
from neuropil.pictures.cost_lines import CostLine

__all__ = ["auxiliary", "googlenet", "mobilenet", "one_by_one", "phones", "shufflenet", "transfer"]


def _built(name: str, real: bool, **options: Any) -> nn.Module:
    """A network of the catalogue; without numbers in it where nothing is timed."""
    with torch.device("cpu" if real else "meta"):
        return create_model(name, **options)


def _picture(network: nn.Module) -> Tensor:
    return torch.zeros(1, *usual_input_shape(network))


def one_by_one(_: Clock | None) -> Claim:
    """What 1x1 convolutions before costly ones spare (rows 41, 64, 68): in GoogLeNet and in ResNet-50."""
    whole = summarize(_built("googlenet", False, auxiliary=False), (3, 224, 224)).layers
    branch = [one for one in whole if one.name.startswith("layers.inception3a.branch3.") and one.multiply_adds]
    places, direct = 28 * 28, convolution_weights(5, 192, 32) * 28 * 28
    with torch.device("meta"):
        straight = Convolution2d(192, 32, 5, padding="same")
        plain = nn.Sequential(*(Convolution2d(256, 256, 3, padding="same", bias=False) for _ in range(2)))
    block = [
        one
        for one in summarize(_built("resnet50", False), (3, 224, 224)).layers
        if one.name.startswith("layer1.1.conv")
    ]
    through, narrow = sum(one.multiply_adds for one in branch), sum(one.multiply_adds for one in block)
    wide = summarize(straight, (192, 28, 28)).multiply_adds
    two = summarize(plain, (256, 56, 56)).multiply_adds
    lines = [
        CostLine("inception 3a: 5×5 on 192 maps", "multiply-adds, inception", wide, direct, "5² · 192 · 32 · 28²",
                 WALKED),
        CostLine("the same behind 16 maps of 1×1, as in GoogLeNet", "multiply-adds, inception", through,
                 (convolution_weights(1, 192, 16) + convolution_weights(5, 16, 32)) * places,
                 "(192 · 16 + 5² · 16 · 32) · 28²", WALKED),
        CostLine("two 3×3 on 256 maps", "multiply-adds, residual", two, 2 * convolution_weights(3, 256, 256) * 56**2,
                 "2 · 3² · 256² · 56²", WALKED),
        CostLine("ResNet-50's 1×1, 3×3, 1×1 through 64 maps", "multiply-adds, residual", narrow,
                 residual_unit_cost(256, 64, 56), "(2 · 256 · 64 + 9 · 64²) · 56²", WALKED),
    ]  # fmt: skip
    return Claim(
        "one-by-one", (41, 64), "1×1 convolution, GoogLeNet",
        "An efficient embedding in few dimensions; the number of 1×1 filters sets how many maps come out.",
        through < wide and narrow < two,
        f"The 5×5 of GoogLeNet's first module takes {wide / through:.1f} times fewer multiply-adds behind its 1×1, a "
        f"block of ResNet-50 {two / narrow:.1f} times fewer than two 3×3 as wide.",
        tuple(lines),
    )  # fmt: skip


def googlenet(clock: Clock | None) -> Claim:
    """Weights of GoogLeNet against AlexNet and VGG-16 (rows 63, 66)."""
    real = clock is not None
    networks = {
        "AlexNet": _built("alexnet", real), "GoogLeNet": _built("googlenet", real, auxiliary=False),
        "VGG-16": _built("vgg16", real),
    }  # fmt: skip
    walks = {"AlexNet": layer_costs(ALEXNET, 3, 227), "VGG-16": layer_costs(VGG16, 3, 224)}
    said = {name: sum(one.weights for one in walk) for name, walk in walks.items()} | {"GoogLeNet": googlenet_weights()}
    words = {"AlexNet": "five convolutions, three dense layers", "VGG-16": "13 convolutions, three dense layers",
             "GoogLeNet": "three convolutions, nine modules, one dense layer"}  # fmt: skip
    costs = {name: summarize(one, usual_input_shape(one)).multiply_adds for name, one in networks.items()}
    weights = {name: weights_of(one) for name, one in networks.items()}
    lines = [CostLine(name, "weights", weights[name], said[name], words[name], COUNTED) for name in networks]
    work = {name: sum(one.multiply_adds for one in walk) for name, walk in walks.items()} | {
        "GoogLeNet": googlenet_cost()
    }
    lines += [CostLine(name, "multiply-adds", costs[name], work[name], words[name], WALKED) for name in networks]
    chapter = 1.1 * weights["AlexNet"]
    lines.append(CostLine("GoogLeNet, as the chapter has it", "weights, the chapter's claim", weights["GoogLeNet"],
                          chapter, "AlexNet's + 10 %", COUNTED))  # fmt: skip
    times = timed(
        clock, {name: (forward(one, _picture(one)), costs[name]) for name, one in networks.items()} if real else {}
    )
    share = weights["GoogLeNet"] / weights["AlexNet"]
    return Claim(
        "googlenet", (63, 66), "GoogLeNet",
        "22 layers, yet only 10 % more weights than AlexNet.",
        abs(share - 1.1) < 0.05,
        f"The other way round: {weights['GoogLeNet']:,} weights are {share:.1%} of AlexNet's {weights['AlexNet']:,}, "
        f"{1 / share:.1f} times fewer. Szegedy et al. 2015 print 12 times fewer; the rows of their own table add up to "
        "6.8 million, which is 9 times. "
        f"VGG-16 has {weights['VGG-16'] / weights['AlexNet']:.1f} times AlexNet's. In multiply-adds GoogLeNet is no "
        f"smaller: {costs['GoogLeNet'] / costs['AlexNet']:.1f} times AlexNet's." + timed_words(times),
        (*by_unit(lines), *times),
    )  # fmt: skip


def auxiliary(_: Clock | None) -> Claim:
    """What GoogLeNet's auxiliary classifiers add while it trains (row 65)."""
    with_them, without = (weights_of(_built("googlenet", False, auxiliary=one)) for one in (True, False))
    expected = auxiliary_weights(512) + auxiliary_weights(528)
    added = with_them - without
    lines = (
        CostLine("the two of them", "weights", added, expected, "1×1 · 128, 2048 → 1024 → 1000; twice", COUNTED),
        CostLine("the network without them", "weights", without, googlenet_weights(), "as above", COUNTED),
    )
    return Claim(
        "auxiliary", (65,), "GoogLeNet",
        "Auxiliary classifiers are added against the vanishing gradient.",
        added > 0,
        f"They are there only while it trains, with {added:,} weights, {added / without:.0%} of all the rest.",
        lines,
    )  # fmt: skip


def _standard_mobilenet() -> nn.Module:
    """MobileNet with an ordinary convolution in each separable one's place, as a line of layers."""
    layers = ["Conv32@3s2p1", "BN", "ReLU"]
    with torch.device("meta"):
        for block in create_model("mobilenet_v1").get_submodule("layers").children():
            depthwise = next((one for one in block.modules() if isinstance(one, nn.Conv2d) and one.groups > 1), None)
            if depthwise is not None:
                wide = [one for one in block.modules() if isinstance(one, nn.Conv2d)][-1].out_channels
                layers += [f"Conv{wide}@3s{depthwise.stride[0]}p1", "BN", "ReLU"]
        return create_model("line", line=" - ".join([*layers, "GAP", "FC1000"]), in_shape=(3, 224, 224))


def mobilenet(_: Clock | None) -> Claim:
    """MobileNet against the same with standard convolutions (row 74)."""
    found = {"MobileNet": _built("mobilenet_v1", False), "the same with standard convolutions": _standard_mobilenet()}
    counts = {name: summarize(one, (3, 224, 224)) for name, one in found.items()}
    lines = [
        CostLine(name, "weights", one.weights, mobilenet_weights(name == "MobileNet"), formula, COUNTED)
        for (name, one), formula in zip(
            counts.items(), ("sum of k² M + M N, and 2 a map", "sum of k² M N, and 2 a map"), strict=True
        )
    ]
    lines += [
        CostLine(name, "multiply-adds", one.multiply_adds, None, f"the paper prints {printed}", WALKED)
        for (name, one), printed in zip(counts.items(), ("569 million", "4866 million"), strict=True)
    ]
    small, large = counts.values()
    return Claim(
        "mobilenet", (74,), "MobileNet",
        "A network for little computing power: depthwise separable convolutions leave fewer weights to compute.",
        small.weights < large.weights and small.multiply_adds < large.multiply_adds,
        f"{large.weights / small.weights:.1f} times fewer weights and {large.multiply_adds / small.multiply_adds:.1f} "
        "times fewer multiply-adds in the whole network (Howard et al. 2017, table 4).",
        tuple(lines),
    )  # fmt: skip


def shufflenet(_: Clock | None) -> Claim:
    """ShuffleNet's unit against the residual one at as many maps (row 76)."""
    c, m, groups, side = 240, 60, 3, 28
    network = summarize(_built("shufflenet_v1", False, groups=groups), (3, 224, 224)).layers
    unit = sum(one.multiply_adds for one in network if one.name.startswith("layers.stage2.1."))
    with torch.device("meta"):
        residual = Bottleneck(c, m, 1, shortcut="B", downsample_at="3x3")
    other = summarize(residual, (c, side, side)).multiply_adds
    lines = (
        CostLine("residual unit", "multiply-adds", other, residual_unit_cost(c, m, side),
                 f"h w (2 c m + 9 m²), c = {c}, m = {m}, {side}²", WALKED),
        CostLine("ShuffleNet unit, 3 groups", "multiply-adds", unit, shuffle_unit_cost(c, m, groups, side),
                 f"h w (2 c m / g + 9 m), g = {groups}", WALKED),
    )  # fmt: skip
    return Claim(
        "shufflenet", (76,), "ShuffleNet (spelt SuffleNet)",
        "For weak devices: accuracy is kept and computation spared by pointwise group convolution and a shuffle.",
        unit < other,
        f"A unit of as many maps takes {other / unit:.1f} times fewer multiply-adds. Accuracy is not measured here.",
        lines,
    )  # fmt: skip


def phones(clock: Clock | None) -> Claim:
    """Networks for phones beside large ones: weights, multiply-adds, time (rows 74, 76, 77)."""
    kinds: dict[str, dict[str, Any]] = {
        "resnet50": {}, "mobilenet_v1": {}, "shufflenet_v1": {"groups": 3}, "mnasnet_a1": {},
    }  # fmt: skip
    lines, runs, counts = [], {}, {}
    for name, options in kinds.items():
        network = _built(name, clock is not None, **options)
        found = summarize(network, (3, 224, 224))
        printed = published_for(name, options, 224)
        words = {"weights": printed.weights, "multiply-adds": printed.multiply_adds} if printed else {}
        counts[name] = found
        for unit, value in (("weights", found.weights), ("multiply-adds", found.multiply_adds)):
            told = f"the paper prints {words[unit]}" if words.get(unit) else "the paper prints no number"
            lines.append(CostLine(name, unit, value, None, told, COUNTED if unit == "weights" else WALKED))
        if clock is not None:
            runs[name] = (forward(network, _picture(network)), found.multiply_adds)
    times = timed(clock, runs)
    large = counts["resnet50"]
    told = "; ".join(
        f"{name} {large.weights / one.weights:.1f} times fewer weights, "
        f"{large.multiply_adds / one.multiply_adds:.1f} times fewer multiply-adds"
        for name, one in counts.items()
        if name != "resnet50"
    )
    return Claim(
        "phones", (74, 76, 77), "MobileNet, ShuffleNet, MnasNet",
        "Networks for devices with little computing power; MnasNet's structure was found by a search.",
        all(one.weights < large.weights and one.multiply_adds < large.multiply_adds
            for name, one in counts.items() if name != "resnet50"),
        f"Against ResNet-50: {told}." + timed_words(times),
        (*by_unit(lines), *times),
    )  # fmt: skip


def transfer(clock: Clock | None) -> Claim:
    """A new classifier on features that stay as they are (rows 89, 90)."""
    classes = 10
    network = _built("resnet18", clock is not None, num_classes=classes)
    whole = summarize(network, (3, 224, 224)).trainable_weights
    for name, one in network.named_parameters():
        one.requires_grad_(name.startswith("fc."))
    head = summarize(network, (3, 224, 224)).trainable_weights
    lines = [
        CostLine("the classifier alone", "weights to train", head, dense_weights(512, classes),
                 f"(512 + 1) · {classes}", COUNTED),
        CostLine("all of ResNet-18", "weights to train", whole, None, "", COUNTED),
    ]  # fmt: skip
    times: tuple[CostLine, ...] = ()
    if clock is not None:
        x, y = torch.zeros(8, 3, 64, 64), torch.arange(8) % classes

        def step(features: bool) -> object:
            for name, one in network.named_parameters():
                one.requires_grad_(features or name.startswith("fc."))
            network.zero_grad()
            return F.cross_entropy(network.train()(x), y).backward()  # type: ignore[no-untyped-call]

        times = raced(
            clock,
            {"all of it": lambda: step(True), "the classifier alone": lambda: step(False)},
            "forward and backward, 8 pictures of 64×64",
        )
    spared = f" A step takes {times[1].measured / times[0].measured:.2f} of the time here." if times else ""
    return Claim(
        "transfer", (89, 90), "Transfer learning",
        "Large networks need much data and time to train; so trained convolutions are taken over, and a new classifier "
        "is put on them and trained.",
        head < whole and (not times or times[1].measured < times[0].measured),
        f"{head:,} of {whole:,} weights are left to train ({head / whole:.3%})." + spared,
        (*lines, *times),
    )  # fmt: skip
