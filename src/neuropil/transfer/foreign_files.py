"""Files of other programs, layer by layer: ONNX graphs and Keras' HDF5. Nothing in them is ever run.

Source: the ONNX format (operators Conv, BatchNormalization, Gemm, MatMul); the layout of Keras 3's `.keras` and
`.weights.h5`, and of the older `.h5` with its attributes `layer_names` and `weight_names`.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuropil.errors import InputError, MissingExtraError
from neuropil.transfer.layer_order import FileLayer, LayerKind

__all__ = ["read_layers"]

Array = np.ndarray[Any, Any]

MAX_ARCHIVE_BYTES = 4 << 30

MAX_DESCRIPTION_BYTES = 64 << 20

MOST_COMPRESSED = 64
"""Weights are noise: arrays that store less than a 64th of what they claim are none."""


def read_layers(path: Path) -> list[FileLayer]:
    """The layers with weights of a file, in its order.

    Args:
        path: ends in one of `reading.LAYER_SUFFIXES`.

    Raises:
        InputError: a file that cannot be read, or without such layers.
        MissingExtraError: the package that reads the format is not installed.
    """
    read = _onnx_layers if path.suffix.lower() == ".onnx" else _keras_layers
    try:
        layers = list(read(path))
    except (InputError, MissingExtraError):
        raise
    except Exception as error:  # a hostile file may raise anything; each is a refusal of that file, never a crash
        reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        raise InputError(f"the weights file {str(path)!r} cannot be read ({reason}); get a fresh copy") from error
    if not layers:
        raise InputError(f"the weights file {str(path)!r} holds no layer with weights that is known here")
    return layers


# --- ONNX ------------------------------------------------------------------------------------------


def _onnx_layers(path: Path) -> Iterator[FileLayer]:
    try:
        import onnx
        from onnx.numpy_helper import to_array
    except ImportError as error:
        raise MissingExtraError("an ONNX file needs the package 'onnx'; install neuropil[weights]") from error
    graph = onnx.load(path).graph
    values: dict[str, Array] = {one.name: to_array(one) for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            values[node.output[0]] = to_array(node.attribute[0].t)
        elif node.op_type == "Reshape" and node.input[0] in values and node.input[1] in values:
            values[node.output[0]] = values[node.input[0]].reshape(values[node.input[1]].tolist())
        elif node.op_type == "Identity" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]]
    added = {name: node for node in graph.node if node.op_type == "Add" for name in node.input}
    for node in graph.node:
        arrays = [values.get(name) for name in node.input[1:]]
        if not arrays or arrays[0] is None:
            continue
        options = {one.name: one for one in node.attribute}
        name = str(node.input[1])
        if node.op_type == "Conv":
            groups = options["group"].i if "group" in options else 1
            alone = groups > 1 and groups == arrays[0].shape[0] and arrays[0].shape[1] == 1
            kind: LayerKind = "depthwise convolution" if alone else "convolution"
            yield FileLayer(name, kind, _parts(weight=arrays[0], bias=_at(arrays, 1)))
        elif node.op_type == "BatchNormalization" and len(arrays) >= 4:
            parts = _parts(weight=arrays[0], bias=arrays[1], running_mean=arrays[2], running_var=arrays[3])
            yield FileLayer(name, "normalization", parts, options["epsilon"].f if "epsilon" in options else 1e-5)
        elif node.op_type == "Gemm" and arrays[0].ndim == 2:
            turned = "transB" in options and options["transB"].i
            weight = arrays[0] if turned else arrays[0].T
            yield FileLayer(name, "fully connected layer", _parts(weight=weight, bias=_at(arrays, 1)))
        elif node.op_type == "MatMul" and arrays[0].ndim == 2:
            then = added.get(node.output[0])
            bias = None if then is None else next((values[one] for one in then.input if one in values), None)
            yield FileLayer(name, "fully connected layer", _parts(weight=arrays[0].T, bias=bias))


def _at(arrays: list[Array | None], place: int) -> Array | None:
    return arrays[place] if len(arrays) > place else None


def _parts(**arrays: Array | None) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.array(one)) for name, one in arrays.items() if one is not None}


# --- Keras -----------------------------------------------------------------------------------------


KERAS_EPSILON = 1e-3
"""What Keras' normalization adds to the variance where the file does not say."""

COUNTED = re.compile(r"^(?P<kind>.+?)(?:_(?P<number>\d+))?$")

ROLES: Mapping[str, tuple[str, ...]] = {
    "conv2d": ("kernel", "bias"),
    "depthwise_conv2d": ("depthwise_kernel", "bias"),
    "dense": ("kernel", "bias"),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}
"""What Keras 3 numbers from 0 in each layer, by the layer's class."""

Settings = Mapping[str, Mapping[str, Any]]
"""What a model's own description says of each layer, by the layer's name."""


