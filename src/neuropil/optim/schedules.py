"""Learning-rate schedules: the factor of the base rate as a function of the step.

All but `Plateau` are functions of (step, total steps) alone, so there is nothing to restore; every one can begin with a
linear warm-up.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, Literal

from neuropil.errors import InputError

__all__ = ["Constant", "Cosine", "Exponential", "Linear", "OneCycle", "Plateau", "Schedule", "StepDecay"]


class Schedule(ABC):
    """What all schedules share: the warm-up and the interface.

    Args:
        warmup_steps: steps over which the factor rises in a straight line from nearly 0 to the schedule's own.
    """

    def __init__(self, *, warmup_steps: int = 0) -> None:
        if warmup_steps < 0:
            raise InputError(f"warmup_steps must be at least 0, but {warmup_steps} was given")
        self.warmup_steps = warmup_steps

    def factor(self, step: int, total_steps: int) -> float:
        """The factor of the base rate for the step after `step` steps were done, of `total_steps`."""
        shape = self.shape(step, total_steps)
        return shape * (step + 1) / self.warmup_steps if step < self.warmup_steps else shape

    @abstractmethod
    def shape(self, step: int, total_steps: int) -> float:
        """The factor without the warm-up."""

    def observe(self, metric: float) -> None:
        """Hear of an evaluation; only `Plateau` listens."""
        del metric

    def state_dict(self) -> dict[str, Any]:
        """What must be saved, as plain JSON values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        del state


class Constant(Schedule):
    """The factor 1 throughout."""

    def shape(self, step: int, total_steps: int) -> float:
        """1."""
        return 1.0


class StepDecay(Schedule):
    """Multiplied by `factor` each time another `every_fraction` of the run is over (torch's StepLR).

    Args:
        every_fraction: of the whole run, above 0.
        factor: above 0.
        warmup_steps: of the linear warm-up.
    """

    def __init__(self, *, every_fraction: float = 1 / 3, factor: float = 0.1, warmup_steps: int = 0) -> None:
        super().__init__(warmup_steps=warmup_steps)
        if not 0 < every_fraction <= 1 or not factor > 0:
            raise InputError(f"every_fraction must lie in (0, 1] and factor above 0, not {every_fraction} and {factor}")
        self.every_fraction, self.decay = every_fraction, factor

    def shape(self, step: int, total_steps: int) -> float:
        """Decay ^ (number of whole distances passed)."""
        return float(self.decay ** (step // max(1, round(self.every_fraction * total_steps))))


class _Falling(Schedule):
    """From 1 to `final_fraction` over the run."""

    def __init__(self, *, final_fraction: float = 0.0, warmup_steps: int = 0) -> None:
        super().__init__(warmup_steps=warmup_steps)
        if not 0 <= final_fraction <= 1:
            raise InputError(f"final_fraction must lie from 0 to 1, but {final_fraction} was given")
        self.final_fraction = final_fraction

    def _done(self, step: int, total_steps: int) -> float:
        return min(1.0, max(0.0, (step - self.warmup_steps) / max(1, total_steps - self.warmup_steps)))


class Linear(_Falling):
    """A straight line from 1 to `final_fraction`."""

    def shape(self, step: int, total_steps: int) -> float:
        """1 - done * (1 - final)."""
        return 1 - self._done(step, total_steps) * (1 - self.final_fraction)


class Cosine(_Falling):
    """Half a cosine from 1 to `final_fraction` (Loshchilov & Hutter 2017, equation 5, one period)."""

    def shape(self, step: int, total_steps: int) -> float:
        """Final + (1 - final) * (1 + cos(pi * done)) / 2."""
        cosine = (1 + math.cos(math.pi * self._done(step, total_steps))) / 2
        return self.final_fraction + (1 - self.final_fraction) * cosine


class Exponential(_Falling):
    """Equal ratios from 1 to `final_fraction`, which must be above 0."""

    def __init__(self, *, final_fraction: float = 0.01, warmup_steps: int = 0) -> None:
        super().__init__(final_fraction=final_fraction, warmup_steps=warmup_steps)
        if final_fraction == 0:
            raise InputError("an exponential schedule cannot end at 0; give a final_fraction above it, such as 0.01")

    def shape(self, step: int, total_steps: int) -> float:
        """Final ^ done."""
        return float(self.final_fraction ** self._done(step, total_steps))


class OneCycle(Schedule):
    """Up to 1 over the first part of the run, then down to almost nothing (Smith & Topin 2018; torch's OneCycleLR).

    Args:
        peak_fraction: of the run, where the rate is highest, between 0 and 1.
        start_fraction: factor of the first step.
        final_fraction: factor of the last step.
        anneal: along cosines or straight lines.
    """

    def __init__(
        self,
        *,
        peak_fraction: float = 0.3,
        start_fraction: float = 0.04,
        final_fraction: float = 4e-6,
        anneal: Literal["cosine", "linear"] = "cosine",
    ) -> None:
        super().__init__()
        if not 0 < peak_fraction < 1:
            raise InputError(f"peak_fraction must lie between 0 and 1, but {peak_fraction} was given")
        self.peak_fraction, self.start, self.final, self.anneal = peak_fraction, start_fraction, final_fraction, anneal

    def shape(self, step: int, total_steps: int) -> float:
        """Between start, 1 and final."""
        last = max(1, total_steps - 1)
        peak = max(1e-9, self.peak_fraction * total_steps - 1)
        if step <= peak:
            return self._between(self.start, 1.0, step / peak)
        return self._between(1.0, self.final, min(1.0, (step - peak) / max(1e-9, last - peak)))

    def _between(self, begin: float, end: float, done: float) -> float:
        if self.anneal == "linear":
            return begin + (end - begin) * done
        return end + (begin - end) / 2 * (1 + math.cos(math.pi * done))


class Plateau(Schedule):
    """Multiplied by `factor` when `patience` evaluations in a row brought nothing better (torch's ReduceLROnPlateau).

    Args:
        factor: between 0 and 1.
        patience: evaluations without a gain that are tolerated.
        mode: whether the metric should be large or small.
        threshold: relative gain that counts.
        warmup_steps: of the linear warm-up.
    """

    def __init__(
        self,
        *,
        factor: float = 0.1,
        patience: int = 3,
        mode: Literal["max", "min"] = "max",
        threshold: float = 1e-4,
        warmup_steps: int = 0,
    ) -> None:
        super().__init__(warmup_steps=warmup_steps)
        if not 0 < factor < 1 or patience < 0:
            raise InputError(f"factor must lie between 0 and 1 and patience from 0 on, not {factor} and {patience}")
        self.decay, self.patience, self.mode, self.threshold = factor, patience, mode, threshold
        self.current, self.best, self.waited = 1.0, None, 0  # type: float, float | None, int

    def shape(self, step: int, total_steps: int) -> float:
        """The product of the reductions so far."""
        return self.current

    def observe(self, metric: float) -> None:
        """Count the evaluations that brought no gain."""
        gain = self.threshold if self.mode == "max" else -self.threshold
        sign = 1 if self.mode == "max" else -1
        if self.best is None or sign * metric > sign * (self.best * (1 + gain)):
            self.best, self.waited = metric, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.current, self.waited = self.current * self.decay, 0

    def state_dict(self) -> dict[str, Any]:
        """Present factor, best metric, evaluations waited."""
        return {"current": self.current, "best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.current, self.best, self.waited = state["current"], state["best"], state["waited"]
