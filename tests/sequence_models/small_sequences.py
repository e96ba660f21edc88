"""Every network of sequences in a size that a test can afford, and what it reads."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from neuropil.models import SEQUENCES, create_model
from neuropil.sequence_models.bert_heads import BertPretraining

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "tagger": ("tagger", {}),
    "tagger_recurrent": ("tagger", {"characters": "recurrent", "num_layers": 2}),
    "tagger_words": ("tagger", {"num_characters": 0, "bidirectional": False, "cell": "lstm_peephole"}),
    "language_model": ("language_model", {}),
    "language_model_tied": ("language_model", {"tie": True, "embedding_width": 4, "cell": "gru"}),
    "language_model_peephole": ("language_model", {"cell": "lstm_peephole", "variational": True}),
    "text_classifier": ("text_classifier", {"pooling": "last"}),
    "text_classifier_mean": ("text_classifier", {"pooling": "mean", "cell": "rnn", "bidirectional": False}),
    "text_classifier_max": ("text_classifier", {"pooling": "max", "cell": "lstm_peephole"}),
    "text_classifier_attention": ("text_classifier", {"pooling": "attention", "cell": "gru"}),
    "seq2seq": ("seq2seq", {}),
    "seq2seq_fed": ("seq2seq", {"input_feeding": True, "num_layers": 2}),
    "seq2seq_additive": ("seq2seq", {"attention": "additive", "cell": "gru", "num_layers": 2}),
    "seq2seq_plain": ("seq2seq", {"attention": "none", "cell": "rnn", "bidirectional": False}),
    "seq2seq_peephole": ("seq2seq", {"attention": "additive", "cell": "lstm_peephole"}),
    "captioner": ("captioner", {}),
    "captioner_dot": ("captioner", {"attention": "dot", "cell": "gru"}),
    "captioner_plain": ("captioner", {"attention": "none", "num_layers": 2}),
    "forecaster": ("forecaster", {"num_layers": 2}),
    "forecaster_gru": ("forecaster", {"cell": "gru"}),
    "transformer": ("transformer", {"share": "none"}),
    "transformer_tied": ("transformer", {"norm_first": True, "positions": "learned", "context": 20}),
    "bert": ("bert", {}),
    "bert_classifier": ("bert_classifier", {}),
    "bert_classifier_mean": ("bert_classifier", {"pooling": "mean"}),
    "bert_tagger": ("bert_tagger", {}),
    "bert_spans": ("bert_spans", {}),
    "gpt": ("gpt", {"tie": False}),
    "gpt_tied": ("gpt", {"size": "gpt1", "context": 20}),
}
assert {name for name, _ in VARIANTS.values()} == set(SEQUENCES)

BERT: dict[str, Any] = {"width": 8, "num_heads": 2, "num_layers": 2, "hidden": 16, "context": 20}

SMALL: dict[str, dict[str, Any]] = {
    "tagger": {
        "num_tokens": 12, "num_characters": 9, "num_classes": 4, "width": 8, "embedding_width": 6,
        "character_embedding_width": 3, "character_width": 4,
    },
    "language_model": {"num_tokens": 12, "width": 8},
    "text_classifier": {"num_tokens": 12, "num_classes": 3, "width": 8, "embedding_width": 6},
    "seq2seq": {"num_tokens": 12, "num_target_tokens": 10, "width": 6, "embedding_width": 5},
    "captioner": {
        "num_target_tokens": 10, "width": 6, "embedding_width": 5, "backbone": "resnet20",
        "backbone_options": {"width": 4},
    },
    "forecaster": {"in_features": 3, "num_classes": 2, "width": 6},
    "transformer": {
        "num_tokens": 12, "num_target_tokens": 10, "width": 8, "num_heads": 2, "num_layers": 2, "hidden": 16,
    },
    "bert": {"num_tokens": 12, **BERT},
    "bert_classifier": {"num_tokens": 12, "num_classes": 3, **BERT},
    "bert_tagger": {"num_tokens": 12, "num_classes": 4, **BERT},
    "bert_spans": {"num_tokens": 12, **BERT},
    "gpt": {"num_tokens": 12, "width": 8, "num_heads": 2, "num_layers": 2},
}  # fmt: skip

LENGTHS = (5, 2, 7, 1)


def build(variant: str, seed: int = 0, **more: Any) -> nn.Module:
    """A small network, from a seed."""
    name, options = VARIANTS[variant]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return create_model(name, **{"dropout": 0.0, **SMALL[name], **options, **more})


def ids(count: int, lengths: tuple[int, ...], seed: int) -> Tensor:
    """Ids below a count, 0 behind the end."""
    draw = torch.Generator().manual_seed(seed)
    found = torch.randint(4, count, (len(lengths), max(lengths)), generator=draw)
    for row, length in enumerate(lengths):
        found[row, length:] = 0
    return found


def inputs(variant: str, seed: int = 1) -> tuple[Tensor, ...]:
    """What a network reads: four sequences of different lengths where it can read such."""
    name, options = VARIANTS[variant]
    draw = torch.Generator().manual_seed(seed)
    if name == "tagger":
        words = ids(12, LENGTHS, seed)
        if options.get("num_characters") == 0:
            return (words[..., None],)
        letters = torch.stack([ids(9, (3, 6, 1, 4, 2, 5, 6), seed + row) for row in range(4)])
        return (torch.cat([words[..., None], letters * (words != 0)[..., None]], 2),)
    if name in ("seq2seq", "transformer"):
        return ids(12, LENGTHS, seed), ids(10, (3, 6, 2, 4), seed)
    if name == "captioner":
        return torch.randn(4, 3, 32, 32, generator=draw), ids(10, (3, 6, 2, 4), seed)
    if name == "forecaster":
        return (torch.randn(4, 7, 3, generator=draw),)
    return (ids(12, LENGTHS, seed),)


def logits_of(network: nn.Module, *read: Tensor) -> Tensor:
    """What a network says, without the state behind it."""
    found = network(*read)
    if isinstance(network, BertPretraining):  # as if every token had been hidden
        return network.scores(found[0]) + found[1][:, :1, None] - 2 * found[1][:, 1:, None]
    logits: Tensor = found if isinstance(found, Tensor) else found[0]
    return logits
