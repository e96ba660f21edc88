"""darknet's cfg files of version 1: what a network is, as text, read into options of ours and written again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from neuropil.errors import InputError
from neuropil.nn.dropout import Dropout
from neuropil.nn.local import LocallyConnected2d
from neuropil.nn.pooling import MaxPooling

__all__ = ["Section", "network_of_cfg", "read_cfg", "read_text", "write_cfg"]


@dataclass(slots=True)
class Section:
    """One bracketed section.

    Args:
        name: without brackets.
        line: of its heading.
        options: key -> text.
    """

    name: str
    line: int
    options: dict[str, str] = field(default_factory=dict)

    def number(self, key: str, otherwise: int, where: str) -> int:
        """A whole number.

        Raises:
            InputError: it is none.
        """
        text = self.options.get(key, str(otherwise))
        try:
            return int(float(text)) if float(text).is_integer() else int(text)
        except ValueError as error:
            raise InputError(f"{where}, [{self.name}] of line {self.line}: {key} is {text!r}; give a number") from error


def read_text(path: Path) -> str:
    """A cfg file's text.

    Raises:
        InputError: it cannot be read, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{str(path)!r} cannot be read as text: {error}; put it back") from error


def read_cfg(text: str, where: str) -> list[Section]:
    r"""The sections of a cfg file; comments begin with `#` or `;`.

    Raises:
        InputError: a line that is neither a heading nor `key=value`, with its number, or no `[net]` first.

    Example:
        >>> [(one.name, one.options) for one in read_cfg("[net]\nwidth=448\n[maxpool]\nsize = 2", "a.cfg")]
        [('net', {'width': '448'}), ('maxpool', {'size': '2'})]
    """
    sections: list[Section] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        key, equals, value = line.partition("=")
        if line.startswith("[") and line.endswith("]"):
            sections.append(Section(line[1:-1].strip(), number))
        elif equals and sections:
            sections[-1].options[key.strip()] = value.strip()
        else:
            raise InputError(f"{where}, line {number}: {line!r} is neither a [section] nor key=value")
    if not sections or sections[0].name not in ("net", "network"):
        raise InputError(f"{where} does not begin with [net], so it is no darknet cfg file")
    return sections


def _shape_of(sections: list[Section], where: str) -> tuple[tuple[Any, ...], ...]:
    """What the layers are, in a form that can be compared."""
    shape: list[tuple[Any, ...]] = []
    for one in sections[1:]:
        if one.name == "convolutional":
            numbers = [one.number(key, value, where) for key, value in (("filters", 1), ("size", 1), ("stride", 1))]
            shape.append(("convolutional", *numbers, bool(one.number("batch_normalize", 0, where))))
        elif one.name == "maxpool":
            shape.append(("maxpool", one.number("size", 2, where), one.number("stride", 2, where)))
        elif one.name == "local":
            shape.append(("local", one.number("filters", 1, where)))
        elif one.name == "connected":
            shape.append(("connected", one.number("output", 1, where)))
        elif one.name not in ("dropout", "detection", "crop", "cost", "avgpool", "softmax"):
            raise InputError(
                f"{where}, line {one.line}: [{one.name}] does not occur in YOLO's version 1; only its networks are read"
            )
    return tuple(shape)


