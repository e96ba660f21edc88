"""Pictures with sentences about them, as samples of captioning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from neuropil.data.archive import Archive, UnusableFile
from neuropil.data.folder import PictureSamples, check_pictures
from neuropil.data.picture_layout import Picture
from neuropil.data.pictures import PictureHead, PictureRule, examine, has_picture_name
from neuropil.data.records import DataInfo, Skipped, Splits
from neuropil.errors import InputError
from neuropil.sequences.caption_files import Caption, read_captions, split_lists
from neuropil.sequences.division import Parts, settle_parts, splits_of
from neuropil.sequences.parallel import written
from neuropil.sequences.ragged import Ragged
from neuropil.sequences.text_files import part_of, text_store, usable_names
from neuropil.sequences.tokens import Level, tokens_of
from neuropil.sequences.vocabulary import PAD, Vocabulary

__all__ = ["CaptionSamples", "labelled_captions", "open_captions"]

Array = np.ndarray[Any, Any]


class CaptionSamples:
    """Pairs of a picture and a sentence about it; a picture with five sentences is five samples.

    Shape: a fetch gives inputs uint8 `[N, C, H, W]`, targets int64 `[N, T]` from `<bos>` to `<eos>`, 0 where padded.

    Args:
        pictures: each once.
        places: the picture of each sample, `[n]`.
        sentences: the numbers of each sample's tokens.
        info: what is known of the set.
        names: how to call each sample.
    """

    crops_while_decoding = True

    def __init__(
        self, pictures: PictureSamples, places: Array, sentences: Ragged, info: DataInfo, names: Sequence[str]
    ) -> None:
        self._pictures, self._places, self._sentences = pictures, places, sentences
        self._info, self._names = info, names

    @property
    def info(self) -> DataInfo:
        """What is known of the samples."""
        return self._info

    @property
    def targets(self) -> Array:
        """The tokens of all sentences, end to end."""
        return self._sentences.values.astype(np.int64)

    @property
    def lengths(self) -> Array:
        """Tokens of each sentence, `[n, 1]`: for batches."""
        return self._sentences.lengths[:, None]

    @property
    def pictures(self) -> Array:
        """The number of each sample's picture, `[n]`: samples of one number are about the same picture."""
        return self._places

    def __len__(self) -> int:
        return len(self._places)

    def name(self, index: int) -> str:
        """The picture's file and the line of the sentence."""
        return self._names[index]

    def fetch(self, indices: Array, draws: Array | None = None) -> tuple[Array, Array]:
        """Pictures and sentences; `draws` as of `PictureSamples.fetch`.

        Raises:
            InputError: a file has been damaged or removed since it was opened.
        """
        images, _ = self._pictures.fetch(self._places[indices], draws)
        return images, self._sentences.padded(indices, PAD)


