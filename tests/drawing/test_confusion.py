from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, recall_score

from neuropil.drawing.confusion import confusion_chart, confusion_shares, most_confused, recalls, worst_classes
from neuropil.errors import InputError

SVG = "{http://www.w3.org/2000/svg}"


def random_counts(size: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.diag(rng.integers(20, 90, size)) + rng.poisson(0.2, (size, size))


def test_recalls_and_shares_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 300)
    predicted = np.where(rng.random(300) < 0.7, truth, rng.integers(0, 5, 300))
    counts = confusion_matrix(truth, predicted)
    np.testing.assert_allclose(recalls(counts), recall_score(truth, predicted, average=None), rtol=1e-15)
    np.testing.assert_allclose(
        confusion_shares(counts), confusion_matrix(truth, predicted, normalize="true"), rtol=1e-15
    )


def test_a_class_without_samples_has_no_recall_and_no_shade() -> None:
    counts = np.array([[3, 1], [0, 0]])
    assert recalls(counts)[0] == 0.75
    assert np.isnan(recalls(counts)[1])
    assert confusion_shares(counts)[1].tolist() == [0, 0]
    confusion_chart(counts, ["a", "b"])


@pytest.mark.parametrize("size", [1, 2, 3, 10, 25, 26, 57, 100])
def test_every_size_is_drawn_with_each_count_once_and_readable_names(size: int) -> None:
    counts = random_counts(size)
    classes = [f"a rather long name of class {i}" for i in range(size)]
    picture = confusion_chart(counts, classes)
    root = ElementTree.fromstring(picture.svg)
    cells = [one for one in root.iter(f"{SVG}rect") if "cell" in one.get("class", "")]
    assert len(cells) == np.count_nonzero(counts)
    told = sum(int(re.match(r"[\d,]+", one[0].text or "")[0].replace(",", "")) for one in cells)  # type: ignore[index]
    assert told == counts.sum()
    heights = sorted(float(one.get("y", 0)) for one in root.iter(f"{SVG}text") if one.get("text-anchor") == "end")
    assert len(heights) >= min(size, 40)
    assert size == 1 or np.diff(heights).min() >= 12
    assert picture.width <= 920


def test_right_answers_and_mistakes_have_their_own_colours_and_counts() -> None:
    root = ElementTree.fromstring(confusion_chart(np.array([[8, 2], [0, 5]]), ["cat", "dog"]).svg)
    cells = {one[0].text: one for one in root.iter(f"{SVG}rect") if "cell" in one.get("class", "")}
    assert set(cells) == {
        "8 of 10 cat found (80.0%)", "2 of 10 cat taken for dog (20.0%)", "5 of 5 dog found (100.0%)",
    }  # fmt: skip
    assert "f1" in cells["5 of 5 dog found (100.0%)"].get("class", "")
    assert "f2" in cells["2 of 10 cat taken for dog (20.0%)"].get("class", "")
    assert float(cells["5 of 5 dog found (100.0%)"].get("fill-opacity", 0)) == 1


def test_what_is_confused_most_comes_first() -> None:
    counts = np.array([[5, 1, 2], [2, 7, 0], [0, 4, 9]])
    found = most_confused(counts, ["a", "b", "c"], most=3)
    assert [(one.truth, one.predicted, one.count, one.total) for one in found] == [
        ("c", "b", 4, 13), ("a", "c", 2, 8), ("b", "a", 2, 9),
    ]  # fmt: skip
    assert most_confused(np.eye(3, dtype=int), ["a", "b", "c"]) == []


def test_the_classes_with_most_mistakes_are_kept_in_order() -> None:
    counts = np.diag([9, 9, 9, 9])
    counts[1, 3] = 5
    kept, classes = worst_classes(counts, ["a", "b", "c", "d"], most=2)
    assert classes == ["b", "d"]
    assert kept.tolist() == [[9, 5], [0, 9]]


def test_refusals() -> None:
    with pytest.raises(InputError, match=r"of 3 classes must be \[3, 3\].*\[2, 2\] was given"):
        confusion_chart(np.eye(2), ["a", "b", "c"])
    with pytest.raises(InputError, match="draw the 100 worst"):
        confusion_chart(np.eye(101), [str(i) for i in range(101)])
    with pytest.raises(InputError, match="negative"):
        confusion_chart(-np.eye(2), ["a", "b"])
    with pytest.raises(InputError, match="0 classes"):
        confusion_chart(np.zeros((0, 0)), [])
