"""The Pareto picture: every network has its mark, the stairs are the front's, names lie on no other ones."""

from __future__ import annotations

import re
from itertools import pairwise

from neuropil.architecture.pareto_chart import Point, pareto_chart

TRIALS = [Point(0.5, 0.80, "trial 0"), Point(1.0, 0.9, "trial 1"), Point(2.0, 0.85, "trial 2")]
BESIDE = [Point(3.0 + 0.01 * place, 0.82, f"beside {place}", f"mobilenet_v2 {place}") for place in range(5)]


def test_marks_and_names() -> None:
    drawn = pareto_chart(TRIALS, BESIDE, best=1, target=0.8).body
    assert drawn.count("<circle") == 3 and drawn.count("<rect") == 5 and drawn.count('class="f2"') == 1
    for told in ("trial 0", "trial 1", "trial 2", *(one.told for one in BESIDE)):
        assert told in drawn
    places = [(float(x), float(y)) for x, y in re.findall(r'<text x="([\d.]+)" y="([\d.-]+)"[^>]*f3', drawn)]
    heights = sorted(y for _, y in places)
    assert len(heights) == 5 and all(b - a >= 13.9 for a, b in pairwise(heights))
    assert heights[0] >= 0 and max(x for x, _ in places) < 860


def test_the_stairs_go_through_the_front_alone() -> None:
    drawn = pareto_chart(TRIALS, [], best=None, target=0.8).body
    (stairs,) = [one for one in re.findall(r"<path [^>]+>", drawn) if "curve s1" in one]
    assert stairs.count("V") == 1, "from trial 0 up to trial 1; trial 2 is beaten"


def test_without_any_network() -> None:
    assert "<circle" not in pareto_chart([], [], best=None, target=0.8).body
