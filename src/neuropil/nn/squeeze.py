"""Squeeze and excitation: maps weighed by what the whole picture holds."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError

__all__ = ["SqueezeExcitation", "squeeze_stages"]


class SqueezeExcitation(nn.Module):
    """One number from 0 to 1 a map, found from the means of all maps, scales the map.

    Source: chapter, "SENet"; Hu, Shen, Albanie, Sun and Wu 2018, "Squeeze-and-excitation networks", equations 2 to 4.
    Formula: `z_c = mean of x_c`, `s = sigmoid(W_2 relu(W_1 z + b_1) + b_2)`, `y_c = s_c x_c`.

    Shape:
        `[N, C, H, W]` -> the same.

    Args:
        channels: C.
        reduction: the paper's r: the layer between is C / r wide, at least 1; 16 there.
        hidden: its width, in place of C / r.

    Raises:
        InputError: a reduction or width below 1.

    Differs:
        The chapter writes `delta(W_1, z)` for `relu(W_1 z)`. The two layers are 1x1 convolutions, as in public weights.
        MobileNetV3 and MnasNet have their own widths and other functions.

    Example:
        >>> layer = SqueezeExcitation(32)
        >>> [tuple(p.shape) for p in layer.parameters()]
        [(2, 32, 1, 1), (2,), (32, 2, 1, 1), (32,)]
    """

    def __init__(self, channels: int, reduction: int = 16, *, hidden: int | None = None) -> None:
        super().__init__()
        if reduction < 1 or (hidden is not None and hidden < 1):
            raise InputError(f"squeeze and excitation by {reduction} to {hidden} maps was asked for; give at least 1")
        width = max(1, channels // reduction) if hidden is None else hidden
        self.fc1 = nn.Conv2d(channels, width, 1)
        self.fc2 = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Squeeze, excite, scale."""
        squeezed = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(squeezed), inplace=True)))


def squeeze_stages(model: nn.Module, reduction: int = 16) -> nn.Module:
    """Put squeeze and excitation behind each stage of a network, in place: the chapter's "inserted into existing CNNs".

    Residual networks that have it inside each block, as the paper's, are the catalogue's `se_resnet50` and its kin.

    Args:
        model: offers `stages` of maps and their `widths`, as every network of the catalogue that looks at pictures.
        reduction: as `SqueezeExcitation`.

    Raises:
        InputError: a network without stages of maps, or a reduction below 1.

    Example:
        >>> from torch import nn
        >>> net = nn.Module()
        >>> net.stages, net.widths = nn.ModuleList([nn.Sequential(nn.Conv2d(3, 32, 3))]), (32,)
        >>> [name for name, _ in squeeze_stages(net).stages[0][0].named_children()]
        ['block', 'squeeze']
    """
    stages, widths = list(getattr(model, "stages", ())), tuple(getattr(model, "widths", ()))
    if not stages or len(stages) != len(widths) or not any(one.ndim == 4 for one in model.parameters()):
        raise InputError(f"{type(model).__name__} has no stages of maps to squeeze; leave squeeze out")
    places = {id(child): (parent, name) for parent in model.modules() for name, child in parent.named_children()}
    for stage, width in zip(stages, widths, strict=True):
        last = list(stage.children())[-1]
        parent, name = places[id(last)]
        both = OrderedDict(block=last, squeeze=SqueezeExcitation(width, reduction).to(next(model.parameters()).device))
        setattr(parent, name, nn.Sequential(both))
    return model
