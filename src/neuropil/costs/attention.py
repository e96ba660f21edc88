"""Claims about attention: its cost by the length of a text, the weights of the Transformer, BERT and GPT."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from neuropil.attention.blocks import EncoderBlock
from neuropil.attention.multihead import MultiHeadAttention
from neuropil.costs.claims import COUNTED, Claim, Clock, by_unit, forward, raced, weights_of
from neuropil.formulas.costs import dense_weights
from neuropil.formulas.sequence_costs import (
    attention_cost,
    attention_steps,
    bert_weights,
    gpt_weights,
    recurrent_cost,
    transformer_block_weights,
    transformer_weights,
)
from neuropil.inspection.products import count_multiply_adds, longest_chain
from neuropil.models import create_model
from neuropil.pictures.cost_lines import CostLine
from neuropil.recurrent.cells import LSTM, VanillaRNN

__all__ = ["attention", "bert", "gpt", "transformer"]

D, HEADS = 256, 4
LENGTHS = (8, 64, 256, 1024)
BERT_TOKENS, GPT1_TOKENS, GPT2_TOKENS = 30_522, 40_478, 50_257
"""The published vocabularies."""


def _products(make: type[nn.Module], *sizes: Any, length: int) -> int:
    with torch.device("meta"):
        layer, x = make(*sizes), torch.empty(1, length, D)
        return count_multiply_adds(lambda: layer(x))


def _counts(T: int) -> list[CostLine]:
    """Multiply-adds of attention and of the plain network over a text."""
    counter = "by PyTorch's counter, on the meta device"
    looked, passed = _products(MultiHeadAttention, D, HEADS, length=T), _products(VanillaRNN, D, D, length=T)
    return [
        CostLine(f"attention, T = {T}", "multiply-adds", looked, attention_cost(T, D),
                 f"4 T D² + 2 T² D, D = {D}", counter),
        CostLine(f"plain recurrent, T = {T}", "multiply-adds", passed, recurrent_cost(T, D, D),
                 f"2 T D², D = {D}", counter),
    ]  # fmt: skip


def _chains(T: int) -> list[CostLine]:
    """How many products wait for one another."""
    told, x = "the longest way through autograd's graph", torch.zeros(1, T, D)
    looked, passed = longest_chain(MultiHeadAttention(D, HEADS)(x)), longest_chain(VanillaRNN(D, D)(x)[0])
    return [
        CostLine(f"attention, T = {T}", "products that wait for one another", looked, attention_steps(T), "4", told),
        CostLine(f"plain recurrent, T = {T}", "products that wait for one another", passed,
                 attention_steps(T, recurrent=True), "T", told),
    ]  # fmt: skip


def _times(clock: Clock | None, T: int) -> tuple[CostLine, ...]:
    """Attention, plain network and LSTM, forward."""
    x = torch.zeros(1, T, D)
    layers = {
        f"attention, T = {T}": MultiHeadAttention(D, HEADS), f"plain recurrent, T = {T}": VanillaRNN(D, D),
        f"LSTM, T = {T}": LSTM(D, D, peephole="none"),
    }  # fmt: skip
    return raced(clock, {name: forward(layer, x) for name, layer in layers.items()}, f"one text of {T}, forward")


def attention(clock: Clock | None) -> Claim:
    """T^2 against T, and what can be computed at once (row 116)."""
    counts, chains, times = (
        [one for T in lengths for one in lines(T)]
        for lines, lengths in ((_counts, LENGTHS), (_chains, LENGTHS[:3]), (lambda T: _times(clock, T), LENGTHS))
    )
    shares = [looked.measured / passed.measured for looked, passed in zip(counts[::2], counts[1::2], strict=True)]
    steps = {one.measured for one in chains[::2]}
    parallel = len(steps) == 1 and max(steps) < min(one.measured for one in chains[1::2])
    three = list(zip(times[::3], times[1::3], times[2::3], strict=True))
    quicker = [looked.measured < plain.measured for looked, plain, _ in three]
    told = "; ".join(
        f"{looked.measured / plain.measured:.2f} of the plain network's and {looked.measured / lstm.measured:.2f} of "
        f"the LSTM's at T = {T}"
        for (looked, plain, lstm), T in zip(three, LENGTHS, strict=False)
    )
    words = f" Its time here, forward: {told}." if three else " Its time was not measured."
    return Claim(
        "attention", (116, 117), "Transformer",
        "It can be computed in parallel and takes less time than a recurrent network.",
        parallel,
        f"Parallel it is: {max(steps):.0f} products wait for one another at any length, against one a step. But it "
        f"counts {shares[0]:.2f} times the plain network's multiply-adds at T = {LENGTHS[0]} and {shares[-1]:.2f} "
        f"times at T = {LENGTHS[-1]}: T² outgrows T." + words,
        (*counts, *chains, *times),
        in_part=not quicker or not all(quicker),
    )  # fmt: skip


def _on_meta(name: str, **options: Any) -> nn.Module:
    with torch.device("meta"):
        return create_model(name, **options)


def _vectors(network: nn.Module) -> int:
    """Weights of all tables of vectors, those of positions among them."""
    tables = {id(one.weight): one.weight for one in network.modules() if isinstance(one, nn.Embedding)}
    return sum(one.numel() for one in tables.values())


def transformer(_: Clock | None) -> Claim:
    """The Transformer's weights: blocks and one table of vectors (row 116)."""
    layers, tokens, lines = 6, 37_000, []
    with torch.device("meta"):
        block = EncoderBlock(512, 8, 2048)
    lines.append(CostLine("a block that reads", "weights of a block", weights_of(block), transformer_block_weights(512),
                          "12 D² + 13 D, D = 512", COUNTED))  # fmt: skip
    found = {}
    for size, width, printed in (("base", 512, "65 M"), ("big", 1024, "213 M")):
        network = _on_meta("transformer", num_tokens=tokens, num_target_tokens=tokens, size=size, share="all")
        found[size] = weights_of(network)
        lines.append(CostLine(f"Transformer {size} (the paper prints {printed})", "weights", found[size],
                              transformer_weights(tokens, layers, width),
                              f"6 · (28 D² + 32 D) + 37,000 · (D + 1), D = {width}", COUNTED))  # fmt: skip
    return Claim(
        "transformer", (116,), "Transformer",
        "An encoder and a decoder from attention alone.",
        all(line.agrees for line in lines),
        f"The base network has {found['base']:,} weights with one vocabulary of 37,000, the big one {found['big']:,}. "
        "The paper says nothing of biases and only about how many tokens there are.",
        tuple(lines),
    )  # fmt: skip


