"""Backpropagation through time beside autograd's totals, `jacrev` and the chapter's formulas written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.inspection.through_time import Regime, fading, forecast_regime, gradient_terms, sensitivity
from neuropil.recurrent.cells import GRU, LSTM, VanillaRNN
from neuropil.recurrent.jordan import JordanRNN

LAYERS = {
    "rnn": lambda: VanillaRNN(2, 4, num_layers=2),
    "lstm": lambda: LSTM(2, 4, peephole="none"),
    "lstm output": lambda: LSTM(2, 4),
    "lstm all": lambda: LSTM(2, 4, peephole="all"),
    "gru": lambda: GRU(2, 4),
    "gru before": lambda: GRU(2, 4, reset="before"),
    "jordan": lambda: JordanRNN(2, 4, 3),
}


@pytest.mark.parametrize("name", LAYERS)
def test_terms_add_up_to_autograds(name: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name]().double()
    x = torch.randn(3, 6, 2, dtype=torch.float64)
    found = gradient_terms(layer, x, lambda y: y.square().mean((0, 2)))
    assert found.errors.shape == (6,)
    for one in found.terms.values():
        later = torch.ones(6, 6).triu(1).bool()
        assert not one[later].any()
        assert one[5, 1:].flatten(1).any(1).all() or name == "jordan"  # every step behind the first state of 0
    errors = layer(x)[0].square().mean((0, 2))
    for over in ("sum", "mean"):
        total = errors.sum() if over == "sum" else errors.mean()
        wanted = torch.autograd.grad(total, list(layer.parameters()), retain_graph=True)
        for (weight, _), other in zip(layer.named_parameters(), wanted, strict=True):
            torch.testing.assert_close(found.total(over)[weight], other, rtol=0, atol=1e-12)  # type: ignore[arg-type]
    for (weight, _), other in zip(
        layer.named_parameters(), torch.autograd.grad(errors[3], list(layer.parameters())), strict=True
    ):
        torch.testing.assert_close(found.of_error(3)[weight], other, rtol=0, atol=1e-12)


def test_terms_are_the_chapters() -> None:
    """`dE_3/dW = sum_k dE_3/dy_3 dy_3/dh_3 (prod_j dh_j/dh_{j-1}) dh_k/dW`, written out in NumPy (row 104)."""

    class Chapter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.v = VanillaRNN(2, 3), nn.Linear(3, 2)

        def forward(self, x: Tensor, state: Any = None) -> Any:
            h, state = self.hidden(x, state)
            return self.v(h), state

    torch.manual_seed(0)
    network, x, truth = Chapter().double(), torch.randn(1, 4, 2, dtype=torch.float64), torch.tensor([0, 1, 1, 0])
    found = gradient_terms(network, x, lambda y: nn.functional.cross_entropy(y[0], truth, reduction="none"))
    weights = {name: one.detach().numpy() for name, one in network.named_parameters()}
    u, w, v = weights["hidden.weight_ih_l0"], weights["hidden.weight_hh_l0"], weights["v.weight"]
    bias = weights["hidden.bias_ih_l0"] + weights["hidden.bias_hh_l0"]
    h, states = np.zeros(3), [np.zeros(3)]
    for step in x[0].numpy():
        h = np.tanh(u @ step + w @ h + bias)
        states.append(h)
    for t in range(4):
        scores = v @ states[t + 1] + weights["v.bias"]
        share = np.exp(scores) / np.exp(scores).sum()
        share[truth[t]] -= 1  # dE_t/do_t
        np.testing.assert_allclose(found.terms["v.weight"][t, t], np.outer(share, states[t + 1]), atol=1e-12)
        back = v.T @ share  # dE_t/dh_t
        for k in range(t, -1, -1):
            of_sum = back * (1 - states[k + 1] ** 2)
            np.testing.assert_allclose(
                found.terms["hidden.weight_hh_l0"][t, k], np.outer(of_sum, states[k]), atol=1e-12
            )
            np.testing.assert_allclose(
                found.terms["hidden.weight_ih_l0"][t, k], np.outer(of_sum, x[0, k].numpy()), atol=1e-12
            )
            back = w.T @ of_sum


@pytest.mark.parametrize("name", LAYERS)
def test_sensitivities_are_jacrevs(name: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name]().double()
    x = torch.randn(1, 7, 2, dtype=torch.float64)
    found = sensitivity(layer, x)
    if hasattr(layer, "stepwise"):
        layer.stepwise = True  # torch's kernels know no transforms
    whole = torch.func.jacrev(lambda x: layer(x)[0])(x)[0, :, :, 0]  # [T, H, T, D]
    torch.testing.assert_close(found, whole.square().sum((1, 3)).sqrt(), rtol=0, atol=1e-12)


def test_gates_keep_what_a_plain_network_forgets() -> None:
    """Row 110: a small plain network's sensitivity to the first input fades; an LSTM with open gates keeps it."""
    torch.manual_seed(0)
    plain, gated = VanillaRNN(1, 8), LSTM(1, 8, forget_bias=6.0)
    with torch.no_grad():
        plain.weight_hh_l0.mul_(0.5)
    x = torch.randn(1, 40, 1)
    fades, keeps = (sensitivity(layer, x)[:, 0] for layer in (plain, gated))
    assert fades[-1] < 1e-3 * fades[0]
    assert keeps[-1] > 0.1 * keeps[0]


