"""What the papers print of their networks' weights and multiply-adds, and why ours differ where they do.

Numbers stand as they are printed; a note explains whatever lies beyond their rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["PUBLISHED", "Published", "published_for"]

FACTORS = {"K": 1e3, "M": 1e6, "G": 1e9}


@dataclass(frozen=True, slots=True)
class Published:
    """One line of a paper's table.

    Args:
        model: our network's name.
        weights: as printed (`4.2 M`: its digits say how far it is rounded); empty where it is not.
        multiply_adds: likewise; papers often call them FLOPs.
        source: where it is printed.
        options: of our network.
        side: of the pictures.
        note: why ours differs.
    """

    model: str
    weights: str
    multiply_adds: str
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)
    side: int = 224
    note: str = ""

    @staticmethod
    def agrees(printed: str, ours: int) -> bool:
        """Whether a number of ours, rounded like the printed one, is the printed one.

        Example:
            >>> Published.agrees("4.2 M", 4_231_976), Published.agrees("4.2 M", 4_280_000)
            (True, False)
        """
        digits, factor = printed.split()
        unit = 10.0 ** -len(digits.partition(".")[2])
        return abs(ours / FACTORS[factor] - float(digits)) <= unit / 2


RBF = "the paper's output layer has no trained weights; the chapter's has 850"
STRIDE = "the stride stands at the 3x3 convolution, as in public weights; downsample_at=1x1 is the paper's"
DOWN = "the same number, rounded down there"
AVERAGES = "with the running averages, which the paper counts, it is the same"
MAPS = "the paper also counts each map's mean and its scaling: the same with them"
UNTRACED = "about 1 %: the paper does not say what it counts; torchvision counts as we do"
FOLDED = "without batch normalization's scale and shift"

HE, HE_AGAIN, VGG = "He et al. 2016, table", "He et al. 2016b, table 4", "Simonyan & Zisserman 2015, table 2"
DENSE, DUAL, SQUEEZED = "the authors' repository", "Chen et al. 2017, table", "Hu et al. 2018, table 2"
MOBILE, MOBILE_2, MOBILE_3 = "Howard et al. 2017, table", "Sandler et al. 2018, table 4", "Howard et al. 2019, table 3"
SHUFFLED, SHUFFLED_2, FOUND = "Zhang et al. 2018, table 1", "Ma et al. 2018, table 8", "Tan et al. 2019, table 1"
PAPER = {"downsample_at": "1x1"}

PUBLISHED = (
    Published("lenet5", "60.000 K", "", "LeCun et al. 1998, section II-B", side=32, note=RBF),
    Published("alexnet", "60 M", "", "Krizhevsky et al. 2012, abstract", side=227, note=DOWN),
    Published("vgg11", "133 M", "", VGG),
    Published("vgg13", "133 M", "", VGG),
    Published("vgg16", "138 M", "", VGG),
    Published("vgg19", "144 M", "", VGG),
    Published(
        "googlenet", "6.80 M", "1.5 G", "Szegedy et al. 2015, table 1, its rows added, and section 1",
        {"auxiliary": False},
        note="the table's K are 1024 weights: 6.96 M; biases are left out, row 1 says 2.7K for 9.2K; 1.5 is a budget",
    ),
    Published("resnet18", "", "1.8 G", f"{HE} 1"),
    Published("resnet34", "", "3.6 G", f"{HE} 1", note=DOWN),
    Published("resnet50", "", "3.8 G", f"{HE} 1", PAPER, note=DOWN),
    Published("resnet50", "", "3.8 G", f"{HE} 1", note=STRIDE),
    Published("resnet101", "", "7.6 G", f"{HE} 1", PAPER),
    Published("resnet101", "", "7.6 G", f"{HE} 1", note=STRIDE),
    Published("resnet152", "", "11.3 G", f"{HE} 1", PAPER),
    Published("resnet152", "", "11.3 G", f"{HE} 1", note=STRIDE),
    Published("resnet20", "0.27 M", "", f"{HE} 6", side=32),
    Published("resnet32", "0.46 M", "", f"{HE} 6", side=32),
    Published("resnet44", "0.66 M", "", f"{HE} 6", side=32),
    Published("resnet56", "0.85 M", "", f"{HE} 6", side=32),
    Published("resnet110", "1.7 M", "", f"{HE} 6", side=32),
    Published("resnetv2_110", "1.7 M", "", HE_AGAIN, side=32),
    Published("resnetv2_164", "1.7 M", "", HE_AGAIN, side=32),
    Published("densenet121", "8.0 M", "", DENSE),
    Published("densenet169", "14.1 M", "", DENSE),
    Published("densenet201", "20.0 M", "", DENSE),
    Published("densenet161", "28.7 M", "", DENSE),
    Published("dpn92", "37.8 M", "6.5 G", f"{DUAL} 1", note=AVERAGES),
    Published("dpn98", "61.7 M", "11.7 G", f"{DUAL} 1", note=AVERAGES),
    Published("dpn131", "", "16.0 G", f"{DUAL} 2"),
    Published("se_resnet50", "", "3.87 G", SQUEEZED, note=MAPS),
    Published("se_resnet101", "", "7.60 G", SQUEEZED, note=MAPS),
    Published("se_resnet152", "", "11.32 G", SQUEEZED, note=MAPS),
    Published("se_resnext50", "", "4.25 G", SQUEEZED, note=MAPS),
    Published("se_resnext101", "", "8.00 G", SQUEEZED, note=MAPS),
    Published("mobilenet_v1", "4.2 M", "569 M", f"{MOBILE}s 6 and 7"),
    Published("mobilenet_v1", "2.6 M", "325 M", f"{MOBILE} 6", {"width": 0.75}),
    Published("mobilenet_v1", "1.3 M", "149 M", f"{MOBILE} 6", {"width": 0.5}),
    Published("mobilenet_v1", "0.5 M", "41 M", f"{MOBILE} 6", {"width": 0.25}),
    Published("mobilenet_v1", "4.2 M", "418 M", f"{MOBILE} 7", side=192),
    Published("mobilenet_v1", "4.2 M", "290 M", f"{MOBILE} 7", side=160, note=DOWN),
    Published("mobilenet_v1", "4.2 M", "186 M", f"{MOBILE} 7", side=128),
    Published("mobilenet_v2", "3.4 M", "300 M", MOBILE_2, note=f"3.47 {FOLDED}; both rounded down"),
    Published(
        "mobilenet_v2", "6.9 M", "585 M", MOBILE_2, {"width": 1.4},
        note=f"the authors' own release says 6.06 M, which is ours {FOLDED}, and 582 M",
    ),
    Published("mobilenet_v3_large", "5.4 M", "219 M", MOBILE_3, note=f"5.46 {FOLDED}, rounded down; {UNTRACED}"),
    Published("mobilenet_v3_small", "2.5 M", "56 M", MOBILE_3, note=DOWN),
    Published("shufflenet_v1", "", "143 M", SHUFFLED, {"groups": 1}),
    Published("shufflenet_v1", "", "140 M", SHUFFLED, {"groups": 2}, note=DOWN),
    Published("shufflenet_v1", "", "137 M", SHUFFLED, {"groups": 3}),
    Published("shufflenet_v1", "", "133 M", SHUFFLED, {"groups": 4}, note="1 %: the paper does not say what it counts"),
    Published("shufflenet_v1", "", "137 M", SHUFFLED, {"groups": 8}, note="1 %: the paper does not say what it counts"),
    Published("shufflenet_v2", "1.4 M", "41 M", SHUFFLED_2, {"width": 0.5}, note=UNTRACED),
    Published("shufflenet_v2", "2.3 M", "146 M", SHUFFLED_2, note=UNTRACED),
    Published("shufflenet_v2", "3.5 M", "299 M", SHUFFLED_2, {"width": 1.5}, note=UNTRACED),
    Published("shufflenet_v2", "7.4 M", "591 M", SHUFFLED_2, {"width": 2.0}, note=UNTRACED),
    Published("mnasnet_a1", "3.9 M", "312 M", FOUND),
    Published("mnasnet_b1", "4.4 M", "315 M", FOUND, note="0.2 %: the paper does not say what it counts"),
)  # fmt: skip


def published_for(model: str, options: Mapping[str, Any], side: int) -> Published | None:
    """The line of a table for just this network and size of picture, or nothing."""
    told = {key: value for key, value in options.items() if key not in ("num_classes", "in_channels")}
    return next((p for p in PUBLISHED if (p.model, dict(p.options), p.side) == (model, told, side)), None)
