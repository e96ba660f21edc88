"""GPT and BERT of ours, of `transformers`, and nanoGPT's network as its sizes are published."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.records import Measurement
from benchmarks.shared_data import data_folder, transforms
from benchmarks.topics.transformers import LENGTHS
from neuropil import create_model
from neuropil.nn.vocabulary_loss import linear_cross_entropy
from neuropil.training.memory import keep_freed_memory

__all__ = ["COMPETITORS", "NanoGPT"]

WARM_UP, RUNS = 2, 7
TOKENS, WIDTH, LAYERS, HEADS, ROWS, STEPS = 65, 384, 6, 6, 4, 256
SENTENCES, TOGETHER = 512, 32

Loss = Callable[[Tensor, Tensor], Tensor]


class NanoBlock(nn.Module):
    """Attention and a perceptron, each behind a norm and beside what goes past it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.joined, self.back = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """`[N, T, D]` -> the same."""
        rows, steps, width = x.shape
        query, key, value = (
            part.view(rows, steps, self.heads, width // self.heads).transpose(1, 2)
            for part in self.joined(self.before(x)).split(width, 2)
        )
        found = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.back(found.transpose(1, 2).contiguous().view(rows, steps, width))
        return x + self.down(F.gelu(self.up(self.between(x))))


class NanoGPT(nn.Module):
    """nanoGPT's network: learned positions, norms first, one matrix for tokens in and out, logits of all places."""

    def __init__(self, tokens: int, context: int, *, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(tokens, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(NanoBlock(width, heads) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, tokens, bias=False)
        for weight in self.parameters():
            if weight.ndim > 1:
                nn.init.normal_(weight, std=0.02)
        self.head.weight = self.tokens.weight

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        """The loss."""
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1), targets.flatten())


def _foreign() -> Any:
    """`transformers`, which loads torchvision where it is, even where that does not fit torch."""
    with contextlib.suppress(ImportError):
        transforms()
    import transformers

    transformers.logging.set_verbosity_error()
    return transformers


def _gpt(context: int = STEPS, layers: int = LAYERS) -> tuple[nn.Module, Loss]:
    network: Any = create_model(
        "gpt", num_tokens=TOKENS, width=WIDTH, num_layers=layers, num_heads=HEADS, context=context, dropout=0.0
    )

    def loss(ids: Tensor, targets: Tensor) -> Tensor:
        hidden, _ = network.hidden(ids)
        return linear_cross_entropy(hidden.flatten(0, 1), *network.output_matrix(), targets.flatten())

    return network, loss


def _nanogpt(context: int = STEPS, layers: int = LAYERS) -> tuple[nn.Module, Loss]:
    network = NanoGPT(TOKENS, context, width=WIDTH, layers=layers, heads=HEADS)
    return network, network


def _foreign_gpt(tokens: int = TOKENS, context: int = STEPS) -> Any:
    transformers = _foreign()
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=tokens, n_positions=context, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, resid_pdrop=0.0,
            embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
        )
    )  # fmt: skip


def _gpt2() -> tuple[nn.Module, Loss]:
    network = _foreign_gpt()
    return network, lambda ids, targets: F.cross_entropy(network(ids).logits.flatten(0, 1), targets.flatten())


def _milliseconds(network: nn.Module, loss: Loss, ids: Tensor, targets: Tensor, *, bf16: bool) -> list[float]:
    """Of each step, the first ones too."""
    rule = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    found = []
    for _ in range(WARM_UP + RUNS):
        begin = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16) if bf16 else contextlib.nullcontext():
            of_batch = loss(ids, targets)
        of_batch.backward()  # type: ignore[no-untyped-call]
        rule.step()
        rule.zero_grad()
        found.append(1e3 * (time.perf_counter() - begin))
    assert math.isfinite(of_batch.item())
    return found


def _step(make: Callable[[], tuple[nn.Module, Loss]], bf16: bool, seed: int) -> Measurement:
    if bf16:
        keep_freed_memory()  # as a training run does; the peers by the same plan too
    torch.manual_seed(seed)
    network, loss = make()
    ids, targets = (torch.randint(0, TOKENS, (ROWS, STEPS)) for _ in "it")
    step = statistics.median(_milliseconds(network.train(), loss, ids, targets, bf16=bf16)[WARM_UP:])
    matrices = sum(weight.numel() for weight in network.parameters() if weight.ndim == 2)
    places = STEPS * WIDTH  # no product is made of positions
    of_weights = 6 * (matrices - places) * ROWS * STEPS
    of_attention = 6 * LAYERS * ROWS * STEPS * STEPS * WIDTH  # half of both products, three times
    share = (of_weights + of_attention) / (1e-3 * step) / _peak()
    return Measurement({"step": step, "peak": share}, {"weights": sum(p.numel() for p in network.parameters())})


def _peak() -> float:
    """Floating-point operations a second of a product of bf16 matrices."""
    a, b = (torch.randn(1024, 1024).bfloat16() for _ in "ab")
    best = math.inf
    for _ in range(30):
        begin = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - begin)
    return float(2 * 1024**3 / best)


def _sentences() -> list[list[int]]:
    """SST-2's first training sentences between [CLS] and [SEP]."""
    import numpy as np

    from neuropil.data.records import Samples
    from neuropil.sources.opening import open_source

    folder = data_folder()
    assert folder is not None
    options = {
        "root": str(folder / "sst2"), "level": "wordpiece", "max_length": 128,
        "subwords": str(folder / "vocab" / "bert-base-uncased-vocab.txt"),
    }  # fmt: skip
    samples: Samples = open_source("labelled_text", options).train
    rows = [samples.fetch(np.array([number]))[0][0] for number in range(SENTENCES)]
    return [(row[:, 0] if row.ndim == 2 else row).tolist() for row in rows]


