"""The compiled loops beside torch's operations in double precision, for every number that bfloat16 has."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neuropil.attention import block_weights
from neuropil.attention.by_blocks import attend_by_blocks
from neuropil.compiled import serving
from neuropil.models import create_model
from neuropil.nn.activation import TanhGELU

pytest.importorskip("numba")
if serving.gelu_loops() is None:
    pytest.skip("torch's threads are not of GCC's OpenMP here", allow_module_level=True)

from neuropil.compiled import threads as compiled_threads  # needs both

EVERY = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
LARGEST_ERROR = 2**-8 + 1e-5
"""Half a step of bfloat16, and a little for fp32 within."""


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> int:
    """So many of torch's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    request.addfinalizer(lambda: torch.set_num_threads(before))
    return int(request.param)


def formula(x: Tensor) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """GELU by a tanh and its slope in NumPy's double precision, without the difference that loses small values."""
    v = x.double().numpy()
    with np.errstate(all="ignore"):
        u, inner = np.sqrt(2 / np.pi) * (v + 0.044715 * v**3), np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * v**2)
        s = 1 / (1 + np.exp(-2 * u))
        return v * s, s + 2 * v * s * (1 - s) * inner


def test_gelu_of_every_number(threads: int) -> None:
    loops = serving.gelu_loops()
    assert loops is not None
    right, slope = formula(EVERY)
    torchs = torch.nn.functional.gelu(EVERY.double(), approximate="tanh").numpy()
    clear = np.isfinite(right) & (EVERY.float().abs() > 1e-37).numpy() & (EVERY.float() > -9).numpy()
    np.testing.assert_allclose(right[clear], torchs[clear], rtol=1e-6, atol=1e-13)
    found = loops.gelu_tanh(EVERY).double().numpy()
    np.testing.assert_allclose(found[clear], right[clear], rtol=LARGEST_ERROR, atol=0)
    low = (EVERY.float() < -9).numpy()
    assert np.nanmax(np.abs(found[low])) < 1e-25 and np.isnan(found[EVERY.isnan().numpy()]).all()
    assert found[EVERY.isposinf().numpy()] == np.inf
    back = loops.gelu_tanh_back(EVERY, torch.ones_like(EVERY)).double().numpy()
    near = (EVERY.float().abs() < 12).numpy()
    np.testing.assert_allclose(back[near], slope[near], rtol=LARGEST_ERROR, atol=1e-5)
    assert np.isnan(back[EVERY.isnan().numpy()]).all()
    assert not np.isnan(back[(EVERY.float().abs() < 1e18).numpy()]).any()


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("shape", [(6, 37, 37), (3, 5, 70), (1, 1, 1), (2, 128, 300)])
def test_softmax_and_its_gradient(threads: int, shape: tuple[int, int, int], causal: bool) -> None:
    loops = serving.softmax_loops()
    assert loops is not None
    draw = torch.Generator().manual_seed(0)
    scores, grad = ((5 * torch.randn(shape, generator=draw)).bfloat16() for _ in "sg")
    hidden = torch.ones(shape[1:], dtype=torch.bool).triu(shape[2] - shape[1] + 1) if causal else torch.zeros(shape[1:])
    exact = scores.double().masked_fill(hidden.bool(), -torch.inf).requires_grad_()
    right = exact.softmax(2)
    (slope,) = torch.autograd.grad(right, exact, grad.double())
    weights = scores.clone()
    sums = loops.softmax_in_place(weights, causal=causal)
    torch.testing.assert_close(weights.double(), right.detach(), rtol=LARGEST_ERROR, atol=1e-30)
    again, back = scores.clone(), grad.clone()
    loops.softmax_back(again, back, sums, causal=causal)
    assert torch.equal(again, weights) and not weights[hidden.bool().expand(shape)].any()
    from_weights = grad.clone()
    loops.softmax_back(weights, from_weights, None, causal=causal)
    assert torch.equal(from_weights, back) and torch.equal(again, weights)
    torch.testing.assert_close(back.double(), slope, rtol=0.02, atol=0.02)
    assert not back[hidden.bool().expand(shape)].any()


