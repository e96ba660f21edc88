"""Dropout against the chapter's own loop, and whole maps against torch and Keras."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.nn.dropout import Dropout, SpatialDropout

FORMS = ("chapter", "srivastava", "inverted")
PERS = ("batch", "sample", "epoch")


def test_the_chapters_loop() -> None:
    """Links of the left-out hidden nodes are skipped, as the chapter's code has it; inference uses them all."""
    torch.manual_seed(0)
    dropout, output = Dropout(), nn.Linear(30, 4).double()
    hidden = torch.rand(3, 30, dtype=torch.float64) + 0.1
    weights, biases = output.weight.detach().T.numpy(), output.bias.detach().numpy()
    for drop_out in (True, False):
        seen = dropout.train(drop_out)(hidden)
        dropped = (seen[0] == 0).tolist()
        assert any(dropped) == drop_out
        for sample, sums in zip(hidden.numpy(), output(seen).detach().numpy(), strict=True):
            for k in range(4):
                total = 0.0
                for j in range(30):
                    if drop_out and dropped[j]:
                        continue
                    total += sample[j] * weights[j, k]
                assert sums[k] == pytest.approx(total + biases[k], abs=1e-12)


@pytest.mark.parametrize("rate", [0.2, 0.5])
@pytest.mark.parametrize("kind", [Dropout, SpatialDropout])
def test_each_node_or_map_is_left_out_with_the_rate(kind: Any, rate: float) -> None:
    torch.manual_seed(1)
    for per in PERS:
        seen = kind(rate, per=per)(torch.ones(40, 500, 2, 1))
        left_out = (seen if kind is Dropout else seen[:, :, :1]).eq(0)
        independent = left_out if per == "sample" else left_out[0]
        assert stats.binomtest(int(independent.sum()), independent.numel(), rate).pvalue > 0.001, per


@pytest.mark.parametrize(
    ("shape", "theirs"), [((4, 6, 7), F.dropout1d), ((4, 6, 5, 7), F.dropout2d), ((4, 6, 2, 3, 2), F.dropout3d)]
)
def test_spatial_dropout_is_torchs_to_the_bit(shape: tuple[int, ...], theirs: Any) -> None:
    x = torch.randn(shape)
    torch.manual_seed(3)
    ours = SpatialDropout(0.3)(x)
    torch.manual_seed(3)
    assert torch.equal(ours, theirs(x, 0.3))
    assert SpatialDropout(0.3).eval()(x) is x


@pytest.mark.slow
def test_spatial_dropout_scales_as_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    x = torch.ones(20, 30, 3, 3)
    theirs = keras.layers.SpatialDropout2D(0.25, data_format="channels_first", seed=1)(x, training=True)
    ours = SpatialDropout(0.25)(x)
    torch.testing.assert_close(theirs.unique(), torch.tensor([0, 4 / 3]))
    torch.testing.assert_close(ours.unique(), theirs.unique())
    for seen in (ours, theirs):
        assert (seen == seen[:, :, :1, :1]).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("per", PERS)
def test_whole_maps_in_every_form(form: Any, per: Any) -> None:
    layer, x = SpatialDropout(0.5, form, per), torch.rand(6, 40, 3, 4) + 0.5
    seen = layer(x)
    kept = seen[:, :, 0, 0] != 0
    scale = 2 if form == "inverted" else 1
    torch.testing.assert_close(seen, x * kept[:, :, None, None] * scale)
    assert (kept == kept[0]).all() == (per != "sample") and kept.any() and not kept.all()
    torch.testing.assert_close(layer.eval()(x), x * 0.5 if form == "srivastava" else x)


def test_spatial_dropout_refuses() -> None:
    with pytest.raises(InputError, match=r"\[4, 6\] has no maps to leave out"):
        SpatialDropout()(torch.zeros(4, 6))
    with pytest.raises(InputError, match="a share of nodes"):
        SpatialDropout(1.0)
