"""Masks of every kind read alike; broken ones are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from annotations.drawn import picture, write_masks
from neuropil.annotations.mask_opening import open_masks
from neuropil.errors import InputError
from neuropil.sources.opening import guess_source, open_source

Array = np.ndarray[Any, Any]


def numbers(count: int, most: int = 2) -> list[Array]:
    draw = np.random.default_rng(0)
    return [draw.integers(0, most + 1, (32, 48)).astype(np.uint8) for _ in range(count)]


def masks_of(splits: Any) -> dict[str, Array]:
    return {
        Path(part.name(index)).stem: part.targets[index]
        for part in (splits.train, splits.valid)
        if part is not None
        for index in range(len(part))
    }


@pytest.mark.parametrize("kind", ["grey", "indexed", "binary", "colours"])
def test_every_kind_says_the_same(kind: str, tmp_path: Path) -> None:
    expected = numbers(5, 1 if kind == "binary" else 2)
    shades = np.array([[10, 20, 30], [200, 0, 0], [0, 250, 5]], dtype=np.uint8)
    values = {"binary": [255 * one for one in expected], "colours": [shades[one] for one in expected]}
    root = write_masks(tmp_path / "set", values.get(kind, expected), mode="P" if kind == "indexed" else None)
    if kind == "colours":
        (root / "palette.csv").write_text("name,red,green,blue\nground,10,20,30\nroof,200,0,0\ntree,0,250,5\n")
    assert guess_source(root) == "masks"
    splits = open_source(str(root), {})
    found = masks_of(splits)
    assert all(np.array_equal(found[str(number)], one) for number, one in enumerate(expected))
    names = {"binary": ("background", "foreground"), "colours": ("ground", "roof", "tree")}
    assert splits.info.classes == names.get(kind, ("background", "class 1", "class 2"))
    assert splits.info.target == "masks" and splits.train.fetch(np.array([0]))[0].shape == (1, 3, 32, 48)
    said = {"binary": "masks of 0 and 255: two classes", "colours": "masks read by the 3 colours of the palette"}
    assert any(said.get(kind, "masks of the class numbers 0, 1, 2") in note for note in splits.info.notes)


def test_unknown_elements_are_255(tmp_path: Path) -> None:
    values = numbers(3)
    values[0][:4] = 255
    splits = open_masks(root=str(write_masks(tmp_path, values)), valid_fraction=0.0)
    assert (masks_of(splits)["0"][:4] == 255).all()
    assert any("255: not known" in note for note in splits.info.notes)


def test_sizes_are_brought_to_one_only_when_asked(tmp_path: Path) -> None:
    root = write_masks(tmp_path, numbers(3))
    picture(root, "images/9.png", (24, 16))
    Image.fromarray(np.ones((16, 24), dtype=np.uint8)).save(root / "masks/9.png")
    with pytest.raises(InputError, match=r"several sizes \(16x24, 32x48, \.\.\.\); give data\.size="):
        open_masks(root=str(root))
    splits = open_masks(root=str(root), size=(16, 24), valid_fraction=0.0)
    assert splits.train.targets.shape == (4, 16, 24) and set(np.unique(splits.train.targets)) <= {0, 1, 2}


def test_coloured_masks_need_a_palette(tmp_path: Path) -> None:
    values = [np.dstack([one * 90, one, one]) for one in numbers(3)]
    with pytest.raises(InputError, match=r"masks/0\.png is coloured .*put a file palette\.csv"):
        open_masks(root=str(write_masks(tmp_path, values)))
    (tmp_path / "palette.csv").write_text("a,0,0,0\nb,90,1,1\n")
    with pytest.raises(InputError, match=r"masks/0\.png: the colour \(180, 2, 2\) is not in the palette"):
        open_masks(root=str(tmp_path))
    (tmp_path / "palette.csv").write_text("a,0,0,0\nb,90,1\n")
    with pytest.raises(InputError, match=r"palette\.csv, line 2: 'b,90,1' is no class; give name,red,green,blue"):
        open_masks(root=str(tmp_path))


def test_a_photograph_is_no_mask(tmp_path: Path) -> None:
    values = [np.random.default_rng(1).integers(0, 254, (32, 48)).astype(np.uint8)] * 3
    with pytest.raises(InputError, match=r"the masks hold 25\d different values"):
        open_masks(root=str(write_masks(tmp_path, values)))


def test_names_must_be_as_many_as_the_classes(tmp_path: Path) -> None:
    root = write_masks(tmp_path, numbers(3))
    with pytest.raises(InputError, match=r"data\.classes names 2 classes, but the masks hold 3"):
        open_masks(root=str(root), classes=["a", "b"])
    named = open_masks(root=str(root), classes=["a", "b", "c", "d"], valid_fraction=0.0)
    assert named.info.classes == ("a", "b", "c", "d")


def test_black_and_white_masks_have_two_classes(tmp_path: Path) -> None:
    root = write_masks(tmp_path, [255 * one for one in numbers(3, 1)])
    with pytest.raises(InputError, match=r"data\.classes names 3 classes, but masks of 0 and 255 hold 2"):
        open_masks(root=str(root), classes=["a", "b", "c"])


def test_what_spoils_one_pair_leaves_the_others(tmp_path: Path) -> None:
    root = write_masks(tmp_path, numbers(5))
    (root / "masks/0.png").write_bytes(b"no picture")
    Image.fromarray(np.ones((8, 8), dtype=np.uint8)).save(root / "masks/1.png")
    (root / "images/2.png").write_bytes(b"")
    (root / "images/3.png").unlink()
    splits = open_masks(root=str(root), valid_fraction=0.0)
    reasons = [one.reason for one in splits.info.skipped]
    assert len(splits.train) == 1
    for said in (
        "no PNG mask, or damaged",
        "it is 8x8, but its picture 32x48",
        "the file is empty",
        "1 mask has no picture",
    ):
        assert any(said in reason for reason in reasons), (said, reasons)
    with pytest.raises(InputError, match="strict=true"):
        open_masks(root=str(root), strict=True)


def test_no_pairs_are_refused(tmp_path: Path) -> None:
    picture(tmp_path, "images/0.png")
    with pytest.raises(InputError, match="holds no pictures with masks; put pictures into a folder images"):
        open_masks(root=str(tmp_path))


def test_real_membranes(shared_data: Path) -> None:
    splits = open_source(str(shared_data / "membrane/membrane.zip"), {"classes": ["membrane", "cell"]})
    assert (len(splits.train), len(splits.valid or ())) == (24, 6) and splits.test is None
    assert splits.info.input_shape == (1, 512, 512)
    assert 0.15 < (splits.train.targets == 0).mean() < 0.3
