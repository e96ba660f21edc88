"""Multi-head attention and blocks beside torch's, positions, caches and stretches."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from neuropil.attention.blocks import DecoderBlock, EncoderBlock, FeedForward
from neuropil.attention.cache import KeyValueCache
from neuropil.attention.masks import causal_mask, padding_mask
from neuropil.attention.multihead import MultiHeadAttention
from neuropil.attention.positions import LearnedPositions, SinusoidalPositions, sinusoids
from neuropil.attention.recording import recording
from neuropil.attention.stretches import stretches_of_documents, stretches_of_rows
from neuropil.errors import InputError

KINDS = pytest.mark.parametrize("kind", [torch.float32, torch.float64])
THERE = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])


def close(found: Tensor, expected: Tensor) -> None:
    tolerance = 1e-5 if expected.dtype is torch.float32 else 1e-10
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


def random(*shape: int, kind: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(kind)


def torchs(layer: MultiHeadAttention) -> nn.MultiheadAttention:
    """torch's attention with our weights."""
    kind = layer.joined.weight.dtype
    theirs = nn.MultiheadAttention(layer.width, layer.num_heads, batch_first=True, dtype=kind)
    with torch.no_grad():
        layer.joined.bias.copy_(random(3 * layer.width, seed=5)), layer.behind.bias.copy_(random(layer.width, seed=6))
    theirs.load_state_dict(
        {
            "in_proj_weight": layer.joined.weight, "in_proj_bias": layer.joined.bias,
            "out_proj.weight": layer.behind.weight, "out_proj.bias": layer.behind.bias,
        }
    )  # fmt: skip
    return theirs


@KINDS
@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_attention_its_gradients_and_its_weights_are_torchs(
    kind: torch.dtype, cross: bool, causal: bool, padded: bool
) -> None:
    layer = MultiHeadAttention(8, 2).to(kind)
    theirs = torchs(layer)
    x, memory = random(2, 5, 8, kind=kind).requires_grad_(), random(2, 5, 8, kind=kind, seed=1).requires_grad_()
    read = memory if cross else x
    expected, weights = theirs(
        x, read, read, key_padding_mask=~THERE if padded else None, average_attn_weights=False,
        attn_mask=~causal_mask(5, 5) if causal else None,
    )  # fmt: skip
    options: dict[str, Any] = {"mask": padding_mask(THERE) if padded else None, "causal": causal}
    found = layer(x, memory if cross else None, **options)
    close(found, expected)
    with recording(layer) as seen:
        close(layer(x, memory if cross else None, **options), expected)
    close(seen[""], weights)
    inputs = [x, memory] if cross else [x]
    of_ours = [layer.joined.weight, layer.joined.bias, layer.behind.weight, layer.behind.bias]
    of_theirs = [theirs.in_proj_weight, theirs.in_proj_bias, theirs.out_proj.weight, theirs.out_proj.bias]
    ours_found = torch.autograd.grad(found.sin().sum(), [*inputs, *of_ours])
    for one, other in zip(ours_found, torch.autograd.grad(expected.sin().sum(), [*inputs, *of_theirs]), strict=True):
        close(one, other)


@KINDS
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_blocks_are_torchs(kind: torch.dtype, norm_first: bool, activation: str) -> None:
    options: dict[str, Any] = {"activation": activation, "norm_first": norm_first}
    encoder, decoder = EncoderBlock(8, 2, 16, **options).to(kind), DecoderBlock(8, 2, 16, **options).to(kind)
    more = {"dropout": 0.0, "batch_first": True, "dtype": kind, **options}
    theirs = nn.TransformerEncoderLayer(8, 2, 16, **more), nn.TransformerDecoderLayer(8, 2, 16, **more)
    names = [
        ("feed_forward.inner", "linear1"), ("feed_forward.outer", "linear2"), ("memory_attention", "multihead_attn"),
        ("attention", "self_attn"), ("joined.weight", "in_proj_weight"), ("joined.bias", "in_proj_bias"),
        ("behind", "out_proj"), *((f"norms.{one}", f"norm{one + 1}") for one in range(3)),
    ]  # fmt: skip
    for ours, other in zip((encoder, decoder), theirs, strict=True):
        weights = {}
        for seed, (key, weight) in enumerate(ours.state_dict().items()):
            weight.copy_(random(*weight.shape, seed=seed) * 0.3)
            for one, another in names:
                key = key.replace(one, another)
            weights[key.replace("multihead_self_attn", "multihead_attn")] = weight
        other.load_state_dict(weights)
    x, memory = random(2, 5, 8, kind=kind), random(2, 5, 8, kind=kind, seed=1)
    mask = padding_mask(THERE)
    close(encoder(x, mask), theirs[0](x, src_key_padding_mask=~THERE))
    close(encoder(x, causal=True), theirs[0](x, src_mask=~causal_mask(5, 5)))
    expected = theirs[1](x, memory, tgt_mask=~causal_mask(5, 5), memory_key_padding_mask=~THERE)
    close(decoder(x, memory, mask), expected)
    cache, remembered, steps = KeyValueCache(), decoder.memory_attention.remembered(memory), []
    for t in range(5):
        step, cache = decoder.step(x[:, t : t + 1], cache, remembered, mask)
        steps.append(step)
    close(torch.cat(steps, 1), expected)


