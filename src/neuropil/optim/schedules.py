"""Learning-rate schedules: the factor of the base rate as a function of the step.

A schedule starts with a linear warm-up where one is asked for: (step + 1) / W over W steps. What follows sees the rest
of the run as a run of its own. All but `Plateau` are functions of (step, total steps) alone and keep no state.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal, Protocol

from neuropil.errors import InputError

__all__ = ["Constant", "Cosine", "Exponential", "Linear", "OneCycle", "Plateau", "Schedule", "StepDecay"]


class Schedule(Protocol):
    """What every schedule offers."""

    def factor(self, step: int, total_steps: int) -> float:
        """The factor of the base rate for the step that `step` others went before, of `total_steps`."""
        ...

    def observe(self, metric: float) -> None:
        """Hear of an evaluation; only `Plateau` acts on it."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold, as plain JSON values."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave.

        Raises:
            InputError: it is another schedule's.
        """
        ...


class _Stateless:
    """The part of a schedule that is a function of (step, total steps) alone."""

    def observe(self, metric: float) -> None:
        """Nothing hangs on the metric."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing to save."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to put back."""
        _same_keys(self, state, {})


class _WarmedUp(_Stateless):
    """A linear warm-up, then the schedule's own shape over the remaining steps."""

    def __init__(self, warmup_steps: int | None, warmup_fraction: float | None) -> None:
        if warmup_steps is not None and warmup_fraction is not None:
            raise InputError(
                f"give warmup_steps or warmup_fraction; both {warmup_steps} and {warmup_fraction} were given"
            )
        if warmup_steps is not None and warmup_steps < 0:
            raise InputError(f"warmup_steps must be at least 0, but {warmup_steps} was given")
        if warmup_fraction is not None and not 0 <= warmup_fraction < 1:
            raise InputError(f"warmup_fraction must be at least 0 and below 1, but {warmup_fraction} was given")
        self._warmup_steps, self._warmup_fraction = warmup_steps or 0, warmup_fraction or 0.0

    def factor(self, step: int, total_steps: int) -> float:
        """The factor of the base rate for the step that `step` others went before, of `total_steps`."""
        warmup = self._warmup_steps or round(self._warmup_fraction * total_steps)
        rest = max(1, total_steps - warmup)
        if step < warmup:
            return self._shape(0, rest) * (step + 1) / warmup
        return self._shape(min(step - warmup, rest), rest)

    @abstractmethod
    def _shape(self, step: int, total_steps: int) -> float:
        """The factor without the warm-up, `step` from 0 to `total_steps`."""


class Constant(_WarmedUp):
    """1 throughout.

    Args:
        warmup_steps: steps of the warm-up; none by default.
        warmup_fraction: the same as a part of the run; give one of the two.

    Raises:
        InputError: a number outside its range, or both warm-ups.

    Example:
        >>> [Constant(warmup_steps=4).factor(step, 100) for step in range(6)]
        [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """

    def __init__(self, *, warmup_steps: int | None = None, warmup_fraction: float | None = None) -> None:
        super().__init__(warmup_steps, warmup_fraction)

    def _shape(self, step: int, total_steps: int) -> float:
        return 1.0


