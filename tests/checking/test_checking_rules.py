"""Small sets with known faults: each check finds its own, and stays silent where nothing is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from neuropil.checking import CHECKS
from neuropil.checking.near_pictures import difference, near_pairs
from neuropil.checking.near_texts import likeness, near_texts, normalised
from neuropil.checking.running import check_data
from neuropil.cli import main
from neuropil.data.faults import is_noting, noting, refuse
from neuropil.errors import InputError


def scene(seed: int, size: tuple[int, int] = (48, 48)) -> Image.Image:
    """A picture of soft blots, none like another."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def write_photos(root: Path, each: int = 12) -> Path:
    for place, name in enumerate(("cat", "dog")):
        (root / name).mkdir(parents=True)
        for number in range(each):
            scene(100 * place + number).save(root / name / f"{number}.png")
    return root


def found(source: Path, **options: Any) -> dict[str, list[str]]:
    report = check_data(str(source), options)
    return {name: [one.where for one in report.findings if one.check == name] for name in report.checks}


def silent(found: dict[str, list[str]], *but: str) -> bool:
    return not [name for name, places in found.items() if places and name not in but]


def test_a_clean_folder_has_no_findings(tmp_path: Path) -> None:
    assert silent(found(write_photos(tmp_path / "a")))


def test_pictures(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "a")
    (root / "cat/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (root / "dog/other.png").write_bytes((root / "cat/3.png").read_bytes())
    Image.open(root / "cat/5.png").save(root / "cat/near.jpg", quality=80)
    Image.new("RGB", (48, 48), (9, 9, 9)).save(root / "cat/blank.png")
    answer = found(root, valid_fraction=0.0, test_fraction=0.0)
    assert answer["broken"] == ["cat/broken.png"]
    assert answer["contradictions"] == ["train: dog/other.png"]
    assert answer["near_duplicates"] == ["train: cat/near.jpg"]
    assert answer["duplicates"] == ["train: dog/other.png"]
    assert answer["constant"] == ["train: cat/blank.png"]
    assert silent(answer, "broken", "contradictions", "near_duplicates", "duplicates", "constant")


def test_odd_sizes_and_inverted_pictures(tmp_path: Path) -> None:
    root = tmp_path / "a"
    for place, name in enumerate("ab"):
        (root / name).mkdir(parents=True)
        for number in range(20):
            dark = Image.eval(scene(100 * place + number).convert("L"), lambda value: value // 6)
            (ImageOps.invert(dark) if (place, number) == (1, 7) else dark).save(root / name / f"{number}.png")
    assert [one.rpartition(" ")[2] for one in found(root)["inverted"]] == ["b/7.png"]
    Image.open(root / "a/3.png").resize((60, 40)).save(root / "a/3.png")
    assert [one.rpartition(" ")[2] for one in found(root)["sizes"]] == ["a/3.png"]


def test_leakage_names_both_samples(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write_photos(tmp_path / "a" / part)
    root = tmp_path / "a"
    for name in ("cat", "dog"):
        for number in range(12):
            if (name, number) != ("cat", 2):
                scene(1000 + 50 * len(name + "x") + number + ord(name[0])).save(root / f"test/{name}/{number}.png")
    report = check_data(str(root), {"valid_fraction": 0.0})
    leaks = [one for one in report.findings if one.check == "leakage"]
    assert [{place.name for place in one.samples} for one in leaks] == [{"train/cat/2.png", "test/cat/2.png"}]
    assert leaks[0].severity == "error"


@pytest.mark.parametrize(
    ("change", "near"),
    [
        (lambda one: one.point(lambda value: value * 0.85 + 6), True),
        (lambda one: one.resize((60, 60), Image.Resampling.BICUBIC).resize((48, 48)), True),
        (lambda one: one.transpose(Image.Transpose.ROTATE_90), False),
        (lambda one: one.point(lambda value: value / 4), False),
        (ImageOps.invert, False),
    ],
)
def test_what_is_nearly_the_same(change: Any, near: bool) -> None:
    pictures = [scene(number).convert("L") for number in range(40)]
    pictures.append(change(pictures[7]))
    views = np.stack([np.asarray(one.resize((32, 32))) for one in pictures])
    pairs = near_pairs(views, views.std((1, 2)), 0.08).tolist()
    assert pairs == ([[7, 40]] if near else [])


def test_the_hash_finds_what_comparing_all_pairs_finds() -> None:
    """Above 600 pictures candidates come from bands; each planted pair must be among them."""
    generator = np.random.default_rng(0)
    views = np.stack([np.asarray(scene(number).convert("L").resize((24, 24))) for number in range(1200)])
    copies = np.clip(views[:150].astype(int) + generator.integers(-6, 7, (150, 24, 24)), 0, 255).astype(np.uint8)
    every = np.concatenate([views, copies])
    pairs = {tuple(pair) for pair in near_pairs(every, every.std((1, 2)), 0.08).tolist()}
    first, second = np.triu_indices(len(every), 1)
    some = np.flatnonzero(np.isin(second, np.arange(1200, 1350)) & (second - first == 1200))
    truly = difference(every[first[some]], every[second[some]]) <= 0.08
    wanted = {(int(first[at]), int(second[at])) for at in some[truly]}
    assert len(wanted) == 150
    assert len(wanted & pairs) >= 0.98 * len(wanted)
    assert pairs <= wanted


def test_texts_alike() -> None:
    assert normalised("“Two DOGS”, café!") == "two dogs café"
    one, other = ("a man in a blue shirt is standing on a ladder",), ("a man in a red shirt is standing on a ladder",)
    assert likeness(one, other) == pytest.approx(2 * 10 / 22)
    texts = [one, ("nothing of that kind is said in here",), other, ("short",), ("short",)]
    assert near_texts(texts, 0.9) == [(0, 2)]
    assert near_texts(texts, 0.95) == []


TABLE = [f"{n},{n * n % 37},{'ab'[n % 2]},{'xy'[n % 3 > 0]}" for n in range(60)]


def test_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["m,n,o,kind", *TABLE]) + "\n")
    assert silent(found(path))
    rows = ["m,n,o,still,kind", *(row[::-1].replace(",", ",1,", 1)[::-1] for row in TABLE)]
    rows[9] = rows[9].replace(rows[9].split(",")[0], "90000", 1)
    rows[20] = "1,2,a"
    rows[30] = rows[30].rpartition(",")[0] + ","
    rows.append(rows[40])
    path.write_text("\n".join(rows) + "\n")
    answer = found(path)
    assert answer["broken"] == [f"{path}, line 21", f"{path}, line 31"]
    assert answer["constant"] == [f"{path}, column 'still'"]
    assert answer["outliers"] == [f"{path}, line 10"]
    assert len(answer["duplicates"] + answer["leakage"]) == 1
    path.write_text("\n".join(["m,kind,twin", *(f"{n},{'xy'[n % 2]},{'xy'[n % 2]}" for n in range(60))]) + "\n")
    assert found(path, target="kind")["leaky_columns"] == ["column 'twin=x'", "column 'twin=y'"]


def test_pairs_note_every_fault(tmp_path: Path) -> None:
    german = [f"Der Hund {n} sieht die Katze {n * 7 % 90} im Garten" for n in range(150)]
    english = [f"The dog {n} sees the cat {n * 7 % 90} in the garden" for n in range(150)]
    german[10] = ""
    english[20] = "   "
    english[30] = german[30]
    german[40], english[40] = english[40], german[40]
    for end, lines in (("de", german), ("en", english)):
        content = b"\n".join(line.encode() for line in lines) + b"\n"
        (tmp_path / f"train.{end}").write_bytes(content.replace(b"Hund 0 ", b"H\xfcnd 0 "))
    answer = found(tmp_path)
    assert answer["broken"] == ["train.de, line 11", "train.en, line 21"]
    assert answer["encoding"] == ["train.de, line 1"]
    assert answer["untranslated"] == ["train.de, line 31"]
    assert answer["swapped"] == ["train.de, line 41"]


def test_training_still_stops_at_the_first_fault(tmp_path: Path) -> None:
    from neuropil.sources.opening import open_source

    (tmp_path / "train.de").write_text("ein Hund\n\neine Katze\n")
    (tmp_path / "train.en").write_text("a dog\na bird\na cat\n")
    with pytest.raises(InputError, match=r"train\.de, line 2: the line is empty"):
        open_source(str(tmp_path), {})
    with noting() as faults:
        refuse("here", "it is wrong")
        assert is_noting()
    assert faults[0].where == "here"
    assert not is_noting()
    with pytest.raises(InputError, match="here: it is wrong"):
        refuse("here", "it is wrong")


def test_data_that_cannot_be_opened_are_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"PK nothing")
    report = check_data(str(path), {})
    assert [(one.check, one.severity) for one in report.findings] == [("broken", "error")]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"checks": ["leekage"]}, "did you mean 'leakage'"),
        ({"checks": ["swapped"]}, "looks at pairs"),
        ({"settings": {"near_duplicates": {"diference": 0.1}}}, "did you mean 'difference'"),
        ({"settings": {"leakage": {"digits": 2}}, "without": ["leakage"]}, "leave one of both"),
        ({"options": {"sise": 3}}, "has no option 'sise'"),
    ],
)
def test_wrong_questions_are_refused(asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_data("iris", **asked)


def leave(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return int(left.value.code or 0)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert leave("check", "digits", "--out", str(page)) == 0
    assert "0 findings" in capsys.readouterr().out
    assert leave("check", "iris", "--json", "--out", str(page)) == 1
    answer = json.loads(capsys.readouterr().out)
    assert [one["sentence"] for one in answer["findings"]] == ["the same row as train: row 102"]
    assert leave("check", "iris", "--without", "leakage,duplicates", "--out", str(page)) == 0
    assert leave("check", "iris", "--set", "leakage", "--out", str(page)) == 2
    assert "near_duplicates.difference=0.05" in capsys.readouterr().err
    assert leave("check", "digits", "--checks", "leakage", "--set", "leakage.difference=0.6", "--out", str(page)) == 1


def test_the_page_holds_the_pictures_and_nothing_from_elsewhere(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "a<b>")
    (root / "dog/copy.png").write_bytes((root / "cat/3.png").read_bytes())
    page = tmp_path / "page.html"
    check_data(str(root), {"valid_fraction": 0.0, "test_fraction": 0.0}, out=page)
    text = page.read_text()
    assert text.count("data:image/png;base64") == 4  # two of the copy, two of the contradiction
    assert "a&lt;b&gt;" in text
    assert "<script" not in text
    assert "http://" not in text and "https://" not in text
    with pytest.raises(InputError, match="cannot be written"):
        check_data(str(root), {}, out=tmp_path / "none" / "page.html")


def test_every_check_is_there() -> None:
    for name in CHECKS:
        assert CHECKS.builder(name).__doc__
