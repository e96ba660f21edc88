"""What GPT and BERT cost."""

from __future__ import annotations

from benchmarks.records import Duel, Row, Topic
from benchmarks.shared_data import data_folder

__all__ = ["LENGTHS", "TOPIC", "missing"]

LENGTHS = (128, 256, 512, 1024, 2048, 4096)
"""Tokens of a row, to see what grows."""


def missing() -> str | None:
    """Why there are no sentences and vocabularies, or `None`."""
    folder = data_folder()
    if folder is None or not all((folder / name).is_dir() for name in ("sst2", "vocab")):
        return "there are no sentences; set NEUROPIL_TEST_DATA to a folder with `sst2` and `vocab` in it"
    return None


def _step(what: str, target: float | None) -> Row:
    return Row(what=what, figure="step", unit="ms", kind="ours / peer", better="low", target=target)


def _sentences(what: str, target: float | None) -> Row:
    return Row(what=what, figure="sentences", unit="1/s", kind="ours / peer", better="high", target=target)


GROWTH = [
    Row(what=f"GPT, one row of {length} tokens: {what}", figure=f"{figure} {length}", unit=unit, kind="ours / peer",
        better="low")
    for length in LENGTHS
    for figure, unit, what in (("ms", "ms", "time of a step"), ("MiB", "MiB", "memory that a step adds"))
]  # fmt: skip

TOPIC = Topic(
    name="transformers",
    title="GPT and BERT",
    notes=(
        "A training step (forward, backward, AdamW) of GPT with 6 layers, 384 wide, 6 heads, on 4 rows of 256 of 65 "
        "characters, without dropout. The peer is nanoGPT's network written down from its published sizes, eager and "
        "in fp32 as it stands, and in bf16 (autocast) as ours; and `transformers`' GPT-2 of the same size in bf16. The "
        "share of the peak is that of the bf16 products of 1,024 × 1,024 matrices in the same process. Medians of 7 "
        "steps after 2. In bf16 the process keeps freed memory, as in a training run here, on both sides; GELU and the "
        "softmax of attention are loops compiled by Numba here, four seconds a process, which are not counted.",
        "BERT (mini: 4 layers, 256 wide) is fine-tuned on the first 512 training sentences of SST-2 in the order of "
        "the file, 32 a step, as BERT's vocabulary cuts them, in fp32: ours leaves out what is padding, `transformers` "
        "pads to the longest of a batch, or to 128. The logits of the first sentences are compared.",
        "Generation: 256 tokens of one row, greedy, sizes as above, random weights; without a cache each token reads "
        "the whole row again. What grows with a row's length is measured in a process of its own for each length; "
        "memory is what the process' peak grows by in two steps.",
    ),
    duels=(
        Duel(ours="gpt", peer="nanogpt", rows=[
            _step("Training step, bf16, beside nanoGPT as published", 0.6),
            Row(what="Share of the bf16 peak", figure="peak", unit="", kind="ours", better="high", target=0.6),
        ]),
        Duel(ours="gpt", peer="nanogpt-bf16", rows=[_step("Training step, bf16 both", 1.03)]),
        Duel(ours="gpt", peer="gpt2-bf16", rows=[_step("Training step, bf16 both, transformers", 1.03)]),
        Duel(ours="bert", peer="bert-to-128", rows=[_sentences("BERT on SST-2, beside padding to 128", 3.0)],
             outcome_within=1e-3),
        Duel(ours="bert", peer="bert-to-longest", rows=[
            _sentences("BERT on SST-2, beside padding to the longest", 1.2)], outcome_within=1e-3),
        Duel(ours="writing", peer="writing-anew", rows=[
            Row(what="Generation with a cache, beside without", figure="seconds", unit="s", kind="peer / ours",
                better="high", target=5.0)], pairs=5),
        Duel(ours="writing", peer="writing-transformers", rows=[
            Row(what="Generation, beside transformers", figure="seconds", unit="s", kind="ours / peer", better="low",
                target=1.0)]),
        Duel(ours="growth", peer="growth-nanogpt", rows=GROWTH, pairs=3),
    ),
    missing=missing,
)  # fmt: skip
