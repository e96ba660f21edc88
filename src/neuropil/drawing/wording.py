"""Text and numbers made fit to be shown: cleaned, escaped, shortened and rounded. Standard library only."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["duration", "escape", "flatten", "number", "printable", "shorten", "text_width", "value"]

_UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, among them the terminal's escape
    "\ud800-\udfff\ufffe\uffff"  # surrogates of undecodable file names, and what XML forbids
    "\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # marks that turn the reading direction around
)
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def printable(text: object) -> str:
    """Text without control characters, lone surrogates and direction marks; each becomes U+FFFD, tabs and lines stay.

    Example:
        >>> printable("cat" + chr(27) + "[31m")
        'cat�[31m'
    """
    return _UNSHOWABLE.sub("\ufffd", str(text))


def escape(text: object) -> str:
    """Printable text for HTML and XML, in content and in quoted attributes.

    Example:
        >>> escape('<b title="x">')
        '&lt;b title=&quot;x&quot;&gt;'
    """
    return html.escape(printable(text), quote=True)


def text_width(text: str, size: float) -> float:
    """About how wide a text is in a sans-serif face of `size`, in the same unit; East Asian signs are full squares."""
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    narrow = sum(sign in "fijlrtI.,:;'|!()[] " for sign in text)
    return size * (wide + 0.35 * narrow + 0.61 * (len(text) - wide - narrow))


def shorten(text: str, width: float, size: float) -> str:
    """The text, cut in its middle with an ellipsis where it is wider than `width`.

    Example:
        >>> shorten("golden_retriever", 60, 12)
        'gold…ever'
    """
    text = printable(text).replace("\n", " ")
    if text_width(text, size) <= width:
        return text
    keep = len(text) - 1
    while keep > 1 and text_width(_without_middle(text, keep), size) > width:
        keep -= 1
    return _without_middle(text, keep)


def _without_middle(text: str, keep: int) -> str:
    return f"{text[: keep // 2]}…{text[len(text) - (keep - keep // 2) :]}"


def number(given: float, digits: int = 4) -> str:
    """A number as a person would write it: `digits` significant ones, thousands set apart, powers of ten where small.

    Example:
        >>> number(0.98765), number(12345.0), number(0.0000123), number(3)
        ('0.9877', '12,345', '1.23×10⁻⁵', '3')
    """
    given = float(given)
    if math.isnan(given):
        return "NaN"
    if math.isinf(given):
        return "∞" if given > 0 else "−∞"
    if given == 0:
        return "0"
    size = math.floor(math.log10(abs(given)))
    if size < -4 or size >= 9:
        mantissa, _, exponent = f"{given:.{digits - 1}e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPTS)}".replace("-", "−")
    decimals = max(digits - 1 - size, 0)
    text = f"{given:,.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", "−")


def duration(seconds: float) -> str:
    """A length of time, in the two units that matter.

    Example:
        >>> duration(0.0345), duration(75.2), duration(7322)
        ('0.03 s', '1 min 15 s', '2 h 2 min')
    """
    if not math.isfinite(seconds) or seconds < 0:
        return "?"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def value(given: Any) -> str:
    """Any plain value as text: numbers rounded, lists with commas, truth as yes or no, nothing as a dash."""
    if given is None:
        return "–"
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, int):
        return str(given) if abs(given) < 10_000 else f"{given:,}"
    if isinstance(given, list | tuple):
        return ", ".join(value(one) for one in given) or "–"
    try:
        return number(given) if not isinstance(given, str) else printable(given)
    except (TypeError, ValueError):
        return printable(given)


def flatten(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The entries of a nested mapping as `(dotted key, text)`, in their order."""
    for key, given in mapping.items():
        if isinstance(given, Mapping):
            yield from flatten(given, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value(given)
