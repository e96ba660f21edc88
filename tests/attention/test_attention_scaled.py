"""Scaled dot-product attention on all its paths, beside torch and beside the formula in NumPy."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from neuropil.attention.by_blocks import attend_by_blocks, attend_joined_by_blocks
from neuropil.attention.chance import QuickDropout, kept, share_kept
from neuropil.attention.masks import causal_mask, document_mask, padding_mask
from neuropil.attention.multihead import MultiHeadAttention
from neuropil.attention.scaled import attend, attend_joined, attention_weights
from neuropil.errors import InputError

THERE = torch.tensor([[True] * 7, [True] * 3 + [False] * 4, [False] * 7])
DOCUMENTS = torch.tensor([[0, 0, 0, 1, 1, 2, 2], [5, 5, 5, 5, 5, 5, 4], [0, 1, 2, 3, 4, 5, 6]])
MASKS: dict[str, Tensor | None] = {
    "none": None,
    "padding": padding_mask(THERE),
    "documents": document_mask(DOCUMENTS),
    "both": padding_mask(THERE) & document_mask(DOCUMENTS),
    "a head's": torch.rand(1, 2, 7, 7, generator=torch.Generator().manual_seed(0)) > 0.5,
}


def three(questions: int = 7, places: int = 7, kind: torch.dtype = torch.float64, rows: int = 3) -> list[Tensor]:
    draw = torch.Generator().manual_seed(1)
    shapes = [(rows, 2, one, 4) for one in (questions, places, places)]
    return [torch.randn(shape, generator=draw, dtype=torch.float64).to(kind).requires_grad_() for shape in shapes]


def by_the_formula(query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> np.ndarray[Any, Any]:
    """Vaswani et al. 2017, equation 1, in NumPy, question by question."""
    q, k, v, there = (one.detach().numpy() for one in (query, key, value, seen.expand(3, 2, query.shape[2], -1)))
    found = np.zeros((*q.shape[:3], v.shape[3]))
    for n, h, t in np.ndindex(q.shape[:3]):
        if (places := there[n, h, t].nonzero()[0]).size:
            scores = k[n, h, places] @ q[n, h, t] / math.sqrt(q.shape[3])
            shares = np.exp(scores - scores.max())
            found[n, h, t] = shares / shares.sum() @ v[n, h, places]
    return found


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("blocks", [False, True])
def test_every_path_is_the_formula_and_never_nan(name: str, causal: bool, blocks: bool) -> None:
    mask, parts = MASKS[name], three()
    seen = torch.ones(7, 7, dtype=torch.bool) if mask is None else mask
    seen = seen & causal_mask(7, 7) if causal else seen
    weights = attention_weights(parts[0], parts[1], seen)
    expected = weights @ parts[2]
    np.testing.assert_allclose(expected.detach().numpy(), by_the_formula(*parts, seen), rtol=0, atol=1e-12)  # type: ignore[misc]
    found = (attend_by_blocks if blocks else attend)(*parts, mask=mask, causal=causal)  # type: ignore[misc,operator]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    gradients = [torch.autograd.grad(one.sin().sum(), parts) for one in (found, expected)]
    for one, other in zip(*gradients, strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    if name == "padding":
        assert not found[2].any() and not gradients[0][0][2].any()


@pytest.mark.parametrize("questions", [1, 3, 300])
def test_the_last_question_stands_at_the_last_place(questions: int) -> None:
    parts = three(questions, 310)
    expected = attention_weights(parts[0], parts[1], causal_mask(questions, 310)) @ parts[2]
    for found in (attend(*parts, causal=True), attend_by_blocks(*parts, causal=True)):  # type: ignore[misc]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    mask = torch.rand(3, 1, 1, 310) > 0.2
    expected = attention_weights(parts[0], parts[1], causal_mask(questions, 310) & mask) @ parts[2]
    for found in (attend(*parts, mask=mask, causal=True), attend_by_blocks(*parts, mask, causal=True)):  # type: ignore[misc]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MASKS)
def test_gradients_are_those_of_differences(name: str) -> None:
    parts = [one.detach()[:2, :, :4, :2].requires_grad_() for one in three()]
    mask = None if (whole := MASKS[name]) is None else whole[:2, :, :4, :4]
    for rate in (0.0, 0.4):

        def run(*x: Tensor, rate: float = rate) -> Tensor:
            torch.manual_seed(3)
            return attend_by_blocks(*x, mask, causal=True, dropout=rate)  # type: ignore[misc]

        assert torch.autograd.gradcheck(run, tuple(parts))


def test_bfloat16_learns_as_torch_does() -> None:
    parts = three(200, 200, torch.bfloat16)
    exact = [one.detach().float().requires_grad_() for one in parts]
    found, torchs = attend(*parts, causal=True), F.scaled_dot_product_attention(*parts, is_causal=True)  # type: ignore[misc]
    expected = F.scaled_dot_product_attention(*exact, is_causal=True)  # type: ignore[misc]
    assert found.dtype is torch.bfloat16
    true = (expected, *torch.autograd.grad(expected.sin().sum(), exact))
    ours = (found, *torch.autograd.grad(found.sin().sum(), parts))
    theirs = (torchs, *torch.autograd.grad(torchs.sin().sum(), parts))
    for one, other, right in zip(ours, theirs, true, strict=True):
        scale = right.square().mean().sqrt()
        error, beside = ((each.float() - right).square().mean().sqrt() / scale for each in (one, other))
        assert error < 0.02 and error < 3 * beside + 1e-3


def test_dropout_leaves_out_the_share_and_keeps_the_mean() -> None:
    mask = kept((1000, 999), 0.1, torch.device("cpu"), torch.Generator().manual_seed(0))
    assert mask.float().mean().item() == pytest.approx(0.9, abs=0.0015)
    assert abs(share_kept(0.1) - 0.9) < 1e-5
    rows = mask.float().mean(1)
    assert rows.std().item() == pytest.approx(math.sqrt(0.09 / 999), rel=0.1)
    assert np.corrcoef(mask[:, :-1].flatten(), mask[:, 1:].flatten())[0, 1] == pytest.approx(0, abs=0.005)
    x = torch.ones(50, 50, dtype=torch.float64, requires_grad=True)
    found = QuickDropout(0.25)(x)
    assert set(found.flatten().tolist()) == {0.0, 4 / 3}
    assert torch.equal(torch.autograd.grad(found.sum(), x)[0], found)
    assert QuickDropout(0.25).eval()(x) is x and QuickDropout(0.0)(x) is x
    torch.manual_seed(5)
    one = QuickDropout(0.5)(x)
    torch.manual_seed(5)
    assert torch.equal(one, QuickDropout(0.5)(x))


def test_dropout_of_weights_is_that_of_the_formula() -> None:
    """Each answer is a mean of values without some: with values that name places, it says which."""
    query, key, _ = three(5, 6)
    value = torch.eye(6, dtype=torch.float64).expand(3, 2, 6, 6)
    weights, count = attention_weights(query, key), 400
    total = torch.zeros_like(weights)
    for _ in range(count):
        found = attend(query, key, value, dropout=0.5)
        left = found / weights
        assert ((left - 2).abs().minimum(left.abs()) < 1e-9).all()
        total = total + (left != 0)
    torch.testing.assert_close(total / count, torch.full_like(weights, 0.5), rtol=0, atol=0.15)


def side_by_side(parts: list[Tensor]) -> Tensor:
    return torch.cat([one.transpose(1, 2).flatten(2) for one in parts], 2)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("blocks", [False, True])
def test_what_is_joined_is_attended_as_what_is_apart(name: str, causal: bool, blocks: bool) -> None:
    mask, parts = MASKS[name], three()
    seen = torch.ones(7, 7, dtype=torch.bool) if mask is None else mask
    expected = attention_weights(parts[0], parts[1], seen & causal_mask(7, 7) if causal else seen) @ parts[2]
    attended = attend_joined_by_blocks if blocks else attend_joined
    found = attended(side_by_side(parts), 2, mask=mask, causal=causal)
    torch.testing.assert_close(found, expected.transpose(1, 2).flatten(2), rtol=0, atol=1e-12)
    gradients = [torch.autograd.grad(one.sin().sum(), parts) for one in (found, expected)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("length", [1, 40, 300])
@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_joined_or_apart_the_choices_and_the_numbers_are_the_same(length: int, rate: float, kind: torch.dtype) -> None:
    results = []
    for joined in (False, True):
        parts = three(length, length, kind)
        torch.manual_seed(1)
        if joined:
            found = attend_joined(side_by_side(parts), 2, causal=True, dropout=rate)
        else:
            found = attend(*parts, causal=True, dropout=rate).transpose(1, 2).flatten(2)  # type: ignore[misc]
        results.append((found, *torch.autograd.grad(found.double().sin().sum(), parts)))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("rows", "length", "are_kept"), [(4, 256, True), (40, 256, False), (1, 300, False)])
@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_weights_are_kept_of_a_batch_of_one_block_alone(rows: int, length: int, are_kept: bool, rate: float) -> None:
    joined, sizes = torch.randn(rows, length, 3 * 8, requires_grad=True), []

    def kept_back(x: Tensor) -> Tensor:
        sizes.append(x.numel())
        return x

    with torch.autograd.graph.saved_tensors_hooks(kept_back, lambda x: x):
        found = attend_joined_by_blocks(joined, 4, causal=True, dropout=rate)
    assert (max(sizes) >= rows * 4 * length**2) is are_kept
    found.sum().backward(retain_graph=True)  # type: ignore[no-untyped-call]
    first, joined.grad = joined.grad, None
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert first is not None and joined.grad is not None and torch.equal(first, joined.grad)


def test_gradients_in_float16_are_scaled_before_they_are_rounded() -> None:
    draw = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, 1, 300, 64, generator=draw) for _ in "qkv")
    parts = [one.half().requires_grad_() for one in (8 + 0.01 * query, key, 3 * value)]
    exact = [one.detach().double().requires_grad_() for one in parts]
    right = torch.autograd.grad(attend(*exact, causal=True).sum(), exact)  # type: ignore[misc]
    by = 20_000 / right[1].abs().max().item()
    found = torch.autograd.grad(attend_by_blocks(*parts, causal=True).sum() * by, parts)  # type: ignore[misc]
    for one, other in zip(found, right, strict=True):
        assert (one.double() - by * other).square().mean().sqrt() < 0.02 * (by * other).square().mean().sqrt()


def test_attention_is_exported_for_any_length() -> None:
    layer, x = MultiHeadAttention(8, 2).eval(), torch.randn(2, 20, 8)
    axes = {0: torch.export.Dim("N", max=64), 1: torch.export.Dim("T", min=2, max=512)}
    program = torch.export.export(layer, (x,), dynamic_shapes=(axes,)).module()
    longer = torch.randn(3, 400, 8)
    torch.testing.assert_close(program(longer), layer(longer))


def test_masks_that_do_not_fit_are_refused() -> None:
    parts = three(3, 2)
    for attended in (attend_joined, partial(attend_joined, dropout=0.1)):
        with pytest.raises(InputError, match=r"a mask must be bool \[N, H, T, S\]"):
            attended(torch.zeros(3, 2, 6), 1, mask=torch.zeros(3, 1, 1, 2))
    with pytest.raises(InputError, match="a dropout rate of 1"):
        attend_joined(torch.zeros(3, 2, 6), 1, dropout=1.0)
    with pytest.raises(InputError, match="3 questions were asked of 2 places; a causal mask needs as many or more"):
        attend(*parts, causal=True)  # type: ignore[misc]
    with pytest.raises(InputError, match=r"a mask must be bool \[N, H, T, S\]"):
        attend(*parts, mask=torch.zeros(3, 1, 1, 2))  # type: ignore[misc]
    with pytest.raises(InputError, match=r"a mask must be bool \[N, H, T, S\]"):
        attend(*parts, mask=torch.ones(3, 2, dtype=torch.bool))  # type: ignore[misc]
    with pytest.raises(InputError, match="a dropout rate of 1"):
        attend(*parts, dropout=1.0)  # type: ignore[misc]
    with pytest.raises(InputError, match=r"must be bool \[N, S\]"):
        padding_mask(torch.ones(2, 3))
    with pytest.raises(InputError, match="5 questions were asked of 4 places"):
        causal_mask(5, 4)
    with pytest.raises(InputError, match=r"documents are whole numbers \[N, T\]"):
        document_mask(torch.ones(3))
