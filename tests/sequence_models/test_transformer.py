"""The Transformer beside `torch.nn.Transformer`, with the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.attention.recording import recording
from neuropil.errors import InputError
from neuropil.models import create_model
from neuropil.nn.vocabulary_loss import linear_cross_entropy
from neuropil.recurrent.decoding import beam, greedy
from neuropil.sequence_models.transformer import Transformer

KINDS = pytest.mark.parametrize("kind", [torch.float32, torch.float64])
NAMES = [
    ("feed_forward.inner", "linear1"), ("feed_forward.outer", "linear2"), (".memory_attention", ".multihead_attn"),
    (".attention", ".self_attn"), ("joined.weight", "in_proj_weight"), ("joined.bias", "in_proj_bias"),
    (".behind", ".out_proj"), *((f"norms.{one}", f"norm{one + 1}") for one in range(3)),
    ("encoder.", "encoder.layers."), ("decoder.", "decoder.layers."), ("encoder_norm", "encoder.norm"),
    ("decoder_norm", "decoder.norm"),
]  # fmt: skip


def small(**more: Any) -> Transformer:
    torch.manual_seed(0)
    options: dict[str, Any] = {"num_tokens": 20, "num_target_tokens": 17, "width": 16, "num_heads": 4, "num_layers": 2}
    return Transformer(**{**options, "hidden": 32, "dropout": 0.0, **more})


def sentences() -> tuple[Tensor, Tensor]:
    """Three sources and targets of different lengths."""
    draw = torch.Generator().manual_seed(1)
    source, target = torch.randint(4, 20, (3, 7), generator=draw), torch.randint(4, 17, (3, 6), generator=draw)
    for row, (read, written) in enumerate(((7, 4), (3, 6), (5, 2))):
        source[row, read:] = target[row, written:] = 0
    return source, target


def torchs(network: Transformer, norm_first: bool) -> nn.Transformer:
    """torch's blocks with our weights; it has normalizations at both ends always, which the paper has not."""
    kind = network.head.weight.dtype
    theirs = nn.Transformer(
        16, 4, 2, 2, 32, dropout=0.0, batch_first=True, norm_first=norm_first, dtype=kind, activation="relu"
    )
    if not norm_first:
        theirs.encoder.norm = theirs.decoder.norm = None
    theirs.load_state_dict(renamed(dict(network.named_parameters())))
    return theirs


def renamed(weights: dict[str, Any]) -> dict[str, Any]:
    """Those of the blocks, by torch's names."""
    found = {}
    for key, value in weights.items():
        if key.startswith(("encoder", "decoder")):
            for ours, other in NAMES:
                key = key.replace(ours, other)
            found[key] = value
    return found


@KINDS
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
def test_outputs_and_gradients_are_torchs(norm_first: bool, kind: torch.dtype) -> None:
    network = small(norm_first=norm_first).to(kind).train()
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(weight.numel()))
    theirs = torchs(network, norm_first).train()
    source, target = sentences()
    pad = source == 0
    embedded = [
        getattr(network, f"{side}_embedding")(ids) * 4 + getattr(network, f"{side}_positions")(ids.shape[1])
        for side, ids in (("source", source), ("target", target))
    ]
    triangle = nn.Transformer.generate_square_subsequent_mask(6, dtype=kind) < 0
    expected = theirs(*embedded, tgt_mask=triangle, src_key_padding_mask=pad, memory_key_padding_mask=pad)
    found = network.hidden(source, target)
    tolerance = {"rtol": 0, "atol": 1e-5 if kind is torch.float32 else 1e-10}
    torch.testing.assert_close(found, expected, **tolerance)
    torch.testing.assert_close(network(source, target), network.head(expected), **tolerance)
    (found.sin().sum() / 100).backward()
    (expected.sin().sum() / 100).backward()
    gradients = renamed({key: weight.grad for key, weight in network.named_parameters()})
    for key, weight in theirs.named_parameters():
        torch.testing.assert_close(gradients[key], weight.grad, **tolerance)


