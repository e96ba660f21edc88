"""Boxes and masks from the command line: trained, evaluated, predicted, drawn into pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from annotations.drawn import picture, write_masks, write_voc, xml_of
from cli.conftest import Call

DETECTOR = (
    "model=yolo_v1", "model.backbone=resnet20", "model.backbone_options={width = 8}", "model.grid=4", "model.neck=8",
    "model.neck_stride=1", "model.convolutional=true", "model.batch_norm=true",
)  # fmt: skip


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    """Twelve pictures with one bright square each."""
    draw = np.random.default_rng(0)
    (tmp_path / "set").mkdir()
    for number in range(12):
        pixels = draw.integers(0, 60, (32, 32, 3), dtype=np.uint8)
        left, top = draw.integers(0, 20, 2)
        pixels[top : top + 10, left : left + 10] = (250, 40, 40)
        Image.fromarray(pixels).save(tmp_path / f"set/{number}.png")
        text = xml_of(str(number), [("square", (left, top, left + 10, top + 10))], (32, 32))
        (tmp_path / f"set/{number}.xml").write_text(text)
    return tmp_path


@pytest.mark.slow
def test_a_detector_from_pictures_to_pictures(squares: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(squares)
    more = ("epochs=120", "lr=0.01", "batch_size=4", "schedule=one_cycle", "augment=flip", "speed=plain")
    answer = call("train", "data=set", "data.size=32", *DETECTOR, *more)
    assert answer.status == 0, answer.err
    run = str(next(Path("runs/detection").iterdir()))
    report = (squares / run / "report.html").read_text()
    assert "What was found" in report and 'class="box found' in report and 'class="box there' in report
    results = json.loads((squares / run / "results.json").read_text())
    assert results["metric"] == "map50" and set(results["test"]) == {"loss", "map50", "map", "map75"}
    scored = json.loads(call("evaluate", run, "data=set", "--weights", "last", "--json").out)["metrics"]
    assert scored["map50"] > 0.5, scored
    answer = call("predict", run, "set/3.png", "set/4.png", "--out", "drawn", "--json")
    predictions = json.loads(answer.out)["predictions"]
    assert [one["found"] for one in predictions] and all(len(one["boxes"][0]["box"]) == 4 for one in predictions)
    with Image.open(squares / "drawn/set-3.png") as drawn:
        assert drawn.size == (32, 32)
    rows = json.loads((squares / "drawn/predictions.json").read_text())
    assert set(rows[0]) == {"image_id", "category_id", "category", "bbox", "score"}
    again = call("predict", run, "set/3.png", "--out", "drawn")
    assert again.status == 2 and "is there already; name another folder with --out" in again.err
    assert call("resume", run).status == 0
    exported = call("export", run, "--format", "pt2", "--json")
    assert exported.status == 0 and json.loads(exported.out)["difference"] < 1e-5
    assert "square 12" in call("data", "show", "set").out + call("data", "show", "set").err


@pytest.mark.slow
def test_outlines_from_pictures_to_masks(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    masks = [(draw.random((32, 48)) < 0.5).astype(np.uint8) for _ in range(6)]
    write_masks(tmp_path / "set", [255 * one for one in masks])
    for number, mask in enumerate(masks):
        shade = np.where(mask[..., None] > 0, 220, 30).astype(np.uint8)
        Image.fromarray(np.repeat(shade, 3, axis=2)).save(tmp_path / f"set/images/{number}.png")
    network = ("model=unet", "model.width=4", "model.levels=2", "model.padding=same", "model.batch_norm=true")
    answer = call("train", "data=set", *network, "epochs=40", "lr=0.01", "batch_size=2", "speed=plain")
    assert answer.status == 0, answer.err
    run = str(next(Path("runs/segmentation").iterdir()))
    assert "Worst pictures" in (tmp_path / run / "report.html").read_text()
    results = json.loads((tmp_path / run / "results.json").read_text())
    assert results["valid"]["iou"] > 0.9 and {"dice_background", "dice_foreground"} <= set(results["valid"])
    assert json.loads(call("evaluate", run, "data=set", "--json").out)["metrics"]["iou"] > 0.9
    answer = call("predict", run, "set/images/0.png", "--out", "drawn", "--json")
    assert set(json.loads(answer.out)["predictions"][0]) == {"name", "found", "shares"}
    with Image.open(tmp_path / "drawn/set-images-0.png") as drawn:
        assert drawn.mode == "P" and (np.asarray(drawn) == masks[0]).mean() > 0.9
    with Image.open(tmp_path / "drawn/set-images-0-overlay.png") as drawn:
        assert drawn.size == (48, 32)
    exported = call("export", run, "--format", "pt2", "--json")
    assert exported.status == 0 and json.loads(exported.out)["difference"] < 1e-5
    odd = picture(tmp_path, "odd.png", (37, 29))
    assert call("predict", run, str(odd), "--out", "more").status == 0
    with Image.open(next((tmp_path / "more").glob("*odd.png"))) as drawn:
        assert drawn.size == (37, 29)


def test_marks_and_networks_that_do_not_fit(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_voc(tmp_path / "set")
    answer = call("train", "data=set", "data.size=32", "model=resnet20", "epochs=1", "speed=plain")
    assert answer.status == 2 and "a detector gives [N, G, G, 5 B + K]" in answer.err
    answer = call("train", "data=set", "data.size=32", "task=classification", *DETECTOR, "epochs=1")
    assert answer.status == 2 and "the task is classification, but the data's targets are boxes" in answer.err
    assert not list((tmp_path / "runs").rglob("checkpoints/*"))
    answer = call("data", "show", "set", "--sheet", "sheet.png")
    assert answer.status == 0 and (tmp_path / "sheet.png").stat().st_size > 1000
