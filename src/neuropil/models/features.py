"""A network without its classifier."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from neuropil.nn.contracts import Network

__all__ = ["FeatureNetwork"]


class FeatureNetwork(nn.Module):
    """Any network of the catalogue as a supplier of features: `forward` gives the outputs of its stages.

    Shape:
        as the network -> one tensor a stage, shallow to deep; `widths` are their channels.

    Args:
        network: a network of the catalogue; its classifier is removed.

    Example:
        >>> import torch
        >>> from neuropil.models.resnet import ResNet20
        >>> [tuple(f.shape[1:]) for f in FeatureNetwork(ResNet20())(torch.zeros(1, 3, 32, 32))]
        [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        cast(Network, network).reset_classifier(0)
        self.network = network
        self.widths = tuple(cast(Network, network).widths)

    def forward(self, x: Tensor) -> list[Tensor]:
        """The outputs of the stages."""
        return cast(Network, self.network).features(x)
