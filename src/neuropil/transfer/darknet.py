"""darknet's files of YOLO v1: the `.weights` and, in `darknet_cfg.py`, the text that says what they are of.

Source: darknet's `parser.c` (`load_weights_upto`, `load_convolutional_weights`, `load_connected_weights`) and
`detection_layer.c`, which orders the outputs by kind: the classes of all cells, then all confidences, then all boxes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.files import write_atomic
from neuropil.nn.local import LocallyConnected2d

__all__ = ["Header", "darknet_tensors", "output_order", "read_darknet", "write_darknet"]


class Header(NamedTuple):
    """The first numbers of a file.

    Args:
        major, minor, revision: of the format; from 0.2 on `seen` takes 8 bytes instead of 4.
        seen: pictures that the weights were trained on.
    """

    major: int = 0
    minor: int = 1
    revision: int = 0
    seen: int = 0

    def packed(self) -> bytes:
        """The header as it stands in the file."""
        return struct.pack(f"<iii{self._kind}", self.major, self.minor, self.revision, self.seen)

    @property
    def _kind(self) -> str:
        return "Q" if self.major * 10 + self.minor >= 2 else "I"

    @classmethod
    def read(cls, content: bytes, where: str) -> tuple[Header, int]:
        """The header and how many bytes it takes.

        Raises:
            InputError: too short, or numbers that no such file has.
        """
        if len(content) < 16:
            raise InputError(f"{where} has {len(content)} bytes, too few for a darknet file; get a fresh copy")
        major, minor, revision = struct.unpack_from("<iii", content)
        if not (0 <= major <= 10 and 0 <= minor <= 1000 and 0 <= revision <= 1000):
            raise InputError(f"{where} is no darknet file: its version reads {major}.{minor}.{revision} at offset 0")
        kind = cls(major, minor)._kind
        if len(content) < 12 + struct.calcsize(kind):
            raise InputError(f"{where} has {len(content)} bytes, too few for a darknet file; get a fresh copy")
        (seen,) = struct.unpack_from(f"<{kind}", content, 12)
        return cls(major, minor, revision, seen), 12 + struct.calcsize(kind)


_WEIGHTED = (nn.Conv2d, nn.BatchNorm2d, nn.Linear, LocallyConnected2d)


class _Part(NamedTuple):
    """A tensor of the network in the order of the file, and how its rows lie there (`None`: as here)."""

    name: str
    tensor: Tensor
    rows: Tensor | None = None


def output_order(grid: int, boxes: int, num_classes: int) -> Tensor:
    """For each output of darknet's last layer, the place of the same number in ours; int64 `[G G (5 B + K)]`.

    Source: `detection_layer.c`: class k of cell i at `i K + k`, confidence of box j at `G G K + i B + j`, number c of
    its box at `G G (K + B) + (i B + j) 4 + c`; row by row. Ours: cell by cell, `x y w h C` of each box, then classes.

    Example:
        >>> output_order(1, 2, 3).tolist()
        [10, 11, 12, 4, 9, 0, 1, 2, 3, 5, 6, 7, 8]
    """
    cells, numbers = grid * grid, 5 * boxes + num_classes
    ours = torch.arange(cells * numbers).reshape(cells, numbers)
    of_boxes = ours[:, : 5 * boxes].reshape(cells, boxes, 5)
    classes, confidences, corners = ours[:, 5 * boxes :], of_boxes[..., 4], of_boxes[..., :4]
    return torch.cat([classes.flatten(), confidences.flatten(), corners.flatten()])


def _parts(network: nn.Module) -> Iterator[_Part]:
    """The tensors in darknet's order: biases, (of a normalised layer) scales, means and variances, then weights."""
    layers = [(name, one) for name, one in network.named_modules() if isinstance(one, _WEIGHTED)]
    for place, (name, layer) in enumerate(layers):
        if isinstance(layer, nn.BatchNorm2d):
            continue
        behind = layers[place + 1][1] if place + 1 < len(layers) else None
        if isinstance(behind, nn.BatchNorm2d):
            norm = layers[place + 1][0]
            if behind.running_mean is None or behind.running_var is None:
                raise InputError(f"{norm} has no running statistics, which darknet's files hold; give it some")
            yield _Part(f"{norm}.bias", behind.bias)
            yield _Part(f"{norm}.weight", behind.weight)
            yield _Part(f"{norm}.running_mean", behind.running_mean)
            yield _Part(f"{norm}.running_var", behind.running_var)
        rows = None
        if layer is getattr(network, "last", None) and isinstance(layer, nn.Linear):
            grid, boxes = int(network.grid), int(network.boxes)  # type: ignore[arg-type]
            rows = output_order(grid, boxes, layer.out_features // grid**2 - 5 * boxes)
        if layer.bias is not None:
            yield _Part(f"{name}.bias", layer.bias, rows)
        yield _Part(f"{name}.weight", layer.weight, rows)


def darknet_tensors(network: nn.Module, path: Path) -> tuple[Header, dict[str, Tensor]]:
    """The numbers of a file by the network's names, in its shapes and order; the network stays as it is.

    Args:
        network: of `extraction`, `yolo_v1` and their kin, as the file's cfg describes it (see `network_of_cfg`).
        path: ends in `.weights`.

    Raises:
        InputError: no such file, a foreign one, or one with too few or too many numbers, with the offset at which the
            network and the file part.
    """
    where = f"the weights file {str(path)!r}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror}") from error
    header, place = Header.read(content, where)
    found: dict[str, Tensor] = {}
    for part in _parts(network):
        count = part.tensor.numel()
        if place + 4 * count > len(content):
            raise InputError(
                f"{where} ends at offset {len(content)}, but {part.name} needs {count:,} numbers from offset {place} "
                "on; it is cut short, or of another network"
            )
        values = torch.from_numpy(np.frombuffer(content, dtype="<f4", count=count, offset=place).copy())
        values = values.reshape(part.tensor.shape)
        if not values.isfinite().all():
            raise InputError(f"{where} holds NaN or infinity for {part.name}, from offset {place} on; get a fresh copy")
        if part.rows is not None:
            values = torch.empty_like(values).index_copy_(0, part.rows, values)
        found[part.name] = values
        place += 4 * count
    if place != len(content):
        raise InputError(
            f"{where} has {len(content) - place:,} bytes behind offset {place}, where this network's weights end; it "
            "is of another network"
        )
    return header, found


def read_darknet(network: nn.Module, path: Path) -> Header:
    """Fill a network from a file; see `darknet_tensors`.

    Raises:
        InputError: as `darknet_tensors`; the network stays as it is.

    Differs:
        darknet adds 0.000001 to the root of the variance, torch 0.00001 to the variance.
    """
    header, found = darknet_tensors(network, path)
    own = network.state_dict()
    with torch.no_grad():
        for name, values in found.items():
            own[name].copy_(values)
    return header


def write_darknet(network: nn.Module, path: Path, header: Header = Header()) -> None:  # noqa: B008  (it is immutable)
    """Write a network's weights as darknet does.

    Raises:
        InputError: the file cannot be written.
    """
    pieces = [header.packed()]
    for part in _parts(network):
        values = part.tensor.detach().cpu().float()
        if part.rows is not None:
            values = values[part.rows]
        pieces.append(np.ascontiguousarray(values.numpy(), dtype="<f4").tobytes())
    try:
        write_atomic(path, b"".join(pieces))
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written: {error.strerror or error}") from error
