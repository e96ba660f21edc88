"""Truncated backpropagation through time: full where the window covers all, bounded in memory, resumed inside."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.recurrent.cells import LSTM, make_recurrent
from neuropil.recurrent.jordan import JordanRNN
from neuropil.recurrent.truncation import detach_state, truncated_steps


def gradients(layer: nn.Module, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(layer.parameters())))


@pytest.mark.parametrize("stride", [12, 4, 1])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "lstm_peephole", "gru"])
def test_a_window_over_all_is_full_backpropagation(cell: str, stride: int) -> None:
    torch.manual_seed(0)
    layer = make_recurrent(cell, 3, 5, num_layers=2).double()
    x, weight = torch.randn(2, 11, 3, dtype=torch.float64), torch.randn(2, 11, 5, dtype=torch.float64)
    outputs, end = layer(x)
    wanted = gradients(layer, (outputs * weight).sum())
    found = [torch.zeros_like(one) for one in wanted]
    pieces = []
    state: Any = None
    for place, said, state in truncated_steps(layer, x, window=12, stride=stride):  # noqa: B007 - read after the loop
        loss = (said * weight[:, place : place + said.shape[1]]).sum()
        found = [one + more for one, more in zip(found, gradients(layer, loss), strict=True)]
        pieces.append(said.detach())
    torch.testing.assert_close(torch.cat(pieces, 1), outputs)
    torch.testing.assert_close(state, end if isinstance(end, Tensor) else tuple(end))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_errors_go_back_as_far_as_the_window() -> None:
    layer = make_recurrent("rnn", 1, 4)
    x = torch.randn(1, 10, 1).requires_grad_()
    reached = []
    for place, said, _ in truncated_steps(layer, x, window=6, stride=2):
        (of_x,) = torch.autograd.grad(said.sum(), x)
        reached.append((place, of_x[0, :, 0].nonzero()[:, 0].tolist()))
    assert reached == [(0, [0, 1]), (2, [0, 1, 2, 3]), (4, list(range(6))), (6, list(range(2, 8))),
                       (8, list(range(4, 10)))]  # fmt: skip


def test_a_sequence_is_resumed_inside() -> None:
    torch.manual_seed(0)
    layer = LSTM(3, 5)
    x = torch.randn(2, 20, 3)
    whole = [said for _, said, _ in truncated_steps(layer, x, window=4)]
    for cut, (place, _, state) in enumerate(truncated_steps(layer, x, window=4), 1):
        rest = [said for _, said, _ in truncated_steps(layer, x[:, place + 4 :], window=4, state=state)]
        assert len(rest) == len(whole) - cut
        assert all(torch.equal(one, other) for one, other in zip(rest, whole[cut:], strict=True))


MEASURE = """
import resource, sys, torch
torch.set_num_threads(1)
from neuropil.recurrent.cells import LSTM
from neuropil.recurrent.truncation import truncated_steps
times, layer = int(sys.argv[1]), LSTM(16, 64)
def read(begin, end):
    return torch.ones(4, min(end, times) - begin, 16) if begin < times else None
steps = 0
for place, said, _ in truncated_steps(layer, read, window=100, stride=50):
    said.square().mean().backward()
    steps += said.shape[1]
assert steps == times
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.proof
def test_memory_does_not_grow_with_time() -> None:
    pytest.importorskip("resource")
    peak = {
        times: int(subprocess.run([sys.executable, "-c", MEASURE, str(times)], capture_output=True, check=True).stdout)
        for times in (1_000, 100_000)
    }  # fmt: skip
    assert peak[100_000] < 1.1 * peak[1_000], peak


@pytest.mark.parametrize("window, stride", [(0, None), (4, 3), (4, 0), (2, 4)])
def test_windows_that_cannot_be_are_refused(window: int, stride: int | None) -> None:
    with pytest.raises(InputError, match="the window a multiple of the stride"):
        next(truncated_steps(make_recurrent("gru", 2, 3), torch.zeros(1, 4, 2), window=window, stride=stride))


def test_states_lose_their_history() -> None:
    one = torch.ones(2, requires_grad=True) * 2
    assert not any(part.requires_grad for part in detach_state((one, one)))


# --- Jordan's network ------------------------------------------------------------------------------


def test_outputs_are_fed_back() -> None:
    """By hand: one unit, weights 1, linear outputs."""
    layer = JordanRNN(1, 1, 1, output="linear")
    with torch.no_grad():
        for name, one in layer.named_parameters():
            one.fill_(0.0 if "bias" in name else 1.0)
    said, last = layer(torch.tensor([[[0.5], [0.25]]]))
    first = torch.tanh(torch.tensor(0.5))
    second = torch.tanh(0.25 + first)
    torch.testing.assert_close(said[0, :, 0], torch.stack([first, second]))
    torch.testing.assert_close(last[0, 0], second)


def test_wanted_outputs_are_fed_back_where_asked_for() -> None:
    torch.manual_seed(0)
    layer = JordanRNN(2, 4, 3, teacher_forcing=True)
    x, wanted = torch.randn(2, 5, 2), torch.nn.functional.one_hot(torch.arange(10).view(2, 5) % 3, 3).float()
    forced, _ = layer(x, None, wanted)
    for t in range(1, 5):
        torch.testing.assert_close(layer(x[:, t : t + 1], wanted[:, t - 1])[0][:, 0], forced[:, t])
    assert not torch.equal(layer.eval()(x, None, wanted)[0], forced)


def test_derivatives_of_jordans_network() -> None:
    torch.manual_seed(0)
    layer = JordanRNN(2, 3, 2).double()
    assert torch.autograd.gradcheck(lambda x: layer(x)[0], torch.randn(2, 4, 2, dtype=torch.float64).requires_grad_())


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: JordanRNN(0, 1, 1), "in_features is 0"),
        (lambda: JordanRNN(1, 1, 1, output="softmex"), "softmax"),  # type: ignore[arg-type]
        (lambda: JordanRNN(1, 1, 1)(torch.zeros(2, 1)), r"reads \[N, T, 1\]"),
        (lambda: JordanRNN(1, 1, 2)(torch.zeros(3, 1, 1), torch.zeros(3, 1)), r"state must be \[3, 2\]"),
        (lambda: JordanRNN(1, 1, 2)(torch.zeros(3, 1, 1), None, torch.zeros(3, 2)), r"wanted outputs must be"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make()
