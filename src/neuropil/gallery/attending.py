"""Who looks at whom in a text that a trained run reads, and in what it writes about it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuropil.attention.heads import AttentionHeads
from neuropil.attention.recording import recording
from neuropil.data.records import Samples
from neuropil.errors import InputError
from neuropil.pictures.attention import Looks
from neuropil.recipes.run import Run
from neuropil.sources.prompts import read_prompt
from neuropil.sources.reading import read_inputs
from neuropil.sources.token_names import token_names
from neuropil.tasks.text import BEGIN
from neuropil.training.evaluating import evaluation_mode

__all__ = ["Attention", "attention_of_text"]

Array = np.ndarray[Any, Any]

ITSELF = "What is read looks at itself"
WRITTEN, CROSS = "What is written looks at itself", "What is written looks at what is read"


@dataclass(frozen=True, slots=True)
class Attention:
    """What a run attends to in a text.

    Args:
        name: the text's.
        looks: one of each kind of attention; two of a Transformer's halves, and one between them.
        notes: what a reader should know.
    """

    name: str
    looks: tuple[Looks, ...]
    notes: tuple[str, ...]


def attention_of_text(run: Run, text: str | None = None) -> Attention:
    """The weights of every head of a run's network for one text, with the tokens that look and are looked at.

    A network that writes has written about the text first, as its task does; its rows between the halves are the
    tokens that it wrote when it looked.

    Args:
        run: of a network with attention: of the families BERT, GPT and Transformer, or seq2seq with attention.
        text: a text, or a file whose first line is one; the first sample of the run's own test part where left out.

    Raises:
        InputError: a network without attention, or a text that it cannot read.
    """
    model = run.model
    heads = any(isinstance(layer, AttentionHeads) for layer in model.modules())
    if not heads and (run.signature.target != "tokens" or getattr(model, "writer", None) is None):
        raise InputError(
            f"a {type(model).__name__} has no attention to draw; give a run of bert, gpt, transformer or seq2seq"
        )
    row, name, notes = _read(run, text)
    x = torch.from_numpy(np.ascontiguousarray(row[None]))
    read = tuple(token_names((row if row.ndim == 1 else row[:, 0]).tolist(), run.signature.encoding))
    with evaluation_mode(model):
        if run.signature.target == "tokens":
            return Attention(name, *_writing(run, x, read, heads, notes))
        with recording(model) as found:
            model(x)
    return Attention(name, tuple(_looks(ITSELF, layers, read, read) for layers in _kinds(found).values()), notes)


def _writing(
    run: Run, x: Tensor, read: tuple[str, ...], heads: bool, notes: tuple[str, ...]
) -> tuple[tuple[Looks, ...], tuple[str, ...]]:
    """What is written about a text, and who looks at whom meanwhile."""
    model: Any = run.model
    task: Any = run.task
    ids = task.write(model, x)[0]
    ids = ids[: max(1, int((ids != 0).sum()))]
    before = torch.cat([ids.new_tensor([BEGIN]), ids[:-1]])
    written, given = (tuple(token_names(one.tolist(), run.signature.encoding, "written")) for one in (ids, before))
    notes = (*notes, f"It writes {task.answer(ids[None])[0]['text']!r}.")
    if not heads:
        weights = model.alignment(x, before[None])
        if weights is None:
            raise InputError("this run's network writes without attention; draw one with model.attention=dot")
        return (_looks(CROSS, [weights[:, None]], written, read),), notes
    with recording(model) as found:
        model(x, before[None])
    looks = []
    for kind, layers in _kinds(found).items():
        if "memory" in kind:
            looks.append(_looks(CROSS, layers, written, read))
        elif "decoder" in kind:
            looks.append(_looks(WRITTEN, layers, given, given))
        else:
            looks.append(_looks(ITSELF, layers, read, read))
    return tuple(looks), notes


def _kinds(found: dict[str, Tensor]) -> dict[str, list[Tensor]]:
    """Layers of equal names but for their numbers, in order."""
    kinds: defaultdict[str, list[Tensor]] = defaultdict(list)
    for name, weights in found.items():
        kinds[re.sub(r"\d+", "#", name)].append(weights)
    return dict(kinds)


def _looks(name: str, layers: Iterable[Tensor], queries: tuple[str, ...], keys: tuple[str, ...]) -> Looks:
    weights: Array = torch.cat([*layers]).float().numpy(force=True)  # [layers, H, T, S], of one text
    return Looks(name, weights, queries, keys)


def _read(run: Run, text: str | None) -> tuple[Array, str, tuple[str, ...]]:
    """One text as the network reads it, `[T]` or `[T, C]` without padding, its name, and notes."""
    info = run.signature.info("the text")
    if text is None:
        samples: Samples = run._own_samples()[1]
        return _unpadded(samples.fetch(np.array([0]))[0][0], run), samples.name(0), ()
    if run.signature.target == "next":
        prompt = read_prompt(text, info)
        return np.array(prompt.numbers, dtype=np.int64), _short(text), prompt.notes
    if run.signature.target == "pretraining" and "[MASK]" not in text and "\t" not in text:  # nothing need be hidden
        info = replace(info, encoding={**info.encoding, "reads": "labelled_text", "text": "text"})
    found = read_inputs([text], info)
    if not len(found.arrays):
        raise InputError(f"{text!r} cannot be read: {'; '.join(one.reason for one in found.skipped)}")
    count = len(found.arrays)
    notes = (f"The first of {count} texts.",) if count > 1 else ()
    return _unpadded(found.arrays[0], run), _short(found.names[0]), notes


def _unpadded(row: Array, run: Run) -> Array:
    if run.signature.target == "next":
        return row
    ids = row if row.ndim == 1 else row[:, 0]
    return row[: max(1, int((ids != 0).sum()))]


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}\N{HORIZONTAL ELLIPSIS}")
