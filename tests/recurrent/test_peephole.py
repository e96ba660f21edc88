"""The LSTM with a peephole over all times at once, by each of its ways, beside its steps and torch's LSTM."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from neuropil import recurrent
from neuropil.recurrent import peephole, products
from neuropil.recurrent.cells import LSTM

LENGTHS = torch.tensor([7, 3, 5, 1])
KINDS = ["output", "all", "full", "previous"]


@pytest.mark.parametrize(
    "at_once, dtype, within, pack, compiled",
    [
        pytest.param(1024, torch.float64, 1e-12, 0, False, id="one block"),
        pytest.param(12, torch.float64, 1e-12, 0, False, id="blocks of three steps"),
        pytest.param(1, torch.float64, 1e-12, 0, False, id="step by step"),
        pytest.param(12, torch.float32, 2e-5, 0, False, id="by oneDNN"),
        pytest.param(12, torch.float32, 2e-5, 100, False, id="by oneDNN as it lies"),
        pytest.param(12, torch.float32, 2e-5, 0, True, id="compiled"),
    ],
)
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("kind", KINDS)
def test_peepholes_have_the_gradients_of_their_steps(
    kind: Any, bidirectional: bool, ragged: bool, at_once: int, dtype: torch.dtype, within: float, pack: int,
    compiled: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The form over all times, whose gradients are written by hand, beside autograd over single steps."""
    monkeypatch.setattr(products, "ROWS_AT_ONCE", at_once)
    if dtype == torch.float32:  # small as they are
        monkeypatch.setattr(products, "WORTH_ONEDNN", 0)
        monkeypatch.setattr(products, "WORTH_PACKING", pack)
        monkeypatch.setattr(peephole, "LARGEST_KEPT", 0)
    if compiled:
        pytest.importorskip("numba")
    else:
        monkeypatch.setattr(peephole, "_compiled_steps", lambda: None)
    torch.manual_seed(0)
    layer = LSTM(3, 5, num_layers=2, peephole=kind, bidirectional=bidirectional).to(dtype)
    x = torch.randn(4, 7, 3, dtype=dtype, requires_grad=True)
    rows = 4 if bidirectional else 2
    state = tuple(torch.randn(rows, 4, 5, dtype=dtype, requires_grad=True) for _ in range(2))
    weight = torch.randn(4, 7, layer.out_features, dtype=dtype)
    found = []
    for layer.stepwise in (False, True):
        outputs, (h, c) = layer(x, state, LENGTHS if ragged else None)
        total = (outputs * weight).sum() + h.sin().sum() + 2 * c.cos().sum()
        found.append([outputs, h, c, *torch.autograd.grad(total, [x, *state, *layer.parameters()])])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=within)


