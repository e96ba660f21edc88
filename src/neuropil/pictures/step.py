"""One training step as a graph: every operation with its value, and the gradient that came back to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuropil.drawing.wording import number
from neuropil.inspection.computation import Computation, Operation
from neuropil.pictures.diagram import Block, Diagram, diagram

__all__ = ["draw_step"]

Array = np.ndarray[Any, Any]

WORDS = {
    "add": "+", "sub": "−", "mul": "×", "div": "÷", "rsub": "−", "neg": "negative", "pow": "power", "reciprocal": "1 ÷",
    "mm": "matrix product", "addmm": "matrix product, +", "t": "turn", "view": "reshape", "convolution": "convolution",
    "nll_loss": "−log p of the class", "max_pool2_d_with_indices": "max pooling", "avg_pool2_d": "average pooling",
    "__max_pool2d_turned": "max pooling",
    "native_batch_norm": "batch normalization", "log_softmax": "log softmax",
}  # fmt: skip


def draw_step(step: Computation, title: str = "one training step") -> Diagram:
    """Draw a computation from its values down to its loss.

    Blue: values that it began from; each box has its value (→) and the loss's gradient by it (←). Of arrays the
    shape and the length (root of the sum of squares) are shown.

    Source: chapter, "Computation graph" (row 125).

    Example:
        >>> given = Operation("given", "x", np.array(2.0), np.array(4.0))
        >>> square = Operation("pow", "", np.array(4.0), np.array(1.0))
        >>> "← 4" in draw_step(Computation((given, square), frozenset({(0, 1)}), 4.0)).picture.svg
        True
    """
    last = len(step.operations) - 1
    blocks = [_block(one, place == last) for place, one in enumerate(step.operations)]
    return diagram(blocks, step.edges, title)


def _block(one: Operation, last: bool) -> Block:
    title = one.name or WORDS.get(one.kind, one.kind.replace("_", " "))
    lines = [f"→ {_words(one.value)}"] if one.value is not None else []
    lines.append(f"← {_words(one.gradient)}" if one.gradient is not None else "no gradient")
    told = f"{one.name or one.kind}: value {_all(one.value)}; gradient {_all(one.gradient)}"
    return Block(
        f"{title} = error" if last else title, tuple(lines), 1 if one.kind == "given" else 2 if last else 0, told
    )


def _words(value: Array | None) -> str:
    if value is None:
        return ""
    if value.size == 1:
        return number(float(value.reshape(())), 4)
    if value.ndim == 1 and value.size <= 3:
        return ", ".join(number(float(one), 3) for one in value)
    return f"{'×'.join(map(str, value.shape))}, length {number(float(np.linalg.norm(value)), 3)}"


def _all(value: Array | None) -> str:
    if value is None:
        return "unknown"
    flat = [number(float(one), 5) for one in value.reshape(-1)[:12]]
    return ", ".join(flat) + (" …" if value.size > 12 else "")
