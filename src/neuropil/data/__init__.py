"""Files into batches."""

from __future__ import annotations

from neuropil.registry import Catalogue

__all__ = ["AUGMENTATIONS"]

AUGMENTATIONS = Catalogue(
    "augmentation",
    {
        "flip": ("neuropil.data.augmentation_geometry:Flip", "mirror left and right"),
        "shift_crop": ("neuropil.data.augmentation_geometry:ShiftCrop", "pad, then cut out at a random place"),
        "random_resized_crop": (
            "neuropil.data.augmentation_geometry:RandomResizedCrop",
            "cut out a random box and enlarge it",
        ),
        "rotation": ("neuropil.data.augmentation_geometry:rotation", "turn about the middle"),
        "affine": ("neuropil.data.augmentation_geometry:Affine", "turn, shift and scale about the middle"),
        "colour_jitter": (
            "neuropil.data.augmentation_values:ColourJitter",
            "change brightness, contrast, saturation and hue",
        ),
        "cutout": ("neuropil.data.augmentation_values:Cutout", "cover a square"),
        "mixup": ("neuropil.data.augmentation_mixing:Mixup", "blend each sample with another of its batch"),
        "cutmix": ("neuropil.data.augmentation_mixing:CutMix", "put in a box of another picture of the batch"),
    },
)
"""Random changes of training samples, in the order in which they are best used."""
