"""Augmentations against torchvision, Pillow and SciPy; pure functions of the draws; refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from batches.memory_samples import MemorySamples, pictures, table
from neuropil.batches import AUGMENTATIONS
from neuropil.batches.augmentation import Augmentation, ChangingPart, MixingPart
from neuropil.batches.augmentation_geometry import (
    Affine,
    Flip,
    RandomResizedCrop,
    ShiftCrop,
    box_masks,
    rotation,
)
from neuropil.batches.augmentation_mixing import CutMix, Mixup, beta_quantile
from neuropil.batches.augmentation_values import ColourJitter, Cutout
from neuropil.batches.batching import Batches
from neuropil.data.cropping import crop_boxes
from neuropil.data.order import uniforms
from neuropil.errors import InputError

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def functional() -> Any:
    pytest.importorskip("oracle_shim")
    return pytest.importorskip("torchvision.transforms.v2.functional")


@pytest.fixture(scope="module")
def transforms() -> Any:
    pytest.importorskip("oracle_shim")
    return pytest.importorskip("torchvision.transforms.v2")


def draws_for(part: Any, count: int, seed: int = 0) -> Array:
    return uniforms(np.arange(count), part.draws, seed=seed, epoch=0, stream="test")


def smooth(count: int, shape: tuple[int, int, int] = (3, 20, 16)) -> Array:
    """Pictures with edges and slopes."""
    return pictures(count, shape).inputs


# geometry


def test_flip_mirrors_the_chosen_half() -> None:
    images = smooth(400)
    part = Flip()
    mirrored = part.parameters(draws_for(part, 400))
    found = part.apply(images, draws_for(part, 400))
    assert 150 < mirrored.sum() < 250
    assert np.array_equal(found[~mirrored], images[~mirrored])
    for given, got in zip(images[mirrored], found[mirrored], strict=True):
        turned = Image.fromarray(given.transpose(1, 2, 0)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        assert np.array_equal(got, np.asarray(turned).transpose(2, 0, 1))
    assert np.array_equal(Flip(p=0.0).apply(images, draws_for(part, 400)), images)


@pytest.mark.parametrize(("fill", "mode"), [("zero", "constant"), ("reflect", "reflect")])
def test_shift_crop_is_torchvisions_pad_and_crop(functional: Any, fill: Any, mode: str) -> None:
    images = smooth(60)
    part = ShiftCrop(pixels=3, fill=fill)
    draws = draws_for(part, 60)
    padded = functional.pad(torch.from_numpy(images), [3, 3, 3, 3], padding_mode=mode)
    for got, one, (row, column) in zip(part.apply(images, draws), padded, part.parameters(draws), strict=True):
        assert np.array_equal(got, functional.crop(one, int(row), int(column), 20, 16).numpy())


def test_shift_crop_takes_every_place_alike() -> None:
    part = ShiftCrop(pixels=2)
    places = part.parameters(draws_for(part, 5000))
    counts = np.unique(places, axis=0, return_counts=True)[1]
    assert len(counts) == 25
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("shape", [(3, 20, 16), (1, 28, 28)])
def test_random_resized_crop_is_torchvisions_resized_crop(functional: Any, shape: tuple[int, int, int]) -> None:
    images = smooth(40, shape)
    part = RandomResizedCrop()
    draws = draws_for(part, 40)
    boxes = part.parameters(draws, *shape[1:]).tolist()
    for given, got, box in zip(images, part.apply(images, draws), boxes, strict=True):
        wanted = functional.resized_crop(torch.from_numpy(given).float(), *box, size=list(shape[1:]), antialias=True)
        assert np.abs(got - wanted.numpy()).max() <= 0.5 + 1e-3


def test_crop_boxes_have_the_area_and_ratio_asked_for_and_lie_inside() -> None:
    draws = uniforms(np.arange(4000), 4, seed=0, epoch=0, stream="boxes")
    top, left, tall, wide = crop_boxes(draws, 300, 400).T
    assert min(top.min(), left.min()) == 0
    assert (top + tall).max() <= 300
    assert (left + wide).max() <= 400
    free = (tall < 300) & (wide < 400)
    assert free.mean() > 0.7
    share, ratio = tall * wide / 120_000, wide / tall
    assert 0.07 < share.min() < 0.1
    assert np.abs(share[free] - (0.08 + 0.92 * draws[free, 0])).max() < 0.01
    assert 0.73 < ratio[free].min() < 0.77
    assert 1.3 < ratio[free].max() < 1.36
    assert stats.kstest(np.log(ratio[share < 0.4]), stats.uniform(np.log(3 / 4), np.log(16 / 9)).cdf).pvalue > 1e-3


def test_draws_for_decoding_give_the_boxes_of_the_parts_own_ranges() -> None:
    part = RandomResizedCrop(scale=(0.35, 1.0), ratio=(0.9, 1.2))
    draws = draws_for(part, 500)
    moved = part.decoding_draws(draws)
    assert moved.min() >= 0
    assert moved.max() < 1
    assert np.array_equal(crop_boxes(moved, 480, 640), part.parameters(draws, 480, 640))


@pytest.mark.parametrize("shape", [(3, 20, 16), (1, 28, 28)])
def test_affine_is_torchvisions(functional: Any, shape: tuple[int, int, int]) -> None:
    images = smooth(30, shape)
    part = Affine(degrees=40, shift=0.2, scale=(0.7, 1.3))
    draws = draws_for(part, 30)
    found = part.apply(images, draws)
    height, width = shape[1:]
    for given, got, (angle, right, down, size) in zip(images, found, draws, strict=True):
        wanted = functional.affine(
            torch.from_numpy(given).float(),
            angle=40 * (2 * angle - 1),
            translate=[0.2 * width * (2 * right - 1), 0.2 * height * (2 * down - 1)],
            scale=0.7 + 0.6 * size,
            shear=[0.0, 0.0],
            interpolation=functional.InterpolationMode.BILINEAR,
        )
        assert np.abs(got - wanted.numpy()).max() <= 0.5 + 0.05  # torchvision computes places in float32


def test_quarter_turns_are_exact() -> None:
    images = smooth(3, (3, 9, 9))
    part = rotation(degrees=90)
    assert np.array_equal(part.apply(images, np.full((3, 4), 1.0)), np.rot90(images, -1, axes=(2, 3)))  # clockwise
    assert np.array_equal(part.apply(images, np.zeros((3, 4))), np.rot90(images, 1, axes=(2, 3)))
    assert np.array_equal(part.apply(images, np.full((3, 4), 0.5)), images)


def test_a_box_moved_by_the_parameters_is_where_the_picture_moved_to() -> None:
    images = np.zeros((25, 1, 40, 40), dtype=np.uint8)
    images[:, :, 15:22, 12:19] = 200  # middle at (15, 18), which is (-4.5, -1.5) from the picture's middle
    part = Affine(degrees=30, shift=0.1)
    draws = draws_for(part, 25)
    maps = part.parameters(draws, 40, 40)
    for got, turn in zip(part.apply(images, draws), maps, strict=True):
        x, y = np.linalg.solve(turn[:, :2], np.array([-4.5, -1.5]) - turn[:, 2])
        rows, columns = np.nonzero(got[0] > 100)
        assert (columns.mean() - 19.5, rows.mean() - 19.5) == pytest.approx((x, y), abs=0.25)


# values


@pytest.mark.parametrize("step", ["brightness", "contrast", "saturation", "hue"])
def test_each_colour_step_is_torchvisions(functional: Any, step: str) -> None:
    images = smooth(12)
    off = dict.fromkeys(("brightness", "contrast", "saturation", "hue"), 0.0)
    part = ColourJitter(**{**off, step: 0.5})
    draws = draws_for(part, 12)
    factors = part.parameters(draws)[:, list(off).index(step)].tolist()
    assert max(factors) - min(factors) > 0.4
    adjust = getattr(functional, f"adjust_{step}")
    for given, got, factor in zip(images, part.apply(images, draws), factors, strict=True):
        wanted = adjust(torch.from_numpy(given).float() / 255, factor) * 255
        assert np.abs(got - wanted.numpy()).max() <= 0.5 + 1e-2


def test_colour_steps_together_and_on_grey_pictures(functional: Any) -> None:
    part = ColourJitter(brightness=0.3, contrast=0.6, saturation=0.5, hue=0.2)
    for shape in ((3, 9, 7), (1, 9, 7)):
        images = smooth(10, shape)
        draws = draws_for(part, 10)
        for given, got, factors in zip(images, part.apply(images, draws), part.parameters(draws).tolist(), strict=True):
            wanted = torch.from_numpy(given).float() / 255
            for name, factor in zip(("brightness", "contrast", "saturation", "hue"), factors, strict=True):
                wanted = getattr(functional, f"adjust_{name}")(wanted, factor)
            assert np.abs(got - 255 * wanted.numpy()).max() <= 0.5 + 1e-2


def test_colour_jitter_of_nothing_changes_nothing() -> None:
    images = smooth(5)
    still = ColourJitter(brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)
    assert np.array_equal(still.apply(images, draws_for(still, 5)), images)


def test_cutout_covers_a_square_whose_middle_is_anywhere() -> None:
    images = smooth(300)
    part = Cutout(pixels=6, fill=(1, 2, 3))
    draws = draws_for(part, 300)
    found = part.apply(images, draws)
    areas = set()
    for given, got, (u, v) in zip(images, found, draws, strict=True):
        row, column = int(u * 20), int(v * 16)
        wanted = given.copy()
        wanted[:, max(row - 3, 0) : row + 3, max(column - 3, 0) : column + 3] = np.array([1, 2, 3])[:, None, None]
        assert np.array_equal(got, wanted)
        areas.add(int((got != given).any(axis=0).sum()))
    assert max(areas) == 36
    assert min(areas) < 20  # partly outside


def test_cutout_fills_with_the_pictures_mean() -> None:
    images = smooth(4)
    found = Cutout(pixels=99).apply(images, np.full((4, 2), 0.5))
    assert np.array_equal(found[:, :, 0, 0], np.rint(images.mean(axis=(2, 3))))
    assert np.ptp(found, axis=(2, 3)).max() == 0


# mixing


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.4, 1.0, 1.7, 8.0, 100.0])
def test_beta_quantile_is_scipys(alpha: float) -> None:
    u = np.linspace(1e-6, 1 - 1e-6, 501)
    assert np.abs(beta_quantile(u, alpha) - stats.beta.ppf(u, alpha, alpha)).max() < 1e-4


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_follow_the_beta_distribution(alpha: float) -> None:
    draws = draws_for(Mixup(alpha=alpha), 20_000)
    shares = beta_quantile(draws[:, 0], alpha)
    assert np.array_equal(Mixup(alpha=alpha).parameters(draws), shares.astype(np.float32))
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def one_hot(classes: Array, count: int) -> Array:
    return np.eye(count, dtype=np.float32)[classes]


def test_mixup_is_torchvisions(transforms: Any) -> None:
    samples = pictures(9)
    part = Mixup(alpha=0.7)
    draws = np.repeat(draws_for(part, 1), 9, axis=0)  # torchvision has one share a batch
    share = float(part.parameters(draws)[0])
    assert 0.02 < share < 0.98
    theirs = transforms.MixUp(alpha=0.7, num_classes=4)
    labels = torch.from_numpy(samples.targets)
    settings = {"lam": share, "labels": labels, "batch_size": 9}
    images, targets = part.mix(samples.inputs, one_hot(samples.targets, 4), draws)
    wanted = theirs.transform(torch.from_numpy(samples.inputs).float(), settings)
    assert images.dtype == np.uint8
    assert np.abs(images - wanted.numpy()).max() <= 0.5 + 1e-4
    wanted = theirs._mixup_label(labels, lam=share)
    assert np.abs(targets - wanted.numpy()).max() < 1e-6


def test_cutmix_is_torchvisions(transforms: Any) -> None:
    samples = pictures(9, (3, 20, 16))
    part = CutMix()
    for seed in range(8):
        draws = np.repeat(draws_for(part, 1, seed), 9, axis=0)
        top, left, bottom, right = part.parameters(draws, 20, 16)[0].tolist()
        theirs = transforms.CutMix(num_classes=4)
        labels = torch.from_numpy(samples.targets)
        share = 1 - (bottom - top) * (right - left) / 320
        settings = {"box": (left, top, right, bottom), "lam_adjusted": share, "labels": labels, "batch_size": 9}
        images, targets = part.mix(samples.inputs, one_hot(samples.targets, 4), draws)
        assert np.array_equal(images, theirs.transform(torch.from_numpy(samples.inputs), settings).numpy())
        assert np.abs(targets - theirs._mixup_label(labels, lam=share).numpy()).max() < 1e-6


def test_boxes_of_cutmix_have_the_drawn_area_where_nothing_is_cut_off() -> None:
    draws = np.stack([np.linspace(0.01, 0.99, 50), np.full(50, 0.5), np.full(50, 0.5)], axis=1)
    boxes = CutMix().parameters(draws, 200, 200)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / 40_000
    assert area == pytest.approx(1 - draws[:, 0], abs=0.02)
    assert box_masks(boxes, 200, 200).mean(axis=(1, 2, 3)) == pytest.approx(area)


# the pipeline

OWN_TESTS = ("random_resized_crop", "mosaic")
EVERY_PART = [AUGMENTATIONS.build(name) for name in AUGMENTATIONS if name not in OWN_TESTS]


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "mosaic"])
def test_each_part_is_built_by_name_and_is_a_function_of_its_own_draws(name: str) -> None:
    part = AUGMENTATIONS.build(name)
    samples = pictures(8, (3, 12, 12))
    before, draws = samples.inputs.copy(), draws_for(part, 8)
    if isinstance(part, MixingPart):
        images, targets = part.mix(samples.inputs, one_hot(samples.targets, 4), draws)
        assert targets.dtype == np.float32
        assert targets.sum(axis=1) == pytest.approx(1)
    else:
        assert isinstance(part, ChangingPart)
        images = part.apply(samples.inputs, draws)
        backwards = part.apply(samples.inputs[::-1], draws[::-1])[::-1]
        assert np.array_equal(images, backwards)
        assert part.apply(samples.inputs[:0], draws[:0]).shape == (0, 3, 12, 12)
    assert (images.dtype, images.shape) == (np.uint8, samples.inputs.shape)
    assert (images != before).any()
    assert np.array_equal(samples.inputs, before)


@pytest.mark.parametrize("mixing", [False, True])
@pytest.mark.parametrize("crop", [False, True])
def test_batches_are_the_same_for_any_workers_and_start(mixing: bool, crop: bool) -> None:
    parts: list[Any] = [RandomResizedCrop()] if crop else []
    parts += [part for part in EVERY_PART if mixing or not isinstance(part, MixingPart)]

    def run(workers: int, start: int = 0) -> list[tuple[Any, ...]]:
        batches = Batches(
            pictures(37), batch_size=5, seed=2, workers=workers, augment=Augmentation(parts, seed=2)
        ).epoch(3, start)
        return [(b.inputs.numpy().tobytes(), b.targets.numpy().tobytes(), b.indices.tolist()) for b in batches]

    wanted = run(0)
    assert [run(workers) for workers in (1, 2, 4)] == [wanted] * 3
    assert run(0, 5) == run(2, 5) == wanted[5:]


def test_epochs_and_seeds_differ_and_parts_do_not_disturb_one_another() -> None:
    samples = pictures(16)
    place = np.arange(16)

    def run(parts: list[Any], seed: int = 0, epoch: int = 0) -> Array:
        return Augmentation(parts, seed).apply(samples.inputs, samples.targets, place, epoch)[0]

    flips = run([Flip()])
    assert not np.array_equal(flips, run([Flip()], epoch=1))
    assert not np.array_equal(flips, run([Flip()], seed=1))
    assert np.array_equal(run([ColourJitter(brightness=0, contrast=0, saturation=0, hue=0), Flip()]), flips)
    assert not np.array_equal(run([Flip(), Flip()]), samples.inputs)  # the second has numbers of its own


def test_mixing_gives_class_probabilities_to_the_batch() -> None:
    (batch,) = Batches(pictures(12), batch_size=12, seed=0, augment=Augmentation([CutMix()], 0)).epoch(0)
    assert (batch.targets.dtype, tuple(batch.targets.shape)) == (torch.float32, (12, 4))
    assert batch.targets.sum(dim=1).tolist() == pytest.approx([1] * 12)
    assert ((batch.targets > 0).sum(dim=1) == 2).any()


def test_mixup_takes_tables_and_values_too() -> None:
    samples = table(10)
    (batch,) = Batches(samples, batch_size=10, seed=0, shuffle=False, augment=Augmentation([Mixup(alpha=1)], 0)).epoch(
        0
    )
    draws = uniforms(np.arange(10), 1, seed=0, epoch=0, stream="augmentation/Mixup/0").astype(np.float32)
    for values, got in ((samples.inputs, batch.inputs), (samples.targets, batch.targets)):
        wanted = draws * values + (1 - draws) * values[np.arange(10) - 1]
        assert np.abs(got.numpy() - wanted).max() < 1e-5


class DecodingSamples(MemorySamples):
    """Pictures that crop themselves, as files do."""

    crops_while_decoding = True
    draws_seen: Array | None = None

    def fetch(self, indices: Array, draws: Array | None = None) -> tuple[Array, Array]:
        self.draws_seen = draws
        return super().fetch(indices)


def test_pictures_that_crop_while_they_are_decoded_are_not_cropped_again() -> None:
    source = pictures(6)
    samples = DecodingSamples(source.inputs, source.targets, classes=source.info.classes)
    part = RandomResizedCrop(scale=(0.5, 1.0))
    (batch,) = Batches(samples, batch_size=6, seed=0, shuffle=False, augment=Augmentation([part], 4)).epoch(1)
    own = uniforms(np.arange(6), 4, seed=4, epoch=1, stream="augmentation/RandomResizedCrop/0")
    assert np.array_equal(samples.draws_seen, part.decoding_draws(own))
    assert np.abs(batch.inputs.numpy() * 255 - source.inputs).max() < 1e-3
    list(Batches(samples, batch_size=6, seed=0, augment=Augmentation([Flip()], 4)).epoch(1))
    assert samples.draws_seen is None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Flip(p=1.5), "p is 1.5; give a share from 0 to 1"),
        (lambda: ShiftCrop(pixels=0), "pixels is 0"),
        (lambda: ShiftCrop(pixels=20, fill="reflect").apply(smooth(1), np.zeros((1, 2))), "cannot be reflected"),
        (lambda: RandomResizedCrop(scale=(0.01, 1.0)), r"scale is \[0.01, 1.0\]; .* from 0.08 to 1"),
        (lambda: RandomResizedCrop(ratio=(1.2, 1.0)), "ratio is"),
        (lambda: rotation(degrees=-1), "degrees is -1"),
        (lambda: Affine(shift=1.5), "shift is 1.5"),
        (lambda: Affine(scale=(0.0, 1.0)), "scale is"),
        (lambda: ColourJitter(contrast=-0.1), "contrast is -0.1"),
        (lambda: ColourJitter(hue=0.6), "hue is 0.6"),
        (lambda: ColourJitter().apply(smooth(1).astype(np.float32), np.zeros((1, 4))), "float32 of 3"),
        (lambda: ColourJitter().apply(smooth(1, (2, 4, 4)), np.zeros((1, 4))), "uint8 of 2"),
        (lambda: Cutout(pixels=0), "pixels is 0"),
        (lambda: Cutout(fill=(1, 2)).apply(smooth(1), np.zeros((1, 2))), "fill has 2 numbers"),
        (lambda: Mixup(alpha=0), "alpha is 0"),
        (lambda: CutMix(alpha=float("nan")), "alpha is nan"),
        (lambda: CutMix().mix(np.zeros((2, 5)), np.zeros((2, 1)), np.zeros((2, 3))), "use mixup instead"),
        (lambda: Augmentation([Mixup(), Flip()], 0), "must stand after"),
        (lambda: Augmentation([Flip(), RandomResizedCrop()], 0), "must be the first part"),
        (lambda: Augmentation([], -1), "seed is -1"),
        (
            lambda: next(iter(Batches(table(3), batch_size=3, seed=0, augment=Augmentation([Flip()], 0)).epoch(0))),
            "Flip",
        ),
        (lambda: Augmentation([Mixup()], 0).apply(smooth(2), np.array([0, 1]), np.arange(2), 0), "give num_classes"),
        (lambda: Augmentation([Mixup()], 0).apply(smooth(2), np.array([0, 4]), np.arange(2), 0, 4), "outside 0 to 3"),
        (lambda: AUGMENTATIONS.build("colour_jiter"), "did you mean 'colour_jitter'"),
        (lambda: AUGMENTATIONS.build("shift_crop", fill="mirror"), "fill"),
    ],
)
def test_refusals(call: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
