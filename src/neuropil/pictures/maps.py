"""Pictures of a picture: a layer's maps, what one value sees, and what an answer hangs on."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from neuropil.drawing.images import image_grid, png_uri
from neuropil.drawing.svg import Picture, element, hover, text
from neuropil.errors import InputError
from neuropil.inspection.feature_maps import LayerMaps, Sight
from neuropil.inspection.saliency import Saliency
from neuropil.pictures.heat import shades

__all__ = ["draw_feature_maps", "draw_saliency", "draw_sight"]

Array = np.ndarray[Any, Any]
SIDE = 260.0
HOT = (204, 78, 12)


def draw_feature_maps(found: LayerMaps, most: int = 32) -> Picture:
    """The maps of a layer as tiles, each from its least (black) to its greatest value (white).

    Args:
        found: of `inspection.feature_maps`.
        most: tiles at most, the first ones.
    """
    tiles, names = [], []
    for number, one in enumerate(found.maps[:most]):
        low, high = float(np.nanmin(one)), float(np.nanmax(one))
        scaled = np.nan_to_num((one - low) / ((high - low) or 1.0))
        tiles.append(np.rint(255 * scaled).astype(np.uint8))
        names.append(f"map {number + 1}")
    shape = "×".join(map(str, found.maps.shape))
    return image_grid(tiles, names, title=f"{found.layer}: {found.kind}, {shape}", columns=8, tile=84)


def draw_sight(picture: Array, found: Sight) -> Picture:
    """The picture with a frame around what one value of a layer sees, and how much each place counts.

    Shape: picture uint8 `[C, H, W]`, of the size that the network reads.

    Raises:
        InputError: a picture of another size than was looked at.
    """
    _same_size(picture, found.influence.shape)
    scale, high = _scaled(picture)
    top, left, bottom, right = found.box
    frame = {"x": left * scale, "y": top * scale, "width": (right - left) * scale, "height": (bottom - top) * scale}
    row, column = found.place
    where = f"value {row + 1}, {column + 1} of {found.maps[0]}×{found.maps[1]}"
    told = f"{found.layer}: {where} sees {bottom - top}×{right - left}"
    glow = _over(np.sqrt(found.influence / (float(found.influence.max()) or 1.0)))
    whole = {"x": 0.0, "y": 20.0, "width": SIDE, "height": high}
    frame["y"] += 20
    parts = [text(0, 12, told, class_="small")]
    parts.append(element("image", href=png_uri(picture), class_="photo", **whole))
    parts.append(element("image", href=png_uri(glow), **whole))
    parts.append(element("rect", hover(told), class_="box s2", **frame))
    return Picture("".join(parts), max(SIDE, 6.2 * len(told)), high + 24, told)


def draw_saliency(picture: Array, found: Saliency, name: str = "") -> Picture:
    """The picture, and beside it in which places the answer hangs on it; of Grad-CAM laid over it.

    Shape: picture uint8 `[C, H, W]`, of the size that the network reads.

    Raises:
        InputError: a picture of another size than was looked at.
    """
    _, high = _scaled(picture)
    values = found.values
    if values.ndim == 2:  # coarse maps are stretched smoothly over the picture
        scaled = values / (float(values.max()) or 1.0)
        size = (picture.shape[-1], picture.shape[-2])
        smooth = Image.fromarray(scaled.astype(np.float32), mode="F").resize(size, Image.Resampling.BILINEAR)
        layer = _over(np.asarray(smooth))
    else:
        _same_size(picture, values.shape[1:])
        strength = np.abs(values).sum(0)
        sign = values.sum(0) if found.method.startswith("integrated") else strength
        top = float(np.percentile(strength, 99)) or 1.0
        layer = shades(np.sign(sign) * strength, top)
    answer = f"{found.method}: {name or f'class {found.target}'}"
    left, right = {"x": 0.0, "y": 20.0}, {"x": SIDE + 14, "y": 20.0}
    size_of = {"width": SIDE, "height": high}
    parts = [text(0, 12, answer, class_="strong")]
    parts.append(element("image", href=png_uri(picture), class_="photo", **left, **size_of))
    if values.ndim == 2:
        parts.append(element("image", href=png_uri(picture), class_="photo", **right, **size_of))
    parts.append(element("rect", class_="frame", **right, **size_of))
    parts.append(element("image", hover(answer), href=png_uri(layer), class_="photo", **right, **size_of))
    return Picture("".join(parts), 2 * SIDE + 14, high + 24, answer)


def _scaled(picture: Array) -> tuple[float, float]:
    """Pixels on the paper for each of the picture's, and its height there."""
    if picture.dtype != np.uint8 or picture.ndim != 3:
        raise InputError(
            f"a picture to draw on must be uint8 [C, H, W], but {picture.dtype} {list(picture.shape)} came"
        )
    scale = SIDE / picture.shape[2]
    return scale, picture.shape[1] * scale


def _same_size(picture: Array, looked_at: tuple[int, ...]) -> None:
    if tuple(picture.shape[-2:]) != tuple(looked_at):
        raise InputError(
            f"the picture is {list(picture.shape[-2:])}, but {list(looked_at)} was looked at; give the network's size"
        )


def _over(share: Array) -> Array:
    """Shares from 0 to 1 as a colour that grows opaque: uint8 `[4, H, W]`."""
    alpha = np.rint(210 * np.clip(share, 0, 1)).astype(np.uint8)
    return np.concatenate([np.broadcast_to(np.array(HOT, np.uint8)[:, None, None], (3, *alpha.shape)), alpha[None]])
