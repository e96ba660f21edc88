"""Blocks of MobileNet and ShuffleNet, forward and backward: our layers, and the blocks of timm and torchvision."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.records import Measurement
from benchmarks.topics.separable import PRECISIONS, SHAPES, shape_name
from neuropil.nn.convolution import Convolution2d, PointwiseConvolution2d
from neuropil.nn.separable import DepthwiseSeparableConvolution2d
from neuropil.nn.shuffled import ChannelShuffle, interleave_channels
from neuropil.training.memory import keep_freed_memory

__all__ = ["COMPETITORS", "block", "stepper"]

BATCH, GROUPS, WARM_UP, SECONDS = 8, 3, 3, 0.35


class OursShuffleNet(nn.Module):
    """Version 1's unit of our layers: grouped 1x1, shuffle, depthwise, grouped 1x1, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        few = channels // 4
        self.residual = nn.Sequential(
            PointwiseConvolution2d(channels, few, groups=GROUPS, bias=False),
            nn.BatchNorm2d(few),
            nn.ReLU(inplace=True),
            ChannelShuffle(GROUPS),
            Convolution2d(few, few, 3, padding="same", groups=few, bias=False),
            nn.BatchNorm2d(few),
            PointwiseConvolution2d(few, channels, groups=GROUPS, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu_(self.residual(x) + x)


class OursShuffleNetV2(nn.Module):
    """Version 2's unit of our layers: half of the channels through three convolutions, then dealt out with the rest."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            PointwiseConvolution2d(half, half, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            Convolution2d(half, half, 3, padding="same", groups=half, bias=False),
            nn.BatchNorm2d(half),
            PointwiseConvolution2d(half, half, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        kept, changed = x.chunk(2, dim=1)
        return interleave_channels(kept, self.branch(changed))


class TheirsShuffleNet(nn.Module):
    """Version 1's unit as one writes it with torch's layers and torchvision's shuffle."""

    def __init__(self, channels: int, shuffle: Callable[[Tensor, int], Tensor]) -> None:
        super().__init__()
        few = channels // 4
        self.shuffle = shuffle
        self.first = nn.Sequential(
            nn.Conv2d(channels, few, 1, groups=GROUPS, bias=False), nn.BatchNorm2d(few), nn.ReLU(inplace=True)
        )
        self.last = nn.Sequential(
            nn.Conv2d(few, few, 3, padding=1, groups=few, bias=False),
            nn.BatchNorm2d(few),
            nn.Conv2d(few, channels, 1, groups=GROUPS, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu_(self.last(self.shuffle(self.first(x), GROUPS)) + x)


def _torchvision() -> Any:
    sys.path.append(str(Path(__file__).parents[2] / "tests"))
    from oracle_shim import torchvision

    return torchvision


def block(who: str, family: str, shape: tuple[int, int, int, int]) -> nn.Module:
    """One block of a competitor, in training, with weights from torch's global generator."""
    channels, wanted, _, stride = shape
    if who == "neuropil":
        if family == "mobilenet":
            return DepthwiseSeparableConvolution2d(channels, wanted, stride=stride)
        return OursShuffleNet(channels) if family == "shufflenet-v1" else OursShuffleNetV2(channels)
    library = _torchvision()
    if who == "timm":
        from timm.models._efficientnet_blocks import DepthwiseSeparableConv

        made: nn.Module = DepthwiseSeparableConv(
            channels, wanted, stride=stride, noskip=True, pw_act=True, act_layer=nn.ReLU
        )
        return made
    if family == "mobilenet":
        part = partial(library.ops.misc.Conv2dNormActivation, activation_layer=nn.ReLU)
        depthwise = part(channels, channels, 3, stride=stride, groups=channels)
        return nn.Sequential(depthwise, part(channels, wanted, 1))
    if family == "shufflenet-v1":
        return TheirsShuffleNet(channels, library.models.shufflenetv2.channel_shuffle)
    unit: nn.Module = library.models.shufflenetv2.InvertedResidual(channels, wanted, stride)
    return unit


def stepper(layer: nn.Module, shape: tuple[int, int, int, int], precision: str, layout: Any) -> Callable[[], Tensor]:
    """One step, forward and backward, of random numbers; gives the output."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(BATCH, shape[0], shape[2], shape[2], generator=draw).contiguous(memory_format=layout)
    with torch.no_grad():
        like = layer(x)
    slope = torch.randn(like.shape, generator=draw).contiguous(memory_format=layout)
    x.requires_grad_()

    def step() -> Tensor:
        plain: AbstractContextManager[Any] = nullcontext()
        with torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else plain:
            y = layer(x)
        y.backward(slope.to(y.dtype))
        x.grad = None
        layer.zero_grad(set_to_none=True)
        return y.detach()  # type: ignore[no-any-return]

    return step


def measure(who: str, family: str, precision: str, layout_name: str, seed: int) -> Measurement:
    """Milliseconds a step: for each shape the median of a third of a second, and their geometric mean."""
    if who == "neuropil":
        keep_freed_memory()  # as a training run does
    figures, outcomes, weights = {}, [], 0
    layout = torch.channels_last if layout_name else torch.contiguous_format
    for shape in SHAPES[family]:
        torch.manual_seed(seed)
        layer = block(who, family, shape).to(memory_format=layout)  # type: ignore[call-overload]
        weights += sum(weight.numel() for weight in layer.parameters())
        step = stepper(layer, shape, precision, layout)
        outcomes.append([step() for _ in range(WARM_UP)][-1].float().square().mean().item())
        seconds: list[float] = []
        while sum(seconds) < SECONDS or len(seconds) < 5:
            begin = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - begin)
        figures[shape_name(shape)] = 1e3 * statistics.median(seconds)
    return Measurement(
        {**figures, "geometric mean": statistics.geometric_mean(figures.values())},
        {"weights": weights, "batch": BATCH, "precision": precision},
        statistics.fmean(outcomes),
    )


LAYOUTS = {"mobilenet": "-channels-last", "shufflenet-v1": "-channels-last", "shufflenet-v2": ""}
"""The faster one of ours for each family."""

COMPETITORS: dict[str, Callable[[int], Measurement]] = {}
for _family in SHAPES:
    for _precision in PRECISIONS:
        _rest = f"{_family}-{_precision}"
        COMPETITORS[f"neuropil-{_rest}"] = partial(measure, "neuropil", _family, _precision, LAYOUTS[_family])
        for _library in ("torchvision", "timm"):
            for _tuned in ("", "-channels-last"):
                COMPETITORS[f"{_library}{_tuned}-{_rest}"] = partial(measure, _library, _family, _precision, _tuned)
