"""Activations, dropout, losses, pooling and heads against torch, the chapter's formulas and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import gradcheck
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.formulas import activation as formulas_activation
from neuropil.formulas import dropout as formulas_dropout
from neuropil.formulas import losses as formulas_losses
from neuropil.formulas import pooling as formulas_pooling
from neuropil.nn import LOSSES
from neuropil.nn.activation import make_activation
from neuropil.nn.dropout import Dropout
from neuropil.nn.linear import linear_head
from neuropil.nn.losses import cross_entropy, squared_error
from neuropil.nn.pooling import TrainableSubsampling


@pytest.mark.parametrize("name", formulas_activation.__all__)
def test_activations_are_the_formulas(name: str) -> None:
    x = torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 5
    layer = make_activation(name)
    formula = getattr(formulas_activation, name)
    np.testing.assert_allclose(layer(x).numpy(), formula(x.numpy()), atol=1e-12)
    assert gradcheck(layer, (x.requires_grad_(),))


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'relu'"):
        make_activation("rellu")


# dropout


def test_inverted_dropout_is_torchs_to_the_bit() -> None:
    x = torch.randn(64, 32)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        ours = Dropout(0.2, form="inverted", per="sample")(x)
        torch.manual_seed(3)
        theirs = nn.Dropout(0.2)(x)
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("form", ["chapter", "srivastava", "inverted"])
@pytest.mark.parametrize("per", ["batch", "sample", "epoch"])
def test_dropout_is_the_formula(form: str, per: str) -> None:
    x = torch.rand(16, 50, dtype=torch.float64) + 0.5
    layer = Dropout(0.2, form=form, per=per)  # type: ignore[arg-type]
    for row, seen in zip(x.numpy(), layer(x).numpy(), strict=True):
        expected = formulas_dropout.dropout(row, seen == 0, form)  # type: ignore[arg-type]
        np.testing.assert_allclose(seen, expected, rtol=1e-12)
    whole = formulas_dropout.dropout(x.numpy(), None, form)  # type: ignore[arg-type]
    np.testing.assert_allclose(layer.eval()(x).numpy(), whole, rtol=1e-12)


def test_the_chapters_dropout_leaves_out_a_fifth_of_the_nodes_for_a_whole_mini_batch() -> None:
    x = torch.ones(3, 20_000)
    first, second = Dropout()(x), Dropout()(x)
    assert (first == first[0]).all(), "all samples of a mini-batch miss the same nodes"
    assert not torch.equal(first, second), "the next mini-batch misses others"
    assert first.mean().item() == pytest.approx(0.8, abs=0.012)
    maps = Dropout(0.5)(torch.ones(2, 3, 8, 8))
    assert (maps == maps[0]).all() and not (maps[0, 0] == maps[0, 1]).all()


def test_nodes_of_an_epoch_stay_until_the_next_and_survive_a_checkpoint() -> None:
    x = torch.ones(4, 100)
    layer = Dropout(0.5, per="epoch")
    first = layer(x)
    assert torch.equal(first, layer(x))
    other = Dropout(0.5, per="epoch")
    other.load_state_dict(layer.state_dict())
    assert torch.equal(first, other(x))
    layer.start_epoch()
    assert not torch.equal(first, layer(x))


def test_no_dropout_is_no_change() -> None:
    x = torch.randn(3, 4)
    assert Dropout(0.0)(x) is x
    assert not Dropout().state_dict()


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(InputError, match="a share of nodes, from 0 up to below 1"):
        Dropout(rate)


# losses


def test_the_losses_can_be_found() -> None:
    assert [LOSSES.builder(name) for name in LOSSES] == [cross_entropy, squared_error]


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_cross_entropy_is_the_formula_and_torchs(smoothing: float) -> None:
    logits = torch.randn(12, 5, dtype=torch.float32, generator=torch.Generator().manual_seed(0)) * 3
    labels = torch.arange(12) % 5
    smoothed = (1 - smoothing) * np.eye(5)[labels] + smoothing / 5
    formula = formulas_losses.cross_entropy(smoothed, formulas_activation.softmax(logits.double().numpy()))
    hard = cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
    np.testing.assert_allclose(hard.numpy(), formula, rtol=1e-5)
    soft = cross_entropy(logits, F.one_hot(labels).float(), label_smoothing=smoothing)
    assert soft.item() == pytest.approx(formula.mean(), rel=1e-5)
    assert torch.equal(hard.mean(), F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none").mean())


def test_squared_error_is_the_formula() -> None:
    truth, said = torch.randn(2, 9, 4, generator=torch.Generator().manual_seed(0))
    formula = formulas_losses.squared_error(truth.double().numpy(), said.double().numpy())
    np.testing.assert_allclose(squared_error(said, truth, reduction="none").numpy(), formula, rtol=1e-5)
    assert squared_error(said, truth).item() == pytest.approx(F.mse_loss(said, truth).item(), rel=1e-6)
    assert squared_error(said[:, 0], truth[:, 0]).item() == pytest.approx(F.mse_loss(said[:, 0], truth[:, 0]).item())


def test_half_precision_is_summed_in_float32() -> None:
    logits = torch.randn(4, 3).bfloat16()
    assert cross_entropy(logits, torch.tensor([0, 1, 2, 0])).dtype == torch.float32
    assert squared_error(logits, torch.zeros(4, 3).bfloat16()).dtype == torch.float32


def test_shapes_that_torch_would_stretch_are_refused() -> None:
    with pytest.raises(InputError, match="gives 4x1 values but the targets are 4;"):
        squared_error(torch.zeros(4, 1), torch.zeros(4))
    with pytest.raises(InputError, match="one probability for each class"):
        cross_entropy(torch.zeros(4, 3), torch.zeros(4, 2))
    with pytest.raises(InputError, match=r"label smoothing of 1\.5"):
        cross_entropy(torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64), label_smoothing=1.5)


# pooling


def test_trainable_subsampling_is_the_formula() -> None:
    layer = TrainableSubsampling(3).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.3, -1.0, 2.0]))
        layer.bias.copy_(torch.tensor([0.0, 0.5, -4.0]))
    x = torch.randn(2, 3, 7, 9, dtype=torch.float64)
    ours = layer(x).detach().numpy()
    for sample in range(2):
        for c, (weight, bias) in enumerate(zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)):
            expected = formulas_pooling.subsampling(x[sample, c].numpy(), weight, bias)
            np.testing.assert_allclose(ours[sample, c], expected, atol=1e-12)


def test_trainable_subsampling_has_the_gradients_of_finite_differences() -> None:
    layer = TrainableSubsampling(2).double()
    x = torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x, *parameters: layer(x), (x, layer.weight, layer.bias))


# heads


def test_a_head_takes_the_place_of_another() -> None:
    like = torch.zeros(1, dtype=torch.bfloat16)
    head = linear_head(8, 3, "he", like)
    assert isinstance(head, nn.Linear) and head.weight.shape == (3, 8) and head.weight.dtype == torch.bfloat16
    x = torch.randn(2, 8)
    assert linear_head(8, 0, "he")(x) is x
    with pytest.raises(InputError, match="-1 classes were asked for"):
        linear_head(8, -1, "he")
