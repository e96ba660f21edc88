"""A network's two ends as the data ask for them: what goes in, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from neuropil.errors import InputError
from neuropil.recipes.signature import DataSignature

__all__ = ["check_ends", "network_ends", "text_network"]

TEXT_NETWORKS = {
    "tags": "tagger", "next": "language_model", "tokens": "seq2seq", "classes": "text_classifier",
    "pretraining": "bert", "spans": "bert_spans",
}  # fmt: skip
"""A network for each kind of target that texts have."""

SUBWORD_NETWORKS = {
    ("tags", "wordpiece"): "bert_tagger", ("classes", "wordpiece"): "bert_classifier", ("next", "bpe"): "gpt",
    ("next", "wordpiece"): "gpt", ("tokens", "bpe"): "transformer", ("tokens", "wordpiece"): "transformer",
}  # fmt: skip
"""The same where texts are subwords of a level."""


def text_network(signature: DataSignature) -> str:
    """The name of a network that fits texts of this kind."""
    level = str(signature.encoding.get("level"))
    usual = TEXT_NETWORKS.get(signature.target, "text_classifier")
    return SUBWORD_NETWORKS.get((signature.target, level), usual)


def network_ends(name: str, signature: DataSignature) -> dict[str, Any]:
    """What the data say of a network's two ends, by the names of constructors' parameters."""
    shape = signature.input_shape
    of_steps = signature.kind == "sequences" and name != "perceptron"  # it reads all steps as one row
    written = signature.entries("target_vocabulary")
    return {
        "num_classes": signature.num_outputs,
        "in_channels": shape[0],
        "in_features": shape[-1] if of_steps else int(torch.Size(shape).numel()),
        "in_shape": shape,
        "num_tokens": signature.entries("vocabulary") or written,
        "num_characters": signature.entries("characters"),
        "num_target_tokens": written,
    }


def check_ends(name: str, signature: DataSignature, accepted: Mapping[str, Any]) -> None:
    """Refuse texts for a network that reads numbers, and the other way round.

    Raises:
        InputError: the network cannot take such data.
    """
    shape, texts = signature.input_shape, "vocabulary" in signature.encoding
    proper = text_network(signature)
    if texts and "num_tokens" not in accepted:
        raise InputError(f"{name!r} takes no texts, but these samples are some; use model={proper}")
    if "in_channels" in accepted and len(shape) != 3:
        other = "forecaster" if signature.kind == "sequences" else "perceptron"
        raise InputError(
            f"{name!r} takes pictures [C, H, W], but one of these samples is {list(shape)}; use model={other}"
        )
    if "num_tokens" in accepted and "in_channels" not in accepted and not texts:
        raise InputError(
            f"{name!r} takes texts, but one of these samples is {list(shape)} numbers; use model=perceptron or resnet18"
        )
    if signature.target == "tokens" and not {"num_tokens", "num_target_tokens"} & set(accepted):
        proper = proper if texts else "captioner"
        raise InputError(f"{name!r} writes no texts, but these data's targets are some; use model={proper}")
