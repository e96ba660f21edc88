"""A network from a line of blocks, as `neuropil search ... --space architecture` finds it.

Source: Tan, Chen, Pang, Vasudevan, Sandler, Howard, Le 2019, "MnasNet: platform-aware neural architecture search for
mobile", section 4.1: a network of stages, the blocks of one being alike; chapter, "MnasNet" and AutoML.
`neuropil.block_networks.grammar` reads the line.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from neuropil.block_networks.blocks import Block
from neuropil.block_networks.grammar import join_stages, read_stages
from neuropil.nn.dropout import todays_dropout
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head
from neuropil.nn.staged import Staged

__all__ = ["SearchedNetwork"]

BASE = "cn_r1_k3_s1_c16 - cn_r2_k3_s2_c32 - cn_r2_k3_s2_c64 - cn_r2_k3_s2_c96"
"""For pictures of 28 or 32 pixels: what an architecture search sets out from."""


class SearchedNetwork(Staged):
    """The blocks of a line, mean over the picture, one linear layer.

    Shape:
        `[N, in_channels, H, W]`, any size -> `[N, num_classes]`.

    Args:
        blocks: the line; see `neuropil.block_networks.grammar`.
        num_classes: outputs; 0 leaves the last layer out.
        in_channels: 3 for colour pictures.
        dropout: share of the last maps left out while training.
        initialization: how the weights start.

    Raises:
        InputError: the line cannot be read.

    Example:
        >>> net = SearchedNetwork(blocks="cn_c16 - ir_r2_s2_e3_c24", in_channels=1)
        >>> net.blocks
        'cn_r1_k3_s1_c16 - ir_r2_k3_s2_e3_c24'
        >>> net.widths
        (16, 24)
    """

    usual_side: ClassVar[int] = 32

    def __init__(
        self,
        *,
        blocks: str = BASE,
        num_classes: int = 10,
        in_channels: int = 3,
        dropout: float = 0.0,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        stages, channels = read_stages(blocks), in_channels
        self.blocks, self.initialization = join_stages(stages), initialization
        layers, ends = [], []
        for stage in stages:
            for place in range(stage.blocks):
                layers.append(
                    Block(
                        stage.kind,
                        channels,
                        stage.maps,
                        stage.kernel,
                        stride=stage.stride if place == 0 else 1,  # only here height and width shrink
                        expansion=stage.expansion,
                        squeeze=stage.squeeze,
                        skip=stage.skip,
                    )
                )
                channels = stage.maps
            ends.append(len(layers))
        self.layers, self.stage_ends = nn.Sequential(*layers), tuple(ends)
        self.widths = tuple(stage.maps for stage in stages)
        self.dropout = todays_dropout(dropout)
        initialize(self, initialization)
        self.classifier = linear_head(channels, num_classes, initialization)

    def head(self, x: Tensor) -> Tensor:
        """`[N, maps, h, w]` -> `[N, num_classes]`."""
        logits: Tensor = self.classifier(self.dropout(x.mean((2, 3))))
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        first = next(self.parameters())
        self.classifier = linear_head(self.widths[-1], num_classes, self.initialization, like=first)
