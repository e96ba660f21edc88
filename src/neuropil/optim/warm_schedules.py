"""The learning-rate schedules that Transformers were published with; see `neuropil.optim.schedules`."""

from __future__ import annotations

from neuropil.errors import InputError
from neuropil.optim.schedules import Constant, Linear

__all__ = ["LinearWarmup", "Noam"]


class Noam(Constant):
    """Up on a straight line over the warm-up, then down with the inverse root of the step.

    Source: Vaswani et al. 2017, "Attention is all you need", section 5.3, equation 3.
    Formula: `min(s / W, sqrt(W / s))` at step s, counted from 1: the paper's divided by its peak, `(D W)^-0.5`. With a
        width D it is the paper's own, `D^-0.5 min(s^-0.5, s W^-1.5)`, to be used with a rate of 1.

    Args:
        warmup_steps: W, 1 or more.
        width: D, of the network; left out, the recipe's rate is that of the peak.

    Raises:
        InputError: a number outside its range.

    Example:
        >>> [round(Noam(warmup_steps=2).factor(step, 100), 3) for step in range(4)]
        [0.5, 1.0, 0.816, 0.707]
        >>> round(Noam(warmup_steps=4000, width=512).factor(3999, 100_000), 6)
        0.000699
    """

    def __init__(self, *, warmup_steps: int = 4000, width: int | None = None) -> None:
        super().__init__()
        if warmup_steps < 1 or (width is not None and width < 1):
            raise InputError(f"warmup_steps={warmup_steps} and width={width} were given; both must be 1 or more")
        self._warmup, self._peak = warmup_steps, 1.0 if width is None else (width * warmup_steps) ** -0.5

    def factor(self, step: int, total_steps: int) -> float:
        """The factor of the rate for the step that `step` others went before; the run's length means nothing."""
        share = (step + 1) / self._warmup
        return self._peak * float(min(share, share**-0.5))


class LinearWarmup(Linear):
    """Up on a straight line over the first part of the run, then down on one to `final_fraction`.

    Source: Devlin et al. 2019, "BERT", appendix A.2: 10,000 of 1,000,000 steps up; of fine-tuning a tenth is usual.

    Args:
        warmup_fraction: part of the run in which the rate rises, in [0, 1).
        warmup_steps: the same in steps; it takes the fraction's place.
        final_fraction: where the line leads, 0 to 1; no step is taken at it, so that none has a rate of 0.

    Raises:
        InputError: a number outside its range.

    Differs:
        BERT's program falls as if there had been no warm-up, so that the rate jumps down behind it by that part; here,
        as in Hugging Face's, it begins to fall from its peak.

    Example:
        >>> [LinearWarmup(warmup_fraction=0.4).factor(step, 5) for step in range(5)]
        [0.5, 1.0, 1.0, 0.6666666666666667, 0.33333333333333337]
    """

    def __init__(
        self, *, warmup_fraction: float = 0.1, warmup_steps: int | None = None, final_fraction: float = 0.0
    ) -> None:
        fraction = warmup_fraction if warmup_steps is None else None
        super().__init__(final_fraction=final_fraction, warmup_steps=warmup_steps, warmup_fraction=fraction)
