"""Faults planted into copies of real data sets. It knows nothing of the rules that look for them: files, Pillow and
NumPy only.

Each function copies a set into a folder, damages some samples, and gives what it did: the kind of each fault, and the
names (files, or file and line) that a finding must hold to count as having found it.
"""

from __future__ import annotations

import gzip
import random
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageEnhance, ImageOps


class Planted(NamedTuple):
    """One fault."""

    kind: str
    names: tuple[str, ...]


def mnist_arrays(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures and labels of the official files."""
    pictures = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())[8:]
    return np.frombuffer(pictures, np.uint8).reshape(-1, 28, 28), np.frombuffer(labels, np.uint8)


def write_digits(mnist: Path, out: Path, counts: dict[str, int]) -> dict[str, list[str]]:
    """MNIST as a folder of PNG files, parts and classes; gives the names of each part."""
    names: dict[str, list[str]] = {}
    for part, file in (("train", "train"), ("test", "t10k")):
        pictures, labels = mnist_arrays(mnist, file)
        for digit in range(10):
            (out / part / str(digit)).mkdir(parents=True, exist_ok=True)
        names[part] = []
        for number in range(counts[part]):
            name = f"{part}/{labels[number]}/{number:05d}.png"
            Image.fromarray(pictures[number]).save(out / name)
            names[part].append(name)
    return names


def opened(path: Path) -> Image.Image:
    """A picture in memory, its file closed."""
    with Image.open(path) as picture:
        return picture.copy()


def changed(picture: Image.Image, how: str, chance: random.Random) -> tuple[Image.Image, dict[str, object]]:
    """A picture changed a little, and how to save it."""
    if how == "jpeg":
        return picture, {"format": "JPEG", "quality": chance.randint(70, 95)}
    if how == "brightness":
        brighter = ImageEnhance.Brightness(picture).enhance(chance.choice((0.8, 0.88, 1.1, 1.15)))
        return brighter.point(lambda value: value + 6), {"format": "PNG"}
    if how == "contrast":
        return ImageEnhance.Contrast(picture).enhance(chance.choice((0.85, 1.12))), {"format": "PNG"}
    factor = chance.choice((0.8, 0.9, 1.1, 1.2))
    size = (round(picture.width * factor), round(picture.height * factor))
    return picture.resize(size, Image.Resampling.BICUBIC), {"format": "PNG"}


def plant_digits(mnist: Path, out: Path, counts: dict[str, int], each: int, seed: int = 1) -> list[Planted]:
    """A folder of digits with `each` faults of each kind."""
    chance = random.Random(seed)
    names = write_digits(mnist, out, counts)
    free = {part: chance.sample(found, len(found)) for part, found in names.items()}
    planted: list[Planted] = []

    def take(part: str = "train") -> str:
        return free[part].pop()

    for number in range(each):
        name = take()
        content = (out / name).read_bytes()
        (out / name).write_bytes((content[: len(content) // 2], b"", b"this is no picture at all")[number % 3])
        planted.append(Planted("broken", (name,)))

        name = take()
        copy = f"{Path(name).parent}/copy{number}.png"
        (out / copy).write_bytes((out / name).read_bytes())
        planted.append(Planted("duplicate", (name, copy)))

        name = take()
        copy = f"test/{name.split('/')[1]}/leak{number}.png"
        (out / copy).write_bytes((out / name).read_bytes())
        planted.append(Planted("leak", (name, copy)))

        name = take()
        copy = f"train/{(int(name.split('/')[1]) + 3) % 10}/other{number}.png"
        (out / copy).write_bytes((out / name).read_bytes())
        planted.append(Planted("contradiction", (name, copy)))

        name = take()
        Image.new("L", (28, 28), chance.choice((0, 90, 255))).save(out / name)
        planted.append(Planted("blank", (name,)))

        name = take()
        ImageOps.invert(opened(out / name)).save(out / name)
        planted.append(Planted("inverted", (name,)))

        for how in ("jpeg", "brightness", "contrast"):
            name = take()
            part = chance.choice(("train", "test"))
            picture, options = changed(opened(out / name), how, chance)
            suffix = "jpg" if options["format"] == "JPEG" else "png"
            copy = f"{part}/{name.split('/')[1]}/near-{how}{number}.{suffix}"
            picture.save(out / copy, **options)  # type: ignore[arg-type]
            planted.append(Planted("near", (name, copy)))
    return planted


def unpack(archive: Path, out: Path) -> None:
    """A zip file of the shared data."""
    with zipfile.ZipFile(archive) as file:
        file.extractall(out)


def plant_boxes(bccd: Path, out: Path, each: int, seed: int = 2) -> list[Planted]:
    """BCCD with faults in pictures, XML files and boxes."""
    chance = random.Random(seed)
    unpack(bccd / "BCCD.zip", out)
    root = out / "BCCD"
    lists = {part: (root / f"ImageSets/Main/{part}.txt").read_text().split() for part in ("train", "val", "test")}
    stems = chance.sample(lists["train"], len(lists["train"]))
    planted: list[Planted] = []

    def text_of(stem: str) -> str:
        return (root / f"Annotations/{stem}.xml").read_text()

    def put(stem: str, text: str) -> None:
        (root / f"Annotations/{stem}.xml").write_text(text)

    def first_box(stem: str) -> tuple[list[str], int]:
        lines = text_of(stem).splitlines()
        return lines, next(number for number, line in enumerate(lines) if "<bndbox>" in line)

    def corner(lines: list[str], begin: int, tag: str, value: int) -> None:
        at = next(number for number in range(begin, begin + 6) if f"<{tag}>" in lines[number])
        lines[at] = f"<{tag}>{value}</{tag}>"

    def value_of(lines: list[str], begin: int, tag: str) -> int:
        return int(re.search(f"<{tag}>(\\d+)<", "\n".join(lines[begin : begin + 6]))[1])  # type: ignore[index]

    for number in range(each):
        for kind in ("outside", "no area", "thin", "before"):
            stem = stems.pop()
            lines, at = first_box(stem)
            if kind == "outside":
                corner(lines, at, "xmax", 640 + chance.randint(15, 300))
            elif kind == "no area":
                corner(lines, at, "xmax", value_of(lines, at, "xmin"))
            elif kind == "thin":
                corner(lines, at, "ymax", value_of(lines, at, "ymin") + chance.choice((1, 2)))
            else:
                corner(lines, at, "xmax", value_of(lines, at, "xmin") - 9)
            put(stem, "\n".join(lines))
            planted.append(Planted(f"box {kind}", (f"{stem}.xml, line {at + 1}",)))
        stem = stems.pop()
        block = re.search(r"<object>.*?</object>", text_of(stem), re.DOTALL)[0]  # type: ignore[index]
        text = text_of(stem).replace("</annotation>", f"{block}\n</annotation>")
        put(stem, text)
        again = text[: text.rindex("<bndbox>")].count("\n") + 1
        planted.append(Planted("box doubled", (f"{stem}.xml, line {again}",)))
        stem = stems.pop()
        put(stem, text_of(stem).replace("<width>640", "<width>320"))
        planted.append(Planted("annotation size", (f"{stem}.xml",)))
        stem = stems.pop()
        put(stem, text_of(stem)[: -len("</annotation>") - 5])
        planted.append(Planted("broken", (f"{stem}.xml",)))
        stem = stems.pop()
        (root / f"JPEGImages/{stem}.jpg").unlink()
        planted.append(Planted("broken", (f"{stem}.xml",)))
        stem = stems.pop()
        content = (root / f"JPEGImages/{stem}.jpg").read_bytes()
        (root / f"JPEGImages/{stem}.jpg").write_bytes(content[: len(content) // 3])
        planted.append(Planted("broken", (f"{stem}.jpg",)))
        stem = stems.pop()
        ImageOps.invert(opened(root / f"JPEGImages/{stem}.jpg")).save(root / f"JPEGImages/{stem}.jpg", quality=92)
        planted.append(Planted("inverted", (f"{stem}.jpg",)))
        for how in ("same", "jpeg", "brightness", "contrast", "resize"):
            stem, part = stems.pop(), chance.choice(("train", "test"))
            copy = f"Copy_{how}_{number}"
            picture = opened(root / f"JPEGImages/{stem}.jpg")
            text = text_of(stem).replace(stem, copy)
            if how == "same":
                (root / f"JPEGImages/{copy}.jpg").write_bytes((root / f"JPEGImages/{stem}.jpg").read_bytes())
            else:
                other, options = changed(picture, how, chance)
                other.save(root / f"JPEGImages/{copy}.jpg", "JPEG", quality=options.get("quality", 90))
                text = text.replace("<width>640", f"<width>{other.width}")
                text = text.replace("<height>480", f"<height>{other.height}")
            put(copy, text)
            lists[part].append(copy)
            planted.append(Planted("duplicate or leak" if how == "same" else "near", (f"{stem}.jpg", f"{copy}.jpg")))
    for part, found in lists.items():
        (root / f"ImageSets/Main/{part}.txt").write_text("\n".join(found) + "\n")
    return planted


def plant_masks(membrane: Path, out: Path, seed: int = 3) -> list[Planted]:
    """The membrane slices with faults in pictures and masks."""
    chance = random.Random(seed)
    unpack(membrane / "membrane.zip", out)
    pictures = sorted(path for path in out.rglob("*.png") if path.parent.name == "image")
    masks = {path: path.parent.parent / "label" / path.name for path in pictures}
    free = chance.sample(pictures, len(pictures))
    planted = []

    def name(path: Path) -> str:
        return "/".join(path.parts[-2:])

    for _ in range(2):
        path = free.pop()
        Image.new("L", (512, 512), 0).save(masks[path])
        planted.append(Planted("constant mask", (name(path),)))
        path = free.pop()
        values = np.array(opened(masks[path]))
        values[100:104, 50:70] = 77
        Image.fromarray(values).save(masks[path])
        planted.append(Planted("mask value", (name(masks[path]),)))
        path = free.pop()
        opened(masks[path]).resize((256, 256)).save(masks[path])
        planted.append(Planted("mask size", (name(masks[path]),)))
        path = free.pop()
        masks[path].write_bytes(masks[path].read_bytes()[:500])
        planted.append(Planted("broken", (name(masks[path]),)))
        path = free.pop()
        Image.new("L", (512, 512), 128).save(path)
        planted.append(Planted("blank", (name(path),)))
        path = free.pop()
        path.with_name(f"c{path.name}").write_bytes(path.read_bytes())
        masks[path].with_name(f"c{path.name}").write_bytes(masks[path].read_bytes())
        planted.append(Planted("duplicate or leak", (name(path), f"image/c{path.name}")))
        for how in ("jpeg", "brightness", "contrast"):
            path = free.pop()
            other, options = changed(opened(path), how, chance)
            copy = path.with_name(f"{how}{path.stem}.{'jpg' if how == 'jpeg' else 'png'}")
            other.save(copy, **options)  # type: ignore[arg-type]
            masks[path].with_name(f"{how}{path.name}").write_bytes(masks[path].read_bytes())
            planted.append(Planted("near", (name(path), name(copy))))
    return planted


def edited(text: str, chance: random.Random) -> str:
    """A sentence of six words or more with one small change."""
    words = text.split()
    how = chance.choice(("letter", "twice", "drop", "case", "point", "word"))
    at = chance.choice([place for place, word in enumerate(words) if len(word) > 3])
    if how == "letter":
        word = words[at]
        words[at] = word[:1] + word[2:]
    elif how == "twice":
        words.insert(at, words[at])
    elif how == "drop" and len(words) > 9:
        del words[at]
    elif how == "word" and len(words) > 11:
        words[at] = "something"
    elif how == "point":
        return text.rstrip(" .") + " !"
    else:
        return text.upper() if chance.random() < 0.5 else text.lower().capitalize() + " ."
    return " ".join(words)


def wrongly_decoded(text: str) -> str:
    """What UTF-8 looks like when it was read as Windows-1252 and saved again."""
    return text.encode("utf-8").decode("cp1252", "ignore")


def plant_pairs(multi30k: Path, out: Path, each: int, seed: int = 4) -> list[Planted]:
    """Multi30k with faults in single lines, and a stretch of lines that slipped."""
    chance = random.Random(seed)
    names = {"train": "train", "val": "val", "test": "test_2016_flickr"}
    texts = {
        (part, end): gzip.decompress((multi30k / f"{name}.{end}.gz").read_bytes()).decode("utf-8").splitlines()
        for part, name in names.items()
        for end in ("de", "en")
    }
    count = len(texts["train", "de"])
    free = [n for n in chance.sample(range(count), count) if not 20_000 <= n < 20_100]
    long = [n for n in free if len(texts["train", "de"][n].split()) > 7 and len(texts["train", "en"][n].split()) > 7]
    planted: list[Planted] = []
    raw: dict[tuple[str, int], bytes] = {}

    def place(number: int, part: str = "train", end: str = "de") -> str:
        return f"{part}.{end}, line {number + 1}"

    def take() -> int:
        return long.pop()

    def add(part: str, source: str, target: str) -> str:
        texts[part, "de"].append(source)
        texts[part, "en"].append(target)
        return place(len(texts[part, "de"]) - 1, part)

    def pair(number: int) -> tuple[str, str]:
        return texts["train", "de"][number], texts["train", "en"][number]

    for _ in range(each):
        number = take()
        texts["train", "en"][number] = texts["train", "de"][number]
        planted.append(Planted("untranslated", (place(number),)))
        number, other = take(), take()
        texts["train", "de"][number] = texts["train", "en"][other]
        planted.append(Planted("wrong language", (place(number),)))
        number = take()
        texts["train", "de"][number], texts["train", "en"][number] = pair(number)[::-1]
        planted.append(Planted("swapped", (place(number),)))
        number = take()
        end = chance.choice(("de", "en"))
        texts["train", end][number] = "  " if chance.random() < 0.5 else ""
        planted.append(Planted("empty line", (place(number, end=end),)))
        number = take()
        texts["train", "en"][number] = " ".join([texts["train", "en"][number]] * 5)
        planted.append(Planted("length ratio", (place(number),)))
        number = take()
        texts["train", "en"][number] = " ".join(texts["train", "en"][n] for n in chance.sample(free, 12))
        planted.append(Planted("too long", (place(number),)))
        number = take()
        planted.append(Planted("duplicate", (place(number), add("train", *pair(number)))))
        number = take()
        planted.append(Planted("leak", (place(number), add(chance.choice(("val", "test")), *pair(number)))))
        number, other = take(), take()
        planted.append(Planted("contradiction", (place(number), add("train", pair(number)[0], pair(other)[1]))))
        for _ in range(3):
            number = take()
            source, target = pair(number)
            if chance.random() < 0.5:
                source = edited(source, chance)
            else:
                target = edited(target, chance)
            part = chance.choice(("train", "val", "test"))
            planted.append(Planted("near", (place(number), add(part, source, target))))
        number = next(n for n in long if re.search("[äöüß]", texts["train", "de"][n]))
        long.remove(number)
        texts["train", "de"][number] = wrongly_decoded(texts["train", "de"][number])
        planted.append(Planted("decoded wrongly", (place(number),)))
        number = next(n for n in long if re.search("[äöüß]", texts["train", "de"][n]))
        long.remove(number)
        raw["train", number] = texts["train", "de"][number].encode("latin-1", "ignore")
        planted.append(Planted("other encoding", (place(number),)))
    block = texts["train", "en"][20_000:20_040]
    texts["train", "en"][20_000:20_040] = [*block[1:], block[0]]
    planted += [Planted("slipped", (place(number),)) for number in range(20_000, 20_040)]
    out.mkdir(parents=True, exist_ok=True)
    for (part, end), lines in texts.items():
        encoded = [
            raw[part, number] if end == "de" and (part, number) in raw else line.encode("utf-8")
            for number, line in enumerate(lines)
        ]
        (out / f"{part}.{end}").write_bytes(b"\n".join(encoded) + b"\n")
    return planted


def plant_tags(ud: Path, out: Path, each: int, seed: int = 5) -> list[Planted]:
    """UD English with faults in words, tags and sentences."""
    chance = random.Random(seed)
    blocks: dict[str, list[list[str]]] = {}
    for part in ("train", "dev", "test"):
        text = gzip.decompress((ud / f"en_ewt-ud-{part}.conllu.gz").read_bytes()).decode("utf-8")
        blocks[part] = [block.split("\n") for block in text.strip().split("\n\n")]
    plain = [
        number
        for number, block in enumerate(blocks["train"])
        if 8 <= sum(line[:1].isdigit() for line in block) <= 40
        and not any(re.match(r"\d+[-.]", line) for line in block)
    ]
    free = chance.sample(plain, len(plain))
    marks: list[tuple[str, list[tuple[str, list[str], int]]]] = []

    def words(block: list[str]) -> list[int]:
        return [number for number, line in enumerate(block) if line[:1].isdigit()]

    def cells(block: list[str], at: int, column: int, value: str) -> None:
        row = block[at].split("\t")
        row[column] = value
        block[at] = "\t".join(row)

    def first(part: str, block: list[str]) -> tuple[str, list[str], int]:
        return part, block, words(block)[0]

    def take() -> list[str]:
        return blocks["train"][free.pop()]

    for number in range(each):
        block = take()
        at = chance.choice(words(block))
        cells(block, at, 3, "_")
        marks.append(("broken", [("train", block, at)]))
        block = take()
        at = chance.choice(words(block))
        block[at] = "\t".join(block[at].split("\t")[:6])
        marks.append(("broken", [("train", block, at)]))
        block = take()
        at = chance.choice(words(block))
        cells(block, at, 3, f"ONCE{number}")
        marks.append(("tag once", [("train", block, at)]))
        block = blocks["dev"][50 + 7 * number]
        at = chance.choice([n for n in words(block) if not re.match(r"\d+[-.]", block[n])])
        cells(block, at, 3, "UNSEEN")
        marks.append(("unknown tag", [("dev", block, at)]))
        block = take()
        copy = list(block)
        part = chance.choice(("train", "dev", "test"))
        blocks[part].append(copy)
        marks.append(("duplicate or leak", [first("train", block), first(part, copy)]))
        block = take()
        copy = list(block)
        at = chance.choice(words(copy))
        cells(copy, at, 3, "VERB" if copy[at].split("\t")[3] != "VERB" else "NOUN")
        blocks["train"].append(copy)
        marks.append(("contradiction", [first("train", block), first("train", copy)]))
        for _ in range(2):
            block = take()
            copy = list(block)
            places = [n for n in words(copy) if len(copy[n].split("\t")[1]) > 3]
            if not places:
                continue
            at = chance.choice(places)
            word = copy[at].split("\t")[1]
            long = len(words(copy)) > 12
            other = "Something" if long else word.title()
            cells(copy, at, 1, chance.choice((word.upper(), word[:1] + word[2:], other)))
            if copy[at] == block[at]:
                cells(copy, at, 1, word.swapcase())
            blocks[part].append(copy)
            marks.append(("near", [first("train", block), first(part, copy)]))
        block = take()
        at = chance.choice(words(block))
        cells(block, at, 1, wrongly_decoded(chance.choice(("Zürich", "café", "naïve", "São", "“so”"))))
        marks.append(("decoded wrongly", [first("train", block)]))
        rows = [row for _ in range(9) for row in (blocks["train"][n][w] for n in chance.sample(plain, 2) for w in
                words(blocks["train"][n])) if row.count("\t") == 9 and "\t_\t_\t_\t_" not in row]  # fmt: skip
        rows = [row for row in rows if row.split("\t")[3] != "_" and "ONCE" not in row]
        block = ["# too long", *rows]
        blocks["train"].append(block)
        marks.append(("too long", [first("train", block)]))
    out.mkdir(parents=True, exist_ok=True)
    begins: dict[int, int] = {}
    for part, of_part in blocks.items():
        line = 1
        for block in of_part:
            begins[id(block)] = line
            line += len(block) + 1
        (out / f"{part}.conllu").write_text("\n\n".join("\n".join(block) for block in of_part) + "\n\n", "utf-8")
    return [
        Planted(kind, tuple(f"{part}.conllu, line {begins[id(block)] + at}" for part, block, at in places))
        for kind, places in marks
    ]


def plant_table(wine: Path, out: Path, each: int, seed: int = 6) -> list[Planted]:
    """A table of measures with faults in cells, rows and columns."""
    chance = random.Random(seed)
    text = wine.read_text().strip()
    sign = ";" if text.count(";") > text.count(",") else ","
    rows = [line.split(sign) for line in text.splitlines()]
    if not rows[0][0].replace(".", "").strip().isdigit():
        rows.pop(0)
    rows = list(dict.fromkeys(map(tuple, rows)))  # type: ignore[arg-type]
    rows = [list(row) for row in rows]
    free = chance.sample(range(len(rows)), len(rows))
    marks: list[tuple[str, tuple[int, ...]]] = []
    width = len(rows[0])

    def add(row: Sequence[str]) -> int:
        rows.append(list(row))
        return len(rows) - 1

    for _ in range(each):
        at = free.pop()
        rows[at][1] = str(float(rows[at][1]) * 1000 + 50)
        marks.append(("outlier", (at,)))
        at = free.pop()
        rows[at] = rows[at][:-2]
        marks.append(("broken", (at,)))
        at = free.pop()
        rows[at][2] = "unreadable"
        marks.append(("broken", (at,)))
        at = free.pop()
        rows[at][-1] = ""
        marks.append(("broken", (at,)))
        at = free.pop()
        marks.append(("duplicate or leak", (at, add(rows[at]))))
        at = free.pop()
        row = list(rows[at])
        row[-1] = next(other[-1] for other in rows if len(other) == width and other[-1] not in ("", row[-1]))
        marks.append(("contradiction", (at, add(row))))
        at = free.pop()
        row = [*(str(float(cell) * (1 + chance.uniform(-1e-6, 1e-6))) for cell in rows[at][:-1]), rows[at][-1]]
        marks.append(("near", (at, add(row))))
    out.parent.mkdir(parents=True, exist_ok=True)
    head = sign.join([*(f"m{place}" for place in range(width - 1)), "kind"])
    lines = [f"{head}{sign}still"] + [sign.join(row) + (f"{sign}7" if len(row) == width else "") for row in rows]
    lines = [_moved_last(line, sign) for line in lines]
    out.write_text("\n".join(lines) + "\n")
    return [
        *(Planted(kind, tuple(f"line {at + 2}" for at in places)) for kind, places in marks),
        Planted("constant column", ("still",)),
    ]


def _moved_last(line: str, sign: str) -> str:
    """The last cell before the one in front of it, so that the target stays the last."""
    cells = line.split(sign)
    return sign.join([*cells[:-2], cells[-1], cells[-2]])
