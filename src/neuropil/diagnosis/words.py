"""How a diagnosis says numbers and changes."""

from __future__ import annotations

import math

__all__ = ["figure", "is_line", "other_rate", "percent"]


def figure(value: float) -> str:
    """A number as a sentence has it: three digits.

    Example:
        >>> figure(0.0000123), figure(1234.5), figure(float("inf"))
        ('1.23e-05', '1,230', 'not finite')
    """
    if not math.isfinite(value):
        return "not finite"
    if value and not 1e-3 <= abs(value) < 1e7:
        return f"{value:.3g}"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:g}"


def percent(share: float) -> str:
    """A share in percent.

    Example:
        >>> percent(0.123), percent(0.0004)
        ('12 %', '0.04 %')
    """
    return f"{100 * share:.0f} %" if share >= 0.01 or not share else f"{100 * share:.2g} %"


def other_rate(rate: float) -> str:
    """A learning rate in a recipe's words, one digit.

    Example:
        >>> other_rate(0.00032)
        'lr=0.0003'
    """
    return f"lr={float(f'{rate:.1g}'):g}"


def is_line(name: object) -> bool:
    """Whether a model is written out as a line of layers.

    Example:
        >>> is_line("line"), is_line("resnet18")
        (True, False)
    """
    return name == "line" or (isinstance(name, str) and " - " in name)
