"""Normalization against Keras, torch, the papers' formulas and AlexNet's numbers, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.formulas import normalization as formulas
from neuropil.nn import NORMALIZATIONS
from neuropil.nn.normalization import BatchNormalization, LocalResponseNormalization


def batches(count: int, *shape: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, dtype=dtype, generator=generator) * (1 + n % 3) + n % 5 for n in range(count)]


@pytest.fixture
def keras(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def test_every_normalization_can_be_found() -> None:
    options: dict[str, dict[str, Any]] = {
        "batch": {"num_features": 4, "form": "average"},
        "local_response": {"size": 3},
        "layer": {"normalized_shape": 5},
        "group": {"num_groups": 2, "num_channels": 4},
        "rms": {"normalized_shape": 5},
    }
    assert set(options) == set(NORMALIZATIONS)
    for name in NORMALIZATIONS:
        assert NORMALIZATIONS.build(name, **options[name])(torch.randn(2, 4, 5)).shape == (2, 4, 5)
    with pytest.raises(InputError, match="did you mean 'batch'"):
        NORMALIZATIONS.build("bacth")
    with pytest.raises(InputError, match="cannot be 'chapters'; did you mean 'chapter'"):
        NORMALIZATIONS.build("batch", num_features=4, form="chapters")


# batch normalization


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.9, 0.99])
@pytest.mark.parametrize("shape", [(8, 3), (4, 3, 5, 6)])
def test_the_chapters_form_is_keras(keras: Any, alpha: float, shape: tuple[int, ...]) -> None:
    """Outputs, stored statistics and gradients over 200 mini-batches; Keras computes them in float32."""
    ours = BatchNormalization(3, alpha=alpha, eps=1e-3).double()
    theirs = keras.layers.BatchNormalization(axis=1, momentum=alpha, epsilon=1e-3, dtype="float64")

    def close(mine: Tensor, other: Tensor) -> None:
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)

    for x in batches(200, *shape):
        given, wanted = x.clone().requires_grad_(), x.clone().requires_grad_()
        said, expected = ours(given), theirs(wanted, training=True)
        close(said, expected)
    (said**3).sum().backward()
    (expected**3).sum().backward()
    close(given.grad, wanted.grad)
    close(ours.running_mean, theirs.moving_mean.value.detach())
    close(ours.running_var, theirs.moving_variance.value.detach())
    close(ours.eval()(x), theirs(x, training=False))


@pytest.mark.parametrize(("form", "momentum"), [("torch", 0.1), ("paper", None)])
@pytest.mark.parametrize("shape", [(8, 3), (4, 3, 5, 6)])
def test_other_forms_are_torchs_to_the_bit(form: Any, momentum: float | None, shape: tuple[int, ...]) -> None:
    ours = BatchNormalization(3, form)
    theirs = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(3, momentum=momentum)
    for x in batches(20, *shape, dtype=torch.float32):
        assert torch.equal(ours(x), theirs(x))
    for name, value in theirs.state_dict().items():
        assert torch.allclose(ours.state_dict()[name], value, rtol=1e-6, atol=0), name
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


def test_the_chapters_numbers() -> None:
    """Mini-batch 1, 2, 3, 4: its variance is 1.25, not 5/3, and stays so in what is stored."""
    x = torch.tensor([[1.0], [2.0], [3.0], [4.0]]).double()
    stored = {form: BatchNormalization(1, form).double() for form in ("chapter", "average", "paper", "torch")}  # type: ignore[arg-type]
    for layer in stored.values():
        layer(x)
    assert {form: round(layer.running_var.item(), 6) for form, layer in stored.items()} == {
        "chapter": 1.025, "average": 1.25, "paper": 1.666667, "torch": 1.066667,
    }  # fmt: skip
    assert [round(layer.running_mean.item(), 6) for layer in stored.values()] == [0.25, 2.5, 2.5, 0.25]


@pytest.mark.parametrize("form", ["chapter", "average", "paper"])
def test_what_is_stored_is_the_formulas(form: Any) -> None:
    layer, seen = BatchNormalization(3, form).double(), batches(50, 4, 3, 5)
    of_batches = [formulas.batch_normalization(x.numpy(), np.ones(3), np.zeros(3))[1:] for x in seen]
    for x in seen:
        layer(x)
    means, variances = (np.stack(column) for column in zip(*of_batches, strict=True))
    if form == "chapter":
        mean, variance = np.zeros(3), np.ones(3)
        for one, other in of_batches:
            mean, variance = formulas.moving_average(mean, one), formulas.moving_average(variance, other)
    else:
        mean = formulas.stored_average(means)
        variance = formulas.stored_average(variances, 20 if form == "paper" else None)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.numpy(), variance, rtol=1e-12)


def test_the_formulas_are_numpys_and_torchs() -> None:
    x = batches(1, 4, 3, 5)[0]
    gamma, beta = np.array([1.0, -2.0, 0.5]), np.array([0.0, 3.0, 1.0])
    y, mean, variance = formulas.batch_normalization(x.numpy(), gamma, beta)
    expected = F.batch_norm(x, None, None, torch.tensor(gamma), torch.tensor(beta), training=True)
    np.testing.assert_allclose(y, expected.numpy(), atol=1e-12)
    stored = (torch.tensor(mean), torch.tensor(variance))
    expected = F.batch_norm(x, *stored, torch.tensor(gamma), torch.tensor(beta))
    said = formulas.batch_normalization_inference(x.numpy(), gamma, beta, mean, variance)
    np.testing.assert_allclose(said, expected.numpy(), atol=1e-12)


def test_weights_of_torchs_layer_load_and_the_other_way_round() -> None:
    theirs, ours = nn.BatchNorm2d(3), BatchNormalization(3)
    for x in batches(3, 4, 3, 5, 6, dtype=torch.float32):
        theirs(x)
    ours.load_state_dict(theirs.state_dict())
    assert torch.equal(ours.eval()(x), theirs.eval()(x))
    theirs.load_state_dict(ours.state_dict())


def test_a_layer_may_stand_twice_in_one_graph_and_its_weights_may_be_averaged() -> None:
    layer = BatchNormalization(3)
    x = batches(1, 8, 3, dtype=torch.float32)[0].requires_grad_()
    layer(layer(x)).sum().backward()
    assert layer.num_batches_tracked == 2 and x.grad is not None
    loader = batches(7, 8, 3, dtype=torch.float32)
    torch.optim.swa_utils.update_bn(loader, layer)  # torch's own: a plain average over one pass
    torch.testing.assert_close(layer.running_mean, torch.cat(loader).mean(0), rtol=1e-5, atol=1e-5)


def test_half_precision_keeps_its_statistics_in_float32() -> None:
    ours, theirs = BatchNormalization(4, alpha=0.9), nn.BatchNorm2d(4)
    x = torch.randn(8, 4, 5, 5).bfloat16().to(memory_format=torch.channels_last)
    said = ours(x)
    assert torch.equal(said, theirs(x)) and said.is_contiguous(memory_format=torch.channels_last)
    assert ours.running_var.dtype == torch.float32
    biased = 0.9 + 0.1 * x.float().var((0, 2, 3), unbiased=False)
    torch.testing.assert_close(ours.running_var, biased, rtol=1e-5, atol=0)


def test_batch_normalization_refuses() -> None:
    for x in (torch.zeros(1, 3), torch.zeros(1, 3, 1, 1)):
        with pytest.raises(InputError, match=r"each channel 1 value, .* needs at least two while training"):
            BatchNormalization(3)(x)
        assert BatchNormalization(3).eval()(x).shape == x.shape
    for form in ("chapter", "torch"):
        with pytest.raises(InputError, match=r"\[2, 4\] was given to a normalization of 3 channels"):
            BatchNormalization(3, form)(torch.zeros(2, 4))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"alpha = 1\.0 was given; it is the share that is kept"):
        BatchNormalization(3, alpha=1.0)
    with pytest.raises(InputError, match="form 'average', which averages over all mini-batches alike"):
        BatchNormalization(3, "average", 0.9)
    with pytest.raises(InputError, match="no form 'keras'; allowed: chapter, average, paper, torch"):
        BatchNormalization(3, "keras")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="normalization of 0 channels"):
        BatchNormalization(0)


# local response normalization


@pytest.mark.parametrize("size", [1, 3, 5, 11])
@pytest.mark.parametrize("beta", [0.75, 0.5, 1.25])
@pytest.mark.parametrize("channels_last", [False, True])
def test_local_response_is_torchs(size: int, beta: float, channels_last: bool) -> None:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x = (batches(1, 2, 7, 5, 4)[0] * 3).contiguous(memory_format=layout)
    expected = F.local_response_norm(x, size, alpha=0.7, beta=beta, k=1.5)
    library = LocalResponseNormalization(size, 0.7, beta, 1.5, "library")(x)
    torch.testing.assert_close(library, expected, rtol=1e-12, atol=1e-13)
    paper = LocalResponseNormalization(size, 0.7 / size, beta, 1.5)(x)
    torch.testing.assert_close(paper, expected, rtol=1e-12, atol=1e-13)
    assert library.is_contiguous(memory_format=layout)


def test_local_response_gradients_are_torchs() -> None:
    for size in (3, 5):
        given, other = (batches(1, 2, 7, 5)[0].requires_grad_() for _ in range(2))
        (LocalResponseNormalization(size, 0.7, form="library")(given) ** 2).sum().backward()
        (F.local_response_norm(other, size, alpha=0.7, k=2.0) ** 2).sum().backward()
        torch.testing.assert_close(given.grad, other.grad, rtol=1e-11, atol=1e-12)


def test_alexnets_numbers() -> None:
    """k = 2, n = 5, alpha = 1e-4, beta = 0.75: a lone 100 is divided by (2 + 1e-4 x 100^2)^0.75 = 3^0.75."""
    x = torch.zeros(1, 96, 1, 1, dtype=torch.float64)
    x[0, 40] = 100
    y = LocalResponseNormalization()(x)
    assert y[0, 40].item() == pytest.approx(100 / 3**0.75, rel=1e-12)
    assert LocalResponseNormalization(form="library")(x)[0, 40].item() == pytest.approx(100 / 2.2**0.75, rel=1e-12)


def test_large_half_precision_does_not_overflow() -> None:
    x = torch.full((1, 8, 2, 2), 1000.0).half()
    assert LocalResponseNormalization()(x).isfinite().all() and LocalResponseNormalization()(x)[0, 4, 0, 0] > 1


def test_local_response_refuses() -> None:
    for size in (0, 4, -3):
        with pytest.raises(InputError, match=f"neighbourhood of {size} channels was asked for; it is odd"):
            LocalResponseNormalization(size)
    with pytest.raises(InputError, match=r"alpha = -1\.0 and k = 2\.0"):
        LocalResponseNormalization(alpha=-1.0)
    with pytest.raises(InputError, match="k above 0"):
        LocalResponseNormalization(k=0.0)
    with pytest.raises(InputError, match=r"\[3\] has no channels"):
        LocalResponseNormalization()(torch.zeros(3))


# layer, group and RMS normalization


@pytest.mark.slow
def test_layer_group_and_rms_are_keras(keras: Any) -> None:
    x = batches(1, 4, 6, 6)[0]
    options = {"epsilon": 1e-5, "dtype": "float64"}
    pairs = [
        (nn.LayerNorm(6), keras.layers.LayerNormalization(**options)),
        (nn.GroupNorm(3, 6), keras.layers.GroupNormalization(3, axis=1, **options)),
        (nn.RMSNorm(6, 1e-5), keras.layers.RMSNormalization(**options)),
    ]
    for ours, theirs in pairs:
        torch.testing.assert_close(ours.double()(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_copies_are_independent() -> None:
    layer = BatchNormalization(2)
    other = copy.deepcopy(layer)
    layer(torch.randn(4, 2))
    assert not other.running_mean.any() and other.form == "chapter"
    assert repr(other) == "BatchNormalization(2, form='chapter', alpha=0.9, eps=1e-05)"