def test_softmax_passes_on_what_is_no_number() -> None:
    loops = serving.softmax_loops()
    assert loops is not None
    for bad in (torch.nan, -torch.nan, torch.inf):
        scores = torch.zeros(1, 3, 3, dtype=torch.bfloat16)
        scores[0, 1, 0] = bad
        loops.softmax_in_place(scores, causal=True)
        assert scores[0, 1, 0].isnan() and scores[0, [0, 2]].isfinite().all()


def attended(seed: int, length: int, rate: float, causal: bool) -> list[Tensor]:
    draw = torch.Generator().manual_seed(seed)
    parts = [torch.randn(2, 3, length, 16, generator=draw).bfloat16().requires_grad_() for _ in "qkv"]
    torch.manual_seed(seed)
    found = attend_by_blocks(*parts, causal=causal, dropout=rate)  # type: ignore[misc]
    return [found, *torch.autograd.grad(found.float().sin().sum(), parts)]


@pytest.mark.parametrize("length", [40, 256, 300])
@pytest.mark.parametrize("rate", [0.0, 0.25])
@pytest.mark.parametrize("causal", [True, False])
def test_attention_is_that_of_torchs_operations(
    monkeypatch: pytest.MonkeyPatch, length: int, rate: float, causal: bool
) -> None:
    """The same dropout too; and a step of many blocks is that of few."""
    by_loops = attended(1, length, rate, causal)
    monkeypatch.setattr(block_weights, "WEIGHTS", 1)
    apart = attended(1, length, rate, causal) if not rate else by_loops
    monkeypatch.undo()
    monkeypatch.setattr(block_weights, "softmax_loops", lambda: None)
    for one, two, other in zip(by_loops, apart, attended(1, length, rate, causal), strict=True):
        size = other.float().square().mean().sqrt()
        assert (one.float() - other.float()).square().mean().sqrt() < 0.01 * size
        torch.testing.assert_close(one, two, rtol=0.02, atol=0.02)


def test_any_number_of_threads_gives_the_same_bits(request: pytest.FixtureRequest) -> None:
    before, found = torch.get_num_threads(), []
    request.addfinalizer(lambda: torch.set_num_threads(before))
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append([*attended(2, 70, 0.1, True), TanhGELU()(EVERY[:4000].clone().requires_grad_())])
    for other in found[1:]:
        assert all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(found[0], other, strict=True))


def mark(a: Any) -> None:
    begin, end = compiled_threads.share(8)
    compiled_threads.halves(a[0], 8)[begin] = end - begin


def test_a_loop_runs_on_as_many_threads_as_torch(threads: int) -> None:
    marks = torch.zeros(8, dtype=torch.int16)
    compiled_threads.Loop(mark, compiled_threads.FUSED)(marks)
    assert marks.tolist() == ([8, *[0] * 7] if threads == 1 else [4, 0, 0, 0, 4, 0, 0, 0])


def test_loops_run_from_other_threads() -> None:
    x, found = torch.randn(1000).bfloat16(), []
    loops = serving.gelu_loops()
    assert loops is not None
    worker = threading.Thread(target=lambda: found.append(loops.gelu_tanh(x)))
    worker.start()
    worker.join()
    assert torch.equal(found[0], loops.gelu_tanh(x))


def test_huge_scores_share_the_weight() -> None:
    loops = serving.softmax_loops()
    assert loops is not None
    for size in (1e6, 3e38):
        scores = torch.tensor([[[size, size, 0.0]]]).bfloat16()
        loops.softmax_in_place(scores, causal=False)
        assert scores.tolist() == [[[0.5, 0.5, 0.0]]]


def test_no_question_has_gradients_of_zero() -> None:
    query = torch.zeros(1, 2, 0, 8, dtype=torch.bfloat16, requires_grad=True)
    key, value = (torch.ones(1, 2, 4, 8, dtype=torch.bfloat16, requires_grad=True) for _ in "kv")
    found = attend_by_blocks(query, key, value)
    assert found.shape == (1, 2, 0, 8)
    for one in torch.autograd.grad(found.sum(), (key, value)):
        assert not one.any()


