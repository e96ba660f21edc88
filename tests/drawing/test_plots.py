from __future__ import annotations

import importlib.util
import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from drawing.samples import classification, regression
from neuropil.drawing import plots
from neuropil.drawing.plots import report_pictures, write_plots
from neuropil.drawing.report import Report
from neuropil.errors import InputError

NAMES = {"loss", "accuracy", "learning-rate", "confusion", "mistakes", "filters"}


def test_svg_files_are_xml_with_their_own_colours(tmp_path: Path) -> None:
    written = write_plots(tmp_path / "plots", classification(), png=False)
    assert {path.name for path in written} == {f"{name}.svg" for name in NAMES}
    assert sorted(written) == sorted((tmp_path / "plots").iterdir())
    for path in written:
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        assert "prefers-color-scheme:dark" in (root[0].text or "")


def test_the_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in write_plots(tmp_path / "a", regression(), png=False)]
    assert first == [path.read_bytes() for path in write_plots(tmp_path / "b", regression(), png=False)]


def test_without_matplotlib_svg_is_still_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "find_spec", lambda name: None)
    assert {path.suffix for path in write_plots(tmp_path, regression())} == {".svg"}


def test_a_metric_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    rows = [{"step": 1, "valid_../../x": 0.5, "valid_a b/c": 0.5}]
    written = write_plots(tmp_path / "plots", Report("t", history=rows), png=False)
    assert {path.parent for path in written} == {tmp_path / "plots"}
    assert {path.name for path in written} == {"-..-x.svg", "a-b-c.svg"}


def test_an_empty_report_writes_nothing(tmp_path: Path) -> None:
    assert write_plots(tmp_path, Report("nothing")) == []
    assert report_pictures(Report("nothing")) == {}


def test_refused_arrays(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="confusion matrix"):
        write_plots(tmp_path, Report("t", confusion=np.eye(3), classes=["a"]))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="the extra `plot` is not installed")
def test_png_files_show_the_same_charts(tmp_path: Path) -> None:
    report = replace(classification(), classes=["$x_", "고양이", "a\x1b", *map(str, range(7))])
    written = write_plots(tmp_path, report)
    pngs = [path for path in written if path.suffix == ".png"]
    assert {path.stem for path in pngs} == NAMES
    for path in pngs:
        pixels = np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("L"))
        assert pixels.shape[1] > 300
        assert pixels.std() > 5
    again = {path.name: path.read_bytes() for path in write_plots(tmp_path / "again", report)}
    assert all(again[path.name] == path.read_bytes() for path in written)
    scatter = [path for path in write_plots(tmp_path / "table", regression()) if path.name == "scatter.png"]
    assert len(scatter) == 1