def bert(_: Clock | None) -> Claim:
    """BERT's weights, the share of its vectors, and the layer that is put on it (rows 118, 121)."""
    lines, shares = [], {}
    for size, (layers, width, printed) in {"base": (12, 768, "110 M"), "large": (24, 1024, "340 M")}.items():
        network = _on_meta("bert_classifier", num_tokens=BERT_TOKENS, size=size, num_classes=0)
        counted, vectors = weights_of(network), _vectors(network)
        shares[size] = vectors / counted
        lines += [
            CostLine(f"BERT {size} (the paper prints {printed})", "weights", counted,
                     bert_weights(BERT_TOKENS, layers, width),
                     f"vectors + {layers} · (12 D² + 13 D) + pooler, D = {width}", COUNTED),
            CostLine(f"vectors of BERT {size}", "share of the weights", shares[size],
                     (BERT_TOKENS + 512 + 2) * width / bert_weights(BERT_TOKENS, layers, width),
                     f"(30,522 + 512 + 2) · {width} of them", COUNTED),
        ]  # fmt: skip
    options = {"num_tokens": BERT_TOKENS, "size": "base"}
    body, whole = (weights_of(_on_meta("bert_classifier", **options, num_classes=k)) for k in (0, 3))
    lines.append(CostLine("a classifier of three classes on BERT base", "weights of the layer on it", whole - body,
                          dense_weights(768, 3), "(768 + 1) · 3", COUNTED))  # fmt: skip
    return Claim(
        "bert", (118, 121), "BERT",
        "The encoder half of the Transformer; one classification layer on a trained BERT solves many tasks.",
        whole - body < body / 1000 and all(line.agrees for line in lines),
        f"The layer adds {whole - body:,} weights to {body:,} ({(whole - body) / body:.4%}). Vectors are "
        f"{shares['base']:.0%} of base and {shares['large']:.0%} of large.",
        by_unit(lines),
    )  # fmt: skip


def gpt(_: Clock | None) -> Claim:
    """GPT's weights and the share of its vectors (row 122)."""
    kinds = {
        "gpt1": (GPT1_TOKENS, 12, 768, 512, "117 M"), "gpt2": (GPT2_TOKENS, 12, 768, 1024, "117 M"),
        "gpt2_medium": (GPT2_TOKENS, 24, 1024, 1024, "345 M"), "gpt2_large": (GPT2_TOKENS, 36, 1280, 1024, "762 M"),
        "gpt2_xl": (GPT2_TOKENS, 48, 1600, 1024, "1542 M"),
    }  # fmt: skip
    lines, shares = [], {}
    for size, (tokens, layers, width, context, printed) in kinds.items():
        network = _on_meta("gpt", num_tokens=tokens, size=size)
        counted = weights_of(network)
        said = gpt_weights(tokens, layers, width, context, last_norm=size != "gpt1")
        shares[size] = _vectors(network) / counted
        lines += [
            CostLine(f"{size} (the paper prints {printed})", "weights", counted, said,
                     f"(V + T) D + {layers} · (12 D² + 13 D), D = {width}", COUNTED),
            CostLine(f"vectors of {size}", "share of the weights", shares[size], (tokens + context) * width / said,
                     f"({tokens:,} + {context}) · {width} of them", COUNTED),
        ]  # fmt: skip
    return Claim(
        "gpt", (122,), "GPT",
        "A language model of the Transformer's decoder blocks.",
        all(line.agrees for line in lines),
        f"Vectors are {shares['gpt1']:.0%} of the first GPT and {shares['gpt2_xl']:.0%} of the largest: blocks grow "
        "with D², vectors with D. The four numbers of GPT-2's paper are too small; its release corrected them.",
        by_unit(lines),
    )  # fmt: skip
