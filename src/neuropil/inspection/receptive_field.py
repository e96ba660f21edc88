"""How much of the picture each layer sees, followed through whatever a network computes.

Source: chapter, "VGGNet" (stacks of 3x3); Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional
neural networks", equations 2 and 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from neuropil.nn.windows import WindowPooling

__all__ = ["Field", "FieldTracker"]


@dataclass(frozen=True, slots=True)
class Field:
    """What one value of a map sees of the input, along each axis.

    Args:
        size: cells of the input, padding included, so that it may be more than the input has.
        jump: cells of the input from one value to the next.
        length: values of the map.
    """

    size: tuple[int, ...]
    jump: tuple[Fraction, ...]
    length: tuple[int, ...]

    def through(self, spans: Sequence[int], steps: Sequence[Fraction | int], length: Sequence[int]) -> Field:
        """The field behind windows of so many values that stand so many values apart.

        Formula: `r <- r + (span - 1) j`, `j <- j step`.

        Example:
            >>> Field((3,), (Fraction(2),), (16,)).through([3], [2], [7])
            Field(size=(7,), jump=(Fraction(4, 1),), length=(7,))
        """
        axes = range(len(self.size))
        return Field(
            tuple(self.size[a] + math.ceil((spans[a] - 1) * self.jump[a]) for a in axes),
            tuple(self.jump[a] * steps[a] for a in axes),
            tuple(length),
        )

    def whole(self, axes: Iterable[int]) -> Field:
        """The field of a value that reads the map's whole length along some axes."""
        chosen = set(axes)
        spans = [n if a in chosen else 1 for a, n in enumerate(self.length)]
        return self.through(spans, [1] * len(spans), [1 if a in chosen else n for a, n in enumerate(self.length)])


class FieldTracker(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, writes down the receptive field of every tensor that is computed from the input.

    Convolutions and poolings widen it, global pooling and matrix products read whole maps, and anything else keeps the
    widest of what it combines.

    Args:
        x: the input, `[N, C, H, W]` or `[N, C, L]`; of rows `[N, D]` nothing is followed.
    """

    def __init__(self, x: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._fields = WeakTensorKeyDictionary()
        if x.ndim > 2:
            lengths = tuple(x.shape[2:])
            self._fields[x] = Field((1,) * len(lengths), (Fraction(1),) * len(lengths), lengths)

    def field_of(self, x: Tensor) -> Field | None:
        """What each value of a tensor sees, if it comes from the input."""
        found: Field | None = self._fields.get(x)  # type: ignore[no-untyped-call]
        return found

    def pooled(self, pooling: WindowPooling, x: Tensor, y: Tensor) -> None:
        """Correct what a pooling made of slices gave: its windows are known."""
        if (field := self.field_of(x)) is not None:
            axes = pooling.axes_of(x)
            self._fields[y] = field.through([a.extent for a in axes], [a.stride for a in axes], y.shape[2:])

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run an operation and write down the fields of its results."""
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        fields = [field for leaf in given if (field := self.field_of(leaf)) is not None]
        results = func(*args, **(kwargs or {}))
        if fields:
            name = func.overloadpacket.__name__
            for result in tree_leaves(results):
                if isinstance(result, Tensor):
                    self._fields[result] = _after(name, args, _joined(fields), result)
        return results


def _joined(fields: Sequence[Field]) -> Field:
    """The widest, along each axis; maps of one length (those that were pooled away) are stretched over the others."""
    first, *others = fields
    for other in others:
        first = Field(
            tuple(map(max, first.size, other.size)),
            tuple(map(max, first.jump, other.jump)),
            tuple(map(max, first.length, other.length)),
        )
    return first


def _after(name: str, args: tuple[Any, ...], field: Field, result: Tensor) -> Field:
    """The field behind one of torch's operations."""
    axes = len(field.size)
    maps = result.ndim == axes + 2
    if name in ("convolution", "_convolution") and maps:
        return _convolved(args, field, result)
    if name.startswith(("max_pool", "avg_pool")):  # torch pools one axis as the last of two
        kernel = _for_each(args[1], axes)
        strides = _for_each(args[2], axes) if len(args) > 2 and args[2] else kernel
        dilation = _for_each(args[4], axes) if name.startswith("max_pool") and len(args) > 4 else (1,) * axes
        spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        return field.through(spans, strides, result.shape[-axes:])
    if name.startswith(("adaptive", "_adaptive")):
        return _adaptive(field, result)
    if name in WHOLE_AXES:
        axes_gone = args[1] if len(args) > 1 and args[1] else range(args[0].ndim)
        dims = [axes_gone] if isinstance(axes_gone, int) else axes_gone
        ndim = args[0].ndim
        return field.whole([d % ndim - (ndim - axes) for d in dims if d % ndim >= ndim - axes and ndim >= axes + 2])
    if name in WHOLE_MAPS:
        return field.whole(range(axes))
    return replace(field, length=tuple(result.shape[2:])) if maps else field


WHOLE_AXES = ("mean", "sum", "amax", "amin", "logsumexp", "var", "std", "norm", "linalg_vector_norm")
WHOLE_MAPS = ("mm", "addmm", "bmm", "baddbmm", "matmul", "linear", "dot", "mv")


def _convolved(args: tuple[Any, ...], field: Field, result: Tensor) -> Field:
    _, weight, _, stride, _, dilation, transposed, *_ = args
    axes = len(field.size)
    steps = _for_each(stride, axes)
    spans = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], _for_each(dilation, axes), strict=True)]
    if transposed:  # every `step`-th tap of a kernel meets an input
        spans = [math.ceil(span / step) for span, step in zip(spans, steps, strict=True)]
        return field.through(spans, [Fraction(1, step) for step in steps], result.shape[2:])
    return field.through(spans, steps, result.shape[2:])


def _adaptive(field: Field, result: Tensor) -> Field:
    """Windows of unequal sizes; the largest one counts."""
    lengths = tuple(result.shape[-len(field.size) :])
    spans = [
        max(math.ceil((i + 1) * n / out) - i * n // out for i in range(out))
        for n, out in zip(field.length, lengths, strict=True)
    ]
    return field.through(spans, [Fraction(n, out) for n, out in zip(field.length, lengths, strict=True)], lengths)


def _for_each(given: Any, axes: int) -> tuple[int, ...]:
    values = (given,) if isinstance(given, int) else tuple(given)
    return values[-axes:] if len(values) >= axes else values * axes
