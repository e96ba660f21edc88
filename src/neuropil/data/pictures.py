"""Picture files into uint8 arrays: checked before they are decoded, turned upright, brought to one size.

Only five formats are read, so that no other decoder of Pillow sees a byte, and no picture above 64 megapixels.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any, Literal

import numpy as np
from PIL import Image

from neuropil.data.archive import UnusableFile
from neuropil.data.cropping import resized_crop
from neuropil.errors import InputError

__all__ = [
    "CROP_SHARE", "FORMATS", "MAX_PIXELS", "PictureHead", "PictureRule", "decode", "examine", "has_picture_name",
    "view",
]  # fmt: skip

Array = np.ndarray[Any, Any]
Fit = Literal["crop", "resize", "pad"]
Interpolation = Literal["bilinear", "bicubic"]

FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
}
"""The formats that are read, and the suffixes that they go by."""

OTHER_PICTURES = (".tif", ".tiff", ".avif", ".heic", ".heif", ".jp2", ".ppm", ".pgm", ".psd", ".svg", ".ico", ".tga")
"""Suffixes of pictures that are named when they are left out; other files are only counted."""

MAX_PIXELS = 64_000_000
"""Width times height above which a picture is refused before it is decoded."""

CROP_SHARE = 0.875
"""Part of the short side that the central crop keeps, as in the ImageNet evaluations since AlexNet (224 of 256)."""

RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what turns the picture upright."""

DECODER_FAULTS = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError,
    struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow raises for damaged files."""


@dataclass(frozen=True, slots=True)
class PictureHead:
    """What a picture file says of itself before it is decoded.

    Args:
        height: of the upright picture, in pixels.
        width: of the upright picture, in pixels.
        grey: it has no colours.
        orientation: EXIF, 1 to 8; 1 is upright.
    """

    height: int
    width: int
    grey: bool
    orientation: int = 1


@dataclass(frozen=True, slots=True)
class PictureRule:
    """How every picture becomes an array of one shape.

    Args:
        channels: 1 (grey) or 3 (red, green, blue).
        size: height and width in pixels.
        fit: `crop` keeps the middle of the short side, `resize` stretches, `pad` keeps all and fills up with black.
        crop_share: of the short side, that `crop` keeps, above 0 and at most 1.
        interpolation: `bilinear` or `bicubic`.
        inner: for `pad`: the middle part that the picture is enlarged or reduced to (28 x 28 in 32 x 32); else `size`.
        convert: also take CMYK, 16-bit and animated pictures (the first frame).
    """

    channels: int
    size: tuple[int, int]
    fit: Fit
    inner: tuple[int, int] | None = None
    convert: bool = False
    crop_share: float = CROP_SHARE
    interpolation: Interpolation = "bilinear"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return (self.channels, *self.size)

    def to_encoding(self) -> dict[str, Any]:
        """Plain values for `DataInfo.encoding`."""
        encoding: dict[str, Any] = {
            "colour": "grey" if self.channels == 1 else "rgb",
            "height": self.size[0],
            "width": self.size[1],
            "fit": self.fit,
        }
        if self.inner is not None:
            encoding["inner"] = list(self.inner)
        if self.convert:
            encoding["convert"] = True
        if self.crop_share != CROP_SHARE:
            encoding["crop_share"] = self.crop_share
        if self.interpolation != "bilinear":
            encoding["interpolation"] = self.interpolation
        return encoding

    @classmethod
    def from_encoding(cls, encoding: Mapping[str, Any]) -> PictureRule:
        """The rule that `to_encoding` wrote.

        Raises:
            InputError: it holds something else.
        """
        try:
            size = (int(encoding["height"]), int(encoding["width"]))
            inner = encoding.get("inner")
            channels = {"grey": 1, "rgb": 3}[encoding["colour"]]
            fit: Fit = {"crop": "crop", "resize": "resize", "pad": "pad"}[encoding["fit"]]  # type: ignore[assignment]
            smooth: Interpolation = "bicubic" if encoding.get("interpolation") == "bicubic" else "bilinear"
            rule = cls(
                channels, size, fit, inner and (int(inner[0]), int(inner[1])), bool(encoding.get("convert", False)),
                float(encoding.get("crop_share", CROP_SHARE)), smooth,
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError("the saved description of the pictures is damaged; train the run again") from error
        if min(size) < 1 or size[0] * size[1] > MAX_PIXELS or not 0 < rule.crop_share <= 1:
            raise InputError("the saved description of the pictures names an impossible size; train the run again")
        return rule


def has_picture_name(name: str, *, readable: bool = False) -> bool:
    """Whether a file goes by a picture's suffix, for `readable` one of a format that is read.

    Example:
        >>> has_picture_name("cat.JPG"), has_picture_name("cat.tif"), has_picture_name("cat.tif", readable=True)
        (True, True, False)
    """
    suffix = PurePosixPath(name).suffix.lower()
    return any(suffix in known for known in FORMATS.values()) or (not readable and suffix in OTHER_PICTURES)


def examine(file: IO[bytes], *, convert: bool = False) -> PictureHead:
    """Read a picture's header, and refuse what should not be decoded or would be decoded wrongly.

    Not meant for several threads at once: it silences Pillow's warnings while it reads.

    Args:
        file: the open picture.
        convert: accept what can be converted: CMYK, 16 bits, several frames.

    Raises:
        UnusableFile: the reason.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = _opened(file)
        width, height = image.size
        try:
            tiles = getattr(image, "tile", None)
            raw = str(tiles[0].args) if tiles else ""
            sixteen = image.mode.startswith(("I", "F")) or ";16B" in raw
            moving = _kind(image) != "JPEG" and bool(getattr(image, "is_animated", False))
            # Pillow decodes a whole PNG to look for EXIF data behind the pixels, which cameras do not write.
            silent = _kind(image) == "PNG" and not {"exif", "Raw profile type exif"} & image.info.keys()
            orientation = 1 if silent else int(image.getexif().get(0x0112, 1) or 1)
        except DECODER_FAULTS as error:
            raise UnusableFile(f"it is truncated or damaged ({_short(error)})") from error
    if not convert:
        _refuse_unusual(image, sixteen=sixteen, moving=moving)
    grey = image.mode in ("1", "L", "LA", "I", "F") or image.mode.startswith("I;") or "LA;16B" in raw
    if orientation in (5, 6, 7, 8):
        width, height = height, width
    return PictureHead(height, width, grey, orientation if orientation in TURNS else 1)