@pytest.mark.proof
def test_the_spectral_radius_foretells_the_regime() -> None:
    """200 random matrices; the gradient through 100 steps from rest, where tanh has the slope 1 all along."""
    torch.manual_seed(0)
    right, seen = 0, {"vanishes": 0, "stays": 0, "explodes": 0}
    for _ in range(200):
        layer = VanillaRNN(1, 16, bias=False).double()
        with torch.no_grad():
            layer.weight_hh_l0.copy_(torch.randn(16, 16) / 4 * (0.5 + torch.rand(())))
        forecast, _ = forecast_regime(layer.weight_hh_l0, 99)
        ran: Regime = fading(layer, torch.zeros(1, 100, 1, dtype=torch.float64)).regime()
        right += forecast == ran
        seen[ran] += 1
    assert right >= 190, right
    assert min(seen.values()) >= 5, seen


def test_components_fade_apart() -> None:
    """Row 106: one component vanishes, one explodes, one stays; the norm shows the explosion alone."""
    layer = VanillaRNN(1, 3, bias=False)
    with torch.no_grad():
        layer.weight_hh_l0.copy_(torch.diag(torch.tensor([0.5, 1.0, 1.5])))
    found = fading(layer, torch.zeros(1, 30, 1))
    assert found.regimes() == ["vanishes", "stays", "explodes"]
    assert found.regime() == "explodes"
    np.testing.assert_allclose(found.components[0], [0.5**29, 1, 1.5**29], rtol=1e-4)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_the_layer_is_left_as_it_was(name: str) -> None:
    layer, x = LAYERS[name](), torch.randn(1, 5, 2)
    before = {key: one.clone() for key, one in layer.state_dict().items()}
    gradient_terms(layer, x, lambda y: y.sum((0, 2)))
    sensitivity(layer, x)
    fading(layer, x)
    assert all(torch.equal(one, before[key]) for key, one in layer.state_dict().items())
    assert all(one.grad is None for one in layer.parameters())
    assert layer.stepwise is False


@pytest.mark.parametrize(
    "ask, sentence",
    [
        (lambda layer: gradient_terms(layer, torch.zeros(1, 2), lambda y: y.sum(2)[0]), "sequences are"),
        (lambda layer: gradient_terms(layer, torch.zeros(1, 3, 2), lambda y: y.sum()), "the 3 errors"),
        (
            lambda layer: gradient_terms(layer, torch.zeros(1, 3, 2), lambda y: y.sum((0, 2))).total("all"),
            "not 'all'",
        ),
        (lambda layer: sensitivity(layer, torch.zeros(2, 3, 2)), "one sequence"),
        (lambda layer: fading(layer, torch.zeros(2, 1, 2)), "two steps"),
        (lambda layer: forecast_regime(torch.zeros(2, 3), 5), "square matrix"),
    ],
)
def test_what_cannot_be_is_refused(ask: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        ask(GRU(2, 4))
