"""The loss over a vocabulary in parts, beside torch's over all of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from neuropil.errors import InputError
from neuropil.nn.vocabulary_loss import linear_cross_entropy


def parts(n: int = 9, tokens: int = 23, width: int = 5, kind: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    draw = torch.Generator().manual_seed(0)
    found = [
        torch.randn(shape, generator=draw, dtype=torch.float64).to(kind)
        for shape in ((n, width), (tokens, width), (tokens,))
    ]
    return *(one.requires_grad_() for one in found), torch.randint(0, tokens, (n,), generator=draw)


@pytest.mark.parametrize("chunk", [1, 4, 23, 100, None])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_it_is_torchs(chunk: int | None, smoothing: float, ignored: bool, biased: bool, reduction: Any) -> None:
    hidden, weight, bias, targets = parts()
    targets = targets.clone()
    if ignored:
        targets[[0, 5]] = -100
    given = [hidden, weight, bias] if biased else [hidden, weight]
    expected = F.cross_entropy(
        F.linear(hidden, weight, bias if biased else None), targets, label_smoothing=smoothing, reduction=reduction
    )
    found = linear_cross_entropy(
        hidden, weight, bias if biased else None, targets, chunk=chunk, label_smoothing=smoothing, reduction=reduction
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    for one, other in zip(*(torch.autograd.grad(loss.sin().sum(), given) for loss in (found, expected)), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradients_are_those_of_differences(smoothing: float) -> None:
    hidden, weight, bias, targets = parts(4, 7, 3)
    targets[1] = -100

    def run(*given: Tensor) -> Tensor:
        return linear_cross_entropy(*given, targets, chunk=3, label_smoothing=smoothing, reduction="none")  # type: ignore[misc]

    assert torch.autograd.gradcheck(run, (hidden, weight, bias))
    for frozen in range(3):  # each gradient is made where it is asked for
        given = [one.detach().requires_grad_(place == frozen) for place, one in enumerate((hidden, weight, bias))]
        assert torch.autograd.gradcheck(run, tuple(given))


def test_nothing_that_counts_is_no_loss() -> None:
    hidden, weight, bias, targets = parts()
    for chunk in (None, 4):
        loss = linear_cross_entropy(hidden, weight, bias, torch.full_like(targets, -100), chunk=chunk)
        assert loss.item() == 0 and not any(one.any() for one in torch.autograd.grad(loss, (hidden, weight, bias)))


@pytest.mark.parametrize("autocast", [False, True])
def test_bfloat16_is_nearly_the_same(autocast: bool) -> None:
    exact = parts(64, 3000, 32, torch.float32)
    given = exact[:3] if autocast else tuple(one.detach().bfloat16().requires_grad_() for one in exact[:3])
    expected = F.cross_entropy(F.linear(*exact[:3]), exact[3])
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        found = linear_cross_entropy(*given, exact[3], chunk=256)  # type: ignore[misc]
    assert found.dtype is torch.float32 and found.item() == pytest.approx(expected.item(), rel=2e-3)
    ours, theirs = torch.autograd.grad(found, given), torch.autograd.grad(expected, exact[:3])
    for one, other, source in zip(ours, theirs, given, strict=True):
        assert one.dtype is source.dtype
        assert (one.float() - other).norm() < 0.02 * other.norm()


class Alive(TorchDispatchMode):
    """The most bytes of large tensors that were alive at once, weights and their gradients left out."""

    def __init__(self, least: int, left_out: tuple[int, ...]) -> None:
        super().__init__()
        self.least, self.left_out, self.most, self.alive = least, left_out, 0, {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for one in found if isinstance(found, tuple | list) else (found,):
            if isinstance(one, Tensor) and (size := one.untyped_storage().nbytes()) >= self.least:
                key = one.untyped_storage()._cdata
                if tuple(one.shape) not in self.left_out and one.untyped_storage().nbytes() not in self.left_out:
                    self.alive[key] = (size, torch.multiprocessing.reductions.StorageWeakRef(one.untyped_storage()))
        self.alive = {key: pair for key, pair in self.alive.items() if not pair[1].expired()}
        self.most = max(self.most, sum(size for size, _ in self.alive.values()))
        return found


@pytest.mark.parametrize("autocast", [False, True])
def test_never_more_than_a_twentieth_of_all_logits(autocast: bool) -> None:
    n, tokens, width = 1024, 20_000, 8
    hidden, weight, bias, targets = parts(n, tokens, width, torch.float32)
    weights = (4 * tokens * width, 2 * tokens * width, 4 * tokens, 2 * tokens)
    with Alive(4096, weights) as seen:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            loss = linear_cross_entropy(hidden, weight, bias, targets)
        loss.backward()
    assert 0 < seen.most <= 0.05 * 4 * n * tokens, seen.most / (4 * n * tokens)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": torch.zeros(9, 4)}, r"hidden \[9, 4\], weight \[23, 5\], bias \[23\] and targets \[9\] do not fit"),
        ({"targets": torch.zeros(8, dtype=torch.int64)}, r"targets \[8\] do not fit"),
        ({"bias": torch.zeros(22)}, r"bias \[22\]"),
        ({"targets": torch.full((9,), 23)}, "target 23 was given to a vocabulary of 23 tokens, 0 to 22; give -100"),
        ({"targets": torch.full((9,), -1)}, "target -1 was given"),
        ({"targets": torch.zeros(9)}, "targets must be int64, but float32 was given"),
        ({"label_smoothing": 1.5}, "label_smoothing must be from 0 to 1, but 1.5 was given"),
        ({"chunk": 0}, "a chunk of 0 tokens"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    given = dict(zip(("hidden", "weight", "bias", "targets"), parts(), strict=True))
    with pytest.raises(InputError, match=message):
        linear_cross_entropy(**{**given, **change})