class StepDecay(_WarmedUp):
    """Multiplied by `factor` each time another stretch of the run is over; torch's StepLR.

    Args:
        every_steps: steps of a stretch, 1 or more.
        every_fraction: the same as a part of the run; a third where neither is given.
        factor: above 0.
        warmup_steps: steps of the warm-up; none by default.
        warmup_fraction: the same as a part of the run; give one of the two.

    Raises:
        InputError: a number outside its range, or two of one kind.

    Example:
        >>> [StepDecay(every_fraction=0.5, factor=0.5).factor(step, 4) for step in range(4)]
        [1.0, 1.0, 0.5, 0.5]
    """

    def __init__(
        self,
        *,
        every_steps: int | None = None,
        every_fraction: float | None = None,
        factor: float = 0.1,
        warmup_steps: int | None = None,
        warmup_fraction: float | None = None,
    ) -> None:
        super().__init__(warmup_steps, warmup_fraction)
        if every_steps is not None and every_fraction is not None:
            raise InputError(f"give every_steps or every_fraction; both {every_steps} and {every_fraction} were given")
        if every_steps is not None and every_steps < 1:
            raise InputError(f"every_steps must be at least 1, but {every_steps} was given")
        if every_fraction is not None and not 0 < every_fraction <= 1:
            raise InputError(f"every_fraction must be above 0 and at most 1, but {every_fraction} was given")
        if not 0 < factor < math.inf:
            raise InputError(f"factor must be above 0, but {factor} was given")
        self._every_steps, self._every_fraction, self._decay = every_steps, every_fraction or 1 / 3, factor

    def _shape(self, step: int, total_steps: int) -> float:
        stretch = self._every_steps or max(1, round(self._every_fraction * total_steps))
        return float(self._decay ** (step // stretch))


class _Falling(_WarmedUp):
    """From 1 to `final_fraction`, which the step after the last one would have."""

    def __init__(self, final_fraction: float, warmup_steps: int | None, warmup_fraction: float | None) -> None:
        super().__init__(warmup_steps, warmup_fraction)
        if not 0 <= final_fraction <= 1:
            raise InputError(f"final_fraction must lie from 0 to 1, but {final_fraction} was given")
        self._final = final_fraction


class Linear(_Falling):
    """A straight line from 1 to `final_fraction`; torch's LinearLR.

    Args:
        final_fraction: where the line leads, 0 to 1; no step is taken at it, so that none has a rate of 0.
        warmup_steps: steps of the warm-up; none by default.
        warmup_fraction: the same as a part of the run; give one of the two.

    Raises:
        InputError: a number outside its range, or both warm-ups.

    Example:
        >>> [Linear().factor(step, 4) for step in range(4)]
        [1.0, 0.75, 0.5, 0.25]
    """

    def __init__(
        self,
        *,
        final_fraction: float = 0.0,
        warmup_steps: int | None = None,
        warmup_fraction: float | None = None,
    ) -> None:
        super().__init__(final_fraction, warmup_steps, warmup_fraction)

    def _shape(self, step: int, total_steps: int) -> float:
        return 1 + (self._final - 1) * step / total_steps


class Cosine(_Falling):
    """Half a cosine from 1 to `final_fraction` (Loshchilov & Hutter 2017, equation 5, without restarts).

    Args:
        final_fraction: where the curve leads, 0 to 1; no step is taken at it, so that none has a rate of 0.
        warmup_steps: steps of the warm-up; none by default.
        warmup_fraction: the same as a part of the run; give one of the two.

    Raises:
        InputError: a number outside its range, or both warm-ups.

    Example:
        >>> [round(Cosine().factor(step, 4), 3) for step in range(4)]
        [1.0, 0.854, 0.5, 0.146]
    """

    def __init__(
        self,
        *,
        final_fraction: float = 0.0,
        warmup_steps: int | None = None,
        warmup_fraction: float | None = None,
    ) -> None:
        super().__init__(final_fraction, warmup_steps, warmup_fraction)

    def _shape(self, step: int, total_steps: int) -> float:
        return _along_cosine(1.0, self._final, step / total_steps)


class Exponential(_Falling):
    """Equal ratios from 1 to `final_fraction`; torch's ExponentialLR with gamma = final_fraction ^ (1 / steps).

    Args:
        final_fraction: where the curve leads, above 0 and at most 1.
        warmup_steps: steps of the warm-up; none by default.
        warmup_fraction: the same as a part of the run; give one of the two.

    Raises:
        InputError: a number outside its range, or both warm-ups.

    Example:
        >>> [Exponential(final_fraction=0.0625).factor(step, 4) for step in range(4)]
        [1.0, 0.5, 0.25, 0.125]
    """

    def __init__(
        self,
        *,
        final_fraction: float = 0.01,
        warmup_steps: int | None = None,
        warmup_fraction: float | None = None,
    ) -> None:
        super().__init__(final_fraction, warmup_steps, warmup_fraction)
        if final_fraction == 0:
            raise InputError("an exponential schedule never comes to 0; give a final_fraction above 0, such as 0.01")

    def _shape(self, step: int, total_steps: int) -> float:
        return float(self._final ** (step / total_steps))


class OneCycle(_Stateless):
    """Up to 1 over the first part of the run, then down to almost nothing (Smith & Topin 2018); torch's OneCycleLR.

    The rise is its warm-up. The recipe's rate is that of the peak.

    Args:
        peak_fraction: where in the run the peak is, above 0 and below 1.
        start_fraction: factor of the first step, 0 to 1.
        final_fraction: factor of the last step, 0 to 1.
        shape: along half cosines or straight lines.

    Raises:
        InputError: a number outside its range.

    Example:
        >>> cycle = OneCycle(peak_fraction=0.6, start_fraction=0.5, final_fraction=0.0, shape="linear")
        >>> [round(cycle.factor(step, 5), 3) for step in range(5)]
        [0.5, 0.75, 1.0, 0.5, 0.0]
    """

    def __init__(
        self,
        *,
        peak_fraction: float = 0.3,
        start_fraction: float = 0.04,
        final_fraction: float = 4e-6,
        shape: Literal["cosine", "linear"] = "cosine",
    ) -> None:
        if not 0 < peak_fraction < 1:
            raise InputError(f"peak_fraction must be above 0 and below 1, but {peak_fraction} was given")
        for name, value in (("start_fraction", start_fraction), ("final_fraction", final_fraction)):
            if not 0 <= value <= 1:
                raise InputError(f"{name} must lie from 0 to 1, but {value} was given")
        if shape not in ("cosine", "linear"):
            raise InputError(f"shape must be 'cosine' or 'linear', but {shape!r} was given")
        self._peak, self._start, self._final = peak_fraction, start_fraction, final_fraction
        self._between = _along_cosine if shape == "cosine" else _along_line

    def factor(self, step: int, total_steps: int) -> float:
        """The factor of the peak's rate for the step that `step` others went before, of `total_steps`."""
        peak, last = max(0.0, self._peak * total_steps - 1), max(1, total_steps - 1)
        if step < peak:
            return self._between(self._start, 1.0, step / peak)
        return self._between(1.0, self._final, min(1.0, (step - peak) / (last - peak)))


class Plateau(_WarmedUp):
    """Multiplied by `factor` when evaluations bring nothing better for too long; torch's ReduceLROnPlateau.

    Args:
        factor: above 0 and below 1.
        patience: evaluations in a row without a gain that are borne; the next one reduces the rate.
        mode: `max` where a larger metric is better (accuracy, R²), `min` where a smaller one is.
        min_gain: how much better, in the metric's unit, counts as a gain.
        warmup_steps: steps of the warm-up; none by default.
        warmup_fraction: the same as a part of the run; give one of the two.

    Raises:
        InputError: a number outside its range, or both warm-ups.

    Differs:
        The gain is absolute and 0 by default, as in early stopping; torch's is relative, which for a negative metric
        takes a loss for a gain.

    Example:
        >>> plateau = Plateau(patience=1)
        >>> for accuracy in (0.5, 0.4, 0.5):
        ...     plateau.observe(accuracy)
        >>> plateau.factor(0, 1)
        0.1
    """

    def __init__(
        self,
        *,
        factor: float = 0.1,
        patience: int = 3,
        mode: Literal["max", "min"] = "max",
        min_gain: float = 0.0,
        warmup_steps: int | None = None,
        warmup_fraction: float | None = None,
    ) -> None:
        super().__init__(warmup_steps, warmup_fraction)
        if not 0 < factor < 1:
            raise InputError(f"factor must be above 0 and below 1, but {factor} was given")
        if patience < 0:
            raise InputError(f"patience must be at least 0, but {patience} was given")
        if mode not in ("max", "min"):
            raise InputError(f"mode must be 'max' or 'min', but {mode!r} was given")
        if not 0 <= min_gain < math.inf:
            raise InputError(f"min_gain must be at least 0, but {min_gain} was given")
        self._decay, self._patience, self._min_gain = factor, patience, min_gain
        self._sign = 1 if mode == "max" else -1
        self._state: dict[str, Any] = {"reductions": 0, "best": None, "waited": 0}

    def _shape(self, step: int, total_steps: int) -> float:
        return float(self._decay ** self._state["reductions"])

    def observe(self, metric: float) -> None:
        """Count an evaluation; a metric that is no finite number brought no gain."""
        state, best = self._state, self._state["best"]
        if math.isfinite(metric) and (best is None or self._sign * (metric - best) > self._min_gain):
            state["best"], state["waited"] = float(metric), 0
            return
        state["waited"] += 1
        if state["waited"] > self._patience:
            state["reductions"], state["waited"] = state["reductions"] + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """Reductions so far, the best metric, and evaluations waited since it."""
        return dict(self._state)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        _same_keys(self, state, self._state)
        self._state = dict(state)


def _along_line(begin: float, end: float, done: float) -> float:
    return begin + (end - begin) * done


def _along_cosine(begin: float, end: float, done: float) -> float:
    return end + (begin - end) / 2 * (1 + math.cos(math.pi * done))


def _same_keys(schedule: object, given: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    if given.keys() != wanted.keys():
        raise InputError(
            f"a {type(schedule).__name__} schedule saves {sorted(wanted) or 'nothing'}, but {sorted(given)} was given; "
            "go on with the schedule that the run began with"
        )
