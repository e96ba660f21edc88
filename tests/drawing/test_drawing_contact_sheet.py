"""The contact sheet, read back with Pillow."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from batches.memory_samples import pictures
from neuropil.drawing.contact_sheet import contact_sheet
from neuropil.errors import InputError


def opened(content: bytes) -> Any:
    with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
        return np.asarray(picture.convert("RGB"))


def test_tiny_pictures_are_enlarged_to_clean_squares() -> None:
    images = pictures(5, (3, 8, 8)).inputs
    sheet = opened(contact_sheet(images, [f"class {i}" for i in range(5)], columns=3))
    for place, image in enumerate(images):
        x, y = 10 + place % 3 * 106, 10 + place // 3 * 130
        shown = sheet[y : y + 96, x : x + 96]
        assert np.array_equal(shown, np.kron(image.transpose(1, 2, 0), np.ones((12, 12, 1), dtype=np.uint8)))
        caption = sheet[y + 96 : y + 120, x : x + 96]
        assert caption.min() < 100 < 250 < caption.max()  # dark letters on white
    assert sheet.shape == (10 + 2 * 130, 10 + 3 * 106, 3)
    assert (sheet[150:, 230:] == 255).all()  # the sixth place stays empty


def test_grey_pictures_and_large_ones() -> None:
    grey = opened(contact_sheet(np.full((1, 1, 28, 28), 90, dtype=np.uint8), [""]))
    assert (grey[10:122, 10:122] == 90).all()
    large = opened(contact_sheet(pictures(2, (3, 300, 600)).inputs, ["a", "b"]))
    assert large.shape == (10 + 128 + 34, 10 + 2 * 266, 3)


def test_long_captions_are_shortened_and_other_writings_are_drawn() -> None:
    images = pictures(2, (1, 96, 96)).inputs
    sheet = opened(contact_sheet(images, ["a very long caption that no picture is wide enough for", "é\n숫자"]))
    assert (sheet[108:, 107:116] == 255).all()  # nothing runs into the gap


@pytest.mark.parametrize(
    ("images", "captions", "columns", "words"),
    [
        (np.zeros((2, 1, 4, 4), np.uint8), ["a"], 8, "1 captions were given for 2 pictures"),
        (np.zeros((0, 1, 4, 4), np.uint8), [], 8, "uint8 pictures"),
        (np.zeros((1, 2, 4, 4), np.uint8), ["a"], 8, "1 or 3 channels"),
        (np.zeros((1, 1, 4, 4), np.float32), ["a"], 8, "float32"),
        (np.zeros((4, 4), np.uint8), ["a"], 8, r"\[4, 4\]"),
        (np.zeros((1, 1, 4, 4), np.uint8), ["a"], 0, "columns is 0"),
    ],
)
def test_refusals(images: Any, captions: list[str], columns: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        contact_sheet(images, captions, columns=columns)