@pytest.mark.parametrize("ragged", [False, True], ids=["full", "packed"])
@pytest.mark.parametrize("kind", KINDS)
def test_peepholes_of_zero_have_the_gradients_of_torchs_lstm(kind: Any, ragged: bool) -> None:
    torch.manual_seed(0)
    layer, peer = LSTM(4, 40, peephole=kind), nn.LSTM(4, 40, batch_first=True)
    layer.load_state_dict({**peer.state_dict(), "peephole_l0": torch.zeros_like(layer.peephole_l0)})
    x, weight = torch.randn(4, 7, 4, requires_grad=True), torch.randn(4, 7, 40)
    outputs, (h, c) = layer(x, None, LENGTHS if ragged else None)
    if ragged:
        packed, (their_h, their_c) = peer(pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False))
        theirs, _ = pad_packed_sequence(packed, batch_first=True, total_length=7)
    else:
        theirs, (their_h, their_c) = peer(x)
    weights = dict(layer.named_parameters())
    found = torch.autograd.grad(
        (outputs * weight).sum() + h.sin().sum() + c.cos().sum(),
        [x, *(weights[name] for name, _ in peer.named_parameters())],
    )
    wanted = torch.autograd.grad(
        (theirs * weight).sum() + their_h.sin().sum() + their_c.cos().sum(), [x, *peer.parameters()]
    )
    for one, other in zip([outputs, h, c, *found], [theirs, their_h, their_c, *wanted], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("kind", ["output", "all", "previous"])
def test_bf16_by_the_compiled_steps_is_as_near_as_by_torchs(
    kind: Any, ragged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr(products, "ROWS_AT_ONCE", 12)  # blocks of two steps
    torch.manual_seed(0)
    layer, x, weight = LSTM(6, 40, peephole=kind), torch.randn(5, 9, 6, requires_grad=True), torch.randn(5, 9, 40)
    state = torch.randn(1, 5, 40), torch.randn(1, 5, 40)

    def says(half: bool) -> list[Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            outputs, (_, c) = layer(x, state, torch.tensor([9, 2, 5, 1, 9]) if ragged else None)
        assert outputs.dtype == (torch.bfloat16 if half else torch.float32)
        total = (outputs.float() * weight).sum() + c.sin().sum()
        return [outputs.float(), c, *torch.autograd.grad(total, [x, *layer.parameters()])]

    exact, compiled = says(False), says(True)
    monkeypatch.setattr(peephole, "_compiled_steps", lambda: None)
    for one, other, right in zip(compiled, says(True), exact, strict=True):
        error, theirs = ((it - right).norm() / right.norm() for it in (one, other))
        assert error <= 1.2 * theirs and error > 0


def test_what_is_no_number_stays_so_in_the_compiled_steps() -> None:
    pytest.importorskip("numba")
    layer, x = LSTM(3, 40), torch.zeros(3, 4, 3)
    x[0, 2, 1], x[1, 2, 1] = torch.nan, torch.inf
    outputs, _ = layer(x)
    outputs.sum().backward()
    assert outputs[0, 2:].isnan().all() and not outputs[0, :2].isnan().any() and not outputs[1:, :2].isnan().any()
    assert (
        not outputs[2].isnan().any() and layer.weight_ih_l0.grad is not None and layer.weight_ih_l0.grad.isnan().any()
    )
    large = torch.full((1, 3, 3), 1e30)
    outputs, (_, cell) = layer(large)
    assert outputs.isfinite().all() and outputs.abs().max() <= 1 and cell.abs().max() <= 3


def test_only_training_in_fp32_on_a_processor_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    single, half, bits = torch.float32, torch.float16, torch.bfloat16
    weight, choose = torch.zeros(3), peephole._steps_on_processor
    assert all(choose(weight, "output", dtype, True).__name__.endswith("numba") for dtype in (single, bits))
    others: list[Any] = [
        (weight, "full", single, True), (weight, "all", single, False), (weight, "all", half, True),
        (weight.double(), "all", torch.float64, True), (weight.to("meta"), "all", single, True),
    ]  # fmt: skip
    assert all(choose(*one).__name__.endswith("torch") for one in others)
    monkeypatch.setattr(peephole, "_compiled_steps", lambda: None)
    assert choose(weight, "output", single, True).__name__.endswith("torch")


def test_prediction_does_not_wait_for_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(peephole, "_compiled_steps", lambda: asked.append(True))
    layer, x = LSTM(3, 4), torch.zeros(2, 5, 3)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            layer(x)
    assert not asked
    layer(x)
    assert asked


def test_fp16_is_trained_too() -> None:
    torch.manual_seed(0)
    layer, x = LSTM(6, 40), torch.randn(5, 9, 6)
    exact = layer(x)[0]
    with torch.autocast("cpu", torch.float16):
        found = layer(x)[0]
    found.sum().backward()
    torch.testing.assert_close(found.float(), exact, rtol=0, atol=5e-3)
    assert layer.weight_hh_l0.grad is not None and layer.weight_hh_l0.grad.isfinite().all()


class KernelsByTorch:
    """What `peephole_triton` does in one kernel a pass, for the output gate's peephole."""

    @staticmethod
    def all_steps(
        gates: Tensor, weight: Tensor, peephole: Tensor, hs: Tensor, cs: Tensor, squashed: Tensor, previous: bool
    ) -> None:
        for t, sums in enumerate(gates):
            i, f, g, o = (sums + hs[t] @ weight.t()).chunk(4, 1)
            cs[t + 1] = f.sigmoid() * cs[t] + i.sigmoid() * g.tanh()
            squashed[t] = cs[t + 1].tanh()
            o = (o + peephole * cs[t if previous else t + 1]).sigmoid()
            hs[t + 1] = o * squashed[t]
            gates[t] = torch.cat((i.sigmoid(), f.sigmoid(), g.tanh(), o), 1)

    @staticmethod
    def all_steps_back(
        of_hs: Tensor, slopes: Tensor, through: Tensor, gates: Tensor, weight: Tensor, peephole: Tensor,
        ends: Tensor | None, of_c: Tensor, previous: bool,
    ) -> Tensor:  # fmt: skip
        sums, width = torch.empty_like(gates), of_c.shape[1]
        of_h = torch.zeros_like(of_c)
        for t in reversed(range(len(of_hs))):
            of_h = of_h + of_hs[t]
            of_o = of_h * slopes[t, :, 3 * width :]
            of_c += of_h * through[t] + (0 if ends is None else ends[t])
            if not previous:
                of_c += of_o * peephole
            sums[t] = torch.cat((of_c.repeat(1, 3) * slopes[t, :, : 3 * width], of_o), 1)
            of_c *= gates[t, :, width : 2 * width]
            if previous:
                of_c += of_o * peephole
            of_h = sums[t] @ weight
        return sums


@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("kind", ["output", "previous"])
def test_what_stands_around_the_gpus_kernels(kind: Any, ragged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer = LSTM(3, 5, peephole=kind).double()
    x, weight = torch.randn(4, 7, 3, dtype=torch.float64, requires_grad=True), torch.randn(4, 7, 5).double()
    found = []
    for kernels in (None, KernelsByTorch):
        monkeypatch.setattr(peephole, "_gpu_kernels", lambda *_, kernels=kernels: kernels)
        outputs, (h, c) = layer(x, None, LENGTHS if ragged else None)
        total = (outputs * weight).sum() + h.sin().sum() + 2 * c.cos().sum()
        found.append([outputs, h, c, *torch.autograd.grad(total, [x, *layer.parameters()])])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_a_numba_that_cannot_be_imported_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not there, or refuses this NumPy: both are an ImportError."""
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "neuropil.recurrent.peephole_numba", raising=False)
    monkeypatch.delattr(recurrent, "peephole_numba", raising=False)
    assert peephole._compiled_steps.__wrapped__() is None