def test_who_traces_or_watches_sees_torchs_operations() -> None:
    """In a process of its own: a loop that reads what is no memory would end it."""
    program = (
        "import torch\n"
        "from torch._subclasses.fake_tensor import FakeTensorMode\n"
        "from torch.autograd import forward_ad\n"
        "from torch.fx.experimental.proxy_tensor import make_fx\n"
        "from neuropil.attention.by_blocks import attend_by_blocks\n"
        "from neuropil.nn.activation import TanhGELU\n"
        "layer, x = TanhGELU(), torch.randn(1, 2, 8, 4).bfloat16().requires_grad_()\n"
        "right = torch.nn.functional.gelu(x, approximate='tanh')\n"
        "assert torch.equal(torch.jit.trace(layer, x)(x), right)\n"
        "assert torch.equal(make_fx(layer)(x)(x), right)\n"
        "with FakeTensorMode(allow_non_fake_inputs=True) as mode:\n"
        "    fake = mode.from_tensor(x)\n"
        "    assert layer(fake).shape == x.shape and attend_by_blocks(fake, fake, fake).shape == x.shape\n"
        "with forward_ad.dual_level():\n"
        "    dual = forward_ad.make_dual(x.detach(), torch.ones_like(x)).requires_grad_()\n"
        "    assert forward_ad.unpack_dual(layer(dual)).tangent is not None\n"
        "print('well')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0 and done.stdout.split() == ["well"], done.stderr


def test_gelu_learns_by_loops_in_bfloat16_only(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    loops = serving.gelu_loops()
    assert loops is not None
    monkeypatch.setattr(loops, "gelu_tanh", lambda x, own=loops.gelu_tanh: (calls.append(1), own(x))[1])
    layer, x = TanhGELU(), torch.randn(50).bfloat16()
    layer(x)
    layer(x.float().requires_grad_())
    with torch.no_grad():
        layer(x.clone().requires_grad_())
    assert not calls
    half = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(layer(half).sum(), half, create_graph=True)
    (second,) = torch.autograd.grad(slope.sum(), half)
    whole = x.double().requires_grad_()
    (right,) = torch.autograd.grad(layer(whole).sum(), whole, create_graph=True)
    torch.testing.assert_close(second.double(), torch.autograd.grad(right.sum(), whole)[0], rtol=0.05, atol=0.05)
    assert len(calls) == 1
    torch.func.grad(lambda v: layer(v).float().sum())(x)
    assert len(calls) == 1, "a transformed function sees torch's own operations"


def test_a_gpt_in_bfloat16_learns_the_same_with_loops_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    loops = serving.softmax_loops()
    monkeypatch.setattr(
        loops, "softmax_in_place", lambda x, own=loops.softmax_in_place, **how: (calls.append(1), own(x, **how))[1]
    )

    def losses() -> list[float]:
        torch.manual_seed(0)
        network = create_model("gpt", num_tokens=20, width=32, num_heads=2, num_layers=2, context=24, dropout=0.0)
        rule, ids = torch.optim.AdamW(network.parameters(), lr=3e-3), torch.randint(0, 20, (4, 24))
        said = []
        for _ in range(12):
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(ids)[0]
            loss = nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), ids[:, 1:].flatten())
            rule.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            rule.step()
            said.append(loss.item())
        return said

    with_loops = losses()
    assert calls, "the loops ran"
    monkeypatch.setattr(block_weights, "softmax_loops", lambda: None)
    monkeypatch.setattr("neuropil.nn.activation.gelu_loops", lambda: None)
    np.testing.assert_allclose(with_loops, losses(), rtol=0.03)
    assert with_loops[-1] < 0.8 * with_loops[0]


def test_without_numba_torchs_operations_do_it() -> None:
    program = (
        "import sys; sys.modules['numba'] = None\n"
        "import torch\n"
        "from neuropil.attention.scaled import attend\n"
        "from neuropil.compiled.serving import gelu_loops, softmax_loops\n"
        "from neuropil.nn.activation import TanhGELU\n"
        "x = torch.randn(1, 2, 9, 8).bfloat16().requires_grad_()\n"
        "TanhGELU()(attend(x, x, x, causal=True)).float().sum().backward()\n"
        "print(gelu_loops(), softmax_loops(), bool(x.grad.isfinite().all()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["None", "None", "True"]
