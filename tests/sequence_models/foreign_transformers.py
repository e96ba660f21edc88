"""The public implementations with random weights, and ours with the same."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from neuropil.models import create_model

SHAPES: dict[str, dict[str, int]] = {
    "small": {"num_layers": 2, "width": 32, "num_heads": 4, "hidden": 64},
    "tiny": {"num_layers": 2, "width": 128, "num_heads": 2, "hidden": 512},
    "base": {"num_layers": 12, "width": 768, "num_heads": 12, "hidden": 3072},
}


def found_transformers() -> Any:
    """`transformers`, which loads torchvision where it is, even where that does not fit torch."""
    if importlib.util.find_spec("torchvision") is not None:
        importlib.import_module("oracle_shim")
    return pytest.importorskip("transformers")


def make_random(network: nn.Module, seed: int = 0) -> nn.Module:
    """Weights large enough that every part matters."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            noise = torch.randn(weight.shape, generator=draw, dtype=torch.float64).to(weight)
            if weight.ndim > 1:
                weight.copy_(noise * (0.05 if weight.shape[-1] > 100 else 0.2))
            else:
                weight.copy_(noise * 0.1 + (1 if "LayerNorm.weight" in name or ".ln_" in name else 0))
    return network


def foreign_bert(kind: str, shape: str, num_tokens: int, **more: Any) -> Any:
    """`transformers`' network of a kind such as `BertModel`."""
    transformers = found_transformers()
    sizes = SHAPES[shape]
    config = transformers.BertConfig(
        vocab_size=num_tokens, hidden_size=sizes["width"], num_hidden_layers=sizes["num_layers"],
        num_attention_heads=sizes["num_heads"], intermediate_size=sizes["hidden"], max_position_embeddings=64,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **more,
    )  # fmt: skip
    return make_random(getattr(transformers, kind)(config)).eval()


def own_bert(name: str, shape: str, num_tokens: int, foreign: nn.Module, **more: Any) -> Any:
    """Ours with its weights, which have the same names."""
    network = create_model(name, num_tokens=num_tokens, context=64, dropout=0.0, **SHAPES[shape], **more)
    weights = {key: value for key, value in foreign.state_dict().items() if not key.endswith("position_ids")}
    network.load_state_dict(weights)
    return network.to(next(foreign.parameters()).dtype).eval()


def foreign_gpt2(shape: str, num_tokens: int) -> Any:
    """`transformers`' GPT-2."""
    transformers = found_transformers()
    sizes = SHAPES[shape]
    config = transformers.GPT2Config(
        vocab_size=num_tokens, n_embd=sizes["width"], n_layer=sizes["num_layers"], n_head=sizes["num_heads"],
        n_inner=sizes["hidden"], n_positions=64, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0,
        eos_token_id=0,
    )  # fmt: skip
    return make_random(transformers.GPT2LMHeadModel(config)).eval()


def foreign_gpt1(shape: str, num_tokens: int) -> Any:
    """`transformers`' GPT-1."""
    transformers = found_transformers()
    sizes = SHAPES[shape]
    config = transformers.OpenAIGPTConfig(
        vocab_size=num_tokens, n_embd=sizes["width"], n_layer=sizes["num_layers"], n_head=sizes["num_heads"],
        n_positions=64, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    return make_random(transformers.OpenAIGPTLMHeadModel(config)).eval()


NAMES = {"tokens_embed": "wte", "positions_embed": "wpe"}
TRANSPOSED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def weights_of_gpt(foreign: nn.Module) -> dict[str, Tensor]:
    """By our names: those of GPT-2, linear weights `[out, in]`."""
    found = {}
    for key, value in foreign.state_dict().items():
        for theirs, ours in NAMES.items():
            key = key.replace(theirs, ours)
        if key.endswith((".attn.bias", ".attn.masked_bias")) and value.ndim != 1:
            continue
        found[key] = value.T if key.endswith(TRANSPOSED) else value
    return found


def own_gpt(shape: str, num_tokens: int, foreign: nn.Module, size: str) -> Any:
    """Ours with its weights."""
    sizes = SHAPES[shape] if size != "gpt1" else {**SHAPES[shape], "hidden": 4 * SHAPES[shape]["width"]}
    network = create_model("gpt", num_tokens=num_tokens, size=size, context=64, dropout=0.0, **sizes)
    network.load_state_dict(weights_of_gpt(foreign))
    return network.to(next(foreign.parameters()).dtype).eval()
