"""The three blocks of MnasNet's search space, with squeeze and excitation and what passes by.

Source: Tan et al. 2019, section 4.1 and figure 4: "convolutional ops: regular conv, depthwise conv, mobile inverted
bottleneck; squeeze-and-excitation ratio; skip ops: pooling, identity residual, or no skip". Parts stand in the order
of timm's blocks, so that weights go over one by one.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.block_networks.grammar import Kind, Skip
from neuropil.nn.convolution import Convolution2d
from neuropil.nn.squeeze import SqueezeExcitation

__all__ = ["Block", "Pooled"]


class Pooled(nn.Module):
    """What passes by a block that changes the shape: the mean of each window, and zeros for maps that are new.

    Of fewer maps the first ones are kept. He et al. 2016, section 4.2, "option A", has a subsample for the mean.

    Shape:
        `[N, in_maps, H, W]` -> `[N, maps, ceil(H / stride), ceil(W / stride)]`.
    """

    def __init__(self, maps: int, stride: int) -> None:
        super().__init__()
        self.maps, self.stride = maps, stride

    def forward(self, x: Tensor) -> Tensor:
        """Pool, then zeros or a cut."""
        if self.stride > 1:
            x = F.avg_pool2d(x, self.stride, ceil_mode=True, count_include_pad=False)
        given = x.shape[1]
        return x[:, : self.maps] if given >= self.maps else F.pad(x, (0, 0, 0, 0, 0, self.maps - given))


def normalized(in_maps: int, maps: int, kernel: int, *, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution without bias that keeps the size, and batch normalization."""
    layer = Convolution2d(in_maps, maps, kernel, stride=stride, padding="same", groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(maps)]


class Block(nn.Module):
    """One block of a kind.

    Shape:
        `[N, in_maps, H, W]` -> `[N, maps, ceil(H / stride), ceil(W / stride)]`.

    Args:
        kind: cn: convolution, ReLU. ds: depthwise, ReLU, 1x1. ir: 1x1 to more maps, ReLU, depthwise, ReLU, 1x1 to few.
            Batch normalization behind each convolution; nothing behind the last one of ds and ir.
        in_maps: that arrive.
        maps: that it gives.
        kernel: side of the window.
        stride: of the convolution that looks at windows.
        expansion: of ir; at 1 its first 1x1 is left out.
        squeeze: width inside squeeze and excitation by that of the block's input; 0 for none. It stands behind the
            depthwise convolution, of cn behind the ReLU.
        skip: see `neuropil.block_networks.grammar`.

    Example:
        >>> sum(p.numel() for p in Block("cn", 4, 8, 3).parameters())  # 3 * 3 * 4 * 8 and 2 * 8
        304
    """

    def __init__(
        self,
        kind: Kind,
        in_maps: int,
        maps: int,
        kernel: int,
        *,
        stride: int = 1,
        expansion: int = 1,
        squeeze: float = 0.0,
        skip: Skip = "noskip",
    ) -> None:
        super().__init__()
        same = stride == 1 and in_maps == maps
        wide = in_maps * expansion
        layers: list[nn.Module] = []
        if kind == "cn":
            layers += [*normalized(in_maps, maps, kernel, stride=stride), nn.ReLU(inplace=True)]
        else:
            if wide != in_maps:
                layers += [*normalized(in_maps, wide, 1), nn.ReLU(inplace=True)]
            layers += [*normalized(wide, wide, kernel, stride=stride, groups=wide), nn.ReLU(inplace=True)]
        if squeeze:
            looked = maps if kind == "cn" else wide
            layers.append(SqueezeExcitation(looked, hidden=max(1, round(in_maps * squeeze))))
        if kind != "cn":
            layers += normalized(wide, maps, 1)
        self.layers = nn.Sequential(*layers)
        self.beside: nn.Module | None = None
        if skip != "noskip" and same:
            self.beside = nn.Identity()
        elif skip == "pool":
            self.beside = Pooled(maps, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block's own, and what passes by added."""
        found: Tensor = self.layers(x)
        return found if self.beside is None else found + self.beside(x)