def _keras_layers(path: Path) -> Iterator[FileLayer]:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("a Keras file needs the package 'h5py'; install neuropil[weights]") from error
    source: Any = path
    settings: Settings = {}
    if path.suffix.lower() == ".keras":
        with zipfile.ZipFile(path) as archive:
            inside = archive.getinfo("model.weights.h5")
            if inside.file_size > min(MAX_ARCHIVE_BYTES, MOST_COMPRESSED * max(inside.compress_size, 4096)):
                raise InputError(f"the weights in {str(path)!r} claim {inside.file_size:,} bytes and store hardly any")
            if archive.getinfo("config.json").file_size > MAX_DESCRIPTION_BYTES:
                raise InputError(f"the description in {str(path)!r} is larger than any network's")
            settings = _settings(archive.read("config.json"))
            source = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(source, "r") as file:
        if "layers" in file:
            yield from _newer_keras(file["layers"], settings, _Arrays(file))
        else:
            if "model_config" in file.attrs:
                settings = _settings(file.attrs["model_config"])
            yield from _older_keras(file.get("model_weights", file), settings, _Arrays(file))


def _settings(text: str | bytes) -> Settings:
    layers = json.loads(text)["config"]["layers"]
    return {one["config"]["name"]: {**one["config"], "class": one["class_name"]} for one in layers}


def _older_keras(file: Any, settings: Settings, read: _Arrays) -> Iterator[FileLayer]:
    """Layers by name in the file's own order, each array with its role in its name."""
    for name in (_text(one) for one in file.attrs["layer_names"]):
        group = file[name]
        weights = [_text(one) for one in group.attrs["weight_names"]]
        roles = {one.rpartition("/")[2].partition(":")[0]: read(group[one]) for one in weights}
        yield from _keras_layer(name, roles, settings.get(name, {}))


def _newer_keras(layers: Any, settings: Settings, read: _Arrays) -> Iterator[FileLayer]:
    """Groups named after the layer's class and number; their arrays are numbered in the order of `ROLES`."""
    for name in sorted(layers, key=_counted):
        arrays, names = layers[name].get("vars", {}), ROLES.get(_counted(name)[0])
        if names is None or not len(arrays):
            continue
        own = settings.get(_text(arrays.attrs.get("name", "")), {})
        if own.get("scale") is False:
            names = names[1:]
        if own.get("center") is False:
            names = tuple(one for one in names if one != "beta")
        values = (read(arrays[number]) for number in sorted(arrays, key=int))
        yield from _keras_layer(name, dict(zip(names, values, strict=False)), own)


class _Arrays:
    """Reads datasets of one very file, if they are as large as they claim.

    HDF5 can point to other files, can claim any shape without storing a byte of it, and can name one array many times.
    """

    def __init__(self, file: Any) -> None:
        self.file, self.total = file, 0

    def __call__(self, dataset: Any) -> Array:
        """The array.

        Raises:
            InputError: it is none of this file's, or too large.
        """
        if dataset.file.filename != self.file.filename or dataset.is_virtual or dataset.external:
            raise InputError(f"the array {dataset.name!r} lies in another file, which is not read")
        if dataset.nbytes > MOST_COMPRESSED * max(dataset.id.get_storage_size(), 4096):
            raise InputError(
                f"the array {dataset.name!r} claims {dataset.nbytes:,} bytes and stores hardly any of them"
            )
        self.total += dataset.nbytes
        if self.total > MAX_ARCHIVE_BYTES:
            raise InputError(f"the arrays claim more than {MAX_ARCHIVE_BYTES >> 30} GiB together")
        return np.asarray(dataset)


def _counted(name: str) -> tuple[str, int]:
    """`conv2d_12` as the class and the number; the first of a class has none."""
    found = COUNTED.match(name)
    return (name, 0) if found is None else (found["kind"], int(found["number"] or 0))


def _keras_layer(name: str, roles: Mapping[str, Array], settings: Mapping[str, Any]) -> Iterator[FileLayer]:
    """One layer in PyTorch's layout, where it is of a known kind; [H, W, in, out] becomes [out, in, H, W]."""
    kernel, bias = roles.get("kernel"), roles.get("bias")
    depthwise = roles.get("depthwise_kernel")
    if kernel is not None and settings.get("class") == "DepthwiseConv2D":
        kernel, depthwise = None, kernel
    if depthwise is not None:
        height, width, channels, multiplier = depthwise.shape
        weight = depthwise.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
        yield FileLayer(name, "depthwise convolution", _parts(weight=weight, bias=bias))
    elif kernel is not None and kernel.ndim == 4:
        yield FileLayer(name, "convolution", _parts(weight=kernel.transpose(3, 2, 0, 1), bias=bias))
    elif kernel is not None and kernel.ndim == 2:
        yield FileLayer(name, "fully connected layer", _parts(weight=kernel.T, bias=bias), rows_last=True)
    elif "moving_variance" in roles:
        mean = roles["moving_mean"]
        parts = _parts(
            weight=roles.get("gamma", np.ones_like(mean)),
            bias=roles.get("beta", np.zeros_like(mean)),
            running_mean=mean,
            running_var=roles["moving_variance"],
        )
        yield FileLayer(name, "normalization", parts, float(settings.get("epsilon", KERAS_EPSILON)))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
