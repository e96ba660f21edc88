"""Networks from papers, one family a file.

`list_models("*resnet*")` names them, `create_model(name, num_classes=10)` builds one; torch is loaded only then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neuropil.errors import InputError
from neuropil.models.line_grammar import is_line, read_line
from neuropil.registry import Catalogue

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "MODELS", "SEQUENCES", "SQUEEZE", "build_model", "check_squeeze", "create_model", "list_models", "model_options",
    "usual_input_shape",
]  # fmt: skip

MODELS = Catalogue(
    "model",
    {
        "perceptron": ("neuropil.models.perceptron:Perceptron", "layers of fully connected units, any depth"),
        "line": (
            "neuropil.models.line_network:LineNetwork",
            "any chain of layers, written out: 'Conv6@5 - ReLU - Pool2 - FC10 - SM'",
        ),
        "lenet5": ("neuropil.models.lenet:LeNet5", "the 1998 reader of handwritten digits: 32x32, 60,850 weights"),
        "lenet5_modern": ("neuropil.models.lenet:LeNet5Modern", "LeNet-5 as drawn today: ReLU, max pooling"),
        "resnet18": ("neuropil.models.resnet:ResNet18", "residual network of 2015, 18 layers: 11.7 M weights"),
        "resnet34": ("neuropil.models.resnet:ResNet34", "residual network, 34 layers: 21.8 M weights"),
        "resnet50": ("neuropil.models.resnet:ResNet50", "bottleneck residual network, 50 layers: 25.6 M weights"),
        "resnet101": ("neuropil.models.resnet:ResNet101", "bottleneck residual network, 101 layers: 44.5 M weights"),
        "resnet152": ("neuropil.models.resnet:ResNet152", "bottleneck residual network, 152 layers: 60.2 M weights"),
        "resnet20": ("neuropil.models.resnet:ResNet20", "residual network for CIFAR, 20 layers: 0.27 M weights"),
        "resnet32": ("neuropil.models.resnet:ResNet32", "residual network for CIFAR, 32 layers: 0.46 M weights"),
        "resnet44": ("neuropil.models.resnet:ResNet44", "residual network for CIFAR, 44 layers: 0.66 M weights"),
        "resnet56": ("neuropil.models.resnet:ResNet56", "residual network for CIFAR, 56 layers: 0.85 M weights"),
        "resnet110": ("neuropil.models.resnet:ResNet110", "residual network for CIFAR, 110 layers: 1.7 M weights"),
        "resnetv2_18": ("neuropil.models.resnet_v2:ResNetV2_18", "pre-activation, 18 layers: 11.7 M weights"),
        "resnetv2_34": ("neuropil.models.resnet_v2:ResNetV2_34", "the same, 34 layers: 21.8 M weights"),
        "resnetv2_50": ("neuropil.models.resnet_v2:ResNetV2_50", "the same in bottlenecks, 50 layers: 25.5 M weights"),
        "resnetv2_101": ("neuropil.models.resnet_v2:ResNetV2_101", "the same, 101 layers: 44.5 M weights"),
        "resnetv2_152": ("neuropil.models.resnet_v2:ResNetV2_152", "the same, 152 layers: 60.2 M weights"),
        "resnetv2_110": ("neuropil.models.resnet_v2:ResNetV2_110", "the same for CIFAR-10, 110 layers: 1.7 M weights"),
        "resnetv2_164": ("neuropil.models.resnet_v2:ResNetV2_164", "in bottlenecks, 164 layers: 1.7 M weights"),
        "alexnet": ("neuropil.models.alexnet:AlexNet", "the winner of 2012: 61.0 M weights"),
        "googlenet": ("neuropil.models.googlenet:GoogLeNet", "inception modules: 7.0 M weights, 13.4 M while training"),
        "vgg11": ("neuropil.models.vgg:VGG11", "11 layers of 3x3 convolutions: 132.9 M weights"),
        "vgg11_bn": ("neuropil.models.vgg:VGG11BN", "the same with batch normalization"),
        "vgg13": ("neuropil.models.vgg:VGG13", "13 layers of 3x3 convolutions: 133.0 M weights"),
        "vgg13_bn": ("neuropil.models.vgg:VGG13BN", "the same with batch normalization"),
        "vgg16": ("neuropil.models.vgg:VGG16", "16 layers of 3x3 convolutions: 138.4 M weights"),
        "vgg16_bn": ("neuropil.models.vgg:VGG16BN", "the same with batch normalization"),
        "vgg19": ("neuropil.models.vgg:VGG19", "19 layers of 3x3 convolutions: 143.7 M weights"),
        "vgg19_bn": ("neuropil.models.vgg:VGG19BN", "the same with batch normalization"),
        "densenet121": ("neuropil.models.densenet:DenseNet121", "densely connected, 121 layers: 8.0 M weights"),
        "densenet161": ("neuropil.models.densenet:DenseNet161", "densely connected, 161 layers: 28.7 M weights"),
        "densenet169": ("neuropil.models.densenet:DenseNet169", "densely connected, 169 layers: 14.1 M weights"),
        "densenet201": ("neuropil.models.densenet:DenseNet201", "densely connected, 201 layers: 20.0 M weights"),
        "mobilenet_v1": ("neuropil.models.mobilenet_v1:MobileNetV1", "depthwise separable: 4.2 M weights"),
        "mobilenet_v2": ("neuropil.models.mobilenet_v2:MobileNetV2", "inverted residuals: 3.5 M weights"),
        "se_resnet18": ("neuropil.models.senet:SEResNet18", "residual, squeeze and excitation: 11.8 M weights"),
        "se_resnet34": ("neuropil.models.senet:SEResNet34", "the same, 34 layers: 22.0 M weights"),
        "se_resnet50": ("neuropil.models.senet:SEResNet50", "the same, 50 layers: 28.1 M weights"),
        "se_resnet101": ("neuropil.models.senet:SEResNet101", "the same, 101 layers: 49.3 M weights"),
        "se_resnet152": ("neuropil.models.senet:SEResNet152", "the same, 152 layers: 66.8 M weights"),
        "se_resnext50": ("neuropil.models.senet:SEResNeXt50", "the same with 3x3 in 32 groups: 27.6 M weights"),
        "se_resnext101": ("neuropil.models.senet:SEResNeXt101", "101 layers, 32 groups: 49.0 M weights"),
        "senet154": ("neuropil.models.senet:SENet154", "the winner of 2017: 115.1 M weights"),
        "shufflenet_v1": ("neuropil.models.shufflenet_v1:ShuffleNetV1", "1x1 in groups, shuffled: 1.9 M weights"),
        "shufflenet_v2": ("neuropil.models.shufflenet_v2:ShuffleNetV2", "half the channels pass by: 2.3 M weights"),
        "dpn68": ("neuropil.models.dpn:DPN68", "dual path, the small one: 12.6 M weights"),
        "dpn92": ("neuropil.models.dpn:DPN92", "dual path, 92 layers: 37.7 M weights"),
        "dpn98": ("neuropil.models.dpn:DPN98", "dual path, 98 layers: 61.6 M weights"),
        "dpn107": ("neuropil.models.dpn:DPN107", "dual path, 107 layers: 86.9 M weights"),
        "dpn131": ("neuropil.models.dpn:DPN131", "dual path, 131 layers: 79.3 M weights"),
        "mobilenet_v3_large": ("neuropil.models.mobilenet_v3:MobileNetV3Large", "found by a search: 5.5 M weights"),
        "mobilenet_v3_small": ("neuropil.models.mobilenet_v3:MobileNetV3Small", "found by a search: 2.5 M weights"),
        "mnasnet_a1": ("neuropil.models.mnasnet:MnasNetA1", "found for phones: 3.9 M weights"),
        "mnasnet_b1": ("neuropil.models.mnasnet:MnasNetB1", "the same without squeezing: 4.4 M weights"),
        "extraction": ("neuropil.models.extraction:Extraction", "YOLO's classifier, 20 convolutions: 23.4 M weights"),
        "extraction_tiny": ("neuropil.models.extraction:ExtractionTiny", "seven convolutions: 7.3 M weights"),
        "yolo_v1": ("neuropil.models.yolo_v1:YOLOv1", "finds things at one look: 271.7 M weights"),
        "yolo_v1_tiny": ("neuropil.models.yolo_v1:YOLOv1Tiny", "the tiny one: 27.1 M weights"),
        "unet": ("neuropil.models.unet:UNet", "outlines by a way down and up again: 31.0 M weights"),
        "unet_backbone": ("neuropil.models.unet:UNetOver", "the way up over a network of this list"),
        "tagger": ("neuropil.sequence_models.tagger:Tagger", "a tag for every word, by words and letters"),
        "language_model": ("neuropil.sequence_models.language_model:LanguageModel", "what comes next in a text"),
        "text_classifier": ("neuropil.sequence_models.text_classifier:TextClassifier", "one answer about a text"),
        "seq2seq": ("neuropil.sequence_models.seq2seq:Seq2Seq", "a sentence in, another out, with attention"),
        "captioner": ("neuropil.sequence_models.captioner:Captioner", "a sentence about a picture"),
        "forecaster": ("neuropil.sequence_models.forecaster:Forecaster", "what comes after a series of values"),
        "transformer": ("neuropil.sequence_models.transformer:Transformer", "a sentence in, another out, by attention"),
        "bert": ("neuropil.sequence_models.bert_heads:BertPretraining", "hidden words, and which text follows"),
        "bert_classifier": ("neuropil.sequence_models.bert_heads:BertClassifier", "an answer about a text or a pair"),
        "bert_tagger": ("neuropil.sequence_models.bert_heads:BertTagger", "a tag for every piece of a word"),
        "bert_spans": ("neuropil.sequence_models.bert_heads:BertSpans", "where in a text the answer stands"),
        "gpt": ("neuropil.sequence_models.gpt:GPT", "what comes next, by attention to all before: GPT-1, GPT-2"),
        "mnasnet_small": ("neuropil.models.mnasnet:MnasNetSmall", "the small one: 2.0 M weights"),
        "searched": (
            "neuropil.block_networks.network:SearchedNetwork",
            "any chain of blocks, written out as a search finds it: 'cn_c16 - ir_r2_s2_c24'",
        ),
    },
)  # fmt: skip

SEQUENCES = (
    "tagger", "language_model", "text_classifier", "seq2seq", "captioner", "forecaster", "transformer", "bert",
    "bert_classifier", "bert_tagger", "bert_spans", "gpt",
)  # fmt: skip
"""Networks of the catalogue that read or write sequences: their sizes are a vocabulary's, and no paper counts them."""