def _opened(file: IO[bytes]) -> Image.Image:
    """The picture with its header read, if it is one and not too large."""
    try:
        image = Image.open(file, formats=tuple(FORMATS))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnusableFile(f"it claims too many pixels; at most {MAX_PIXELS:,} are read") from error
    except DECODER_FAULTS as error:
        file.seek(0, io.SEEK_END)
        if not file.tell():
            raise UnusableFile("the file is empty") from error
        raise UnusableFile(f"it is not a {', '.join(list(FORMATS)[:-1])} or GIF picture, or damaged") from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise UnusableFile(f"it claims {width:,} x {height:,} pixels; at most {MAX_PIXELS:,} are read")
    return image


def _kind(image: Image.Image) -> str:
    """The format; phones append previews to their JPEG files, which Pillow then calls MPO."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def _refuse_unusual(image: Image.Image, *, sixteen: bool, moving: bool) -> None:
    fault = ""
    if image.mode == "CMYK":
        fault = "it has CMYK colours"
    elif sixteen:
        fault = "it has 16 bits or more a channel"
    elif moving:
        fault = "it is animated"
    if fault:
        raise UnusableFile(f"{fault}; give convert=true to take it")


def decode(file: IO[bytes], rule: PictureRule, head: PictureHead, box: Array | None = None) -> Array:
    """Decode a picture that was examined.

    JPEG files are decoded at a half, a quarter or an eighth where that is enough.

    Shape: uint8 `[C, H, W]`, as `rule.shape` says.

    Args:
        file: the open picture.
        rule: colours, size and how it is fitted.
        head: what `examine` found.
        box: top, left, height and width of a part to cut out and bring to full size; `None` for the fixed view.

    Raises:
        UnusableFile: it is damaged.
    """
    image = _opened(file)
    height, width = head.height, head.width
    chosen = box is not None
    if box is None and rule.fit == "crop":
        box = _middle(height, width, rule)
    try:
        if _kind(image) == "JPEG" and image.mode != "CMYK":
            _draft(image, rule, (height, width), box, sideways=head.orientation in (5, 6, 7, 8))
        if head.orientation in TURNS:
            image = image.transpose(TURNS[head.orientation])
        image = _coloured(image, rule.channels)
    except DECODER_FAULTS as error:
        raise UnusableFile(f"it is truncated or damaged ({_short(error)})") from error
    if box is None:
        return view(image, rule)
    down, right = image.height / height, image.width / width  # less than 1 where a smaller scale was decoded
    top, left, tall, wide = (float(one) for one in box)
    edges = (left * right, top * down, min((left + wide) * right, image.width), min((top + tall) * down, image.height))
    if chosen and all(edge == int(edge) for edge in edges):
        whole = (int(edges[0]), int(edges[1]), int(edges[2]), int(edges[3]))
        return resized_crop(image, whole, rule.size, RESAMPLING[rule.interpolation])
    return _array(_resized(image, rule, rule.size, edges))


def view(image: Image.Image, rule: PictureRule) -> Array:
    """The fixed view of a picture that has the right colours already.

    Shape: uint8 `[C, H, W]`.
    """
    if rule.fit == "pad":
        return _array(_padded(image, rule))
    if rule.fit == "resize":
        return _array(_resized(image, rule, rule.size))
    top, left, tall, wide = _middle(image.height, image.width, rule)
    return _array(_resized(image, rule, rule.size, (left, top, left + wide, top + tall)))


def _middle(height: int, width: int, rule: PictureRule) -> Array:
    """Top, left, height and width of the central crop: a share of the largest box of the right shape."""
    share = rule.crop_share * min(height / rule.size[0], width / rule.size[1])
    tall, wide = min(rule.size[0] * share, height), min(rule.size[1] * share, width)  # rounding may exceed them
    return np.array([(height - tall) / 2, (width - wide) / 2, tall, wide])


def _padded(image: Image.Image, rule: PictureRule) -> Image.Image:
    """The whole picture, its shape kept, in the middle of a black one."""
    inner = rule.inner or rule.size
    share = min(inner[0] / image.height, inner[1] / image.width)
    tall, wide = max(1, round(image.height * share)), max(1, round(image.width * share))
    canvas = Image.new(image.mode, (rule.size[1], rule.size[0]))
    canvas.paste(_resized(image, rule, (tall, wide)), ((rule.size[1] - wide) // 2, (rule.size[0] - tall) // 2))
    return canvas


def _resized(
    image: Image.Image, rule: PictureRule, size: tuple[int, int], edges: tuple[float, float, float, float] | None = None
) -> Image.Image:
    whole = edges is None or edges == (0, 0, image.width, image.height)
    if whole and image.size == (size[1], size[0]):
        return image
    return image.resize((size[1], size[0]), RESAMPLING[rule.interpolation], box=edges, reducing_gap=2.0)


def _draft(image: Image.Image, rule: PictureRule, shape: tuple[int, int], box: Array | None, *, sideways: bool) -> None:
    """Tell the JPEG decoder the least size that will do."""
    part = (box[2], box[3]) if box is not None else shape
    needed = [max(1, int(shape[axis] * rule.size[axis] / max(part[axis], 1))) for axis in (0, 1)]
    if rule.fit == "pad" and box is None:
        share = min(rule.size[0] / shape[0], rule.size[1] / shape[1])
        needed = [max(1, int(side * share)) for side in shape]
    if not sideways:
        needed.reverse()
    image.draft("L" if rule.channels == 1 else "RGB", (needed[0], needed[1]))


def _coloured(image: Image.Image, channels: int) -> Image.Image:
    """Grey or RGB; what is transparent becomes white, 16 bits are reduced to 8."""
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, dtype=np.float64)
        return _coloured(Image.fromarray(np.clip(np.rint(values / 257), 0, 255).astype(np.uint8)), channels)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        seen_through = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), seen_through)
    return image.convert("L" if channels == 1 else "RGB")


def _array(image: Image.Image) -> Array:
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _short(error: BaseException) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 80 else words[:77] + "..."
