"""What networks of one row of layers share: stages, what each of them gives, and rounded widths."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise

from torch import Tensor, nn

__all__ = ["Staged", "keep_features", "whole_eights"]


class Staged(nn.Module, ABC):
    """A row of layers, cut into stages, with a head behind it.

    Whoever inherits sets `layers`, `stage_ends` (after how many layers each stage ends, the last with the row) and
    `widths` (the channels there), and offers `head` and `reset_classifier`.

    Shape:
        `[N, C, H, W]` -> whatever the head gives, `[N, num_classes]`.
    """

    layers: nn.Sequential
    stage_ends: tuple[int, ...]
    widths: tuple[int, ...]

    @property
    def stages(self) -> list[nn.Module]:
        """The stages, shallow to deep."""
        return [self.layers[begin:end] for begin, end in pairwise((0, *self.stage_ends))]

    def features(self, x: Tensor) -> list[Tensor]:
        """What each stage gives, `[N, widths[i], h, w]`."""
        return [x := stage(x) for stage in self.stages]

    @abstractmethod
    def head(self, x: Tensor) -> Tensor:
        """Logits from what the last stage gives."""

    @abstractmethod
    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the classifier for a fresh one; 0 leaves it out."""

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[N, num_classes]`."""
        return self.head(self.layers(x))


def keep_features(model: nn.Module, keep: int) -> None:
    """Empty a network's classifier and the stages behind the first `keep`, in place: nobody reads them.

    Example:
        >>> network = nn.Module()
        >>> network.stages = nn.ModuleList([nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 2))])
        >>> keep_features(network, 1)
        >>> sum(p.numel() for p in network.parameters())
        6
    """
    stages = list(getattr(model, "stages", ()))
    for name in ("classifier", "fc"):  # hidden dense layers too, which `reset_classifier(0)` leaves
        if isinstance(getattr(model, name, None), nn.Module):
            setattr(model, name, nn.Identity())
    places = {id(child): (parent, name) for parent in model.modules() for name, child in parent.named_children()}
    for stage in stages[keep:]:
        for child in stage.children():
            parent, name = places[id(child)]
            setattr(parent, name, nn.Identity())


def whole_eights(maps: float) -> int:
    """The nearest multiple of 8 that is not more than a tenth below: how networks for phones round their maps.

    Example:
        >>> [whole_eights(maps) for maps in (3, 11.9, 12, 22.4)]
        [8, 16, 16, 24]
    """
    nearest = max(8, int(maps + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * maps else nearest
