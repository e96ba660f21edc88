"""An exponential moving average of the weights, which often predicts better than the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from neuropil.errors import InputError

__all__ = ["WeightAverage"]

COUNT = "average.num_updates"


class WeightAverage:
    """Averaged weights beside those of a network.

    Floating-point buffers (the running statistics of batch normalisation) are averaged like weights; whole-number
    buffers are copied. Buffers that `state_dict` leaves out are left alone.

    Source:
        Polyak & Juditsky 1992; the warm-up as in TensorFlow's ExponentialMovingAverage (Abadi et al. 2016).

    Formula:
        average ← d average + (1 - d) weights, with d = `decay`; with the warm-up d = min(decay, (1 + t) / (10 + t)) at
        update t, counted from 0.

    Args:
        model: the network, already on its device; the average begins at its present weights.
        decay: d, between 0 and 1; the average looks back about 1 / (1 - d) steps.
        warmup: begin with a smaller d, so that a short run is not held back by its first weights.

    Raises:
        InputError: a decay that does not lie between 0 and 1.

    Differs:
        torch's AveragedModel takes its first weights at the first update, and has no warm-up.

    Example:
        >>> layer = nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.constant_(layer.weight, 0.0)
        >>> average = WeightAverage(layer, decay=0.75, warmup=False)
        >>> _ = nn.init.constant_(layer.weight, 4.0)
        >>> average.update()
        >>> with average.swap(layer):
        ...     layer.weight.item()
        1.0
        >>> layer.weight.item()
        4.0
    """

    def __init__(self, model: nn.Module, decay: float, warmup: bool = True) -> None:
        if not 0 < decay < 1:
            raise InputError(f"the average's decay must lie between 0 and 1, but {decay} was given")
        self.model, self.decay, self.warmup = model, decay, warmup
        self.num_updates = 0
        self._averages = {name: tensor.detach().clone() for name, tensor in _tensors(model).items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take the network's present weights in."""
        decay = self.decay
        if self.warmup:
            decay = min(decay, (1 + self.num_updates) / (10 + self.num_updates))
        self.num_updates += 1
        averages: list[Tensor] = []
        present: list[Tensor] = []
        for name, tensor in _tensors(self.model).items():
            if tensor.is_floating_point():
                averages.append(self._averages[name])
                present.append(tensor)
            else:
                self._averages[name].copy_(tensor)
        torch._foreach_lerp_(averages, present, 1 - decay)

    @contextmanager
    def swap(self, model: nn.Module) -> Iterator[None]:
        """The averaged weights in `model` inside, its own again afterwards, bit for bit.

        Args:
            model: the averaged network or one with parameters and buffers of the same names and shapes.

        Raises:
            InputError: another network.
        """
        tensors = _tensors(model)
        _same_names(tensors, self._averages, "the network to swap into")
        own = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        _copy(self._averages, tensors)
        try:
            yield
        finally:
            _copy(own, tensors)

    def state_tensors(self) -> dict[str, Tensor]:
        """The averages themselves by the network's names, and the count of updates."""
        return {**self._averages, COUNT: torch.tensor(self.num_updates)}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state_tensors` gave.

        Raises:
            InputError: it belongs to another network.
        """
        _same_names(tensors, {**self._averages, COUNT: torch.tensor(0)}, "the saved average")
        self.num_updates = int(tensors[COUNT])
        _copy(tensors, self._averages)


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and saved buffers by name, a shared one once."""
    found: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if isinstance(tensor, Tensor):
            found.setdefault(id(tensor), (name, tensor))
    return dict(found.values())


@torch.no_grad()
def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for name, tensor in target.items():
        tensor.copy_(source[name])


def _same_names(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], what: str) -> None:
    for name in (*wanted, *given):
        if name not in given or name not in wanted:
            raise InputError(f"{what} is not of this network: {name!r} stands only on one side")
        if given[name].shape != wanted[name].shape:
            raise InputError(
                f"{what} is not of this network: {name!r} is {list(given[name].shape)}, not {list(wanted[name].shape)}"
            )
