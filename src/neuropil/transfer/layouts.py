"""What a folder as Hugging Face writes it says of its network: `config.json` of a BERT, GPT-2 or GPT-1.

Source: the fields of `transformers`' BertConfig, GPT2Config and OpenAIGPTConfig. Nothing a config names is ever run:
code of its own (`auto_map`) is a reason to refuse it, as is everything that our networks would compute otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from neuropil.errors import InputError
from neuropil.registry import nearest
from neuropil.transfer.records import WeightRecord

__all__ = ["ARCHITECTURES", "BERT_NETWORKS", "Kind", "Layout", "is_layout", "read_layout"]

Kind = Literal["bert", "gpt2", "openai-gpt"]

BERT_NETWORKS = ("bert", "bert_classifier", "bert_tagger", "bert_spans")
"""Ours over one and the same body."""

ARCHITECTURES: Mapping[str, tuple[Kind, str]] = {
    "BertModel": ("bert", "bert"),
    "BertForPreTraining": ("bert", "bert"),
    "BertForMaskedLM": ("bert", "bert"),
    "BertForSequenceClassification": ("bert", "bert_classifier"),
    "BertForTokenClassification": ("bert", "bert_tagger"),
    "BertForQuestionAnswering": ("bert", "bert_spans"),
    "GPT2Model": ("gpt2", "gpt"),
    "GPT2LMHeadModel": ("gpt2", "gpt"),
    "OpenAIGPTModel": ("openai-gpt", "gpt"),
    "OpenAIGPTLMHeadModel": ("openai-gpt", "gpt"),
}
"""Their classes -> the kind, and our network."""

USUAL: Mapping[Kind, str] = {"bert": "BertModel", "gpt2": "GPT2Model", "openai-gpt": "OpenAIGPTModel"}

LARGEST = 10_000_000
"""Any size in a config is at most this; a network of more cannot be meant."""

MOST_LAYERS = 1000

LARGEST_CONFIG = 1 << 24

FIXED: Mapping[Kind, Mapping[str, tuple[Any, ...]]] = {
    "bert": {
        "position_embedding_type": ("absolute", None),
        "hidden_act": ("gelu", "gelu_python"),
        "layer_norm_eps": (1e-12,),
        "type_vocab_size": (2,),
        "pad_token_id": (0, None),
        "is_decoder": (False,),
        "add_cross_attention": (False,),
        "tie_word_embeddings": (True,),
    },
    "gpt2": {
        "activation_function": ("gelu_new", "gelu_pytorch_tanh", "gelu_fast"),
        "layer_norm_epsilon": (1e-5,),
        "scale_attn_weights": (True,),
        "scale_attn_by_inverse_layer_idx": (False,),
        "add_cross_attention": (False,),
    },
    "openai-gpt": {"afn": ("gelu", "gelu_new"), "layer_norm_epsilon": (1e-5,)},
}
"""What our networks compute, and other values would change; a field that is left out has the first of them."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A network as Hugging Face describes it.

    Args:
        folder: where it lies.
        kind: of the body.
        architecture: their class.
        model: our network.
        options: of our network.
    """

    folder: Path
    kind: Kind
    architecture: str
    model: str
    options: Mapping[str, Any]

    @property
    def record(self) -> WeightRecord:
        """The same, as what is known of weights; networks over the same body can take them, too."""
        alike = tuple(one for one in BERT_NETWORKS if one != self.model) if self.kind == "bert" else ()
        source = f"{self.architecture} in {self.folder.name or self.folder}"
        return WeightRecord(model=self.model, source=source, options=self.options, also=alike)


def is_layout(path: Path) -> bool:
    """Whether a path is a folder with a `config.json`."""
    return path.is_dir() and (path / "config.json").is_file()


def read_layout(folder: Path) -> Layout:
    """What the folder's config says.

    Raises:
        InputError: a config that cannot be read, of another network, or of one that computes otherwise than ours.
    """
    where = str(folder / "config.json")
    config = _config(folder, where)
    architecture, kind, model = _architecture(config, where)
    for name, allowed in FIXED[kind].items():
        if (value := config.get(name, allowed[0])) not in allowed or isinstance(value, bool) != isinstance(
            allowed[0], bool
        ):
            raise InputError(
                f"{where}: {name} is {value!r}, but the networks here compute {name}={allowed[0]!r} alone; give "
                "weights of such a one"
            )
    options = _bert_options(config, where) if kind == "bert" else _gpt_options(config, kind, where)
    if model in ("bert_classifier", "bert_tagger"):
        options["num_classes"] = _num_classes(config, where)
    return Layout(folder, kind, architecture, model, options)


def _config(folder: Path, where: str) -> dict[str, Any]:
    try:
        with (folder / "config.json").open("rb") as file:
            text = file.read(LARGEST_CONFIG + 1)
        if len(text) > LARGEST_CONFIG:
            raise ValueError("it is larger than any config")
        config = json.loads(text)
    except FileNotFoundError as error:
        raise InputError(
            f"{str(folder)!r} is a folder without config.json; give a file of weights, or a folder as Hugging Face "
            "writes it (of a run here: neuropil export RUN --format huggingface)"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{where} cannot be read ({error}); get a fresh copy") from error
    if not isinstance(config, dict):
        raise InputError(f"{where} describes no network; get a fresh copy")
    if "auto_map" in config:
        raise InputError(
            f"{where} points to code of its own (auto_map), which is never run; give the folder of a BERT or GPT-2"
        )
    if "quantization_config" in config:
        raise InputError(f"{where}: the weights are quantized, which is not read; give those in float32 or bfloat16")
    return config


def _architecture(config: Mapping[str, Any], where: str) -> tuple[str, Kind, str]:
    """Their class, its kind, our network."""
    kind = config.get("model_type")
    if kind is None:  # configs from before 2020
        kind = "bert" if "type_vocab_size" in config else "openai-gpt" if "afn" in config else "gpt2"
        if not {"type_vocab_size", "afn", "n_embd"} & config.keys():
            raise InputError(f"{where} names no model_type; those read here are {', '.join(USUAL)}")
    if kind not in ("bert", "gpt2", "openai-gpt"):
        raise InputError(f"{where}: networks of type {kind!r} are not read; those of {', '.join(USUAL)} are")
    kind = cast(Kind, kind)
    named = config.get("architectures") or [USUAL[kind]]
    if not isinstance(named, list) or len(named) != 1 or not isinstance(named[0], str):
        raise InputError(f"{where}: architectures must be one name in a list, but {named!r} is there")
    if named[0] not in ARCHITECTURES or ARCHITECTURES[named[0]][0] != kind:
        known = [one for one, (of_kind, _) in ARCHITECTURES.items() if of_kind == kind]
        raise InputError(f"{where}: {named[0]!r} of type {kind!r} is not read; {nearest(named[0], known)}")
    return named[0], kind, ARCHITECTURES[named[0]][1]


def _size(config: Mapping[str, Any], name: str, where: str, default: int | None = None, most: int = LARGEST) -> int:
    value = config.get(name)
    value = default if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise InputError(f"{where}: {name} must be a whole number from 1 to {most:,}, but {value!r} is there")
    return value


def _rate(config: Mapping[str, Any], name: str, where: str) -> float:
    value = config.get(name, 0.1)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise InputError(f"{where}: {name} must be a share from 0 up to below 1, but {value!r} is there")
    return float(value)


def _bert_options(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    return {
        "num_tokens": _size(config, "vocab_size", where, 30522),
        "num_layers": _size(config, "num_hidden_layers", where, 12, MOST_LAYERS),
        "width": _size(config, "hidden_size", where, 768),
        "num_heads": _size(config, "num_attention_heads", where, 12),
        "hidden": _size(config, "intermediate_size", where, 3072),
        "context": _size(config, "max_position_embeddings", where, 512),
        "dropout": _rate(config, "hidden_dropout_prob", where),
    }


def _gpt_options(config: Mapping[str, Any], kind: Kind, where: str) -> dict[str, Any]:
    width = _size(config, "n_embd", where, 768)
    older = kind == "openai-gpt"
    tie = config.get("tie_word_embeddings", True)
    if not isinstance(tie, bool):
        raise InputError(f"{where}: tie_word_embeddings must be true or false, but {tie!r} is there")
    return {
        "num_tokens": _size(config, "vocab_size", where, 40478 if older else 50257),
        "num_layers": _size(config, "n_layer", where, 12, MOST_LAYERS),
        "width": width,
        "num_heads": _size(config, "n_head", where, 12),
        "hidden": 4 * width if older else _size(config, "n_inner", where, 4 * width),
        "context": _size(config, "n_positions", where, config.get("n_ctx") or (512 if older else 1024)),
        "dropout": _rate(config, "resid_pdrop", where),
        "norm_first": not older,
        "tie": tie,
    }


def _num_classes(config: Mapping[str, Any], where: str) -> int:
    names = config.get("id2label")
    if isinstance(names, dict) and names:
        return len(names)
    return _size(config, "num_labels", where, 2)