def _bert(padded: int | None, ours: bool, seed: int) -> Measurement:
    """Fine-tuning, the same weights on both sides; the outcome is the sum of the first logits' sizes."""
    transformers = _foreign()
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024, num_labels=2,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    theirs = transformers.BertForSequenceClassification(config)
    network: Any = theirs
    if ours:
        network = create_model("bert_classifier", num_tokens=config.vocab_size, num_classes=2, size="mini", dropout=0.0)
        network.load_state_dict({k: v for k, v in theirs.state_dict().items() if not k.endswith("position_ids")})
    rows = _sentences()
    batches = []
    for begin in range(0, len(rows), TOGETHER):
        some = rows[begin : begin + TOGETHER]
        width = padded or max(map(len, some))
        batches.append(torch.tensor([row + [0] * (width - len(row)) for row in some]))
    rule = torch.optim.AdamW(network.parameters(), lr=1e-5, fused=True)

    def logits(ids: Tensor) -> Tensor:
        found: Tensor = network(ids) if ours else network(ids, attention_mask=(ids != 0).long()).logits
        return found

    with torch.no_grad():
        first = torch.cat([logits(ids) for ids in batches[:4]])
    targets, seconds = torch.zeros(TOGETHER, dtype=torch.int64), 0.0
    for number, ids in enumerate([batches[0], *batches]):
        begin_at = time.perf_counter()
        F.cross_entropy(logits(ids), targets).backward()  # type: ignore[no-untyped-call]
        rule.step()
        rule.zero_grad()
        seconds += (time.perf_counter() - begin_at) if number else 0.0
    return Measurement(
        {"sentences": SENTENCES / seconds}, {"tokens": sum(map(len, rows))}, outcome=float(first.abs().double().sum())
    )


def _writing(kind: str, seed: int) -> Measurement:
    torch.manual_seed(seed)
    start = torch.ones(1, 1, dtype=torch.int64)
    if kind == "transformers":
        theirs = _foreign_gpt(context=1 + STEPS).eval()
        begin = time.perf_counter()
        with torch.no_grad():
            found = theirs.generate(
                start, attention_mask=torch.ones_like(start), max_new_tokens=STEPS, min_new_tokens=STEPS,
                do_sample=False, pad_token_id=0,
            )[0, 1:].tolist()  # fmt: skip
        return Measurement({"seconds": time.perf_counter() - begin}, {"tokens": len(found)})
    from neuropil.recurrent.generation import Manner, tokens_behind

    network: Any = create_model(
        "gpt", num_tokens=TOKENS, width=WIDTH, num_layers=LAYERS, num_heads=HEADS, context=1 + STEPS, dropout=0.0
    ).eval()
    begin = time.perf_counter()
    if kind == "anew":
        row = start
        with torch.no_grad():
            for _ in range(STEPS):
                row = torch.cat([row, network(row)[0][:, -1].argmax(1)[:, None]], 1)
        count = row.shape[1] - 1
    else:
        count = len(list(tokens_behind(network, start[0], Manner(most=STEPS, greedy=True))))
    return Measurement({"seconds": time.perf_counter() - begin}, {"tokens": count})


def _growth(name: str, seed: int) -> Measurement:
    figures: dict[str, float] = {}
    for length in LENGTHS:
        words = [
            sys.executable,
            "-c",
            f"from benchmarks.peers.transformers import grow; grow({name!r}, {length}, {seed})",
        ]
        said = subprocess.run(words, capture_output=True, text=True, check=True, env=os.environ).stdout.split()
        figures[f"ms {length}"], figures[f"MiB {length}"] = map(float, said)
    return Measurement(figures, {"lengths": list(LENGTHS)})


def grow(name: str, length: int, seed: int) -> None:
    """Print the milliseconds and the MiB of a training step on one row of a length, in fp32, two layers."""
    from benchmarks.machine import two_threads

    two_threads()
    torch.manual_seed(seed)
    _, loss = MAKERS[name](length, 2)
    ids, targets = (torch.randint(0, TOKENS, (1, length)) for _ in "it")
    loss(ids[:, :16], targets[:, :16]).backward()  # type: ignore[no-untyped-call]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(2):
        begin = time.perf_counter()
        loss(ids, targets).backward()  # type: ignore[no-untyped-call]
        seconds.append(time.perf_counter() - begin)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(1e3 * min(seconds), grown / 1024)


MAKERS: dict[str, Callable[[int, int], tuple[nn.Module, Loss]]] = {"growth": _gpt, "growth-nanogpt": _nanogpt}

COMPETITORS: dict[str, Callable[[int], Measurement]] = {
    "gpt": partial(_step, _gpt, True),
    "nanogpt": partial(_step, _nanogpt, False),
    "nanogpt-bf16": partial(_step, _nanogpt, True),
    "gpt2-bf16": partial(_step, _gpt2, True),
    "bert": partial(_bert, None, True),
    "bert-to-128": partial(_bert, 128, False),
    "bert-to-longest": partial(_bert, None, False),
    "writing": partial(_writing, "cache"),
    "writing-anew": partial(_writing, "anew"),
    "writing-transformers": partial(_writing, "transformers"),
    "growth": partial(_growth, "growth"),
    "growth-nanogpt": partial(_growth, "growth-nanogpt"),
}
