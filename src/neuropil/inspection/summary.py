"""A network layer by layer: what each gives out, how many weights it has, what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from neuropil.errors import InputError
from neuropil.inspection.loose_weights import LooseUse, LooseUses
from neuropil.inspection.receptive_field import Field, FieldTracker
from neuropil.nn.contracts import CountsItself
from neuropil.nn.windows import WindowPooling

__all__ = ["LayerSummary", "Summary", "summarize"]


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One call of one layer, for one sample; or one operation that reads a layer's weights past it.

    Args:
        name: its path in the network, or the path of what runs the operation; a layer that is called twice has two
            rows.
        kind: its class, or the operation.
        output_shape: without the batch axis.
        weights: trainable and frozen values of its own; 0 in the second row of a layer that is called twice.
        multiply_adds: of convolutions, fully connected and recurrent layers; 0 for the rest, as is the custom.
        activation_bytes: of its output.
        receptive_field: cells of the input that one value of its output sees along each axis, padding included;
            `None` where the samples have no maps.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    weights: int
    multiply_adds: int
    activation_bytes: int
    receptive_field: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Summary:
    """A network for one sample.

    Args:
        model: its class.
        input_shape: of one sample.
        layers: in the order of their calls.
        weights: all trainable and frozen values, each counted once.
        trainable_weights: those that training may change.
        weight_bytes: of all weights and running averages.
        multiply_adds: of one forward pass.
        activation_bytes: the outputs of all layers together, the order of what training keeps.
    """

    model: str
    input_shape: tuple[int, ...]
    layers: tuple[LayerSummary, ...]
    weights: int
    trainable_weights: int
    weight_bytes: int
    multiply_adds: int
    activation_bytes: int


def summarize(model: nn.Module, input_shape: tuple[int, ...]) -> Summary:
    """Follow one sample through a network and write down every layer.

    Nothing is computed where the network runs on torch's meta device; otherwise one sample of zeros goes through.
    Modes, weights, running averages and random numbers stay as they were.

    Source: chapter, "Weights and memory of AlexNet"; for multiply-adds, `outputs x weights of one output`.

    Args:
        model: any network of one tensor.
        input_shape: of one sample, such as `(3, 224, 224)`.

    Raises:
        InputError: a size below 1, or samples that the network does not take.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 6, 5), nn.Flatten(), nn.Linear(4704, 10))
        >>> [(layer.name, layer.weights, layer.multiply_adds) for layer in summarize(net, (1, 32, 32)).layers]
        [('0', 156, 117600), ('1', 0, 0), ('2', 47050, 47040)]
    """
    if min(input_shape, default=0) < 1:
        raise InputError(f"samples of shape {input_shape} were given; each size is 1 or more, such as (3, 224, 224)")
    recorder = _Recorder()
    with _measured(model, recorder):
        _run(model, input_shape, recorder)

    layers, seen = [], set[int]()
    for name, what, inputs, output, field in recorder.calls:
        if isinstance(what, LooseUse):
            kind, cost = what.kind, what.multiply_adds
            read = [model.get_parameter(one) for one in what.parameters]
        else:
            kind, cost = type(what).__name__, _multiply_adds(what, inputs, output)
            read = [*what.parameters(recurse=False)]
        own = {id(one): one.numel() for one in read}
        layers.append(
            LayerSummary(
                name=name,
                kind=kind,
                output_shape=tuple(output.shape[1:]),
                weights=sum(count for key, count in own.items() if key not in seen),
                multiply_adds=cost,
                activation_bytes=output.numel() * output.element_size(),
                receptive_field=None if field is None else field.size,
            )
        )
        seen |= own.keys()
    parameters = list(model.parameters())
    return Summary(
        model=type(model).__name__,
        input_shape=tuple(input_shape),
        layers=tuple(layers),
        weights=sum(p.numel() for p in parameters),
        trainable_weights=sum(p.numel() for p in parameters if p.requires_grad),
        weight_bytes=sum(t.numel() * t.element_size() for t in (*parameters, *model.buffers())),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
        activation_bytes=sum(layer.activation_bytes for layer in layers),
    )


class _Call(NamedTuple):
    name: str
    what: nn.Module | LooseUse
    inputs: tuple[Tensor, ...]
    output: Tensor
    field: Field | None


class _Recorder:
    """Writes down the calls of one run."""

    def __init__(self) -> None:
        self.calls: list[_Call] = []
        self.inside: list[tuple[str, bool]] = []
        """What is being called, outermost first, and whether each has a row."""

    @contextmanager
    def following(self, x: Tensor, parameters: Mapping[str, Tensor]) -> Iterator[None]:
        """Forget an earlier run, and follow this input through these weights."""
        self.calls.clear()
        self.inside.clear()
        self.tracker = FieldTracker(x)
        with self.tracker, LooseUses(parameters, self.loose):
            yield

    def __call__(self, name: str, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """A layer was called."""
        if isinstance(layer, WindowPooling):
            self.tracker.pooled(layer, inputs[0], output)
        self.calls.append(_Call(name, layer, inputs, output, self.tracker.field_of(output)))

    def loose(self, use: LooseUse) -> None:
        """Weights were read; a layer with a row of its own accounts for what happens in it."""
        if not any(has_row for _, has_row in self.inside):
            name = self.inside[-1][0] if self.inside else ""
            self.calls.append(_Call(name or use.kind, use, (), use.output, self.tracker.field_of(use.output)))


@contextmanager
def _measured(model: nn.Module, recorder: _Recorder) -> Iterator[None]:
    """Hooks on every layer that does work of its own, evaluation mode, and everything put back at the end."""
    modes = [(module, module.training) for module in model.modules()]
    hooks = []
    for name, layer in model.named_modules():
        container = isinstance(layer, nn.Sequential) or any(True for _ in layer.children())
        has_row = not container or any(True for _ in layer.parameters(recurse=False))

        def before(*_: Any, name: str = name, has_row: bool = has_row) -> None:
            recorder.inside.append((name, has_row))

        def behind(layer: nn.Module, inputs: Any, output: Any, name: str = name, has_row: bool = has_row) -> None:
            recorder.inside.pop()
            first = output[0] if isinstance(output, tuple) and output else output  # recurrent: outputs, state
            if has_row and isinstance(first, Tensor):
                recorder(name or type(layer).__name__, layer, inputs, first)

        hooks += [layer.register_forward_pre_hook(before), layer.register_forward_hook(behind)]
    try:
        model.eval()
        with torch.random.fork_rng(), torch.no_grad():
            yield
    finally:
        for handle in hooks:
            handle.remove()
        for module, training in modes:
            module.training = training


def _run(model: nn.Module, input_shape: tuple[int, ...], recorder: _Recorder) -> None:
    """One sample through the network: on the meta device, or in earnest where a layer cannot go there."""
    parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    state = {**parameters, **buffers}
    first = next((t for t in state.values() if t.is_floating_point()), torch.empty(0))
    try:
        placeholders = {name: tensor.to("meta") for name, tensor in state.items()}
        sample = torch.zeros(1, *input_shape, dtype=first.dtype, device="meta")
        with recorder.following(sample, {name: placeholders[name] for name in parameters}):
            functional_call(model, placeholders, (sample,))
    except InputError:
        raise
    except Exception:  # whatever a layer says about the meta device, real numbers decide
        copies = {name: tensor.detach().clone() for name, tensor in buffers.items()}
        sample = torch.zeros(1, *input_shape, dtype=first.dtype, device=first.device)
        try:
            with recorder.following(sample, parameters):
                functional_call(model, copies, (sample,))
        except InputError:
            raise
        except Exception as error:  # a foreign network may refuse in any way
            shape = "x".join(map(str, input_shape))
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{type(model).__name__} does not take samples of {shape}: {reason}") from error


def _multiply_adds(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> int:
    """Each weight is used once at every position: of the output, or of the input of a transposed convolution."""
    if isinstance(layer, CountsItself):
        return layer.multiply_adds(tuple(output.shape[1:]))
    if isinstance(layer, _ConvNd):
        side = inputs[0] if isinstance(layer, _ConvTransposeNd) else output
        return layer.weight.numel() * math.prod(side.shape[2:])
    if isinstance(layer, nn.Linear):
        return layer.weight.numel() * (output.numel() // layer.out_features)
    if isinstance(layer, nn.RNNBase):
        steps = inputs[0].shape[0 if inputs[0].ndim == 2 or not layer.batch_first else 1]
        return steps * sum(weight.numel() for weight in layer.parameters() if weight.ndim == 2)
    return 0
