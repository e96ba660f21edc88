"""Small data of every kind, good and broken, and the command line called in this process."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = ("blue", "green", "red")


def write_pictures(folder: Path, number: int = 6) -> Path:
    """Noise in the colour of its class, a folder a class."""
    draw = np.random.default_rng(0)
    for place, name in enumerate(reversed(COLOURS)):
        (folder / name).mkdir(parents=True)
        for count in range(number):
            pixels = draw.integers(0, 90, (20, 24, 3), dtype=np.uint8)
            pixels[..., place] += 150
            Image.fromarray(pixels).save(folder / name / f"{count}.png")
    return folder


def write_table(path: Path, rows: int = 60) -> Path:
    """A number, a category and another number, by which cats and dogs are told apart; one cell is missing."""
    draw = np.random.default_rng(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["size", "colour", "weight", "kind"])
        for row in range(rows):
            kind = row % 2
            size = "" if row == 7 else round(draw.normal(3 * kind), 2)
            colour = ["red", "blue"][int(draw.random() < 0.3 + 0.4 * kind)]
            writer.writerow([size, colour, round(draw.normal(5), 2), ["cat", "dog"][kind]])
    return path


def write_values(path: Path) -> Path:
    """y = 2a - b with a little noise."""
    a, b, noise = np.random.default_rng(1).normal(size=(3, 80))
    rows = [
        f"{one:.3f},{two:.3f},{2 * one - two + 0.1 * error:.3f}" for one, two, error in zip(a, b, noise, strict=True)
    ]
    path.write_text("\n".join(["a,b,y", *rows]) + "\n")
    return path


def write_idx(path: Path, values: np.ndarray, magic: int | None = None) -> None:
    """An idx file of bytes."""
    start = (0x800 | values.ndim) if magic is None else magic
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    path.write_bytes(start.to_bytes(4, "big") + sizes + values.astype(np.uint8).tobytes())


def write_idx_folder(folder: Path) -> Path:
    """Forty small pictures of three classes to train on, twenty to test."""
    folder.mkdir()
    for part, number in (("train", 40), ("t10k", 20)):
        write_idx(folder / f"{part}-images-idx3-ubyte", np.random.default_rng(0).integers(0, 255, (number, 8, 8)))
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(number) % 3)
    return folder


def write_broken_pictures(folder: Path, good: Path) -> None:
    """Good pictures, and one of each kind that is not taken."""
    shutil.copytree(good, folder)
    red = folder / "red"
    whole = (red / "0.png").read_bytes()
    (red / "truncated.png").write_bytes(whole[: len(whole) // 2])
    Image.new("CMYK", (20, 20)).save(red / "cmyk.jpg")
    Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20)).save(red / "deep.png")
    Image.new("P", (20, 20)).save(red / "palette.png")
    frames = [Image.new("RGB", (20, 20)), Image.new("RGB", (20, 20), "red")]
    frames[0].save(red / "animated.gif", save_all=True, append_images=frames[1:])
    Image.new("1", (20_000, 20_000)).save(red / "bomb.png")
    (red / "text.png").write_text("hello")
    (red / "empty.png").write_bytes(b"")


def write_broken_tables(folder: Path) -> None:
    """CSV and npz files, each with one fault."""
    plain = [f"{row},{2 * row},{row % 2}" for row in range(30)]
    tables = {
        "text": [*plain, "oops,3,1", *plain],
        "single": [f"{row},{row},cat" for row in range(30)],
        "ragged": ["1,2,3", "1,2"] * 9,
        "infinite": [line.replace("4,8,", "4,inf,") for line in plain],
    }
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    (folder / "empty.csv").write_text("")
    (folder / "latin.csv").write_bytes(b"a,b\n" + b"caf\xe9,1\n" * 20)
    x, y = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32), np.arange(40) % 3
    hole = x.copy()
    hole[3, 1] = np.nan
    far = np.where(y == 2, 9, y)
    np.savez(folder / "range.npz", x_train=x, y_train=y, x_test=x, y_test=far)
    np.savez(folder / "negative.npz", x=x, y=np.where(y == 2, -1, y))
    np.savez(folder / "nan.npz", x=hole, y=y)
    np.savez(folder / "lengths.npz", x=x, y=y[:10])
    np.savez(folder / "names.npz", a=x, b=y)
    np.savez(folder / "objects.npz", x=x, y=np.array([{}] * 40, dtype=object))
    (folder / "junk.npz").write_bytes(b"junk")


def write_broken_idx(folder: Path) -> None:
    """idx folders, each with one fault."""
    images = "train-images-idx3-ubyte"
    write_idx(write_idx_folder(folder / "magic") / images, np.zeros((40, 8, 8)), magic=77_777)
    short = write_idx_folder(folder / "short") / images
    short.write_bytes(short.read_bytes()[:-9])
    (write_idx_folder(folder / "unlabelled") / "train-labels-idx1-ubyte").unlink()


RECIPES = {
    "bytes": b"\xff\xfe\x00",
    "syntax": b"name = 'x'\n[data\nsource = 1\n",
    "code": b"[model]\nname = 'os:system'\n[data]\nsource = 'iris'\n",
    "rule": b"[model]\nname = 'perceptron'\n[data]\nsource = 'iris'\n[optimizer]\nname = 'torch.optim:SGD'\n",
    "shape": b"model = 'perceptron'\n[data]\nsource = 'iris'\n",
    "section": b"[modell]\nname = 'perceptron'\n",
    "number": b"[model]\nname = 3\n[data]\nsource = 'iris'\n",
    "source": b"[model]\nname = 'perceptron'\n[data]\nsource = 5\n",
    "list": b"[model]\nname = 'perceptron'\n[data]\nsource = 'iris'\n[optimizer]\nname = ['adam']\n",
    "augment": b"augment = ['flip']\n[model]\nname = 'perceptron'\n[data]\nsource = 'iris'\n",
    "seed": b"seed = 'a'\n[model]\nname = 'perceptron'\n[data]\nsource = 'iris'\n",
    "bare": b"",
}


def write_recipes(folder: Path) -> None:
    """Recipe files, each with one fault."""
    for name, content in RECIPES.items():
        (folder / f"{name}.toml").write_bytes(content)
