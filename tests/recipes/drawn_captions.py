"""A set of pictures and sentences by a grammar: coloured shapes in the quarters of a picture."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

from PIL import Image, ImageDraw

__all__ = ["draw_set"]

COLOURS = {
    "red": (210, 40, 40),
    "green": (40, 160, 60),
    "blue": (50, 80, 210),
    "yellow": (220, 190, 40),
    "black": (20, 20, 20),
}
SHAPES = ("circle", "square", "triangle", "cross", "ring")
PLACES = {"top left": (0, 0), "top right": (1, 0), "bottom left": (0, 1), "bottom right": (1, 1)}
SIDE = 40

Thing = tuple[str, str, str]
"""Colour, shape, place."""


def draw_set(folder: Path, counts: dict[str, int], seed: int) -> None:
    """Pictures in a folder a part, and captions.txt; no combination of two things stands in two parts."""
    chance = random.Random(seed)
    things = list(itertools.product(COLOURS, SHAPES, PLACES))
    pairs = [
        (one, two)
        for one, two in itertools.product(things, things)
        if list(PLACES).index(one[2]) < list(PLACES).index(two[2])
    ]
    chance.shuffle(pairs)
    lines, drawn = ["image,caption"], iter(pairs)
    for part, count in counts.items():
        (folder / part).mkdir(parents=True)
        for number, pair in enumerate(itertools.islice(drawn, count)):
            picture(pair, chance).save(folder / part / f"{part}{number:04}.png")
            lines.append(f"{part}{number:04}.png,{sentence(pair)}")
    (folder / "captions.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def sentence(pair: tuple[Thing, Thing]) -> str:
    """The one sentence of the grammar about two things, the upper or left one first."""
    (colour, shape, place), (other_colour, other_shape, other_place) = pair
    start = f"a {colour} {shape} at the {place}"
    if (colour, shape) == (other_colour, other_shape):
        return f"{start} and another at the {other_place}"
    return f"{start} and a {other_colour} {other_shape} at the {other_place}"


def picture(pair: tuple[Thing, Thing], chance: random.Random) -> Image.Image:
    """Both things on a noisy ground, each a little off the middle of its quarter and of its own size."""
    ground = chance.randrange(200, 256)
    image = Image.new("RGB", (SIDE, SIDE), (ground, ground, ground))
    pen = ImageDraw.Draw(image)
    for colour, shape, place in pair:
        column, row = PLACES[place]
        x, y = (SIDE // 4 + SIDE // 2 * one + chance.randint(-2, 2) for one in (column, row))
        draw_shape(pen, shape, x, y, chance.randint(5, 7), COLOURS[colour])
    return image


def draw_shape(pen: ImageDraw.ImageDraw, shape: str, x: int, y: int, r: int, colour: tuple[int, int, int]) -> None:
    if shape == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif shape == "square":
        pen.rectangle((x - r, y - r, x + r, y + r), fill=colour)
    elif shape == "triangle":
        pen.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=colour)
    elif shape == "ring":
        pen.ellipse((x - r, y - r, x + r, y + r), outline=colour, width=2)
    else:
        pen.rectangle((x - r, y - 1, x + r, y + 1), fill=colour)
        pen.rectangle((x - 1, y - r, x + 1, y + r), fill=colour)
