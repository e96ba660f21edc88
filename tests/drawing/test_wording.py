from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuropil.drawing.wording import duration, escape, flatten, number, printable, shorten, text_width, value


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_any_text_becomes_xml_that_holds_what_is_printable_and_encodes(text: str) -> None:
    written = escape(text).encode("utf-8")
    root = ElementTree.fromstring(b"<t a='" + written + b"'>" + written + b"</t>")
    assert (root.text or "") == printable(text)


@pytest.mark.parametrize("sign", ["\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\udc80", "\r"])
def test_signs_that_steer_a_terminal_or_a_page_are_replaced(sign: str) -> None:
    assert printable(f"a{sign}b") == "a\ufffdb"


@pytest.mark.parametrize(
    ("given_number", "written"),
    [(0.98765, "0.9877"), (61706, "61,706"), (1e-7, "1×10⁻⁷"), (-0.5, "−0.5"), (math.nan, "NaN"), (math.inf, "∞"),
     (-math.inf, "−∞"), (0, "0"), (-0.0, "0"), (99.99999, "100"), (1234567, "1,234,567"), (2.5e12, "2.5×10¹²")],
)  # fmt: skip
def test_numbers(given_number: float, written: str) -> None:
    assert number(given_number) == written


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, min_value=1e-290, max_value=1e290))
def test_four_digits_are_kept(given_number: float) -> None:
    sups = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    mantissa, _, exponent = number(given_number).replace(",", "").partition("×10")
    read = float(f"{mantissa}e{exponent.translate(sups) or 0}")
    assert read == pytest.approx(given_number, rel=6e-4)


@settings(deadline=None)
@given(st.text(max_size=60), st.floats(20, 200))
def test_shortened_text_fits(text: str, width: float) -> None:
    assert text_width(shorten(text, width, 12), 12) <= width or len(shorten(text, width, 12)) <= 2


def test_east_asian_text_counts_as_wide() -> None:
    assert text_width("고양이", 12) == 36


def test_durations() -> None:
    assert [duration(s) for s in (0.5, 12.34, 59.99, 60, 3599.9, 7322, math.nan, -1)] == [
        "0.50 s", "12.3 s", "1 min 0 s", "1 min 0 s", "1 h 0 min", "2 h 2 min", "?", "?",
    ]  # fmt: skip


def test_nested_facts_are_flattened_and_worded() -> None:
    facts = {"plan": {"bf16": False, "shapes": [3, 32]}, "threads": 2, "note": None, "rate": 52013.71}
    assert dict(flatten(facts)) == {
        "plan.bf16": "no", "plan.shapes": "3, 32", "threads": "2", "note": "–", "rate": "52,014",
    }  # fmt: skip
    assert value(True) == "yes"
    assert value([]) == "–"
