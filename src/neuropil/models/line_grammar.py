"""The chapter's notation for a network, "Conv - ReLU - Pool - FC - SM", read into layers with their sizes.

    line    = layer, then " - " and a layer, as often as you like; FC(SM) is FC - SM
    layer   = kind [number] [@kernel] [options]         Conv96@11s4p2: 96 maps of 11x11, stride 4, padding 2
    options = s stride, p padding, d dilation, g groups, b bias (1 or 0)
    sizes   = 3 for all axes, or 3x5

What is left out has the size that `KINDS` states. Nothing is built here: `neuropil.models.line_network` does that.
Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from neuropil.errors import InputError
from neuropil.registry import nearest

__all__ = ["ACTIVATION_NAMES", "KINDS", "Kind", "Layer", "is_line", "join_layers", "point_at", "read_line"]

Sizes = int | tuple[int, ...]
Numeral = Literal["maps", "window", "side", "units", "rate", "channels", "groups"]

MOST_CHARACTERS, MOST_LAYERS, MOST_DIGITS = 50_000, 1_000, 6


@dataclass(frozen=True, slots=True)
class Kind:
    """What may follow one kind's name, and the size it has where none is written.

    Args:
        numeral: what its number counts; `None` where it takes none.
        number: the number where none is written; `None` where what arrives, or the task, decides it.
        kernel: the kernel where none is written (with the padding that keeps the size); `None` where it takes none.
        options: letters of the options that it takes.
        example: how one is written.
    """

    numeral: Numeral | None = None
    number: int | float | None = None
    kernel: int | None = None
    options: str = ""
    example: str = ""


ACTIVATION_NAMES = {
    "ReLU": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "ScaledTanh": "scaled_tanh", "ReLU6": "relu6",
    "LeakyReLU": "leaky_relu", "PReLU": "prelu", "SiLU": "silu", "GELU": "gelu", "GELUTanh": "gelu_tanh",
    "HardSigmoid": "hard_sigmoid", "HardSwish": "hard_swish",
}  # fmt: skip
"""Activations as a line writes them, and as `neuropil.nn.ACTIVATIONS` does."""

KINDS = {
    "Conv": Kind("maps", 32, 3, "spdgb", "Conv96@11s4p2"),
    "TConv": Kind("maps", 32, 3, "spdgb", "TConv16@2s2"),
    "DWConv": Kind("maps", None, 3, "spdb", "DWConv@3s2p1"),
    "SepConv": Kind("maps", 32, 3, "spd", "SepConv64@3p1"),
    "SpatialConv": Kind("maps", 32, 3, "spgb", "SpatialConv64@3p1"),
    "FlatConv": Kind("maps", 32, 3, "spb", "FlatConv64@3p1"),
    "ShuffleConv": Kind("maps", 32, 3, "spdgb", "ShuffleConv240@1g3"),
    "Pool": Kind("window", 2, None, "sp", "Pool3s2"),
    "AvgPool": Kind("window", 2, None, "sp", "AvgPool2"),
    "StochasticPool": Kind("window", 2, None, "sp", "StochasticPool3s2"),
    "Subsample": Kind("side", 2, None, "", "Subsample2"),
    "GlobalAvgPool": Kind(example="GlobalAvgPool"),
    "GlobalMaxPool": Kind(example="GlobalMaxPool"),
    "Norm": Kind("channels", 5, example="Norm5"),
    "BN": Kind(example="BN"),
    "GN": Kind("groups", 32, example="GN32"),
    "Drop": Kind("rate", 0.2, example="Drop0.5"),
    "SpatialDrop": Kind("rate", 0.2, example="SpatialDrop0.2"),
    "Flatten": Kind(example="Flatten"),
    "FC": Kind("units", 128, example="FC120"),
    "SM": Kind(example="SM"),
    **{name: Kind(example=name) for name in ACTIVATION_NAMES},
}
"""Every kind of layer that a line may name."""

ALIASES = {
    "maxpool": "Pool", "averagepool": "AvgPool", "gap": "GlobalAvgPool", "gmp": "GlobalMaxPool", "lrn": "Norm",
    "batchnorm": "BN", "groupnorm": "GN", "dropout": "Drop", "spatialdropout": "SpatialDrop", "dense": "FC",
    "linear": "FC", "softmax": "SM", "swish": "SiLU", "depthwiseconv": "DWConv", "deconv": "TConv",
}  # fmt: skip

_KNOWN = {name.lower(): name for name in KINDS} | ALIASES
_DASH = re.compile(r"->|[-\u2013\u2014\u2192]")
_TOKEN = re.compile(
    r"(?P<word>[A-Za-z_]+)\s*(?P<number>\d+(?:\.\d+|(?:x\d+)+)?)?\s*(?:@\s*(?P<kernel>\d+(?:x\d+)*))?\s*"
    r"(?P<options>(?:[A-Za-z]\s*=?\s*(?:\d+(?:x\d+)*|same_tensorflow|same|valid)\s*)*)"
)
_OPTION = re.compile(r"([A-Za-z])\s*=?\s*(\d+(?:x\d+)*|same_tensorflow|same|valid)")
_OPTION_NAMES = {"s": "stride", "p": "padding", "d": "dilation", "g": "groups", "b": "bias"}
_PLAIN = {"s": 1, "p": 0, "d": 1, "g": 1}
"""What is not written; a pooling's stride, left out, is its window's side."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a line, every size filled in that the line alone decides.

    Args:
        kind: a key of `KINDS`.
        number: maps, window, units, rate, ...; `None` where the kind takes none or it is decided later.
        kernel: of a convolution.
        stride, padding, dilation, groups: of a convolution or pooling; no stride is 1, or the window's side.
        bias: of a convolution; `None` has one unless batch normalization follows, whose shift would replace it.
        start, end: where it stands in the line.
    """

    kind: str
    number: Sizes | float | None = None
    kernel: Sizes | None = None
    stride: Sizes | None = None
    padding: Sizes | str = 0
    dilation: Sizes = 1
    groups: int = 1
    bias: bool | None = None
    start: int = 0
    end: int = 0

    def __str__(self) -> str:
        """As a line writes it."""
        written = self.kind + ("" if self.number is None else _sizes(self.number))
        written += "" if self.kernel is None else f"@{_sizes(self.kernel)}"
        for letter, name in _OPTION_NAMES.items():
            value = getattr(self, name)
            plain = None if letter == "s" and self.kernel is None else _PLAIN.get(letter)
            if letter in KINDS[self.kind].options and value is not None and value != plain:
                written += f"{letter}={value}" if isinstance(value, str) else f"{letter}{_sizes(value)}"
        return written


def read_line(line: str) -> tuple[Layer, ...]:
    """The layers of a line; only the last FC may be left without a number of units.

    Raises:
        InputError: something cannot be read; the message points at it.

    Example:
        >>> join_layers(read_line("Conv6@5 - ReLU - Pool - Conv - FC(SM)"))
        'Conv6@5 - ReLU - Pool2 - Conv32@3p1 - FC - SM'
    """
    line = _one_row(line)
    if not line.strip():
        raise InputError("an empty line was given for a network; write for example 'Conv6@5 - ReLU - Pool2 - FC10'")
    layers: list[Layer] = []
    for start, end in _places(line):
        if len(layers) == MOST_LAYERS:
            raise InputError(f"this line has more than {MOST_LAYERS} layers; a network of that depth needs a program")
        if layers and layers[-1].kind == "SM":
            raise point_at(
                line,
                layers[-1],
                "SM turns the outputs into probabilities, so nothing can follow it; move it to the end",
            )
        layers.append(_read_layer(line, start, end))
    last = max((place for place, layer in enumerate(layers) if layer.kind == "FC"), default=None)
    return tuple(
        replace(layer, number=KINDS["FC"].number)
        if layer.kind == "FC" and layer.number is None and place != last
        else layer
        for place, layer in enumerate(layers)
    )


def join_layers(layers: tuple[Layer, ...]) -> str:
    """The line that reads as these layers."""
    return " - ".join(map(str, layers))


def is_line(name: str) -> bool:
    """Whether a text is meant as a line, rather than as the name of a network.

    Example:
        >>> is_line("Conv - Pool - FC"), is_line("FC10"), is_line("resnet-18")
        (True, True, False)
    """
    first = re.match(r"\s*\(?\s*([A-Za-z_]+)", name)
    known = first is not None and first[1].replace("_", "").lower() in _KNOWN
    return known or "@" in name or " - " in name


def point_at(line: str, layer: Layer, sentence: str) -> InputError:
    """An error that shows the line, or the part of it around a layer, and a caret under the layer."""
    return _pointed(_one_row(line), layer.start, layer.end, sentence)


def _one_row(line: str) -> str:
    if not isinstance(line, str):
        raise InputError(f"a network's line is text, but {line!r} was given")
    if len(line) > MOST_CHARACTERS:
        raise InputError(
            f"a line of {len(line)} characters was given for a network; at most {MOST_CHARACTERS} are read"
        )
    return re.sub(r"\s", " ", line).replace("\u00d7", "x")


def _places(line: str) -> Iterator[tuple[int, int]]:
    """Where each layer begins and ends, without the blanks around it; `FC(SM)` is two."""
    cuts = [(match.start(), match.end()) for match in _DASH.finditer(line)]
    for start, end in zip(
        [0, *(after for _, after in cuts)], [*(before for before, _ in cuts), len(line)], strict=True
    ):
        inner = re.fullmatch(r"([^()]*)\(([^()]*)\)\s*", line[start:end])
        if inner is None:
            yield _trimmed(line, start, end)
            continue
        if inner[1].strip():
            yield _trimmed(line, start, start + inner.end(1))
        yield _trimmed(line, start + inner.start(2), start + inner.end(2))


def _trimmed(line: str, start: int, end: int) -> tuple[int, int]:
    text = line[start:end]
    left = len(text) - len(text.lstrip())
    return (start + left, start + len(text.rstrip())) if text.strip() else (start, end)


def _read_layer(line: str, start: int, end: int) -> Layer:
    text = line[start:end]
    if not text.strip():
        raise _pointed(line, start, max(end, start + 1), "no layer stands here; take one dash away or name a layer")
    found = _TOKEN.match(text)
    if found is None:
        raise _pointed(line, start, end, f"{text!r} does not begin with the name of a layer, such as Conv, Pool or FC")
    word, number = found["word"], found["number"]
    name = _KNOWN.get((word.replace("_", "") + (number or "")).lower())
    if name is not None:
        number = None  # the digit belongs to the name: ReLU6
    else:
        name = _KNOWN.get(word.replace("_", "").lower())
    if name is None:
        raise _pointed(line, start, end, f"there is no layer {word!r}; {nearest(word, KINDS)}")
    kind = KINDS[name]
    if found.end() != len(text):
        rest = text[found.end() :]
        raise _pointed(
            line, start + found.end(), end, f"{rest!r} cannot be read; a layer of this kind is written {kind.example}"
        )
    layer = Layer(name, start=start, end=end)
    try:
        return _with_options(_with_sizes(layer, kind, number, found["kernel"]), kind, found["options"])
    except InputError as error:
        raise _pointed(line, start, end, str(error)) from None


def _with_sizes(layer: Layer, kind: Kind, number: str | None, kernel: str | None) -> Layer:
    """The layer with its number and kernel, or what it has where they are left out."""
    if number is not None and kind.numeral is None:
        raise InputError(f"{layer.kind} takes no number; write {kind.example}")
    if kernel is not None and kind.kernel is None:
        raise InputError(f"{layer.kind} has no kernel to be written behind @; write {kind.example}")
    value: Sizes | float | None = None
    if number is None:
        value = None if kind.numeral == "units" else kind.number
    elif kind.numeral == "rate":
        if "x" in number:
            raise InputError(f"{layer.kind} takes one share from 0 up to below 1, as in {kind.example}")
        value = float(number)
    else:
        value = _read_sizes(number)
        if isinstance(value, tuple) and kind.numeral != "window":
            raise InputError(f"{layer.kind} takes one number of {kind.numeral}, as in {kind.example}")
    if kind.kernel is not None and kernel is None:
        return replace(layer, number=value, kernel=kind.kernel, padding=kind.kernel // 2)
    return replace(layer, number=value, kernel=None if kernel is None else _read_sizes(kernel))


def _with_options(layer: Layer, kind: Kind, options: str) -> Layer:
    given = set()
    for letter, text in _OPTION.findall(options):
        letter = letter.lower()
        if letter not in kind.options:
            allowed = ", ".join(f"{known} ({_OPTION_NAMES[known]})" for known in kind.options) or "none"
            raise InputError(f"{layer.kind} has no option {letter!r}; allowed: {allowed}")
        if letter in given:
            raise InputError(f"the {_OPTION_NAMES[letter]} of {layer.kind} is given twice")
        given.add(letter)
        layer = _with_option(layer, letter, text)
    return layer


def _with_option(layer: Layer, letter: str, text: str) -> Layer:
    if text[0].isalpha():
        if letter != "p" or "Pool" in layer.kind:
            raise InputError(f"the {_OPTION_NAMES[letter]} of {layer.kind} is a number, but {text!r} was given")
        return replace(layer, padding=text)
    value = _read_sizes(text)
    if letter == "b":
        if value not in (0, 1):
            raise InputError(
                f"the bias of {layer.kind} is b1 (there is one) or b0 (there is none), but {text} was given"
            )
        return replace(layer, bias=bool(value))
    if letter == "g":
        if isinstance(value, tuple):
            raise InputError(f"the groups of {layer.kind} are one number, but {text} was given")
        return replace(layer, groups=value)
    if letter == "s":
        return replace(layer, stride=value)
    return replace(layer, padding=value) if letter == "p" else replace(layer, dilation=value)


def _read_sizes(text: str) -> Sizes:
    if "." in text:
        raise InputError(f"{text} is no whole number")
    parts = text.split("x")
    if max(map(len, parts)) > MOST_DIGITS:
        raise InputError(f"{text} is too large; a number has at most {MOST_DIGITS} digits")
    values = tuple(map(int, parts))
    return values[0] if len(values) < 3 and len(set(values)) == 1 else values


def _sizes(value: Sizes | float) -> str:
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return str(int(value)) if isinstance(value, int) else f"{value:.10g}"


def _pointed(line: str, start: int, end: int, sentence: str, around: int = 34) -> InputError:
    """The sentence, and below it the line with carets; of a long line only what stands around the place."""
    end = min(end, start + around)
    first, last = max(0, start - around), min(len(line), end + around)
    before, after = "... " if first else "", " ..." if last < len(line) else ""
    carets = " " * (len(before) + start - first) + "^" * max(1, end - start)
    return InputError(f"{sentence}\n  {before}{line[first:last]}{after}\n  {carets}")
