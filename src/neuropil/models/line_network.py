"""A network from a line of text: the chapter's "Conv - ReLU - Pool - Conv - ReLU - Pool - FC - FC - SM".

Source: chapter, "Structure of a CNN", "LeNet", "AlexNet", which write their networks so. `neuropil.models.line_grammar`
reads the line, `neuropil.models.line_layers` builds each layer for the shape that arrives at it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from itertools import pairwise

from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.models.line_grammar import Layer, join_layers, point_at, read_line
from neuropil.models.line_layers import ENDS_A_STAGE, Entry, Shape, build_layers, shape_in_words, shapes_along
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head

__all__ = ["LineNetwork"]

USUAL_OUTPUTS = 10


class LineNetwork(nn.Module):
    """The network that a line of text describes.

    Shape:
        `[N, *in_shape]` -> `[N, num_classes]`, or whatever the line's last layer gives.

    Args:
        line: see `neuropil.models.line_grammar`; a softmax at its end is kept in mind but not computed, since losses
            and tasks take logits.
        in_shape: of one sample: `(C, H, W)`, `(C, L)`, or `(D,)` for a line of fully connected layers.
        num_classes: outputs, which the line's last layer must have; a last FC without a number takes it (10 where
            this is left out too). 0 leaves a last FC out.
        initialization: how the weights start.

    Raises:
        InputError: the line cannot be read, or a layer cannot take what arrives at it; the message points at it.

    Example:
        >>> net = LineNetwork(line="Conv6@5 - ReLU - Pool2 - Conv16@5 - ReLU - Pool2 - FC120 - FC84 - FC10 - SM")
        >>> sum(p.numel() for p in net.parameters())
        61706
        >>> LineNetwork(line="Conv - ReLU - Pool - FC - FC - SM").line
        'Conv32@3p1 - ReLU - Pool2 - FC128 - FC10 - SM'
    """

    def __init__(
        self,
        *,
        line: str,
        in_shape: Shape = (1, 32, 32),
        num_classes: int | None = None,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        self.in_shape, self.initialization = tuple(in_shape), initialization
        layers = _with_outputs(read_line(line), num_classes)
        shapes = shapes_along(line, layers, self.in_shape)
        _check_outputs(line, layers, shapes[-1], num_classes)
        entries = build_layers(layers, shapes)
        ends = _stage_ends(entries)
        self.stages = nn.ModuleList(_in_a_row(entries[begin:end]) for begin, end in pairwise([0, *ends]))
        self.head = _in_a_row(entries[ends[-1] if ends else 0 :])
        self.widths = tuple(entries[end - 1].shape[0] for end in ends)
        self._fixed = len(in_shape) == 1 or any(entry.kind == "Flatten" for entry in entries)
        self._softmax = tuple(layer for layer in layers if layer.kind == "SM")
        self._layers = tuple(layer for layer in layers if layer.kind != "SM")
        initialize(self, initialization)
        if num_classes == 0:
            self.reset_classifier(0)

    @property
    def line(self) -> str:
        """The line with every size written out; it reads as this network again."""
        return join_layers(
            self._layers if isinstance(self._classifier()[1], _LeftOut) else self._layers + self._softmax
        )

    @property
    def ends_in_softmax(self) -> bool:
        """Whether the line has a softmax at its end, which is left to the loss and the task."""
        return bool(self._softmax)

    def __repr__(self) -> str:
        return f"LineNetwork(line={self.line!r}, in_shape={self.in_shape})"

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the FC at the end for a fresh one; 0 leaves it out.

        Raises:
            InputError: outputs are asked for, but the line does not end in FC.
        """
        name, last = self._classifier()
        if last is None:
            if num_classes == 0:
                return
            raise InputError(f"the network {self.line!r} does not end in FC, so it has no classifier to exchange")
        width, first = last.in_features, next(self.parameters(), None)
        head = linear_head(width, num_classes, self.initialization, like=first) if num_classes else _LeftOut(width)
        self.head.add_module(name, head)
        changed = Layer("FC", num_classes) if num_classes else Layer("Flatten")
        self._layers = (*self._layers[:-1], changed)

    def features(self, x: Tensor) -> list[Tensor]:
        """What each stage gives: the layers up to a pooling, or up to the next FC where there are no maps."""
        self._check(x)
        return [x := stage(x) for stage in self.stages]

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        self._check(x)
        for stage in self.stages:
            x = stage(x)
        logits: Tensor = self.head(x)
        return logits

    def _classifier(self) -> tuple[str, nn.Linear | _LeftOut | None]:
        """The FC at the end, or what stands where one was."""
        name, last = next(reversed(list(self.head.named_children())), ("", None))
        return name, last if isinstance(last, nn.Linear | _LeftOut) else None

    def _check(self, x: Tensor) -> None:
        if self._fixed and tuple(x.shape[1:]) != self.in_shape:
            given = tuple(x.shape[1:])
            raise InputError(
                f"samples of {shape_in_words(given)} were given to a network for {shape_in_words(self.in_shape)}; "
                f"build it with in_shape={given}"
            )


class _LeftOut(nn.Identity):
    """Stands where a classifier was, and remembers its width."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.in_features = in_features


def _with_outputs(layers: tuple[Layer, ...], num_classes: int | None) -> tuple[Layer, ...]:
    """The last FC with as many units as are wanted, where the line does not say."""
    wanted = num_classes or USUAL_OUTPUTS
    return tuple(
        replace(layer, number=wanted) if layer.kind == "FC" and layer.number is None else layer for layer in layers
    )


def _check_outputs(line: str, layers: tuple[Layer, ...], shape: Shape, num_classes: int | None) -> None:
    """Refuse a line that ends in something else than is wanted."""
    if layers[-1].kind == "SM" and len(shape) > 1:
        raise point_at(
            line,
            layers[-1],
            f"SM gets {shape_in_words(shape)}, but takes a row of numbers; put FC or GlobalAvgPool before it",
        )
    if num_classes and shape != (num_classes,):
        last = next((layer for layer in reversed(layers) if layer.kind != "SM"), layers[-1])
        raise point_at(
            line,
            last,
            f"the line ends in {shape_in_words(shape)}, but {num_classes} outputs are wanted; let it end in "
            f"FC{num_classes}, or in FC, which gives as many as are wanted",
        )


def _stage_ends(entries: list[Entry]) -> list[int]:
    """How many modules lie in front of each stage's end: a pooling, or an FC's predecessor where there are no maps."""
    maps = [number for number, entry in enumerate(entries, start=1) if len(entry.shape) > 1]
    if not maps:
        return [n for n, entry in enumerate(entries) if n and entry.kind == "FC" and entries[n - 1].kind != "Flatten"]
    return sorted({n for n in maps if entries[n - 1].kind in ENDS_A_STAGE} | {maps[-1]})


def _in_a_row(entries: list[Entry]) -> nn.Sequential:
    return nn.Sequential(OrderedDict((entry.name, entry.module) for entry in entries))
