"""An exponential moving average of the weights, which often generalises better than the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from neuropil.errors import InputError

__all__ = ["WeightAverage"]


class WeightAverage:
    """average <- d * average + (1 - d) * weights after each step; d rises from 0 as (1 + t) / (10 + t) up to `decay`.

    Source: Polyak & Juditsky 1992; the rising decay as in Abadi et al. 2016 (TensorFlow's ExponentialMovingAverage).
    Whole-number buffers are copied, running statistics are averaged like weights.

    Args:
        model: averaged; kept.
        decay: of the average, between 0 and 1; 0.999 looks back about 1,000 steps.
        rising: begin with a smaller decay, so that short runs are not held back by the first weights.

    Raises:
        InputError: a decay outside (0, 1).
    """

    def __init__(self, model: nn.Module, decay: float, *, rising: bool = True) -> None:
        if not 0 < decay < 1:
            raise InputError(f"the average's decay must lie between 0 and 1, but {decay} was given")
        self.model, self.decay, self.rising = model, decay, rising
        self.steps = 0
        live = self._live()
        self._averages = {name: tensor.detach().clone() for name, tensor in live.items()}
        self._names = [name for name, tensor in live.items() if tensor.is_floating_point()]
        self._others = [name for name in live if name not in set(self._names)]

    def _live(self) -> dict[str, Tensor]:
        return dict(self.model.state_dict())

    @torch.no_grad()
    def update(self) -> None:
        """Take the model's present weights in."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps)) if self.rising else self.decay
        self.steps += 1
        live = self._live()
        torch._foreach_lerp_([self._averages[n] for n in self._names], [live[n] for n in self._names], 1 - decay)
        for name in self._others:
            self._averages[name].copy_(live[name])

    @contextmanager
    def swap(self, model: nn.Module) -> Iterator[None]:
        """The averaged weights in `model` inside, its own again afterwards."""
        own = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        model.load_state_dict(self._averages)
        try:
            yield
        finally:
            model.load_state_dict(own)

    def state_tensors(self) -> dict[str, Tensor]:
        """The averages by the model's names, and the count of steps."""
        return {**self._averages, "average.steps": torch.tensor(self.steps)}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state_tensors` gave."""
        self.steps = int(tensors["average.steps"])
        for name, tensor in self._averages.items():
            tensor.copy_(tensors[name])