def network_of_cfg(text: str, where: str) -> tuple[str, dict[str, Any]]:
    """Our name and options of the network that a cfg file describes.

    Raises:
        InputError: another network than `yolov1.cfg`, the released `yolo-small.cfg`, `yolov1-tiny.cfg` and their kin.
    """
    sections = read_cfg(text, where)
    shape = _shape_of(sections, where)
    detection = next((one for one in sections if one.name == "detection"), None)
    if detection is None:
        raise InputError(f"{where} has no [detection], so it is none of YOLO's version 1")
    if detection.number("sqrt", 0, where) != 1:
        raise InputError(f"{where}, line {detection.line}: sqrt is not 1; networks here give roots of width and height")
    classes, grid, boxes = (
        detection.number(key, value, where) for key, value in (("classes", 1), ("side", 7), ("num", 1))
    )
    maps = [one for one in shape if one[0] == "convolutional"]
    dense = [one[1] for one in shape if one[0] == "connected"]
    local = [one[1] for one in shape if one[0] == "local"]
    normed = {one[4] for one in maps}
    if len(normed) != 1 or not dense or dense[-1] != grid**2 * (5 * boxes + classes):
        raise InputError(f"{where} is not built as YOLO's version 1: it ends in {dense[-1:]} numbers")
    options: dict[str, Any] = {
        "num_classes": classes,
        "in_channels": sections[0].number("channels", 3, where),
        "grid": grid,
        "boxes": boxes,
        "batch_norm": normed.pop(),
        "neck": maps[-1][1],
    }
    if len(maps) == 8:
        return "yolo_v1_tiny", options
    if len(maps) != 24:
        raise InputError(f"{where} has {len(maps)} convolutions; YOLO's version 1 has 24, the tiny one 8")
    options |= {"local": local[0]} if local else {"hidden": tuple(dense[:-1])}
    return "yolo_v1", options


def write_cfg(network: nn.Module, side: int = 448) -> str:
    """The cfg text of a detector (`yolo_v1` or `yolo_v1_tiny`).

    Args:
        network: the detector.
        side: of its pictures.

    Raises:
        InputError: a network that darknet's version 1 does not know.
    """
    grid, boxes, last = (getattr(network, name, None) for name in ("grid", "boxes", "last"))
    if grid is None or boxes is None or not isinstance(last, nn.Linear):
        raise InputError(f"{type(network).__name__} is no detector with a dense last layer, which darknet's cfg needs")
    layers = [one for one in network.modules() if not list(one.children())]
    channels = next(one.in_channels for one in layers if isinstance(one, nn.Conv2d))
    lines = ["[net]", "batch=1", "subdivisions=1", f"height={side}", f"width={side}", f"channels={channels}"]
    for place, layer in enumerate(layers):
        behind = layers[place + 1 : place + 3]
        active = "leaky" if any(isinstance(one, nn.LeakyReLU) for one in behind) else "linear"
        if isinstance(layer, nn.Conv2d):
            lines += ["", "[convolutional]"]
            lines += ["batch_normalize=1"] * isinstance(behind[0], nn.BatchNorm2d)
            lines += [f"filters={layer.out_channels}", f"size={layer.kernel_size[0]}", f"stride={layer.stride[0]}"]
            lines += ["pad=1", f"activation={active}"]
        elif isinstance(layer, MaxPooling):
            lines += ["", "[maxpool]", "size=2", "stride=2"]
        elif isinstance(layer, LocallyConnected2d):
            lines += ["", "[local]", f"size={layer.kernel_size}", f"stride={layer.stride}", "pad=1"]
            lines += [f"filters={layer.weight.shape[1]}", "activation=leaky"]
        elif isinstance(layer, Dropout):
            lines += ["", "[dropout]", f"probability={layer.rate:g}"]
        elif isinstance(layer, nn.Linear):
            lines += ["", "[connected]", f"output={layer.out_features}"]
            lines += [f"activation={'linear' if layer is last else active}"]
        elif not isinstance(layer, nn.BatchNorm2d | nn.LeakyReLU | nn.Flatten | nn.Identity):
            raise InputError(f"darknet's version 1 has no {type(layer).__name__}; only its own networks are written")
    classes = last.out_features // grid**2 - 5 * boxes
    lines += ["", "[detection]", f"classes={classes}", "coords=4", "rescore=1", f"side={grid}", f"num={boxes}"]
    lines += [
        "softmax=0",
        "sqrt=1",
        "jitter=.2",
        "object_scale=1",
        "noobject_scale=.5",
        "class_scale=1",
        "coord_scale=5",
    ]
    return "\n".join([*lines, ""])
