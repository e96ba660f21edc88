from __future__ import annotations

import base64
import hashlib
import math
import re
from dataclasses import fields, replace
from html.parser import HTMLParser

import numpy as np
import pytest

from drawing.samples import classification, history, regression
from neuropil.drawing.history import best_row, history_curves, merged
from neuropil.drawing.report import Mistake, Report, write_report
from neuropil.errors import InputError


class Page(HTMLParser):
    """A strict reading of the page: tags balance, nothing is loaded from elsewhere."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {key: value or "" for key, value in attrs}
        self.seen.append((tag, named))
        if tag not in {"meta", "link", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def sections(self) -> list[str]:
        return [named["id"] for tag, named in self.seen if tag == "section"]


def without_machine(page: str) -> str:
    return re.sub(r'<section id="machine">.*?</section>', "", page, flags=re.S)


def test_a_classification_shows_all_its_sections_and_the_machine_last() -> None:
    page = Page(write_report(classification()))
    assert page.sections() == ["curves", "confusion", "mistakes", "filters", "data", "recipe", "machine"]
    assert "98.61 %" in page.text
    assert "61,706" in page.text
    assert sum(tag == "img" for tag, _ in page.seen) == 16 + 6


def test_a_regression_shows_predictions_over_truth_and_the_worst_rows() -> None:
    page = Page(write_report(regression()))
    assert page.sections() == ["curves", "scatter", "mistakes", "data", "recipe", "machine"]
    assert "validation R²" in page.text
    assert sum(tag == "circle" for tag, named in page.seen if "point" in named.get("class", "")) == 320


def test_nothing_is_loaded_or_run() -> None:
    page = Page(write_report(classification()))
    for tag, named in page.seen:
        assert tag not in {"script", "iframe", "object", "embed", "base", "form"}
        for key, value in named.items():
            assert not key.startswith("on")
            assert key != "style", "the style sheet's hash would forbid it"
            if key in {"src", "href", "xlink:href", "srcset", "action"}:
                assert value.startswith("data:")
    policy = next(named["content"] for tag, named in page.seen if named.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    styles = re.findall(r"<style>(.*?)</style>", write_report(classification()), flags=re.S)
    (wanted,) = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in styles]
    assert f"'sha256-{wanted}'" in policy


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert write_report(classification()) == write_report(classification())
    assert write_report(regression()) == write_report(regression())


def test_only_the_machine_section_depends_on_the_machine() -> None:
    one = classification()
    rows = [{**row, "seconds": 99.0, "samples_per_second": 1.0} for row in one.history]
    other = replace(
        one,
        history=rows,
        speed={"training_seconds": 999.0},
        environment={"torch": "9.9"},
        next_commands=["neuropil evaluate runs/other-2"],
        machine_notes=["resumed at step 100"],
    )
    first, second = write_report(one), write_report(other)
    assert first != second
    assert without_machine(first) == without_machine(second)
    assert "resumed at step 100" in second


def evil(report: Report, text: str) -> Report:
    """The report with `text` in every place that takes one."""
    size = len(report.classes)
    return replace(
        report,
        **dict.fromkeys(("title", "name", "task", "status", "recipe_toml"), text),
        headline=[(text, text)],
        history=[{**row, f"valid_{text}": 0.5} for row in report.history],
        metric=text,
        classes=[text] * size,
        mistakes=[replace(one, name=text, truth=text, predicted=text) for one in report.mistakes],
        notes=[text],
        skipped=[(text, text)],
        next_commands=[text],
        speed={text: text},
        environment={text: {text: [text]}},
        machine_notes=[text],
        targets=[text],
    )


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "\"><img src=x onerror='alert(1)'>", "</style><script>", "a\x00\x1b[31m\udcff\u202e",
     "]]>&lt;", "key = '<b>'\n[<i>]\n# <u>"],
)  # fmt: skip
@pytest.mark.parametrize("kind", [classification, regression])
def test_no_name_breaks_out(kind: type[Report], text: str) -> None:
    page = write_report(evil(kind(), text))
    page.encode("utf-8")
    seen = Page(page).seen
    known = {tag for tag, _ in Page(write_report(kind())).seen}
    assert {tag for tag, _ in seen} <= known | {"span"}
    assert not any(key.startswith("on") for _, named in seen for key in named)
    assert "\x1b" not in page


def test_an_empty_report_is_a_page() -> None:
    page = Page(write_report(Report("Nothing yet")))
    assert page.sections() == ["machine"]
    assert "Nothing has been measured yet" in page.text


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{}],
        history(1),
        [{"step": 1, "train_loss": math.nan, "valid_loss": None}],
        [{"epoch": 1, "lr": "fast"}],
        [*history(2), {"step": 90, "valid_loss": math.inf}],
    ],
)
def test_short_and_broken_histories(rows: list[dict[str, float]]) -> None:
    Page(write_report(replace(classification(), history=rows, best_step=45)))


def test_many_classes_show_the_worst_hundred() -> None:
    report = classification(130)
    page = write_report(report)
    assert "Of 130 classes the 100 with most mistakes" in page
    assert len(page) < 600_000


def test_no_mistake_is_said() -> None:
    page = Page(write_report(replace(classification(), confusion=np.eye(10, dtype=int), mistakes=())))
    assert "No mistake was made." in page.text
    assert "mistakes" not in page.sections()


def test_large_pictures_do_not_make_a_large_page() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 600, 800), dtype=np.uint8)
    mistakes = [Mistake(f"{i}.jpg", "cat", "dog", 0.5, noise) for i in range(12)]
    assert len(write_report(Report("photos", mistakes=mistakes))) < 2_000_000


def test_mistakes_of_a_table_with_classes() -> None:
    page = Page(write_report(Report("iris", mistakes=[Mistake("row 7", "setosa", "virginica", 0.999)])))
    assert "99.9\u00a0%" in page.text


def test_two_targets_have_two_charts() -> None:
    values = np.arange(6.0).reshape(3, 2)
    page = write_report(Report("two", scatter=(values, values), targets=("north", "south")))
    assert page.count("<figure>") == 2
    assert "south" in page


def test_refused_arrays() -> None:
    with pytest.raises(InputError, match=r"must both be \[n\] or \[n, D\]"):
        write_report(Report("t", scatter=(np.zeros(3), np.zeros(4))))
    with pytest.raises(InputError, match="confusion matrix"):
        write_report(Report("t", confusion=np.eye(3), classes=["a"]))


def test_rows_of_one_step_are_merged_and_foreign_keys_passed_over() -> None:
    rows = [
        {"step": 2, "epoch": 1, "train_loss": 0.5, "seconds": 3.0},
        {"step": 2, "valid_loss": 0.7},
        {"step": 1, "lr": 1},
    ]
    assert merged(rows) == [{"step": 1, "lr": 1}, {"step": 2, "epoch": 1, "train_loss": 0.5, "valid_loss": 0.7}]


def test_curves_of_a_history() -> None:
    report = classification()
    curves = history_curves(report)
    assert list(curves) == ["loss", "accuracy", "learning-rate"]
    assert curves["loss"].log
    assert not curves["accuracy"].log
    assert curves["accuracy"].x_label == "epoch"
    best = max(report.history, key=lambda row: row["valid_accuracy"])
    mark = curves["accuracy"].mark
    assert mark is not None
    assert (mark.x, mark.y) == (best["epoch"], best["valid_accuracy"])
    assert best_row(replace(report, best_step=7)) is None


def test_several_rows_an_epoch_are_drawn_over_steps() -> None:
    rows = [{"step": step, "epoch": 1, "train_loss": 1 / step} for step in range(1, 9)]
    assert history_curves(Report("t", history=rows))["loss"].x_label == "step"


def test_reports_hold_plain_values_alone() -> None:
    assert not any("torch" in str(one.type).lower() for one in fields(Report))
