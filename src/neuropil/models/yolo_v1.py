"""YOLO: one network that looks once and says where things are and what they are.

Source: Redmon, Divvala, Girshick and Farhadi 2016, "You only look once: unified, real-time object detection", section 2
and figure 3; chapter, "YOLO". New against detectors before it: no proposals and no second look; the picture is cut into
G x G cells, and each predicts B boxes and the class of what has its centre there, 5 B + K numbers, 30 in the paper.

Where we deviate: features of any network of the catalogue can stand below the head (`backbone`); maps of another size
than the grid's are averaged to it. The tiny network is darknet's of today. Public weights: the released one of 1470
outputs has `hidden=(512, 4096)`, that of 1715 `local=256`, `boxes=3` and no hidden layer, with `batch_norm`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.models import build_model
from neuropil.models.extraction import darknet_block
from neuropil.nn.activation import leaky_relu
from neuropil.nn.contracts import Network
from neuropil.nn.convolution import Convolution2d
from neuropil.nn.dropout import todays_dropout
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.local import LocallyConnected2d
from neuropil.nn.staged import keep_features

__all__ = ["YOLOv1", "YOLOv1Tiny"]

NECK = (1, 2, 1, 1)
"""Figure 3: strides of the four convolutions of 3x3, 1024 maps each, that detection adds."""

TINY_NECK = (1,)
"""`yolov1-tiny.cfg`: one, of 256 maps."""


class YOLOv1(nn.Module):
    """A backbone's last maps, convolutions, dense layers, and 5 B + K numbers for each cell.

    Shape:
        `[N, in_channels, H, W]` -> `[N, G, G, 5 B + K]`: row, column, then for each box x, y (its centre in the cell, 0
        to 1), the roots of its width and height (shares of the picture's), its confidence; then a number a class.
        Published for 448x448.

    Args:
        num_classes: K; 0 leaves the last layer out.
        in_channels: 3 for colour pictures.
        grid: G, cells a side.
        boxes: B, boxes a cell.
        backbone: a network of the catalogue that has features.
        backbone_options: for it.
        stage: which of the backbone's outputs is read: -1 the last, -2 the one before it.
        neck: maps of the convolutions behind it.
        neck_stride: of the one of them that makes the maps smaller; 1 keeps their size.
        local: maps of a locally connected layer behind them; 0 for none.
        hidden: units of the dense layers before the last; left out, one of 4096, or none behind a local layer.
        convolutional: a 1x1 convolution ends the network, in place of all dense layers.
        dropout: share of the last hidden layer's (or the local layer's) outputs left out while training.
        batch_norm: normalise behind each convolution of backbone and neck.
        initialization: how the weights start.

    Raises:
        InputError: counts below 1, a backbone without features, an unknown stage, dense layers beside a convolutional
            end.

    Example:
        >>> import torch
        >>> network = YOLOv1Tiny(num_classes=3, backbone_options={"width": 0.125}, neck=32)
        >>> network(torch.zeros(1, 3, 448, 448)).shape
        torch.Size([1, 7, 7, 13])
    """

    usual_side: ClassVar[int] = 448
    plan: ClassVar[tuple[int, ...]] = NECK

    def __init__(
        self,
        *,
        num_classes: int = 20,
        in_channels: int = 3,
        grid: int = 7,
        boxes: int = 2,
        backbone: str = "extraction",
        backbone_options: dict[str, Any] | None = None,
        stage: int = -1,
        neck: int = 1024,
        neck_stride: int = 2,
        local: int = 0,
        hidden: Sequence[int] | None = None,
        convolutional: bool = False,
        dropout: float = 0.5,
        batch_norm: bool = False,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        if convolutional and (local or hidden):
            raise InputError("a convolutional end has no local and hidden layers; leave out local and hidden, or it")
        units = (() if convolutional or local else (4096,)) if hidden is None else tuple(hidden)
        if min(grid, boxes, neck, neck_stride, *units) < 1 or local < 0:
            raise InputError("cells, boxes, maps and hidden units are counted from 1 (local maps from 0)")
        self.grid, self.boxes, self.initialization = grid, boxes, initialization
        options = {"in_channels": in_channels, **(backbone_options or {})}
        if backbone.startswith("extraction"):
            options = {"batch_norm": batch_norm, **options}
        self.backbone = build_model(backbone, options)
        if not isinstance(self.backbone, Network):
            raise InputError(f"{backbone!r} has no features to find things in; take another backbone")
        self.backbone.reset_classifier(0)
        if not -len(self.backbone.widths) <= stage < 0:
            raise InputError(f"stage {stage} was given; {backbone!r} has -1 (the last) to -{len(self.backbone.widths)}")
        read = len(self.backbone.widths) + stage + 1
        keep_features(self.backbone, read)
        channels = self.backbone.widths[stage]
        layers: list[nn.Module] = []
        for stride in self.plan:
            layers += darknet_block(channels, neck, 3, neck_stride if stride > 1 else 1, batch_norm)
            channels = neck
        self.neck = nn.Sequential(*layers)
        self.widths = (*self.backbone.widths[:read], neck)
        self.dense = nn.Sequential() if convolutional else _dense(neck, grid, local, units, dropout)
        last_maps = (local or neck) * (1 if convolutional else grid**2)
        self.in_features = units[-1] if units else last_maps
        initialize(self.neck, initialization)
        initialize(self.dense, initialization)
        self.last = self._last(num_classes)

    def _last(self, num_classes: int) -> nn.Module:
        """The layer that gives the numbers of each cell, near zero at first: a grid that finds nothing."""
        if num_classes < 0:
            raise InputError(f"{num_classes} classes were asked for; give 1 or more, or 0 for no last layer")
        if not num_classes:
            return nn.Identity()
        numbers = 5 * self.boxes + num_classes
        if len(self.dense):
            last: nn.Module = nn.Linear(self.in_features, self.grid**2 * numbers)
        else:
            last = Convolution2d(self.in_features, numbers, 1)
        return initialize(last, "small_random").to(next(self.parameters()))

    @property
    def stages(self) -> list[nn.Module]:
        """Those of the backbone that are read, and the neck."""
        return [*self.backbone.stages[: len(self.widths) - 1], self.neck]  # type: ignore[index]

    def features(self, x: Tensor) -> list[Tensor]:
        """What the backbone's stages give, up to the one that is read, and what the neck makes of it."""
        found = cast(Network, self.backbone).features(x)[: len(self.widths) - 1]
        return [*found, self.neck(found[-1])]

    def head(self, x: Tensor) -> Tensor:
        """`[N, neck, h, w]` -> `[N, G, G, 5 B + K]`."""
        if tuple(x.shape[-2:]) != (self.grid, self.grid):
            x = F.adaptive_avg_pool2d(x, self.grid)
        found: Tensor = self.last(self.dense(x))
        if isinstance(self.last, nn.Identity):
            return found
        if found.ndim == 4:
            return found.permute(0, 2, 3, 1)  # row, column, numbers
        return found.reshape(-1, self.grid, self.grid, found.shape[1] // self.grid**2)

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out, and `forward` gives what it would read."""
        self.last = self._last(num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Boxes, confidences and classes of each cell, `[N, G, G, 5 B + K]`."""
        return self.head(self.features(x)[-1])


class YOLOv1Tiny(YOLOv1):
    """darknet's `yolov1-tiny.cfg`: eight convolutions and one dense layer, normalised throughout.

    Args:
        num_classes, in_channels, grid, boxes, backbone_options, neck, batch_norm, initialization: as `YOLOv1`.

    Example:
        >>> sum(p.numel() for p in YOLOv1Tiny().parameters())
        27095374
    """

    plan = TINY_NECK

    def __init__(
        self,
        *,
        num_classes: int = 20,
        in_channels: int = 3,
        grid: int = 7,
        boxes: int = 2,
        backbone_options: dict[str, Any] | None = None,
        neck: int = 256,
        batch_norm: bool = True,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__(
            num_classes=num_classes, in_channels=in_channels, grid=grid, boxes=boxes, backbone="extraction_tiny",
            backbone_options=backbone_options, neck=neck, hidden=(), batch_norm=batch_norm,
            initialization=initialization,
        )  # fmt: skip


def _dense(channels: int, grid: int, local: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    """What stands between the neck and a dense last layer."""
    layers: list[nn.Module] = []
    if local:
        layers += [LocallyConnected2d(channels, local, (grid, grid), 3, padding=1), leaky_relu(0.1)]
        channels = local
    layers.append(nn.Flatten(1))
    width = channels * grid**2
    for units in hidden:
        layers += [nn.Linear(width, units), leaky_relu(0.1)]
        width = units
    if local or hidden:
        layers.append(todays_dropout(dropout))
    return nn.Sequential(*layers)