def test_weights_are_those_of_the_paper() -> None:
    """Table 3 prints 65 M and 213 M, with a vocabulary of about 37,000 for both languages."""
    for size, count, printed in (("base", 63_119_496, 65), ("big", 214_282_376, 213)):
        with torch.device("meta"):
            network = create_model("transformer", num_tokens=37_000, num_target_tokens=37_000, size=size, share="all")
        counted = sum(weight.numel() for weight in network.parameters())
        assert counted == count and abs(counted / 1e6 - printed) < 0.03 * printed


def test_vectors_can_be_shared() -> None:
    kinds = {share: small(num_tokens=17, share=share) for share in ("none", "target", "all")}
    counts = {share: sum(weight.numel() for weight in network.parameters()) for share, network in kinds.items()}
    assert counts["none"] - counts["target"] == counts["target"] - counts["all"] == 17 * 16
    every = kinds["all"]
    assert every.head.weight is every.target_embedding.weight is every.source_embedding.weight
    assert every.source_embedding.weight[1:].std().item() == pytest.approx(0.25, rel=0.15)  # D^-1/2


def test_the_loss_without_all_logits_is_the_same() -> None:
    network, (source, target) = small(), sentences()
    truth = target.roll(-1, 1).masked_fill(target == 0, -100)
    expected = F.cross_entropy(network(source, target).flatten(0, 1), truth.flatten(), label_smoothing=0.1)
    hidden = network.hidden(source, target).flatten(0, 1)
    found = linear_cross_entropy(hidden, *network.output_matrix(), truth.flatten(), label_smoothing=0.1, chunk=5)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_searches_find_what_the_whole_pass_says(positions: str) -> None:
    network, (source, _) = small(positions=positions, context=20).double().eval(), sentences()
    start = torch.full((3,), 2)
    with torch.no_grad():
        said = greedy(network.step, network.begin(source), start, most=12)
        written = torch.cat([start[:, None], said.ids], 1)
        logits = network(source, written[:, :-1])
        logits[..., [0, 2]] = -torch.inf
    for row in range(3):
        ids = said.ids[row].tolist()
        length = ids.index(3) + 1 if 3 in ids else len(ids)
        assert ids[:length] == logits[row, :length].argmax(1).tolist()
    with torch.no_grad():
        best = beam(network.step, network.begin(source), start, width=4, most=12, alpha=0.0)
    assert (best.scores[:, 0] >= said.scores - 1e-9).all()


def test_recorded_weights_add_up_and_see_no_padding() -> None:
    network, (source, target) = small(), sentences()
    with recording(network) as found:
        said = network(source, target)
    torch.testing.assert_close(said, network(source, target))
    assert len(found) == 6
    for name, weights in found.items():
        torch.testing.assert_close(weights.sum(3), torch.ones_like(weights.sum(3)))
        if name.startswith("encoder") or "memory" in name:
            assert not weights[(source == 0)[:, None, None].expand_as(weights)].any()
    looked = network.alignment(source, target)
    torch.testing.assert_close(looked, found["decoder.1.memory_attention"].mean(1))
    state, steps = network.begin(source), []
    with recording(network) as later:
        for t in range(6):
            _, state = network.step(target[:, t].clamp(min=1), state)
    steps = later.calls["decoder.0.memory_attention"]
    torch.testing.assert_close(torch.cat(steps, 2)[:, :, :2], found["decoder.0.memory_attention"][:, :, :2])


def test_it_can_be_exported() -> None:
    network, read = small().eval(), sentences()
    program = torch.export.export(network, read)
    torch.testing.assert_close(program.module()(*read), network(*read))


def test_what_does_not_fit_is_refused() -> None:
    source, target = sentences()
    with pytest.raises(InputError, match="7 tokens were given to a network that reads 5 at most"):
        small(positions="learned", context=5)(source, target)
    with pytest.raises(InputError, match="3 sentences were given with 2 targets; give one a sentence"):
        small()(source, target[:2])
    with pytest.raises(InputError, match="one token a sequence"):
        small().step(target, small().begin(source))
    with pytest.raises(InputError, match="the source has 20 tokens and the target 17"):
        small(share="all")
    with pytest.raises(InputError, match="sizes are small, base and big"):
        small(size="middle")
