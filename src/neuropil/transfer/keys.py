"""How other programs name the weights of our networks: one table a source, and the choice among them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from torch import Tensor

__all__ = ["KEY_TABLES", "KeyTable", "translated"]


@dataclass(frozen=True, slots=True)
class KeyTable:
    """Names of one source.

    Args:
        name: the family and where its names come from.
        renames: patterns of theirs and what stands there in ours, applied in order to every name.
        notes: a pattern of names that hold no weights but facts, which are left out.
        matrices: a pattern of names (theirs) whose 1x1 kernels are matrices here.
    """

    name: str
    renames: tuple[tuple[str, str], ...] = ()
    notes: str = r"(?!)"
    matrices: str = r"(?!)"

    def rename(self, theirs: str) -> str:
        """Our name for one of theirs."""
        for pattern, ours in self.renames:
            theirs = re.sub(pattern, ours, theirs)
        return theirs

    def renamed(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights under our names."""
        return {
            self.rename(name): value.flatten(1) if re.search(self.matrices, name) else value
            for name, value in weights.items()
            if not re.search(self.notes, name)
        }


KEY_TABLES = (
    KeyTable("own names (also torchvision's residual networks)"),
    KeyTable("timm's SENet (legacy_*)", ((r"^(layer\d\.)", r"layers.\1"),)),
    KeyTable(
        "timm's ResNetV2",
        (
            (r"^stem\.conv\.", "layers.stem.0."),
            (r"^stages\.(\d)\.blocks\.", r"layers.stage\1."),
            (r"\.downsample\.conv\.", ".downsample."),
            (r"^norm\.", "layers.norm."),
            (r"^head\.fc\.", "fc."),
        ),
        matrices=r"^head\.fc\.weight$",
    ),
    KeyTable("torchvision's GoogLeNet", ((r"^(conv\d|inception\w+)\.", r"layers.\1."),)),
    KeyTable("torchvision's ShuffleNetV2", ((r"^(conv\d|stage\d)\.", r"layers.\1."),)),
    KeyTable(
        "timm's MnasNet",
        ((r"^blocks\.(\d)\.", r"layers.blocks\1."), (r"^(conv_stem|bn1|conv_head|bn2)\.", r"layers.\1.")),
    ),
    KeyTable(
        "torchvision's DenseNet as its files name it",
        ((r"^features\.", "layers."), (r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.")),
    ),
    KeyTable(
        "torchvision's MnasNet",
        (
            (r"^layers\.0\.", "layers.conv_stem."),
            (r"^layers\.1\.", "layers.bn1."),
            (r"^layers\.3\.", "layers.blocks0.0.conv_dw."),
            (r"^layers\.4\.", "layers.blocks0.0.bn1."),
            (r"^layers\.6\.", "layers.blocks0.0.conv_pw."),
            (r"^layers\.7\.", "layers.blocks0.0.bn2."),
            *(
                (rf"^layers\.{stage + 7}\.(\d+)\.layers\.{place}\.", rf"layers.blocks{stage}.\1.{ours}.")
                for stage in range(1, 7)
                for place, ours in ((0, "conv_pw"), (1, "bn1"), (3, "conv_dw"), (4, "bn2"), (6, "conv_pwl"), (7, "bn3"))
            ),
            (r"^layers\.14\.", "layers.conv_head."),
            (r"^layers\.15\.", "layers.bn2."),
            (r"^classifier\.1\.", "classifier."),
        ),
    ),
    KeyTable("torchvision's AlexNet, VGG, DenseNet, MobileNetV2 and V3; timm's DPN", ((r"^features\.", "layers."),)),
    KeyTable(
        "residual networks for CIFAR-10 by Y. Idelbayev (akamaster)",
        ((r"^linear\.", "fc."), (r"\.shortcut\.", ".downsample.")),
    ),
    KeyTable(
        "TensorFlow's MobileNet as NumPy arrays, batch normalization folded in",
        (
            (r"^conv0\.weight", "layers.0.0.weight"),
            (r"^conv0\.bias", "layers.0.1.bias"),
            (r"^block(\d+)\.dw\.weight", r"layers.\1.depthwise.weight"),
            (r"^block(\d+)\.dw\.bias", r"layers.\1.depthwise_normalization.bias"),
            (r"^block(\d+)\.pw\.weight", r"layers.\1.pointwise.weight"),
            (r"^block(\d+)\.pw\.bias", r"layers.\1.pointwise_normalization.bias"),
            (r"^fc\.", "classifier."),
        ),
        notes=r"^block\d+\.stride$",
    ),
)
"""Tried in this order; the first that gives most names a place wins."""


def translated(weights: Mapping[str, Tensor], ours: Collection[str]) -> tuple[dict[str, Tensor], KeyTable]:
    """Weights under our names, by the table that fits a network best.

    Args:
        weights: under the names of their source.
        ours: the names in the network.

    Example:
        >>> import torch
        >>> found, table = translated({"linear.bias": torch.zeros(10)}, ["conv1.weight", "fc.bias"])
        >>> list(found)
        ['fc.bias']
    """
    known = set(ours)
    renamed = [(table.renamed(weights), table) for table in KEY_TABLES]
    return max(renamed, key=lambda pair: len(known & pair[0].keys()))
