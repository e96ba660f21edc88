"""Mask files into class numbers: indexed, grey, black-and-white and coloured ones.

A set's masks are looked at together: what one of them holds may decide how all are read.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal

import numpy as np
from PIL import Image

from neuropil.data.archive import UnusableFile
from neuropil.errors import InputError

__all__ = [
    "VOID",
    "MaskKind",
    "Palette",
    "class_numbers",
    "names_of",
    "read_palette",
    "read_values",
    "settle_kind",
    "shades_of",
]

Array = np.ndarray[Any, Any]

MaskKind = Literal["numbers", "binary", "colours"]
"""Class numbers as they are; 0 and 255 for two classes; colours that a palette names."""

VOID = 255
"""Of class numbers: not known."""

MAX_ELEMENTS = 64_000_000
CODE = np.array([65536, 256, 1])
"""A colour as one number."""

MANY = 64
"""More different values than this are no class numbers: a mask was saved as a photograph."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours and what they stand for.

    Args:
        names: of the classes.
        colours: red, green and blue of each, 0 to 255.
    """

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]


def read_palette(text: str, where: str) -> Palette:
    r"""A palette file: a line a class, `name,red,green,blue`; a header is passed over.

    Raises:
        InputError: a line of another form, a colour or a name twice, with the line.

    Example:
        >>> read_palette("road,128,64,128\ntree,0,250,5", "palette.csv").colours
        ((128, 64, 128), (0, 250, 5))
    """
    names: list[str] = []
    colours: list[tuple[int, int, int]] = []
    try:
        rows = list(csv.reader(text.splitlines()))
    except csv.Error as error:
        raise InputError(f"{where}: {error}; give lines name,red,green,blue") from error
    for number, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and len(cells) == 4 and not any(cell.isdecimal() for cell in cells[1:])):
            continue
        good = len(cells) == 4 and all(cell.isdecimal() and int(cell) <= 255 for cell in cells[1:])
        if not good:
            raise InputError(f"{where}, line {number}: {','.join(cells)!r} is no class; give name,red,green,blue")
        colour = (int(cells[1]), int(cells[2]), int(cells[3]))
        if colour in colours or cells[0] in names:
            raise InputError(f"{where}, line {number}: {','.join(cells)!r} repeats a name or colour; give each once")
        names.append(cells[0])
        colours.append(colour)
    if len(names) < 2:
        raise InputError(f"{where} names {len(names)} classes; give at least two")
    return Palette(tuple(names), tuple(colours))


def read_values(file: IO[bytes]) -> Array:
    """What a mask file holds: uint8 `[H, W]` of grey or indexed ones, `[H, W, 3]` of coloured ones.

    A coloured file all of whose elements are grey is a grey one.

    Raises:
        UnusableFile: it is no PNG, damaged, too large, or holds more than 8 bits.
    """
    try:
        image = Image.open(file, formats=("PNG", "BMP", "GIF"))
        if image.width * image.height > MAX_ELEMENTS:
            raise UnusableFile(
                f"it claims {image.width:,} x {image.height:,} elements; at most {MAX_ELEMENTS:,} are read"
            )
        if image.mode in ("P", "L"):
            return np.asarray(image).copy()
        if image.mode == "1":
            return np.asarray(image).astype(np.uint8) * 255
        if image.mode.startswith(("I", "F")):
            values = np.asarray(image)
            if values.min() < 0 or values.max() > 255:
                raise UnusableFile("it holds numbers above 255; save it with 8 bits")
            return values.astype(np.uint8)
        colours = np.asarray(image.convert("RGB"))
    except UnusableFile:
        raise
    except Exception as error:  # Pillow raises whatever a damaged file leads it to
        raise UnusableFile(f"it is no PNG mask, or damaged ({type(error).__name__})") from error
    if (colours[..., 0] == colours[..., 1]).all() and (colours[..., 0] == colours[..., 2]).all():
        return colours[..., 0].copy()
    return colours.copy()


def shades_of(values: Array) -> Array:
    """The different values of a mask, `[n]` or `[n, 3]`; of very many, the first ones."""
    if values.ndim == 2:
        return np.unique(values)
    codes = np.unique(values.reshape(-1, 3).astype(np.int64) @ CODE)[: MANY + 1]
    return np.stack([codes // CODE[0], codes // CODE[1] % 256, codes % 256], axis=1)


def settle_kind(shades: Mapping[str, Array], palette: Palette | None, where: str) -> tuple[MaskKind, list[int], str]:
    """How the masks of a set are read, the class numbers that occur, and a sentence for the reader.

    Args:
        shades: the different values of each mask, by name.
        palette: colours and their classes, where there is such a file.
        where: the set.

    Raises:
        InputError: colours without a palette, grey and coloured masks together, or too many different values.
    """
    coloured = [name for name, one in shades.items() if one.ndim == 2]
    if palette is not None:
        count = len(palette.names)
        return "colours", list(range(count)), f"masks read by the {count} colours of the palette"
    if coloured:
        first = shades[coloured[0]]
        shown = ", ".join(str(tuple(map(int, one))) for one in first[:4])
        raise InputError(
            f"{where}: {coloured[0]} is coloured ({shown}{' …' if len(first) > 4 else ''}); put a file palette.csv "
            "with lines name,red,green,blue beside the masks"
        )
    there = sorted({int(one) for values in shades.values() for one in values})
    if set(there) <= {0, 255}:
        return "binary", [0, 1], "masks of 0 and 255: two classes"
    numbers = [one for one in there if one != VOID]
    if len(numbers) > MANY:
        raise InputError(
            f"{where}: the masks hold {len(numbers)} different values, so they are no class numbers; save them as PNG "
            "without smoothing"
        )
    said = f"masks of the class numbers {', '.join(map(str, numbers[:8]))}{' …' if len(numbers) > 8 else ''}"
    return "numbers", numbers, said + ("; 255: not known" if VOID in there else "")


def class_numbers(values: Array, kind: MaskKind, palette: Palette | None, count: int, where: str) -> Array:
    """A mask's class numbers, uint8 `[H, W]`.

    Raises:
        InputError: a colour that the palette lacks, or a number that no class has, with a place.
    """
    if kind == "colours" and palette is not None:
        planes = values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=2)
        codes = planes.astype(np.int64) @ CODE
        result = np.full(codes.shape, VOID, dtype=np.uint8)
        for number, (red, green, blue) in enumerate(palette.colours):
            result[codes == red * 65536 + green * 256 + blue] = number
        if (strange := np.argwhere(result == VOID)).size:
            row, column = strange[0]
            raise InputError(
                f"{where}: the colour {tuple(map(int, planes[row, column]))} is not in the palette; add it"
            )
        return result
    if kind == "binary":
        strange = np.argwhere((values != 0) & (values != 255))
        if len(strange):
            raise InputError(f"{where}: a value of {values[tuple(strange[0])]} beside 0 and 255; save it unsmoothed")
        return np.asarray(values == 255, dtype=np.uint8)
    strange = np.argwhere((values >= count) & (values != VOID))
    if len(strange):
        row, column = strange[0]
        raise InputError(
            f"{where}, row {row}, column {column}: class {values[row, column]}, but the {count} classes are 0 to "
            f"{count - 1}; name more classes"
        )
    return values


def names_of(
    kind: MaskKind, numbers: Sequence[int], palette: Palette | None, given: Sequence[str] | None
) -> tuple[str, ...]:
    """The classes' names: those given, the palette's, or plain ones.

    Raises:
        InputError: fewer names than class numbers.
    """
    own = palette.names if palette is not None else None
    needed = len(own) if own is not None else 2 if kind == "binary" else max(numbers, default=1) + 1
    if given is not None:
        exact = kind != "numbers"
        if len(given) < needed or (exact and len(given) != needed):
            which = "masks of 0 and 255" if kind == "binary" else "the masks"
            raise InputError(f"data.classes names {len(given)} classes, but {which} hold {needed}; name as many")
        return tuple(given)
    if own is not None:
        return own
    if kind == "binary":
        return ("background", "foreground")
    return ("background", *(f"class {number}" for number in range(1, max(2, needed))))
