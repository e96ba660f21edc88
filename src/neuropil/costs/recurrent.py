"""Claims about recurrent networks: shared weights, backpropagation through time, the sizes of the cells."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from neuropil.costs.claims import COUNTED, WALKED, Claim, Clock, by_unit, timed, timed_words, weights_of
from neuropil.formulas.recurrent_gradients import truncated_window
from neuropil.formulas.sequence_costs import bptt_bytes, recurrent_cost, recurrent_weights
from neuropil.inspection.kept_memory import KeptMemory
from neuropil.inspection.products import longest_chain
from neuropil.inspection.summary import summarize
from neuropil.pictures.cost_lines import CostLine
from neuropil.recurrent.cells import GRU, LSTM, VanillaRNN
from neuropil.recurrent.truncation import truncated_steps

__all__ = ["bptt", "gates", "shared_weights"]

D, H = 128, 128
WINDOW = 25


def shared_weights(_: Clock | None) -> Claim:
    """The weights of a recurrent layer do not depend on the length (row 99)."""
    layer = VanillaRNN(D, H)
    counts = {T: summarize(layer, (T, D)) for T in (10, 100)}
    said = f"D H + H² + 2 H, D = H = {D}"
    lines = [
        CostLine(f"{T} steps", "weights", one.weights, recurrent_weights(D, H, biases=2), said, COUNTED)
        for T, one in counts.items()
    ] + [
        CostLine(f"{T} steps", "multiply-adds", one.multiply_adds, recurrent_cost(T, D, H), f"{T} · (D H + H²)", WALKED)
        for T, one in counts.items()
    ]
    short, long = counts.values()
    return Claim(
        "shared-weights", (91, 99), "BPTT",
        "The same weights U, W and V are used at every step of time.",
        short.weights == long.weights and long.multiply_adds == 10 * short.multiply_adds,
        f"{short.weights:,} weights at 10 steps as at 100; the multiply-adds are ten times as many.",
        tuple(lines),
    )  # fmt: skip


def _whole(layer: VanillaRNN, steps: int) -> tuple[int, int]:
    """Bytes kept and recurrent products in a row, when the error goes all the way back."""
    with KeptMemory(layer.parameters()) as kept:
        outputs, _ = layer(torch.zeros(4, steps, D))
        chain = longest_chain(outputs)
        outputs.sum().backward()
    return kept.peak, chain


def _truncated(layer: VanillaRNN, steps: int) -> tuple[int, int]:
    """The same, when it goes back one window."""
    chain = 0
    with KeptMemory(layer.parameters()) as kept:
        for _, outputs, _ in truncated_steps(layer, torch.zeros(4, steps, D), window=WINDOW):
            chain = max(chain, longest_chain(outputs))
            outputs.sum().backward()  # type: ignore[no-untyped-call]
    return kept.peak, chain


def bptt(_: Clock | None) -> Claim:
    """Memory and powers of W, with the error going back all the way or a window (rows 99, 108)."""
    layer, lines, found = VanillaRNN(D, H), [], {}
    for steps in (50, 100, 200):
        for name, run, length in (
            ("whole", _whole, steps), (f"a window of {WINDOW}", _truncated, len(truncated_window(steps - 1, WINDOW))),
        ):  # fmt: skip
            kept, chain = found[name, steps] = run(layer, steps)
            lines.append(
                CostLine(f"{steps} steps, {name}", "bytes kept for the way back", kept, bptt_bytes(length, 4, D, H),
                         f"4 · 4 · ({length} · (D + H) + H), D = H = {D}", "counted from what autograd saves")
            )  # fmt: skip
            lines.append(
                CostLine(f"{steps} steps, {name}", "recurrent products in a row", chain, length, f"{length}",
                         "the longest way through autograd's graph")
            )  # fmt: skip
    whole, cut = found["whole", 200], found[f"a window of {WINDOW}", 200]
    flat = found[f"a window of {WINDOW}", 50] == cut
    return Claim(
        "bptt", (99, 108), "BPTT, truncated BPTT",
        "The error goes back to all earlier steps; truncated, only to the last few, which bounds how often W is "
        "multiplied with itself.",
        flat and cut[1] < whole[1] and cut[0] < whole[0],
        f"Whole, memory and the number of products grow with the text: {whole[0]:,} bytes and {whole[1]} products at "
        f"200 steps. With a window of {WINDOW} they stay at {cut[0]:,} bytes and {cut[1]} products at any length.",
        by_unit(lines),
    )  # fmt: skip


def gates(clock: Clock | None) -> Claim:
    """Plain network, GRU and LSTM: a quarter, three quarters, the whole (rows 91, 112, 114, 115)."""
    cells = {
        "LSTM without peephole": (LSTM(D, H, peephole="none"), 4, False), "GRU": (GRU(D, H), 3, False),
        "plain": (VanillaRNN(D, H), 1, False), "LSTM with the chapter's peephole": (LSTM(D, H), 4, True),
    }  # fmt: skip
    lines, runs, counts = [], {}, {}
    for name, (layer, number, peephole) in cells.items():
        counts[name] = weights_of(layer)
        words = f"{number} · (D H + H² + 2 H)" + (" + H" if peephole else "") + f", D = H = {D}"
        expected = recurrent_weights(D, H, number, 2, peephole)
        lines.append(CostLine(name, "weights", counts[name], expected, words, COUNTED))
        cost = summarize(layer, (50, D)).multiply_adds
        if name != "LSTM with the chapter's peephole":
            lines.append(CostLine(name, "multiply-adds of 50 steps", cost, recurrent_cost(50, D, H, number),
                                  f"50 · {number} · (D H + H²)", WALKED))  # fmt: skip
            runs[name] = (_training(layer), cost)
    plain, gru, lstm = (counts[name] for name in ("plain", "GRU", "LSTM without peephole"))
    for name, share, said in (("GRU / LSTM", gru / lstm, 3 / 4), ("plain / LSTM", plain / lstm, 1 / 4)):
        lines.append(CostLine(name, "share of the weights", share, said, "gates of one kind: 3 / 4" if said > 0.5 else
                              "1 / 4", COUNTED))  # fmt: skip
    peeping = counts["LSTM with the chapter's peephole"]
    lines.append(CostLine("GRU / LSTM with the chapter's peephole", "share of the weights", gru / peeping,
                          recurrent_weights(D, H, 3, 2) / recurrent_weights(D, H, 4, 2, True),
                          "3 · (D H + H² + 2 H) / (4 · (D H + H² + 2 H) + H)", COUNTED))  # fmt: skip
    times = timed(clock, runs)
    return Claim(
        "gates", (91, 112, 114, 115), "GRU",
        "A GRU has about three quarters of an LSTM's parameters, and is about as good.",
        abs(gru / lstm - 0.75) < 0.01 and abs(gru / peeping - 0.75) < 0.01,
        f"Exactly {gru / lstm:g} of an LSTM without peephole, {gru / peeping:.4f} of the chapter's, whose output gate "
        f"sees the cell; the plain network has {plain / lstm:g}. How good they are is not measured on this page."
        + timed_words(times),
        (*by_unit(lines), *times),
    )  # fmt: skip


def _training(layer: nn.Module) -> Callable[[], object]:
    x = torch.zeros(8, 50, D)

    def run() -> object:
        layer.zero_grad()
        return layer(x)[0].sum().backward()

    return run