SQUEEZE = "squeeze"
"""An option of every network of maps: squeeze and excitation behind each stage, by this reduction."""


def list_models(pattern: str = "*") -> list[str]:
    """The names of the networks that match a shell pattern.

    Example:
        >>> list_models("lenet*")
        ['lenet5', 'lenet5_modern']
    """
    return MODELS.names(pattern)


def model_options(name: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A network's name in the catalogue, and its options: a line of layers is the option of `line`.

    Raises:
        InputError: a line that cannot be read.

    Example:
        >>> model_options("Conv - Pool - FC", {})
        ('line', {'line': 'Conv - Pool - FC'})
    """
    if isinstance(name, str) and name not in MODELS and is_line(name):
        read_line(name)
        return "line", {**options, "line": name}
    return name, dict(options)


def build_model(name: str, options: Mapping[str, Any]) -> nn.Module:
    """A network of the catalogue, or of a line, whose options are checked.

    Raises:
        InputError: unknown name or option, a value of the wrong type, or a network that memory cannot hold.
    """
    name, checked = model_options(name, options)
    reduction = checked.pop(SQUEEZE, None)
    try:
        network: nn.Module = MODELS.build(name, **checked)
    except (RuntimeError, OverflowError, MemoryError) as error:  # torch refuses sizes in these ways
        reason = str(error).splitlines()[0] if str(error) else "there is not enough memory"
        raise InputError(f"no {name!r} can be built with these options: {reason}; give smaller sizes") from error
    if reduction is None:
        return network
    from neuropil.nn.squeeze import squeeze_stages

    check_squeeze(name, reduction)
    return squeeze_stages(network, reduction)


def check_squeeze(name: str, reduction: object) -> None:
    """Hold the option `squeeze` against what it may be.

    Raises:
        InputError: it is no whole number from 1 on.
    """
    if isinstance(reduction, bool) or not isinstance(reduction, int) or reduction < 1:
        raise InputError(
            f"model {name!r}: option 'squeeze' must be a whole number from 1 on, but {reduction!r} was given"
        )


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    features_only: bool = False,
    **options: Any,
) -> nn.Module:
    """A network with fresh weights, drawn from torch's global source of random numbers.

    Args:
        name: one of `list_models()`, or a line of layers such as "Conv6@5 - ReLU - Pool2 - FC10 - SM".
        num_classes: outputs; 0 leaves the classifier out, None keeps the network's own number.
        in_channels: channels of the pictures; None keeps the network's own. The perceptron takes `in_features` instead,
            a line `in_shape`.
        features_only: leave out the classifier; the network then returns the list of its stages' outputs.
        **options: further keyword arguments of the network's class, checked against its signature; `squeeze=16` puts
            squeeze and excitation behind each stage of any network of maps.

    Raises:
        InputError: unknown name or option (the nearest one is offered), or a value of the wrong type.

    Example:
        >>> create_model("resnet20", num_classes=7).fc
        Linear(in_features=64, out_features=7, bias=True)
    """
    given = {"num_classes": num_classes, "in_channels": in_channels}
    options |= {option: value for option, value in given.items() if value is not None}
    network = build_model(name, options)
    if not features_only:
        return network
    from neuropil.models.features import FeatureNetwork

    return FeatureNetwork(network)


def usual_input_shape(network: nn.Module) -> tuple[int, ...]:
    """The shape of one sample that a network was published for (its own channels or features).

    Example:
        >>> usual_input_shape(create_model("resnet20", in_channels=1))
        (1, 32, 32)
    """
    if (shape := getattr(network, "in_shape", None)) is not None:
        return tuple(shape)
    channels = next(network.parameters()).shape[1]
    side = getattr(network, "usual_side", None)
    return (channels,) if side is None else (channels, side, side)
