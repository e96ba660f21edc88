"""The chapter's recurrent formulas beside torch, ONNX's reference and autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from neuropil.formulas.recurrent import gradient_term, gru_step, jordan_step, lstm_step, rnn_step
from neuropil.recurrent.cells import GRU, LSTM, VanillaRNN
from neuropil.recurrent.jordan import JordanRNN

X = torch.randn(1, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def by_gate(layer: Any, kind: str, order: str) -> dict[str, Any]:
    """Stacked weights as the formulas want them: by gate, on the right; both biases in one."""
    if kind == "bias":
        whole = layer.bias_ih_l0 + layer.bias_hh_l0
    else:
        whole = getattr(layer, f"weight_{kind}_l0")
    parts = whole.detach().numpy().reshape(len(order), layer.hidden_size, *whole.shape[1:])
    return {gate: part.T for gate, part in zip(order, parts, strict=True)}


def test_rnn() -> None:
    torch.manual_seed(0)
    theirs, v = torch.nn.RNN(3, 4, batch_first=True).double(), np.random.default_rng(0).normal(size=(4, 2))
    ours = VanillaRNN(3, 4).double()
    ours.load_state_dict(theirs.state_dict())
    u, w, b = (by_gate(ours, kind, "h")["h"] for kind in ("ih", "hh", "bias"))
    h = np.zeros(4)
    for step, expected in zip(X[0].numpy(), theirs(X)[0][0].detach().numpy(), strict=True):
        h, o = rnn_step(step, h, u, w, b, v, np.ones(2))
        np.testing.assert_allclose(h, expected, atol=1e-12)
        np.testing.assert_allclose(o, expected @ v + 1, atol=1e-12)


@pytest.mark.parametrize("peephole", ["none", "output"])
def test_lstm(peephole: Any) -> None:
    """Without a peephole the oracle is torch; with one, the layer, which onnxruntime confirms elsewhere."""
    torch.manual_seed(0)
    layer = LSTM(3, 4, peephole=peephole).double()
    theirs = torch.nn.LSTM(3, 4, batch_first=True).double()
    if peephole == "none":
        theirs.load_state_dict(layer.state_dict())
    outputs, (_, last) = (theirs if peephole == "none" else layer)(X)
    v = np.zeros(4) if peephole == "none" else layer.peephole_l0.detach().numpy()  # type: ignore[union-attr]
    u, w, b = (by_gate(layer, kind, "ifao") for kind in ("ih", "hh", "bias"))
    h = cell = np.zeros(4)
    for step, expected in zip(X[0].numpy(), outputs[0].detach().numpy(), strict=True):
        h, cell = lstm_step(step, h, cell, u, w, b, v)
        np.testing.assert_allclose(h, expected, atol=1e-12)
    np.testing.assert_allclose(cell, last[0, 0].detach().numpy(), atol=1e-12)


def test_gru() -> None:
    torch.manual_seed(0)
    layer = GRU(3, 4, reset="before").double()
    u, w, b = (by_gate(layer, kind, "rzn") for kind in ("ih", "hh", "bias"))
    h = np.zeros(4)
    for step, expected in zip(X[0].numpy(), layer(X)[0][0].detach().numpy(), strict=True):
        h = gru_step(step, h, u, w, b)
        np.testing.assert_allclose(h, expected, atol=1e-12)


def test_jordan() -> None:
    torch.manual_seed(0)
    layer = JordanRNN(3, 4, 2, output="linear").double()
    weights = {name: one.detach().numpy() for name, one in layer.named_parameters()}
    y = np.zeros(2)
    for step, expected in zip(X[0].numpy(), layer(X)[0][0].detach().numpy(), strict=True):
        _, y = jordan_step(
            step, y, weights["inputs.weight"].T, weights["feedback.weight"].T, weights["inputs.bias"],
            weights["outputs.weight"].T, weights["outputs.bias"],
        )  # fmt: skip
        np.testing.assert_allclose(y, expected, atol=1e-12)


def test_terms_add_up_to_the_gradient() -> None:
    torch.manual_seed(0)
    layer = torch.nn.RNN(3, 4, batch_first=True).double()
    hs = layer(X)[0][0]
    (wanted,) = torch.autograd.grad(hs[4].sin().sum(), layer.weight_hh_l0, retain_graph=True)
    states = np.concatenate([np.zeros((1, 4)), hs.detach().numpy()])
    of_h, w = hs[4].detach().cos().numpy(), layer.weight_hh_l0.detach().numpy().T
    total = sum(gradient_term(of_h, states, w, 4, k) for k in range(5))
    np.testing.assert_allclose(total.T, wanted.numpy(), atol=1e-12)
