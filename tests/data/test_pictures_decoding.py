"""Each kind of broken or unusual picture, and views held against plain Pillow."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from neuropil.data.archive import UnusableFile
from neuropil.data.cropping import crop_boxes
from neuropil.data.picture_files import read_pictures
from neuropil.data.pictures import RESAMPLING, PictureRule, decode, examine, view
from neuropil.errors import InputError

Array = np.ndarray[Any, Any]
RGB32 = PictureRule(3, (32, 32), "resize")


def photo(height: int = 60, width: int = 80, *, seed: int = 0) -> Image.Image:
    """A smooth coloured picture, so that JPEG and resizing change it little."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def packed(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(side: int, bits: int, rows: bytes) -> bytes:
    """A PNG whose header claims side x side pixels of red, green and blue."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, bits, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def bomb(side: int) -> bytes:
    return png(side, 8, b"\0" * 64)


def read(content: bytes, rule: PictureRule = RGB32, box: Array | None = None) -> Array:
    head = examine(io.BytesIO(content), convert=rule.convert)
    return decode(io.BytesIO(content), rule, head, box)


def plain(image: Image.Image) -> Array:
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


DEEP = np.linspace(0, 65535, 32 * 32).astype(np.uint16).reshape(32, 32)


def deep_rgb() -> bytes:
    """A 16-bit RGB PNG, which Pillow cannot write itself."""
    rows = b"".join(b"\0" + np.repeat(row, 3).astype(">u2").tobytes() for row in DEEP)
    return png(32, 16, rows)


def animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    return packed(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)


REFUSED = {
    "empty": (b"", "the file is empty"),
    "text": (b"this is no picture at all", "not a JPEG, PNG, WEBP, BMP or GIF"),
    "tiff": (packed(photo(), "TIFF"), "not a JPEG, PNG, WEBP, BMP or GIF"),
    "truncated header": (packed(photo())[:20], "not a JPEG|damaged"),
    "truncated png": (packed(photo())[:-900], "truncated or damaged"),
    "truncated jpeg": (packed(photo(200, 300), "JPEG")[:-900], "truncated or damaged"),
    "truncated bmp": (packed(photo(), "BMP")[:-900], "truncated or damaged"),
    "bomb": (bomb(30_000), "too many pixels"),
    "a little too large": (bomb(8_001), "8,001 x 8,001 pixels"),
    "warned of by Pillow": (bomb(10_000), "10,000 x 10,000 pixels"),
    "cmyk": (packed(photo().convert("CMYK"), "JPEG"), "CMYK.*convert=true"),
    "16-bit grey": (packed(Image.fromarray(DEEP)), "16 bits.*convert=true"),
    "16-bit rgb": (deep_rgb(), "16 bits.*convert=true"),
    "animated gif": (animated("GIF"), "animated.*convert=true"),
    "animated webp": (animated("WEBP"), "animated.*convert=true"),
    "animated png": (animated("PNG"), "animated.*convert=true"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_with_a_reason(kind: str) -> None:
    content, reason = REFUSED[kind]
    with pytest.raises(UnusableFile, match=reason):
        read(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_five_formats_are_read(kind: str) -> None:
    image = photo(32, 32)
    expected = plain(Image.open(io.BytesIO(packed(image, kind))).convert("RGB"))
    assert np.array_equal(read(packed(image, kind)), expected)


def test_conversions() -> None:
    taking = PictureRule(3, (32, 32), "resize", convert=True)
    grey = PictureRule(1, (32, 32), "resize", convert=True)
    cmyk = packed(photo(32, 32).convert("CMYK"), "JPEG", quality=95)
    assert np.array_equal(read(cmyk, taking), plain(Image.open(io.BytesIO(cmyk)).convert("RGB")))
    assert np.abs(read(cmyk, taking).astype(int) - plain(photo(32, 32))).mean() < 6  # not inverted
    assert np.array_equal(read(packed(Image.fromarray(DEEP)), grey)[0], np.rint(DEEP / 257).astype(np.uint8))
    assert np.abs(read(deep_rgb(), taking)[0].astype(int) - DEEP / 257).max() <= 1
    for kind in ("GIF", "WEBP", "PNG"):
        assert read(animated(kind), taking)[:, 0, 0].tolist() == [255, 0, 0]  # the first frame


def test_palette_and_transparency_over_white() -> None:
    clear = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    clear.paste((0, 0, 255, 255), (0, 0, 32, 16))
    half = Image.new("LA", (32, 32), (0, 128))
    palette = photo(32, 32).quantize(16)
    assert np.array_equal(read(packed(palette)), plain(palette.convert("RGB")))
    for content in (packed(clear), packed(clear.quantize(8), "PNG"), packed(clear, "WEBP", lossless=True)):
        assert read(content)[:, 0, 0].tolist() == [0, 0, 255]
        assert read(content)[:, 31, 0].tolist() == [255, 255, 255]
    assert read(packed(half))[:, 0, 0].tolist() == [127, 127, 127]
    for kind in ("PNG", "GIF"):
        see_through = read(packed(palette, kind, transparency=palette.getpixel((0, 0))))
        assert see_through[:, 0, 0].tolist() == [255, 255, 255]
        assert np.array_equal(see_through[:, 31, 31], plain(palette.convert("RGB"))[:, 31, 31])


def test_bmp_of_16_bits_a_pixel_is_ordinary() -> None:
    pixels = struct.pack("<H", 0x7C00) * 32 * 32  # five bits a channel: red
    head = struct.pack("<2sIHHI", b"BM", 54 + len(pixels), 0, 0, 54)
    head += struct.pack("<IiiHHIIiiII", 40, 32, 32, 1, 16, 0, len(pixels), 0, 0, 0, 0)
    assert read(head + pixels)[:, 5, 5].tolist() == [255, 0, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_exif_turned(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = packed(photo(512, 768), kind, exif=exif)
    head = examine(io.BytesIO(content))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
    assert (head.width, head.height) == upright.size
    rule = PictureRule(3, (40, 60), "resize")
    expected = plain(upright.resize((60, 40), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(read(content, rule) - expected).mean() < 3  # turned wrongly it is tens


def test_fixed_views_against_plain_pillow() -> None:
    exact = photo(256, 256)
    middle = plain(exact.crop((16, 16, 240, 240)))
    assert np.array_equal(read(packed(exact), PictureRule(3, (224, 224), "crop")), middle)

    image = photo(300, 400)
    resized = image.resize((128, 96), Image.Resampling.BILINEAR)  # short side 84 / 0.875
    expected = plain(resized.crop((22, 6, 106, 90))).astype(int)
    assert np.abs(read(packed(image), PictureRule(3, (84, 84), "crop")) - expected).max() <= 2

    stretched = plain(image.resize((50, 50), Image.Resampling.BILINEAR, reducing_gap=2.0))
    assert np.array_equal(read(packed(image), PictureRule(3, (50, 50), "resize")), stretched)

    padded = read(packed(image), PictureRule(3, (80, 80), "pad"))
    inside = plain(image.resize((80, 60), Image.Resampling.BILINEAR, reducing_gap=2.0))
    assert np.array_equal(padded[:, 10:70], inside)
    assert not padded[:, :10].any() and not padded[:, 70:].any()


def test_jpeg_decoded_at_a_smaller_scale_looks_the_same() -> None:
    content = packed(photo(1200, 1600), "JPEG", quality=92)
    box = np.array([100, 200, 900, 800])
    for rule, chosen in ((PictureRule(3, (64, 64), "crop"), None), (PictureRule(3, (64, 64), "crop"), box)):
        full = Image.open(io.BytesIO(content))
        edges = (275, 75, 1325, 1125) if chosen is None else (200, 100, 1000, 1000)
        expected = plain(full.resize((64, 64), Image.Resampling.BILINEAR, box=edges)).astype(int)
        assert np.abs(read(content, rule, chosen) - expected).max() <= 6


PICTURE = photo(90, 120)
PACKED = packed(PICTURE)
uniform = st.floats(0, 1, exclude_max=True)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(uniform, uniform, uniform, uniform),
    st.sampled_from([(32, 32), (20, 45), (90, 120)]),
    st.sampled_from([1, 3]),
    st.sampled_from(["bilinear", "bicubic"]),
)
def test_random_views_are_pillows_crops_and_repeat(
    draws: tuple[float, float, float, float],
    size: tuple[int, int],
    channels: int,
    interpolation: Literal["bilinear", "bicubic"],
) -> None:
    box = crop_boxes(np.array([draws]), 90, 120)[0]
    top, left, tall, wide = box.tolist()
    assert top >= 0 and left >= 0 and tall >= 1 and wide >= 1 and top + tall <= 90 and left + wide <= 120
    part = PICTURE.convert("L" if channels == 1 else "RGB").crop((left, top, left + wide, top + tall))
    expected = plain(part.resize(size[::-1], RESAMPLING[interpolation]))
    rule = PictureRule(channels, size, "resize", interpolation=interpolation)
    first = read(PACKED, rule, box)
    assert first.shape == (channels, *size)
    assert np.abs(first.astype(int) - expected).max() <= (interpolation == "bilinear")
    assert np.array_equal(first, read(PACKED, rule, box))


@pytest.mark.parametrize("channels", [1, 3])
def test_random_views_are_torchvisions_to_the_bit(channels: int) -> None:
    pytest.importorskip("oracle_shim")
    functional = pytest.importorskip("torchvision.transforms.v2.functional")
    whole = torch.from_numpy(plain(PICTURE.convert("L" if channels == 1 else "RGB")).copy())
    rule = PictureRule(channels, (32, 45), "resize")
    for top, left, tall, wide in ((3, 4, 60, 70), (0, 0, 90, 120), (80, 7, 3, 5), (11, 0, 32, 45)):
        expected = functional.resized_crop(whole, top, left, tall, wide, [32, 45], antialias=True)
        assert np.array_equal(read(PACKED, rule, np.array([top, left, tall, wide])), expected.numpy())


def test_without_wide_registers_a_random_view_is_pillows_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    expected = PICTURE.crop((4, 3, 74, 63)).resize((32, 32), Image.Resampling.BILINEAR)
    assert np.array_equal(read(PACKED, RGB32, np.array([3, 4, 60, 70])), plain(expected))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "WEBP", "BMP", "GIF"]), st.data())
def test_damage_is_named_or_harmless(kind: str, data: st.DataObject) -> None:
    content = bytearray(packed(photo(24, 24), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read(bytes(content[: data.draw(st.integers(0, len(content)))]))
    except UnusableFile as error:
        assert len(str(error)) < 200
    else:
        assert found.shape == (3, 32, 32) and found.dtype == np.uint8


def test_encoding_round_trip_and_refusal() -> None:
    rule = PictureRule(1, (20, 30), "pad", (10, 10), convert=True)
    assert PictureRule.from_encoding(rule.to_encoding()) == rule
    for damaged in ({}, {"colour": "pink"}, {**rule.to_encoding(), "height": -1}, {**rule.to_encoding(), "fit": "x"}):
        with pytest.raises(InputError, match="saved description"):
            PictureRule.from_encoding(damaged)


def test_read_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "more/deep").mkdir(parents=True)
    (tmp_path / "notes.txt").write_text("left alone")
    for name, seed in (("b.png", 1), ("a.png", 2), ("more/deep/c.png", 3)):
        (tmp_path / name).write_bytes(packed(photo(32, 32, seed=seed)))
    (tmp_path / "broken.png").write_bytes(packed(photo())[:100])

    class Input:
        buffer = io.BytesIO(packed(photo(32, 32, seed=4)))

    monkeypatch.setattr("sys.stdin", Input)
    read = read_pictures([str(tmp_path), "-", str(tmp_path / "b.png")], RGB32.to_encoding())
    arrays, names, skipped = read.arrays, read.names, read.skipped
    assert read.sizes == ((32, 32),) * 5
    assert [Path(name).name for name in names] == ["a.png", "b.png", "c.png", "standard input", "b.png"]
    assert np.array_equal(arrays, np.stack([plain(photo(32, 32, seed=seed)) for seed in (2, 1, 3, 4, 1)]))
    assert [(Path(one.where).name, "damaged" in one.reason) for one in skipped] == [("broken.png", True)]
    only_broken = read_pictures([str(tmp_path / "broken.png")], RGB32.to_encoding()).arrays
    assert only_broken.shape == (0, 3, 32, 32)


def test_read_pictures_refuses_paths_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file or folder .*nowhere"):
        read_pictures([str(tmp_path / "nowhere.png")], RGB32.to_encoding())
    with pytest.raises(InputError, match="holds no picture"):
        read_pictures([str(tmp_path)], RGB32.to_encoding())


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("share", "height", "width"), [(56 / 64, 128, 192), (56 / 60, 120, 160), (1.0, 112, 168)])
def test_the_central_crop_is_torchvisions(interpolation: str, share: float, height: int, width: int) -> None:
    """`Resize` of the short side, then `CenterCrop`, at sizes where neither rounds: the same picture, a smooth one."""
    shim = pytest.importorskip("oracle_shim")
    transforms = shim.torchvision.transforms
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([255 * (0.5 + 0.5 * np.sin((x + 2 * y + 30 * c) / 40)) for c in range(3)], axis=-1)
    image = Image.fromarray(smooth.astype(np.uint8))
    rule = PictureRule(3, (56, 56), "crop", crop_share=share, interpolation=interpolation)  # type: ignore[arg-type]
    assert PictureRule.from_encoding(rule.to_encoding()) == rule
    mode = transforms.InterpolationMode(interpolation)
    theirs = transforms.CenterCrop(56)(transforms.Resize(round(56 / share), mode)(image))
    ours = view(image, rule)
    gap = np.abs(ours.astype(int) - np.asarray(theirs).transpose(2, 0, 1).astype(int))
    assert gap.mean() < 1.5 and gap.max() <= 6


def test_a_crop_of_everything_stays_inside() -> None:
    """Where rounding makes the box a hair larger than the picture."""
    for side in range(8, 200):
        picture = Image.new("RGB", (side, side + side % 3))
        for size in (32, 160, 192, 224):
            assert view(picture, PictureRule(3, (size, size), "crop", crop_share=1.0)).shape == (3, size, size)


def test_a_damaged_crop_is_refused() -> None:
    encoding = {**PictureRule(3, (8, 8), "crop").to_encoding(), "crop_share": 5.0}
    with pytest.raises(InputError, match="train the run again"):
        PictureRule.from_encoding(encoding)
