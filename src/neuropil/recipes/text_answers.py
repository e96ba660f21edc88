"""What a trained network says of texts, token by token: tags, a translation, what follows; a sentence of a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neuropil.training.evaluating import evaluation_mode

__all__ = ["WRITTEN", "text_answers"]

Array = np.ndarray[Any, Any]

WRITTEN = ("tags", "tokens", "next", "pretraining", "spans")
"""Targets whose answers are made token by token."""

TOGETHER = 32
"""Texts that go through a network at a time."""


def text_answers(
    model: nn.Module, task: Any, target: str, inputs: Array, tokens: Sequence[Sequence[str]] = ()
) -> list[dict[str, Any]]:
    """One readable answer a text, or a picture of which a sentence is written.

    Args:
        model: the trained network.
        task: tagging, translation, captioning, language modelling, pretraining or spans.
        target: one of `WRITTEN`.
        inputs: int64 `[N, T]` or `[N, T, 1 + L]`, 0 where padded; or pictures, normalised.
        tokens: of each text; for tags and spans what stands at each place.
    """
    answers: list[dict[str, Any]] = []
    with evaluation_mode(model):
        for places, piece in _pieces(inputs, tokens if target == "next" else (), target):
            if target in ("tags", "spans"):
                answers += task.answer(model(piece), [tokens[place] for place in places] if tokens else None)
            elif target == "tokens":
                answers += task.answer(task.write(model, piece))
            elif target == "pretraining":
                answers += task.answer(task.tell(model, piece))
            else:
                answers += task.answer(model(piece))
    return answers


def _pieces(inputs: Array, tokens: Sequence[Sequence[str]], target: str) -> Iterator[tuple[range, Tensor]]:
    """Some texts at a time, padded to the longest of them; one at a time where what comes next is told.

    How long a text is its tokens say, else where its padding begins.
    """
    count = 1 if target == "next" else TOGETHER
    for begin in range(0, len(inputs), count):
        piece = inputs[begin : begin + count]
        if len(tokens):
            piece = piece[:, : max(1, *map(len, tokens[begin : begin + count]))]
        elif np.issubdtype(piece.dtype, np.integer):
            words = piece[..., 0] if piece.ndim == 3 else piece
            piece = piece[:, : max(1, int((words != 0).sum(axis=1).max()))]
        yield range(begin, begin + len(piece)), torch.from_numpy(np.ascontiguousarray(piece))
