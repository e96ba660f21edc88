"""Tables of published networks, written as lines, with the count of weights that their source gives."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """One table."""

    line: str
    in_shape: tuple[int, ...]
    weights: int
    source: str


def _vgg(plan: str, conv: str = "Conv{}@3p1 - ReLU") -> str:
    """Table 1 of Simonyan and Zisserman 2015: the widths of the convolutions, and a P for each pooling."""
    body = ["Pool2" if word == "P" else conv.format(word) for word in plan.split()]
    return " - ".join([*body, "FC4096 - ReLU - Drop0.5 - FC4096 - ReLU - Drop0.5 - FC1000 - SM"])


def _mobilenet(plan: str) -> str:
    """Table 1 of Howard et al. 2017: after the first convolution, widths of the blocks, with s2 where one halves."""
    blocks = [word.partition("s") for word in plan.split()]
    body = [
        f"DWConv@3{'s' + step if step else ''}p1 - BN - ReLU - Conv{maps}@1 - BN - ReLU" for maps, _, step in blocks
    ]
    return " - ".join(["Conv32@3s2p1 - BN - ReLU", *body, "GAP - FC1000 - SM"])


ALEXNET = (
    "Conv96@11s4 - ReLU - {} - Conv256@5p2g2 - ReLU - {} - Conv384@3p1 - ReLU - Conv384@3p1g2 - ReLU - "
    "Conv256@3p1g2 - ReLU - Pool3s2 - FC4096 - ReLU - Drop0.5 - FC4096 - ReLU - Drop0.5 - FC1000 - SM"
)

PHOTO = (3, 224, 224)

PUBLISHED = {
    "lenet5_modern": Published(
        "Conv6@5 - ReLU - Pool2 - Conv16@5 - ReLU - Pool2 - FC120 - ReLU - FC84 - ReLU - FC10 - SM",
        (1, 32, 32), 61_706, "PyTorch's tutorial 'Neural networks' and many others",
    ),
    "lenet_300_100": Published(
        "FC300 - Sigmoid - FC100 - Sigmoid - FC10 - SM", (784,), 266_610,
        "LeCun et al. 1998, section III.C.4, 28x28-300-100-10; the count is that of Han et al. 2015, table 1 (267K)",
    ),
    "alexnet": Published(
        ALEXNET.format("Norm5 - Pool3s2", "Norm5 - Pool3s2"), (3, 227, 227), 60_965_224,
        "Krizhevsky et al. 2012, '60 million parameters'; BVLC's bvlc_alexnet",
    ),
    "caffenet": Published(
        ALEXNET.format("Pool3s2 - Norm5", "Pool3s2 - Norm5"), (3, 227, 227), 60_965_224,
        "BVLC's bvlc_reference_caffenet, the chapter's order",
    ),
    "torchvision_alexnet": Published(
        "Conv64@11s4p2 - ReLU - Pool3s2 - Conv192@5p2 - ReLU - Pool3s2 - Conv384@3p1 - ReLU - Conv256@3p1 - ReLU - "
        "Conv256@3p1 - ReLU - Pool3s2 - Drop0.5 - FC4096 - ReLU - Drop0.5 - FC4096 - ReLU - FC1000 - SM",
        PHOTO, 61_100_840, "torchvision's documentation of alexnet; Krizhevsky 2014, one tower",
    ),
    "vgg11": Published(
        _vgg("64 P 128 P 256 256 P 512 512 P 512 512 P"), PHOTO, 132_863_336, "table 2, A: 133 M; torchvision",
    ),
    "vgg13": Published(
        _vgg("64 64 P 128 128 P 256 256 P 512 512 P 512 512 P"), PHOTO, 133_047_848, "table 2, B: 133 M; torchvision",
    ),
    "vgg16": Published(
        _vgg("64 64 P 128 128 P 256 256 256 P 512 512 512 P 512 512 512 P"),
        PHOTO, 138_357_544, "table 2, D: 138 M; torchvision",
    ),
    "vgg19": Published(
        _vgg("64 64 P 128 128 P 256 256 256 256 P 512 512 512 512 P 512 512 512 512 P"),
        PHOTO, 143_667_240, "table 2, E: 144 M; torchvision",
    ),
    "vgg16_bn": Published(
        _vgg("64 64 P 128 128 P 256 256 256 P 512 512 512 P 512 512 512 P", "Conv{}@3p1b1 - BN - ReLU"),
        PHOTO, 138_365_992, "torchvision's documentation of vgg16_bn, which keeps the biases",
    ),
    "mobilenet_v1": Published(
        _mobilenet("64 128s2 128 256s2 256 512s2 512 512 512 512 512 1024s2 1024"),
        PHOTO, 4_231_976, "Howard et al. 2017, table 4: 4.2 M; Keras' trainable weights",
    ),
    "all_cnn_c": Published(
        "Drop0.2 - Conv96@3p1 - ReLU - Conv96@3p1 - ReLU - Conv96@3s2p1 - ReLU - Drop0.5 - Conv192@3p1 - ReLU - "
        "Conv192@3p1 - ReLU - Conv192@3s2p1 - ReLU - Drop0.5 - Conv192@3 - ReLU - Conv192@1 - ReLU - Conv10@1 - ReLU - "
        "GAP - SM",
        (3, 32, 32), 1_369_738, "Springenberg et al. 2015, tables 1 and 2, and table 3: about 1.4 M",
    ),
    "keras_digits": Published(
        "Conv32@3 - ReLU - Pool2 - Conv64@3 - ReLU - Pool2 - Drop0.5 - FC10 - SM",
        (1, 28, 28), 34_826, "Keras' example 'Simple MNIST convnet'",
    ),
    "pytorch_digits": Published(
        "Conv32@3 - ReLU - Conv64@3 - ReLU - Pool2 - Drop0.25 - FC128 - ReLU - Drop0.5 - FC10 - SM",
        (1, 28, 28), 1_199_882, "PyTorch's example 'mnist'",
    ),
}  # fmt: skip
