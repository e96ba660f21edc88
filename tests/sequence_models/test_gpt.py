"""GPT beside `transformers`' GPT-2 and GPT-1, with the same weights."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from neuropil.attention.recording import recording
from neuropil.errors import InputError
from neuropil.models import create_model
from neuropil.sequence_models.gpt import GPT
from sequence_models.foreign_transformers import foreign_gpt1, foreign_gpt2, own_gpt, weights_of_gpt
from sequence_models.largest import Largest

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
BOTH = pytest.mark.parametrize("kind", TOLERANCE)
SIZES = pytest.mark.parametrize("size", ["gpt2", "gpt1"])
TOKENS = 60


def ids(rows: int = 3, steps: int = 11, seed: int = 4) -> Tensor:
    return torch.randint(0, TOKENS, (rows, steps), generator=torch.Generator().manual_seed(seed))


def close(found: Tensor, expected: Tensor, kind: torch.dtype) -> None:
    scale = max(1.0, expected.abs().max().item())
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE[kind] * scale)


def both(size: str, shape: str = "small", kind: torch.dtype = torch.float64) -> tuple[Any, Any]:
    theirs = (foreign_gpt2 if size == "gpt2" else foreign_gpt1)(shape, TOKENS).to(kind)
    return theirs, own_gpt(shape, TOKENS, theirs, size)


def small(**more: Any) -> GPT:
    torch.manual_seed(0)
    options = {"num_tokens": TOKENS, "width": 32, "num_heads": 4, "num_layers": 2, "dropout": 0.0, "context": 64}
    return GPT(**{**options, **more})  # type: ignore[arg-type]


@BOTH
@pytest.mark.parametrize(
    ("size", "shape"), [("gpt2", "small"), ("gpt1", "small"), pytest.param("gpt2", "base", marks=pytest.mark.proof)]
)
def test_hidden_states_logits_losses_and_gradients_are_those_of_transformers(
    size: str, shape: str, kind: torch.dtype
) -> None:
    theirs, ours = both(size, shape, kind)
    theirs.train(), ours.train()
    read = ids()
    expected = theirs(read, labels=read, output_hidden_states=True)
    logits, state = ours(read)
    assert state is None
    close(logits, expected.logits, kind)
    for one, other in zip(ours.features(read), expected.hidden_states, strict=True):
        close(one, other, kind)
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), read[:, 1:].flatten())
    theirs_loss = expected.loss
    if kind is torch.float64:  # theirs is in float32 always
        theirs_loss = F.cross_entropy(expected.logits[:, :-1].flatten(0, 1), read[:, 1:].flatten())
    close(loss, theirs_loss, kind)
    theirs_loss.backward(), loss.backward()
    gradients = {name: weight.grad for name, weight in theirs.named_parameters()}
    with torch.no_grad():
        for name, weight in theirs.named_parameters():
            weight.copy_(gradients[name])
    for name, gradient in weights_of_gpt(theirs).items():
        close(ours.get_parameter(name).grad, gradient, kind)


@SIZES
def test_greedy_text_is_that_of_transformers(size: str) -> None:
    theirs, ours = both(size)
    prompt = ids(2, 5)
    expected = theirs.generate(prompt, do_sample=False, max_new_tokens=20, eos_token_id=None, pad_token_id=0)
    with torch.no_grad():
        state, last, found = ours.begin(prompt[:, :-1]), prompt[:, -1], prompt
        for _ in range(20):
            logits, state = ours.step(last, state)
            last = logits.argmax(1)
            found = torch.cat([found, last[:, None]], 1)
    assert torch.equal(found, expected)


@BOTH
@SIZES
@pytest.mark.parametrize("grad", [False, True])
def test_steps_with_a_cache_are_the_whole_pass(size: str, kind: torch.dtype, grad: bool) -> None:
    network, read = both(size, kind=kind)[1], ids(2, 40)
    with torch.set_grad_enabled(grad):
        whole = network(read)[0]
        state = network.begin(read[:, :0])
        parts, start = [], 0
        for count in (3, 1, 1, 20, 1, 14):  # several tokens at once, behind what is remembered
            logits, state = network(read[:, start : start + count], state)
            parts.append(logits)
            start += count
    assert state.length == 40
    close(torch.cat(parts, 1), whole, kind)
    if grad:
        close(
            torch.autograd.grad(torch.cat(parts, 1).square().sum(), network.lm_head.weight)[0],
            torch.autograd.grad(whole.square().sum(), network.lm_head.weight)[0], kind,
        )  # fmt: skip


def test_a_state_can_be_gone_on_from_twice() -> None:
    network, read = small().double().eval(), ids(2, 9)
    with torch.no_grad():
        state = network.begin(read[:, :5])
        first, later = network.step(read[:, 5], state)
        network.step(read[:, 6], later)
        other, _ = network.step(read[:, 7], state)
        torch.testing.assert_close(first, network(read[:, :6])[0][:, -1], rtol=0, atol=1e-10)
        again = torch.cat([read[:, :5], read[:, 7:8]], 1)
        torch.testing.assert_close(other, network(again)[0][:, -1], rtol=0, atol=1e-10)
        torch.testing.assert_close(
            network.step(read[:, 6], later)[0], network(read[:, :7])[0][:, -1], rtol=0, atol=1e-10
        )


@BOTH
@SIZES
@pytest.mark.parametrize("record", [False, True])
def test_packed_documents_are_as_if_apart(size: str, kind: torch.dtype, record: bool) -> None:
    network, read = both(size, kind=kind)[1], ids(2, 12)
    documents = torch.tensor([[5] * 4 + [6] * 7 + [7], [7] * 2 + [8] * 5 + [7] * 5])
    if record:
        with recording(network) as found:
            packed = network(read, documents=documents)[0]
        weights = found["transformer.h.0.attn"]
        assert weights.shape == (2, 4, 12, 12)
        torch.testing.assert_close(weights.sum(3), torch.ones(2, 4, 12, dtype=kind))
        apart = documents[:, :, None] != documents[:, None]
        apart[1] |= (torch.arange(12)[:, None] < 2) != (torch.arange(12) < 2)  # the second 7 is another document
        assert not weights[(apart | ~torch.ones(12, 12).tril().bool())[:, None].expand_as(weights)].any()
    else:
        packed = network(torch.stack([read, documents], 2))[0]
    for row, start, stop in ((0, 0, 4), (0, 4, 11), (0, 11, 12), (1, 0, 2), (1, 2, 7), (1, 7, 12)):
        close(packed[row, start:stop], network(read[row : row + 1, start:stop])[0][0], kind)


@pytest.mark.parametrize("steps", [1, 11])
def test_recorded_weights_are_those_of_transformers(steps: int) -> None:
    theirs, ours = both("gpt2")
    theirs.set_attn_implementation("eager")
    expected = theirs(ids(), output_attentions=True).attentions
    state = ours.begin(ids()[:, :0])
    with recording(ours) as found:
        said = [ours(part, state := state) for part in ids().split(steps, 1)] if steps == 11 else []
        if steps == 1:
            for t in range(11):
                logits, state = ours.step(ids()[:, t], state)
                said.append((logits[:, None], state))
    for number, other in enumerate(expected):
        calls = found.calls[f"transformer.h.{number}.attn"]
        for t, one in enumerate(calls):
            rows = other if steps == 11 else other[:, :, t : t + 1, : t + 1]
            close(one, rows, torch.float64)
    close(torch.cat([logits for logits, _ in said], 1), ours(ids())[0], torch.float64)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("documents", [False, True])
def test_the_matrix_of_all_weights_is_never_held(dropout: float, documents: bool) -> None:
    steps = 1024
    network = small(context=2 * steps, dropout=dropout).train()
    read, numbers = ids(1, steps), torch.arange(steps)[None] // 700
    with Largest() as seen:
        network(read, documents=numbers if documents else None)[0].sum().backward()
    assert seen.numbers < 4 * steps * steps / 5, seen.numbers  # of the four heads' 4 T T
    network.eval()
    with Largest() as seen, torch.no_grad():
        state = network.begin(read)
        network(read, state)  # as many behind those that are remembered
    assert seen.numbers < 4 * steps * steps / 5, seen.numbers  # of the four heads' 4 T T


def test_it_can_be_exported() -> None:
    network, read = small().eval(), ids()
    program = torch.export.export(network, (read,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.testing.assert_close(program.module()(read[:2])[0], network(read[:2])[0])


def test_weights_are_those_of_the_papers() -> None:
    counts = {
        "gpt1": (40_478, 116_534_784), "gpt2": (50_257, 124_439_808), "gpt2_medium": (50_257, 354_823_168),
        "gpt2_large": (50_257, 774_030_080), "gpt2_xl": (50_257, 1_557_611_200), "nano": (65, 10_770_816),
    }  # fmt: skip
    for size, (tokens, count) in counts.items():
        with torch.device("meta"):
            network = create_model("gpt", num_tokens=tokens, size=size)
        assert sum(weight.numel() for weight in network.parameters()) == count, size


def test_weights_begin_as_published() -> None:
    for size, of_projections in (("gpt2", 0.02 / math.sqrt(2 * 4)), ("gpt1", 0.02)):
        network = small(size=size, width=64, num_layers=4, num_tokens=500)
        for key, weight in network.named_parameters():
            if weight.ndim == 2:
                expected = of_projections if "c_proj" in key else 0.02
                assert weight.std().item() == pytest.approx(expected, rel=0.1), key
            else:
                assert torch.equal(weight, torch.full_like(weight, float(".ln_" in key and "weight" in key))), key


@pytest.mark.slow
def test_dropout_leaves_out_as_often_as_it_says() -> None:
    """The mean over many choices is what the network says without, as attention mixes values in a straight line."""
    network = small(num_layers=1, dropout=0.0).double()
    attention: Any = network.transformer["h"][0].attn
    x = torch.randn(1, 200, 32, dtype=torch.float64)
    plain = attention(x, None, None)[0]
    attention.weight_dropout = 0.3
    found = torch.stack([attention(x, None, None)[0] for _ in range(300)])
    spread = found.std(0) / math.sqrt(300)
    assert ((found.mean(0) - plain).abs() <= 6 * spread + 1e-9).all() and (spread > 0).any()


def test_what_does_not_fit_is_refused() -> None:
    network = small(context=8)
    with pytest.raises(InputError, match="9 tokens were given to a network that reads 8 at most; shorten the text, or"):
        network.begin(ids(1, 9))
    state = network.begin(ids(1, 8))
    with pytest.raises(InputError, match="9 tokens were given to a network that reads 8 at most"):
        network.step(ids(1, 1)[:, 0], state)
    with pytest.raises(InputError, match="one token a sequence"):
        network.step(ids(1, 2), state)
    with pytest.raises(InputError, match="documents and a state were given"):
        network(ids(1, 2), network.begin(ids(1, 1)), documents=torch.zeros(1, 2, dtype=torch.int64))
    with pytest.raises(InputError, match=r"ids are \[1, 2\] but their documents \[1, 3\]"):
        network(ids(1, 2), documents=torch.zeros(1, 3, dtype=torch.int64))
    with pytest.raises(InputError, match="keys of"):
        network.step(ids(3, 1)[:, 0], network.begin(ids(2, 2)))
    with pytest.raises(InputError, match="there is no GPT of size 'gpt9'"):
        GPT(num_tokens=9, size="gpt9")  # type: ignore[arg-type]