def open_captions(
    *,
    root: str,
    pictures: str | None = None,
    size: int | tuple[int, int] = 128,
    convert: bool = False,
    strict: bool = False,
    encoding: str = "utf-8",
    level: Level = "word",
    lower: bool = True,
    least_count: int = 2,
    most: int | None = None,
    leave_out: tuple[str, ...] = (),
    valid_fraction: float = 0.1,
    test_fraction: float | None = None,
    split_seed: int = 0,
) -> Splits:
    """Pictures and a file of what they show: `picture.jpg,caption` or with a tab, or `picture.jpg#0<tab>caption`.

    Files that list pictures, or folders called `train`, `valid` and `test`, divide the set; else whole pictures are
    drawn. Pictures without caption are left aside; captions without picture are named and left out.

    Args:
        root: a folder or zip file of both.
        pictures: the folder or zip file of the pictures, where they lie elsewhere.
        size: side, or height and width, in picture elements, to which every picture is stretched.
        convert: also take CMYK, 16-bit and animated pictures (the first frame).
        strict: stop at the first picture that would be left out.
        encoding: of the caption file.
        level: `word` or `character`.
        lower: read capital letters as small ones.
        least_count: rarer tokens of the training part are unknown.
        most: entries of the vocabulary at most.
        leave_out: patterns of file names that are not read.
        valid_fraction: share of the training pictures to validate on, where the set has no such part.
        test_fraction: share to test on, likewise; left out: 0.1, or 0 where the set divides itself.
        split_seed: of the draw.

    Raises:
        InputError: no captions, no picture for any of them, a line that names no picture, or with `strict` a picture
            that cannot be used.
    """
    store = text_store(root)
    names = usable_names(store, leave_out)
    captions = read_captions(store, names, encoding)
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise InputError(f"size is {size}; give one side or [height, width], each from 1 up")
    rule = PictureRule(0, (height, width), "resize", convert=convert)
    found = _usable(store if pictures is None else text_store(pictures), captions, rule, strict=strict)
    notes: list[str] = []
    parts, sentence = settle_parts(
        _divided(found.captions, split_lists(store, names, encoding), notes), unit="pictures",
        valid_fraction=valid_fraction, test_fraction=test_fraction, seed=split_seed,
    )  # fmt: skip
    saved = {"level": level, "lower": lower, "encoding": encoding}
    return _described(root, found, parts, saved, least_count, most, [*notes, sentence])


class _Found(NamedTuple):
    """Pictures that can be used, and what is said of each."""

    store: Archive
    captions: dict[str, list[Caption]]
    heads: dict[str, PictureHead]
    views: dict[str, Array]
    rule: PictureRule
    skipped: list[Skipped]


def _usable(store: Archive, captions: Sequence[Caption], rule: PictureRule, *, strict: bool) -> _Found:
    """The pictures that are named and can be read, brought to one size; grey where all are, if the rule leaves it open.

    Raises:
        InputError: there is none, or with `strict` one is missing.
    """
    found, heads, skipped = _found_pictures(store, captions, convert=rule.convert)
    if not rule.channels:
        grey = bool(heads) and all(head.grey for head in heads.values())
        rule = replace(rule, channels=1 if grey else 3)
    every = [Picture(name, "") for name in sorted(heads)]
    views, _ = check_pictures(store, {"train": every}, heads, rule, skipped)
    if strict and skipped:
        raise InputError(f"{skipped[0].where}: {skipped[0].reason} (strict=true stops at such things)")
    of_picture: dict[str, list[Caption]] = {}
    for one in captions:
        if (name := found.get(one.picture, "")) in heads:
            of_picture.setdefault(name, []).append(one)
    if not of_picture:
        raise InputError(
            f"{store.where!r} holds no usable picture for {len(captions):,} captions; {skipped[0].where}: "
            f"{skipped[0].reason}; name the pictures' folder with data.pictures="
        )
    return _Found(store, of_picture, heads, views, rule, skipped)


def _described(
    root: str,
    found: _Found,
    parts: Parts[str],
    saved: dict[str, Any],
    least_count: int,
    most: int | None,
    notes: list[str],
) -> Splits:
    """The parts as samples, with the vocabulary of the training captions."""
    level, lower = saved["level"], saved["lower"]
    rows = {one: tokens_of(one.text, level, lower=lower) for texts in found.captions.values() for one in texts}
    counts = Counter(token for name in parts["train"] for one in found.captions[name] for token in rows[one])
    vocabulary = Vocabulary.build(counts, least_count=least_count, most=most)
    notes.append(f"{len(rows):,} captions; vocabulary: {len(vocabulary):,} {level}s")
    if found.skipped:
        notes.append(f"{len(found.skipped):,} captions or pictures were left out, see `skipped`")
    info = DataInfo(
        source=root,
        kind="images",
        target="tokens",
        input_shape=found.rule.shape,
        notes=tuple(notes),
        skipped=tuple(found.skipped),
        encoding={
            **found.rule.to_encoding(),
            "reads": "captions",
            **saved,
            "target_vocabulary": list(vocabulary.entries),
        },
    )
    numbers = {one: written(tokens, vocabulary) for one, tokens in rows.items()}
    return splits_of(parts, lambda names: _samples(found, names, numbers, info))


