"""Ten broken folders of photos and more, each refused in one sentence that says what to do."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli import workshop
from cli.conftest import Call


def _flat(root: Path) -> None:
    """Pictures without class folders."""
    for number, path in enumerate(sorted(root.rglob("*.png"))):
        path.rename(root / f"{number}.png")
    for name in workshop.COLOURS:
        (root / name).rmdir()


def _each(change: Callable[[Path], Any]) -> Callable[[Path], None]:
    def all_of_them(root: Path) -> None:
        for path in root.rglob("*.png"):
            change(path)

    return all_of_them


def _zipped(names: Callable[[str], str]) -> Callable[[Path], None]:
    """The folder as the only zip file in it, under other names."""

    def pack(root: Path) -> None:
        with zipfile.ZipFile(root / "all.zip", "w") as archive:
            for path in sorted(root.rglob("*.png")):
                archive.write(path, names(str(path.relative_to(root))))
        for name in workshop.COLOURS:
            shutil.rmtree(root / name)

    return pack


def _cut_zip(root: Path) -> None:
    _zipped(str)(root)
    path = root / "all.zip"
    path.write_bytes(path.read_bytes()[:-200])


def _unknown_in_valid(root: Path) -> None:
    (root / "train").mkdir()
    for name in workshop.COLOURS:
        (root / name).rename(root / "train" / name)
    shutil.copytree(root / "train" / "red", root / "val" / "violet")


def _train_of_one(root: Path) -> None:
    _unknown_in_valid(root)
    shutil.rmtree(root / "val")
    shutil.copytree(root / "train" / "red", root / "val" / "red")
    for name in ("blue", "green"):
        shutil.rmtree(root / "train" / name)


BROKEN: dict[str, tuple[Callable[[Path], Any], list[str], str]] = {
    "not there": (shutil.rmtree, [], "is neither a file or folder here nor a built-in data set; check the path"),
    "empty": (lambda root: [shutil.rmtree(root / one) for one in workshop.COLOURS], [], "holds neither class folders"),
    "no class folders": (_flat, [], "holds neither class folders"),
    "one class": (lambda root: [shutil.rmtree(root / name) for name in ("red", "blue")], [], "one class"),
    "a class of nothing": (lambda root: (root / "violet").mkdir(), [], "'violet'"),
    "all cut short": (_each(lambda path: path.write_bytes(path.read_bytes()[:40])), [], "no usable picture"),
    "all text": (_each(lambda path: path.write_text("hello")), [], "holds no usable picture"),
    "one cut short, strictly": (
        lambda root: (root / "red" / "0.png").write_bytes(b"\x89PNG\r\n"), ["data.strict=true"], "strict=true stops",
    ),
    "a damaged zip": (_cut_zip, [], "zip"),
    "a zip that climbs out": (_zipped(lambda name: f"../../{name}"), [], ".."),
    "a class only to validate": (_unknown_in_valid, [], "violet"),
    "one class to train": (_train_of_one, [], "class"),
    "an impossible size": (lambda root: None, ["data.size=0"], "each from 1 to 4096"),
    "an impossible crop": (lambda root: None, ["data.crop_share=1.5"], "above 0 and at most 1"),
    "an unknown interpolation": (lambda root: None, ["data.interpolation=cubic"], "did you mean 'bicubic'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_photos_get_one_sentence(name: str, tmp_path: Path, call: Call) -> None:
    breaks, words, sentence = BROKEN[name]
    root = workshop.write_pictures(tmp_path / "photos")
    breaks(root)
    runs = tmp_path / "runs"
    answer = call("train", "model=resnet20", f"data={root}", "epochs=1", *words, "--runs", str(runs))
    assert answer.status == 2 and "Traceback" not in answer.err
    last = answer.err.strip().splitlines()[-1]
    assert last.startswith("neuropil: ") and sentence in last, answer.err
    assert not runs.exists()


def test_the_only_zip_in_a_folder_is_read(tmp_path: Path, call: Call) -> None:
    root = workshop.write_pictures(tmp_path / "photos")
    _zipped(str)(root)
    (root / "README.md").write_text("pictures of colours")
    answer = call("data", "show", str(root))
    assert answer.status == 0 and "green" in answer.out
