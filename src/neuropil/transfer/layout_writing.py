"""A network of ours as a folder that Hugging Face's `transformers` opens: config, weights and subwords."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from neuropil.errors import InputError, NeuropilError
from neuropil.files import write_atomic
from neuropil.subwords.contracts import Subwords
from neuropil.transfer.layout_tensors import WORDS, under_their_names
from neuropil.transfer.layouts import Kind
from neuropil.transfer.loading import load_weights

__all__ = ["config_of", "write_layout"]

END_OF_TEXT = "<|endoftext|>"

HEADS: Sequence[tuple[str, str]] = (
    ("cls.seq_relationship.weight", "BertForPreTraining"),
    ("qa_outputs.weight", "BertForQuestionAnswering"),
)
"""A tensor that only one of their classes has."""

Sizes = Mapping[str, tuple[int, ...]]


def write_layout(
    network: nn.Module,
    folder: Path,
    *,
    classes: Sequence[str] = (),
    subwords: Mapping[str, Any] | None = None,
    replace: bool = False,
) -> list[Path]:
    """Write a BERT or GPT and its subwords, then read the folder again and compare every number.

    Args:
        network: a network of ours, with `bert.…` or `transformer.…` inside.
        folder: the new folder.
        classes: names of the outputs.
        subwords: its vocabulary, as a run remembers it; left out, no files of one are written.
        replace: whether a folder that holds something may be written into.

    Returns:
        the files.

    Raises:
        InputError: another network, a vocabulary of another size, or a folder that holds something.
        NeuropilError: the folder cannot be written, or says something else than the network.
    """
    known = _opened(subwords)
    config, kind = config_of(network, classes, known)
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not replace)):
        raise InputError(f"{str(folder)!r} is there already; name another folder, or give --force to write into it")
    if not folder.parent.is_dir():
        raise InputError(f"the folder {str(folder.parent)!r} is not there; make it first, or name another one")
    files = {
        "config.json": _json(config),
        "model.safetensors": save(under_their_names(network, kind), metadata={"format": "pt"}),
    }
    if kind != "bert":
        ids: dict[str, Any] = {name: one for name, one in config.items() if name.endswith("_token_id")}
        files["generation_config.json"] = _json({"_from_model_config": True, **ids})
    try:
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            write_atomic(folder / name, content)
    except OSError as error:
        raise NeuropilError(f"{str(folder)!r} cannot be written: {error.strerror or error}") from error
    written = [folder / name for name in files]
    if known is not None:
        from neuropil.subwords.opening import write_subwords

        written += write_subwords(known, folder)
    _read_again(network, folder)
    return written


def _opened(saved: Mapping[str, Any] | None) -> Subwords | None:
    from neuropil.subwords.opening import from_saved

    return None if saved is None else from_saved(saved)


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(dict(values), indent=2, ensure_ascii=False) + "\n").encode()


def _read_again(network: nn.Module, folder: Path) -> None:
    """Hold the folder against the network."""
    before = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    try:
        load_weights(network, folder)
        after = network.state_dict()
        wrong = next((name for name, tensor in before.items() if not torch.equal(after[name], tensor)), None)
    except InputError as error:
        raise NeuropilError(f"{str(folder)!r} was written, but cannot be read again: {error}") from error
    finally:
        network.load_state_dict(before)
    if wrong is not None:
        raise NeuropilError(f"{str(folder)!r} was written, but {wrong!r} is another one in it; remove the folder")


def config_of(
    network: nn.Module, classes: Sequence[str] = (), subwords: Subwords | None = None
) -> tuple[dict[str, Any], Kind]:
    """The fields of a network's `config.json`, and the kind of its body.

    Raises:
        InputError: a network that is no BERT and no GPT, one that has no counterpart, or a vocabulary of another size.
    """
    state: Mapping[str, Tensor] = network.state_dict()
    sizes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    family = next((one for one, name in WORDS.items() if name in sizes), None)
    if family is None:
        raise InputError(
            f"{type(network).__name__} has no form at Hugging Face; bert, bert_classifier, bert_tagger, bert_spans and "
            "gpt have one, of others take --format onnx"
        )
    vocabulary = sizes[WORDS[family]][0]
    if subwords is not None and len(subwords.entries) != vocabulary:
        raise InputError(
            f"the subwords have {len(subwords.entries):,} entries, but the network reads {vocabulary:,}; they belong "
            "to another one"
        )
    if family == "bert":
        return _bert_config(network, sizes, classes), "bert"
    return _gpt_config(network, sizes, subwords)


def _attention(network: nn.Module) -> tuple[int, float]:
    """Heads and dropout of the first attention."""
    found = next((one for one in network.modules() if isinstance(getattr(one, "num_heads", None), int)), None)
    return int(getattr(found, "num_heads", 1)), float(getattr(found, "weight_dropout", 0.0))


def _layers(sizes: Sizes, pattern: str) -> int:
    return 1 + max(int(found[1]) for name in sizes if (found := re.match(pattern, name)))


def _bert_config(network: nn.Module, sizes: Sizes, classes: Sequence[str]) -> dict[str, Any]:
    vocabulary, width = sizes[WORDS["bert"]]
    heads, dropout = _attention(network)
    architecture = next((theirs for name, theirs in HEADS if name in sizes), None)
    if getattr(network, "pooling", "first") != "first":
        raise InputError(
            "a label read from the mean of all tokens has no form at Hugging Face; train with model.pooling=first, or "
            "take --format onnx"
        )
    if architecture is None:
        pooled = "bert.pooler.dense.weight" in sizes
        architecture = "BertForSequenceClassification" if pooled else "BertForTokenClassification"
    config: dict[str, Any] = {
        "architectures": [architecture],
        "model_type": "bert",
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": _layers(sizes, r"bert\.encoder\.layer\.(\d+)\."),
        "num_attention_heads": heads,
        "intermediate_size": sizes["bert.encoder.layer.0.intermediate.dense.weight"][0],
        "hidden_act": "gelu",
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
        "max_position_embeddings": sizes["bert.embeddings.position_embeddings.weight"][0],
        "type_vocab_size": sizes["bert.embeddings.token_type_embeddings.weight"][0],
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        "tie_word_embeddings": True,
    }
    if "classifier.weight" in sizes:
        count = sizes["classifier.weight"][0]
        names = list(classes) if len(classes) == count else [f"LABEL_{number}" for number in range(count)]
        config["id2label"] = {str(number): name for number, name in enumerate(names)}
        config["label2id"] = {name: number for number, name in enumerate(names)}
    return config


def _gpt_config(network: nn.Module, sizes: Sizes, subwords: Subwords | None) -> tuple[dict[str, Any], Kind]:
    vocabulary, width = sizes[WORDS["gpt2"]]
    heads, dropout = _attention(network)
    hidden = sizes["transformer.h.0.mlp.c_fc.weight"][0]
    newer = bool(getattr(network, "norm_first", True))
    config: dict[str, Any] = {
        "architectures": ["GPT2LMHeadModel" if newer else "OpenAIGPTLMHeadModel"],
        "model_type": "gpt2" if newer else "openai-gpt",
        "vocab_size": vocabulary,
        "n_positions": sizes["transformer.wpe.weight"][0],
        "n_embd": width,
        "n_layer": _layers(sizes, r"transformer\.h\.(\d+)\."),
        "n_head": heads,
        "resid_pdrop": dropout,
        "embd_pdrop": dropout,
        "attn_pdrop": dropout,
        "layer_norm_epsilon": 1e-5,
        "initializer_range": 0.02,
        "tie_word_embeddings": bool(getattr(network, "tied", True)),
    }
    end = None if subwords is None else subwords.specials.get(END_OF_TEXT)
    config |= {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end}
    if newer:
        return {**config, "n_inner": hidden, "activation_function": "gelu_new"}, "gpt2"
    if hidden != 4 * width:
        raise InputError(
            f"the feed-forward layers are {hidden} wide, but Hugging Face's GPT-1 has them {4 * width} wide, 4 times "
            "the width; take --format onnx"
        )
    return {**config, "afn": "gelu"}, "openai-gpt"
