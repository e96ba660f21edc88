from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuropil.drawing.charts import Curves, Mark, Series, bar_chart, line_chart, scatter_chart
from neuropil.drawing.svg import Picture
from neuropil.errors import InputError

SVG = "{http://www.w3.org/2000/svg}"


def parsed(picture: Picture) -> ElementTree.Element:
    ElementTree.fromstring(picture.inline())
    return ElementTree.fromstring(picture.svg)


def texts(picture: Picture) -> list[str]:
    return [(one.text or "") + "".join(child.tail or "" for child in one) for one in parsed(picture).iter(f"{SVG}text")]


def coordinates(picture: Picture) -> list[tuple[float, float]]:
    paths = [one.get("d", "") for one in parsed(picture).iter(f"{SVG}path") if "curve" in one.get("class", "")]
    return [(float(x), float(y)) for path in paths for x, y in re.findall(r"([\d.-]+) ([\d.-]+)", path)]


def test_a_curve_goes_where_its_values_are() -> None:
    picture = line_chart(Curves("loss", [Series("training", [0, 5, 10], [0.0, 1.0, 0.5])], "epoch"))
    (x0, y0), (x1, y1), (x2, y2) = coordinates(picture)
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.02)
    assert y0 - y2 == pytest.approx(y2 - y1, abs=0.02)
    assert y1 < y2 < y0
    assert {"0", "0.5" if "0.5" in texts(picture) else "0.4", "1", "epoch", "training"} <= set(texts(picture))


def test_log_curves_are_straight_where_they_decay_evenly() -> None:
    places = coordinates(line_chart(Curves("loss", [Series("a", [0, 1, 2], [1, 0.1, 0.01])], log=True)))
    assert places[1][1] - places[0][1] == pytest.approx(places[2][1] - places[1][1], abs=0.02)


def test_the_mark_is_shown_and_told() -> None:
    curves = Curves("accuracy", [Series("validation", [1, 2, 3], [0.1, 0.9, 0.8])], mark=Mark(2, 0.9, "best: 2"))
    assert "best: 2" in texts(line_chart(curves))
    ring = [one for one in parsed(line_chart(curves)).iter(f"{SVG}circle") if "ring" in one.get("class", "")]
    x, y = coordinates(line_chart(curves))[1]
    assert (float(ring[0].get("cx", 0)), float(ring[0].get("cy", 0))) == (x, y)


def test_every_value_can_be_read_by_hovering() -> None:
    picture = line_chart(Curves("loss", [Series("a", [1, 2], [0.25, 0.125]), Series("b", [1, 2], [3, 4])], "epoch"))
    told = [one.text for one in parsed(picture).iter(f"{SVG}title")]
    assert "epoch 2\na: 0.125\nb: 4" in told


@pytest.mark.parametrize("y", [[], [1.0], [math.nan], [math.nan, 1, math.nan], [math.inf, 1.0, -math.inf], [0, 0, 0]])
@pytest.mark.parametrize("log", [False, True])
def test_gaps_single_points_and_nothing_at_all(y: list[float], log: bool) -> None:
    picture = line_chart(Curves("loss", [Series("a", range(len(y)), y)], "epoch", log, Mark(0, math.nan, "best")))
    assert "nan" not in picture.svg.lower()
    assert ("no values yet" in texts(picture)) == (not any(math.isfinite(v) and (v > 0 or not log) for v in y))


def test_no_series_at_all() -> None:
    assert "no values yet" in texts(line_chart(Curves("loss", [])))


def test_a_gap_parts_the_curve() -> None:
    picture = line_chart(Curves("loss", [Series("a", range(5), [1, 2, math.nan, 3, 4])]))
    assert len([one for one in parsed(picture).iter(f"{SVG}path") if "curve" in one.get("class", "")]) == 2


def test_labels_at_the_end_do_not_overlap() -> None:
    picture = line_chart(Curves("loss", [Series(name, [1, 2], [1, 0.5]) for name in "abcd"]))
    heights = sorted(float(one.get("y", 0)) for one in parsed(picture).iter(f"{SVG}text") if list(one))
    assert len(heights) == 4
    assert min(np.diff(heights)) > 10
    assert heights[0] > 0
    assert heights[-1] < picture.height


def test_many_series_are_named_above_and_counted() -> None:
    picture = line_chart(Curves("loss", [Series(f"series {i}", [1, 2], [i, i]) for i in range(12)]))
    assert any(re.fullmatch(r"\+ \d+ more", one) for one in texts(picture))


def test_long_curves_keep_their_peaks_and_stay_small() -> None:
    y = np.ones(100_000)
    y[54_321] = 50.0
    picture = line_chart(Curves("loss", [Series("a", range(len(y)), y.tolist())]))
    assert len(picture.svg) < 120_000
    heights = [place[1] for place in coordinates(picture)]
    assert min(heights) < max(heights) - 100


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=12), st.lists(st.floats(), max_size=6)), max_size=6),
    st.booleans(),
    st.text(max_size=10),
)
def test_any_numbers_and_names_give_xml_inside_the_paper(
    series: list[tuple[str, list[float]]], log: bool, axis: str
) -> None:
    curves = Curves("t", [Series(name, range(len(y)), y) for name, y in series], axis, log)
    picture = line_chart(curves)
    assert picture.svg == line_chart(curves).svg
    for x, y in coordinates(picture):
        assert -1 <= x <= picture.width + 1
        assert -1 <= y <= picture.height + 1


def test_names_cannot_break_out() -> None:
    evil = "</text><script>alert(1)</script>\"'&"
    for picture in (
        line_chart(Curves(evil, [Series(evil, [1, 2], [1, 2])], evil, mark=Mark(1, 1, evil))),
        bar_chart([evil], [1.0], title=evil),
        scatter_chart([1.0], [2.0], title=evil),
    ):
        assert not list(parsed(picture).iter(f"{SVG}script"))
        assert "<script" not in picture.svg


def test_bars() -> None:
    picture = bar_chart(["a", "b", "c"], [10.0, 20.0, math.nan], title="counts")
    widths = [float(one.get("width", 0)) for one in parsed(picture).iter(f"{SVG}rect") if one.get("class") == "f1"]
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.02)
    assert widths[2] == 1
    assert {"10", "20", "NaN"} <= set(texts(picture))
    assert parsed(bar_chart([], [], title="none")) is not None
    parsed(bar_chart(["up", "down"], [1e-3, -5], title="signs"))


def test_scatter_puts_exact_predictions_on_the_diagonal() -> None:
    picture = scatter_chart([1, 2, 3], [1, 2, math.inf], title="quality")
    dots = list(parsed(picture).iter(f"{SVG}circle"))
    assert len(dots) == 2
    parsed(scatter_chart([], [], title="none"))
    many = scatter_chart(list(range(10_000)), list(range(10_000)), title="many")
    assert len(list(parsed(many).iter(f"{SVG}circle"))) == 2000


def test_refusals() -> None:
    with pytest.raises(InputError, match="'a' has 2 x and 1 y"):
        line_chart(Curves("loss", [Series("a", [1, 2], [1])]))
    with pytest.raises(InputError, match="2 labels were given for 1 bars"):
        bar_chart(["a", "b"], [1], title="t")
    with pytest.raises(InputError, match="1 predictions were given for 2 true values"):
        scatter_chart([1, 2], [1], title="t")


def test_a_notebook_shows_a_picture_by_itself() -> None:
    picture = bar_chart(["a"], [1.0], title="one")
    assert picture._repr_svg_() == picture._repr_html_() == picture.svg
    assert "prefers-color-scheme:dark" in picture.svg
    assert "<style" not in picture.inline()
