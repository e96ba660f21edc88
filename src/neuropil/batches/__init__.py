"""Samples into batches: augmented, normalised, in an order that a seed fixes."""

from __future__ import annotations

from neuropil.registry import Catalogue

__all__ = ["AUGMENTATIONS"]

AUGMENTATIONS = Catalogue(
    "augmentation",
    {
        "flip": ("neuropil.batches.augmentation_geometry:Flip", "mirror left and right"),
        "shift_crop": ("neuropil.batches.augmentation_geometry:ShiftCrop", "pad, then cut out at a random place"),
        "random_resized_crop": (
            "neuropil.batches.augmentation_geometry:RandomResizedCrop",
            "cut out a random box and enlarge it",
        ),
        "rotation": ("neuropil.batches.augmentation_geometry:rotation", "turn about the middle"),
        "affine": ("neuropil.batches.augmentation_geometry:Affine", "turn, shift and scale about the middle"),
        "colour_jitter": (
            "neuropil.batches.augmentation_values:ColourJitter",
            "change brightness, contrast, saturation and hue",
        ),
        "elastic": ("neuropil.batches.augmentation_elastic:Elastic", "bend smoothly, as U-Net's authors did"),
        "exposure": ("neuropil.batches.augmentation_values:Exposure", "change exposure and saturation as YOLO does"),
        "cutout": ("neuropil.batches.augmentation_values:Cutout", "cover a square"),
        "mosaic": ("neuropil.batches.augmentation_mosaic:Mosaic", "four pictures and their boxes in one"),
        "mixup": ("neuropil.batches.augmentation_mixing:Mixup", "blend each sample with another of its batch"),
        "cutmix": ("neuropil.batches.augmentation_mixing:CutMix", "put in a box of another picture of the batch"),
    },
)
"""Random changes of training samples, in the order in which they are best used."""
