"""Results on disk and in the README."""

from __future__ import annotations

import json
import math

import pytest
from benchmarks.intervals import summarize_pairs
from benchmarks.records import Duel, Measurement, Pair, Row, Topic
from benchmarks.tables import (
    describe_topic,
    merge_duels,
    read_results,
    rewrite_readme,
    table,
    write_pages,
    write_result,
)
from benchmarks.topics import TOPICS, topic

ROW = Row(what="a step", figure="us", unit="µs", kind="ours / peer", better="low", target=1.1)
MACHINE = {
    "processor": "P", "threads": 2, "instructions": "AVX", "python": "3", "versions": {"torch": "2"}, "date": "today",
    "ceilings": {"fp32_gflop_per_second": 100.0, "bf16_gflop_per_second": 200.0, "memory_gbyte_per_second": 50.0},
}  # fmt: skip


def described(ours: float = 105.0, peer: float = 100.0) -> dict:
    one = Pair(Measurement({"us": ours}, flop_per_second=25e9), Measurement({"us": peer}), 1.0)
    duel = Duel(ours="A", peer="B", rows=[ROW])
    of_topic = Topic(name="toy", title="Toy", notes=["A note."], duels=[duel])
    return describe_topic(of_topic, [(duel, [one], [summarize_pairs(ROW, [one])])], MACHINE)


def test_table_shows_each_number() -> None:
    text = table(described())
    assert "| a step | 105 µs | 100 µs | 1.05 × | 1.05 to 1.05 | ≤ 1.1 × | yes | 1 |" in text
    assert "`A` 25.0%" in text
    assert "100 GFLOP/s fp32" in text
    assert "| **no** |" in table(described(ours=120.0))


def test_results_come_back_from_disk_also_where_a_goal_was_never_reached(tmp_path) -> None:
    write_result(described(peer=math.inf), tmp_path)
    content = json.loads((tmp_path / "toy.json").read_text(encoding="utf-8"))
    assert content["duels"][0]["rows"][0]["peer"] == "never"
    assert content["duels"][0]["pairs"][0]["ours"]["figures"] == {"us": 105.0}
    (found,) = read_results(["other", "toy"], tmp_path)
    assert "| 105 µs | never µs |" not in table(found)
    assert "| 105 µs | never |" in table(found)


def test_readme_is_changed_between_its_marks_only(tmp_path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- benchmarks -->\nold\n<!-- /benchmarks -->\nafter\n", encoding="utf-8")
    for _ in range(2):
        rewrite_readme(readme, [described()])
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- benchmarks -->\n### Toy")
    assert text.endswith("<!-- /benchmarks -->\nafter\n")
    assert "old" not in text
    assert text.count("### Toy") == 1
    readme.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="needs one line"):
        rewrite_readme(readme, [described()])


@pytest.mark.parametrize("name", TOPICS)
def test_topics_are_whole(name: str) -> None:
    found = topic(name)
    assert found.name == name
    assert all(duel.rows and duel.pairs >= 1 for duel in found.duels)
    assert any(one.target is not None for duel in found.duels for one in duel.rows)


def test_an_unknown_topic_is_refused() -> None:
    with pytest.raises(ValueError, match="no topic 'steps'"):
        topic("steps")


def test_rows_measured_again_take_the_place_of_the_old_ones() -> None:
    kept, again = described(ours=120.0), described(ours=101.0)
    kept["duels"].append({**kept["duels"][0], "peer": "C"})
    merged = merge_duels(kept, {**again, "machine": {**MACHINE, "date": "tomorrow"}})
    assert [duel["peer"] for duel in merged["duels"]] == ["B", "C"]
    assert [duel["rows"][0]["ours"] for duel in merged["duels"]] == [101.0, 120.0]
    assert merged["machine"]["date"] == "tomorrow"
    with pytest.raises(ValueError, match="another processor; measure the whole topic again"):
        merge_duels(kept, {**again, "machine": {**MACHINE, "processor": "Q"}})


def test_the_readme_has_the_rows_with_a_target_and_the_page_all(tmp_path) -> None:
    readme, page = tmp_path / "README.md", tmp_path / "page.md"
    readme.write_text("<!-- benchmarks -->\n<!-- /benchmarks -->\n", encoding="utf-8")
    found = described()
    free = {**found["duels"][0]["rows"][0], "what": "for the record", "target": None, "met": None}
    found["duels"][0]["rows"].append(free)
    write_pages(readme, page, [found])
    assert "| a step |" in readme.read_text(encoding="utf-8") and "for the record" not in readme.read_text(
        encoding="utf-8"
    )
    assert "| a step |" in page.read_text(encoding="utf-8") and "| for the record |" in page.read_text(encoding="utf-8")
    assert "GFLOP/s" in page.read_text(encoding="utf-8")