def test_a_sentence_of_padding_alone_gives_no_nan() -> None:
    layer, x = MultiHeadAttention(8, 2), torch.randn(2, 3, 8, requires_grad=True)
    mask = torch.tensor([[True] * 3, [False] * 3])[:, None, None]
    found = layer(x, mask=mask)
    found.square().sum().backward()
    assert torch.equal(found[1], layer.behind.bias.expand(3, 8)) and x.grad is not None and x.grad.isfinite().all()
    assert not x.grad[1].any()


def test_sinusoids_are_the_papers() -> None:
    table = sinusoids(50, 6)
    for t in (0, 1, 49):
        for i in range(3):
            angle = t / 10000 ** (2 * i / 6)
            assert table[t, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[t, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)
    assert sinusoids(4, 5).shape == (4, 5)
    layer = SinusoidalPositions(6)
    torch.testing.assert_close(layer(3, 200), sinusoids(203, 6)[200:])
    assert not layer.state_dict()
    with pytest.raises(InputError, match="0 positions of width 6"):
        sinusoids(0, 6)
    with pytest.raises(InputError, match="6 tokens were given to a network that reads 5 at most"):
        LearnedPositions(5, 8)(2, first=4)
    with pytest.raises(InputError, match="0 positions of width 8"):
        LearnedPositions(0, 8)


def test_a_cache_grows_is_chosen_from_and_costs_no_copy() -> None:
    x, cache = random(2, 3, 300, 4), KeyValueCache(most=290)
    with torch.no_grad():
        addresses = set()
        for t in range(280):
            cache, keys, values = cache.extended(x[:, :, t : t + 1], 2 * x[:, :, t : t + 1])
            addresses.add(keys.data_ptr())
        assert torch.equal(keys, x[:, :, :280]) and torch.equal(values, 2 * x[:, :, :280])
        assert len(addresses) <= 4  # 64, 128, 256, 290 places
        more = x[[0, 0, 0], :, 280:283]
        chosen, keys, _ = cache.select(torch.tensor([1, 1, 0])).extended(more, more)
        assert torch.equal(keys[:, :, :280], x[[1, 1, 0], :, :280]) and chosen.length == 283
        other, keys, _ = cache.extended(x[:, :, 290:292], x[:, :, 290:292])
        _, again, _ = cache.extended(x[:, :, 280:282], x[:, :, 280:282])  # the first is not overwritten
        assert torch.equal(keys[:, :, 280:], x[:, :, 290:292]) and torch.equal(again[:, :, 280:], x[:, :, 280:282])
    assert other.length == 282 and KeyValueCache().select(torch.tensor([0])).length == 0
    with pytest.raises(InputError, match="a cache of at most 290 places was to hold 291"):
        cache.extended(x[:, :, :11], x[:, :, :11])
    with pytest.raises(InputError, match="choose among them by select"):
        cache.extended(x[:1, :, :1], x[:1, :, :1])
    with pytest.raises(InputError, match="at most 0 places"):
        KeyValueCache(0)


@pytest.mark.parametrize("causal", [False, True])
def test_stretches_are_as_if_apart(causal: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    there = torch.rand(6, 9, generator=draw) > 0.4
    there[4], there[0] = False, True
    layer = MultiHeadAttention(8, 2).double()
    x = random(6, 9, 24).requires_grad_()
    flat = layer.mix_stretches(x[there], stretches_of_rows(there), causal=causal)
    apart = []
    for row in range(6):
        parts = (layer.split(part) for part in x[row, there[row]][None].chunk(3, 2))
        if there[row].any():
            apart.append(layer.mix(*parts, causal=causal)[0])
    close(flat, torch.cat(apart))
    close(*(torch.autograd.grad(one.sin().sum(), x)[0] for one in (flat, torch.cat(apart))))
    assert torch.autograd.gradcheck(
        lambda one: layer.mix_stretches(one, stretches_of_rows(there[:3, :4]), causal=causal),
        (x[:3, :4][there[:3, :4]].detach().requires_grad_(),),
    )


def test_stretches_of_similar_lengths_are_together() -> None:
    there = torch.arange(10) < torch.tensor([[10], [9], [8], [3], [1]])
    assert [group.tokens.shape for group in stretches_of_rows(there).groups] == [(3, 10), (1, 3), (1, 1)]
    assert stretches_of_rows(torch.ones(2, 3, dtype=torch.bool)).straight
    with pytest.raises(InputError, match="without a token"):
        stretches_of_rows(torch.zeros(2, 3, dtype=torch.bool))
    with pytest.raises(InputError, match=r"documents are whole numbers \[N, T\]"):
        stretches_of_documents(torch.zeros(2, 3))


def test_recording_what_cannot_be_recorded_is_refused() -> None:
    refused = pytest.raises(InputError, match="a Linear was given to record, but there is no attention in it")
    with refused, recording(nn.Linear(2, 2)):
        pass
    layer = MultiHeadAttention(8, 2)
    with pytest.raises(InputError, match="recorded already"), recording(layer), recording(layer):
        pass
    assert layer.recorder is None


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="3 heads cannot share a width of 8"):
        MultiHeadAttention(8, 3)
    with pytest.raises(InputError, match="a dropout rate of 1"):
        MultiHeadAttention(8, 2, dropout=1.0)
    with pytest.raises(InputError, match=r"x must be \[N, T, 8\], but \[1, 2, 7\] was given"):
        MultiHeadAttention(8, 2)(torch.zeros(1, 2, 7))
    with pytest.raises(InputError, match=r"memory must be \[N, T, 8\]"):
        MultiHeadAttention(8, 2)(torch.zeros(1, 2, 8), torch.zeros(1, 8))
    with pytest.raises(InputError, match="widths of 8 and 0"):
        FeedForward(8, 0)
