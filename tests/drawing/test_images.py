from __future__ import annotations

import base64
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from neuropil.drawing.images import filter_grid, filter_tiles, image_grid, png_uri
from neuropil.errors import InputError

SVG = "{http://www.w3.org/2000/svg}"


def decoded(uri: str) -> np.ndarray:
    kind, _, content = uri.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pixels_survive(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (channels, 5, 7), dtype=np.uint8)
    expected = image[0] if channels == 1 else image.transpose(1, 2, 0)
    assert np.array_equal(decoded(png_uri(image)), expected)


def test_two_axes_are_grey_and_odd_channels_show_the_first() -> None:
    image = np.random.default_rng(0).integers(0, 256, (2, 5, 7), dtype=np.uint8)
    assert np.array_equal(decoded(png_uri(image)), image[0])
    assert np.array_equal(decoded(png_uri(image[1])), image[1])


def test_large_images_are_made_smaller_with_their_shape_kept() -> None:
    assert decoded(png_uri(np.zeros((3, 100, 400), np.uint8), largest=40)).shape == (10, 40, 3)
    assert decoded(png_uri(np.zeros((1, 1, 900), np.uint8), largest=40)).shape == (1, 40)


def test_a_grid_holds_each_image_and_caption() -> None:
    images = [np.full((1, 4, 4), shade, np.uint8) for shade in range(10)]
    picture = image_grid(images, [f"<{i}>" for i in range(10)], title="ten", columns=4)
    root = ElementTree.fromstring(picture.svg)
    shown = [decoded(one.get("href", ""))[0, 0] for one in root.iter(f"{SVG}image")]
    assert shown == list(range(10))
    assert [one[0].text for one in root.iter(f"{SVG}image")] == [f"<{i}>" for i in range(10)]
    ElementTree.fromstring(image_grid([], title="none").svg)


def test_signed_filters_are_blue_above_and_orange_below_zero() -> None:
    weights = np.array([0.5, -1.0, 0.0, np.nan]).reshape(1, 1, 2, 2)
    ((name, tile),) = filter_tiles(weights)
    assert name == "filter 1"
    assert tile[3].tolist() == [[128, 255], [0, 0]]
    red, blue = tile[0].astype(int), tile[2].astype(int)
    assert blue[0, 0] > red[0, 0]
    assert red[0, 1] > blue[0, 1]


def test_colour_filters_are_grey_at_zero_and_full_at_the_largest() -> None:
    weights = np.zeros((2, 3, 1, 1))
    weights[0, 0] = 2.0
    assert [tile[:, 0, 0].tolist() for _, tile in filter_tiles(weights)] == [[255, 128, 128], [128, 128, 128]]


def test_filters_over_other_channels_are_shown_a_channel_each() -> None:
    tiles = filter_tiles(np.ones((8, 16, 3, 3)), most=20)
    assert len(tiles) == 20
    assert tiles[17][0] == "filter 2, channel 2"
    root = ElementTree.fromstring(filter_grid(np.zeros((6, 1, 5, 5))).svg)
    assert len(list(root.iter(f"{SVG}image"))) == 6


def test_refusals() -> None:
    with pytest.raises(InputError, match=r"must be uint8 .* float64 \[3, 4, 4\]"):
        png_uri(np.zeros((3, 4, 4)))
    with pytest.raises(InputError, match=r"uint8 \[0, 4\]"):
        png_uri(np.zeros((0, 4), np.uint8))
    with pytest.raises(InputError, match="1 captions were given for 2 images"):
        image_grid([np.zeros((4, 4), np.uint8)] * 2, ["a"], title="t")
    with pytest.raises(InputError, match=r"must be \[N, C, H, W\]"):
        filter_grid(np.zeros((3, 3)))