def labelled_captions(path: str, info: DataInfo) -> CaptionSamples:
    """Other pictures with captions, to evaluate on: the test part, else the validation part, else everything.

    Args:
        path: a folder or zip file of both.
        info: what is known of the training data.

    Raises:
        InputError: no captions, or no picture for any of them.
    """
    saved, store = info.encoding, text_store(path)
    names, encoding = usable_names(store), str(saved["encoding"])
    found = _usable(store, read_captions(store, names, encoding), PictureRule.from_encoding(saved), strict=False)
    parts = _divided(found.captions, split_lists(store, names, encoding), [])
    chosen = next(parts[part] for part in ("test", "valid", None, "train") if parts.get(part))
    vocabulary = Vocabulary.from_saved(saved.get("target_vocabulary"), "target_vocabulary")
    numbers = {
        one: written(tokens_of(one.text, saved["level"], lower=bool(saved["lower"])), vocabulary)
        for name in chosen
        for one in found.captions[name]
    }
    return _samples(found, chosen, numbers, replace(info, skipped=tuple(found.skipped)))


def _found_pictures(
    store: Archive, captions: Sequence[Caption], *, convert: bool
) -> tuple[dict[str, str], dict[str, PictureHead], list[Skipped]]:
    """The file of each picture that is named, the files' headers, and what cannot be used."""
    files: dict[str, str] = {}
    for name in store.files:
        if has_picture_name(name, readable=True):
            path = PurePosixPath(name)
            files.update(dict.fromkeys((name, path.name, "/".join(path.parts[-2:])), name))
    found: dict[str, str] = {}
    heads: dict[str, PictureHead] = {}
    skipped: list[Skipped] = []
    missing: set[str] = set()
    for one in captions:
        file_name = files.get(one.picture) or files.get(PurePosixPath(one.picture).name)
        if file_name is None:
            if one.picture not in missing:
                skipped.append(Skipped(one.where, f"there is no picture {one.picture!r}"))
            missing.add(one.picture)
        elif one.picture not in found:
            found[one.picture] = file_name
            try:
                with store.open(file_name) as file:
                    heads[file_name] = examine(file, convert=convert)
            except UnusableFile as error:
                skipped.append(Skipped(file_name, str(error)))
    return found, heads, skipped


def _divided(
    of_picture: Mapping[str, Sequence[Caption]], lists: Mapping[str, str], notes: list[str]
) -> dict[str | None, list[str]]:
    """The picture files of each part: as lists say, else as folders say; of `None` where nothing says it."""
    parts: dict[str | None, list[str]] = {}
    for name in of_picture:
        said = lists.get(PurePosixPath(name).name, lists.get(name))
        parts.setdefault(said if lists else part_of(f"{PurePosixPath(name).parent}/x"), []).append(name)
    if "train" not in parts:
        return {None: list(of_picture)}
    if aside := parts.pop(None, None):
        notes.append(f"{len(aside):,} pictures are of no part and left aside")
    return parts


def _samples(found: _Found, names: Sequence[str], numbers: Mapping[Caption, Array], info: DataInfo) -> CaptionSamples:
    stacked = np.stack([found.views[name] for name in names]) if found.views else None
    nothing = np.zeros(len(names), dtype=np.int64)
    heads = [found.heads[name] for name in names]
    pictures = PictureSamples(found.store, names, heads, nothing, found.rule, info, stacked)
    captions = [(place, one) for place, name in enumerate(names) for one in found.captions[name]]
    return CaptionSamples(
        pictures,
        np.array([place for place, _ in captions], dtype=np.int64),
        Ragged.of([numbers[one] for _, one in captions]),
        info,
        [f"{names[place]} ({one.where})" for place, one in captions],
    )
