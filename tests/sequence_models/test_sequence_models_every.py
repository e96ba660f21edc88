"""What every network of sequences promises, whatever its cell."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.inspection.summary import summarize
from neuropil.models import create_model, usual_input_shape
from neuropil.recurrent.decoding import beam, greedy
from sequence_models.small_sequences import LENGTHS, SMALL, VARIANTS, build, inputs, logits_of

READS_IDS = [variant for variant, (name, _) in VARIANTS.items() if name not in ("captioner", "forecaster")]
WRITES = [
    variant for variant, (name, _) in VARIANTS.items()
    if name in ("seq2seq", "captioner", "language_model", "transformer", "gpt")
]  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_shapes_and_modes(variant: str) -> None:
    name, options = VARIANTS[variant]
    network, read = build(variant).eval(), inputs(variant)
    found = logits_of(network, *read)
    small = {**SMALL[name], **options}
    outputs = small.get("num_classes") or small.get("num_target_tokens") or small["num_tokens"]
    outputs = 2 if name == "bert_spans" else outputs
    steps = () if name in ("text_classifier", "forecaster", "bert_classifier") else (read[-1].shape[1],)
    assert found.shape == (4, *steps, outputs) and found.isfinite().all()
    assert torch.equal(found, logits_of(network, *read))
    dropping = build(variant, dropout=0.5).train()
    assert not torch.equal(logits_of(dropping, *read), logits_of(dropping, *read))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_sequence_says_the_same_alone_and_in_a_padded_batch(variant: str) -> None:
    network, read = build(variant).eval().double(), inputs(variant)
    read = tuple(one.double() if one.is_floating_point() else one for one in read)
    together = logits_of(network, *read)
    for row in range(4):
        alone = []
        for one in read:
            if one.is_floating_point():
                alone.append(one[row : row + 1])
                continue
            there = one[row] != 0 if one.ndim == 2 else one[row, :, 0] != 0
            alone.append(one[row : row + 1, : int(there.sum())])
        found = logits_of(network, *alone)[0]
        beside = together[row, : len(found)] if together.ndim == 3 else together[row]
        torch.testing.assert_close(found, beside, rtol=0, atol=1e-9)


@pytest.mark.parametrize("variant", READS_IDS)
def test_more_padding_changes_nothing(variant: str) -> None:
    network, (first, *rest) = build(variant).eval().double(), inputs(variant)
    wider = torch.cat([first, torch.zeros_like(first[:, :3])], 1)
    found, beside = logits_of(network, wider, *rest), logits_of(network, first, *rest)
    cut = found[:, : beside.shape[1]] if VARIANTS[variant][0] not in ("text_classifier", "bert_classifier") else found
    for row, length in enumerate(LENGTHS):
        kept = slice(None, length) if cut.ndim == 3 and cut.shape[1] == first.shape[1] else slice(None)
        torch.testing.assert_close(cut[row][kept], beside[row][kept], rtol=0, atol=1e-9)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_reach_every_weight(variant: str) -> None:
    network = build(variant).train()
    logits = logits_of(network, *inputs(variant))
    target = torch.arange(logits[..., 0].numel()) % logits.shape[-1]
    F.cross_entropy(logits.flatten(0, -2), target).backward()
    for key, weight in network.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all(), key
        assert weight.grad.any(), f"no gradient reaches {key}"


@pytest.mark.parametrize("variant", VARIANTS)
def test_padding_gets_no_gradient(variant: str) -> None:
    network, read = build(variant).train(), inputs(variant)
    logits = logits_of(network, *read)
    if logits.ndim == 3:  # what stands behind an end is nobody's answer
        last = read[-1]
        logits = logits[(last if last.ndim == 2 else last[..., 0]) != 0]
    logits.square().sum().backward()
    for key, layer in network.named_modules():
        if getattr(layer, "padding_idx", None) is not None and not getattr(network, "tied", "tied" in variant):
            assert not layer.weight[0].any() and not layer.weight.grad[0].any(), key


@pytest.mark.parametrize("variant", VARIANTS)
def test_state_makes_the_round_trip_and_a_seed_fixes_the_weights(variant: str) -> None:
    network, other, again = build(variant), build(variant, seed=1), build(variant)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))
    network.eval(), other.eval()
    read = inputs(variant)
    assert not torch.equal(logits_of(network, *read), logits_of(other, *read))
    other.load_state_dict(network.state_dict())
    assert torch.equal(logits_of(network, *read), logits_of(other, *read))
    assert torch.equal(logits_of(copy.deepcopy(network), *read), logits_of(network, *read))


@pytest.mark.parametrize("variant", VARIANTS)
def test_bfloat16_says_nearly_the_same(variant: str) -> None:
    network, read = build(variant).eval(), inputs(variant)
    full = logits_of(network, *read)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = logits_of(network, *read)
    assert (mixed.float() - full).abs().max().item() < 0.1 * full.abs().max().item()


@pytest.mark.parametrize("variant", [one for one in VARIANTS if "language" not in one and "captioner" not in one])
def test_a_summary_is_made_of_them(variant: str) -> None:
    network = build(variant)
    found = summarize(network, usual_input_shape(network))
    assert found.weights == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("variant", WRITES)
def test_step_by_step_is_all_at_once(variant: str) -> None:
    """And rows can be chosen on the way."""
    network, read = build(variant).eval().double(), inputs(variant)
    read = tuple(one.double() if one.is_floating_point() else one for one in read)
    target = read[-1].clone().clamp(min=1)
    whole = logits_of(network, *read[:-1], target)
    state: Any = network.begin(read[0] if len(read) > 1 else target[:, :0])  # type: ignore[operator]
    order = torch.tensor([2, 0, 0, 3])
    for t in range(target.shape[1]):
        if t == 2:
            state, whole, target = state.select(order), whole[order], target[order]
        logits, state = network.step(target[:, t], state)  # type: ignore[operator]
        torch.testing.assert_close(logits, whole[:, t], rtol=0, atol=1e-9)


@pytest.mark.parametrize("variant", WRITES)
def test_searching_through_a_network_scores_what_it_says(variant: str) -> None:
    network, read = build(variant, seed=5).eval(), inputs(variant)
    start = torch.full((4,), 2)
    prompt = read[0] if len(read) > 1 else read[0][:, :1]
    for search in (greedy, beam):
        options: dict[str, Any] = {} if search is greedy else {"width": 3, "alpha": 0.0}
        with torch.no_grad():
            state = network.begin(prompt)  # type: ignore[operator]
        found = search(network.step, state, start, most=6, never=(), **options)  # type: ignore[operator]
        said = found.ids if search is greedy else found.ids[:, 0]
        scores = found.scores if search is greedy else found.scores[:, 0]
        written = torch.cat([start[:, None], said], 1)
        with torch.no_grad():
            if len(read) > 1:
                logits = logits_of(network, read[0], written[:, :-1])
            else:
                logits = logits_of(network, torch.cat([prompt, written[:, :-1]], 1))[:, prompt.shape[1] :]
        each = logits.log_softmax(2).gather(2, said[..., None])[..., 0]
        for row in range(4):
            ids = said[row].tolist()
            length = ids.index(3) + 1 if 3 in ids else len(ids)
            assert scores[row].item() == pytest.approx(each[row, :length].sum().item(), abs=1e-4)


@pytest.mark.parametrize("variant", [one for one in VARIANTS if VARIANTS[one][0].endswith(("tagger", "classifier"))])
def test_the_classifier_can_be_exchanged(variant: str) -> None:
    network, read = build(variant).eval(), inputs(variant)
    features = network.features(*read)  # type: ignore[operator]
    assert [one.shape[-1] for one in features] == list(network.widths)  # type: ignore[arg-type]
    network.reset_classifier(7)  # type: ignore[operator]
    assert network(*read).shape[-1] == 7
    network.reset_classifier(0)  # type: ignore[operator]
    assert torch.equal(network(*read), features[-1])


def test_forget_gates_begin_open() -> None:
    layer: Any = build("language_model").recurrent
    both = layer.bias_ih_l1 + layer.bias_hh_l1
    assert torch.equal(both[8:16], torch.ones(8)) and not torch.equal(both[:8], torch.ones(8))


@pytest.mark.parametrize("variant", READS_IDS)
def test_ids_that_do_not_fit_are_refused(variant: str) -> None:
    network, (first, *rest) = build(variant), inputs(variant)
    with pytest.raises(InputError, match=r"this network reads ids .* was given"):
        network(first[None], *rest)
    with pytest.raises(InputError, match="numbers with fractions were given"):
        network(first + 0.5, *rest)
    with pytest.raises(InputError, match="id 99 was given to a network of 12 tokens, 0 to 11; build it with"):
        network(torch.where(first == first.max(), 99, first), *rest)


@pytest.mark.parametrize(
    ("variant", "options", "message"),
    [
        ("tagger", {"width": 7}, "give an even number"),
        ("tagger_recurrent", {"character_width": 3}, "give an even number"),
        ("tagger", {"num_tokens": 0}, "num_tokens is 0; give 1 or more"),
        ("tagger", {"cell": "lstn"}, "did you mean 'lstm'"),
        ("tagger", {"dropout": 1.0}, "dropout"),
        ("text_classifier", {"pooling": "sum"}, "cannot be 'sum'"),
        ("text_classifier", {"width": 9}, "give an even number"),
        ("language_model", {"num_layers": 0}, "num_layers is 0"),
        ("seq2seq", {"attention": "none", "input_feeding": True}, "input_feeding goes with attention='dot'"),
        ("seq2seq", {"attention": "multiply"}, "cannot be 'multiply'"),
        ("captioner", {"backbone": "perceptron", "backbone_options": {"hidden": ()}}, "perceptron"),
        ("forecaster", {"in_features": 0}, "in_features is 0"),
        ("transformer", {"num_heads": 3}, "3 heads cannot share a width of 8"),
        ("transformer", {"share": "all"}, "the source has 12 tokens and the target 10"),
        ("transformer", {"size": "huge"}, "cannot be 'huge'"),
        ("bert", {"size": "giant"}, "cannot be 'giant'"),
        ("bert_tagger", {"dropout": 1.0}, "dropout rate of 1.0"),
        ("gpt", {"context": 0}, "context is 0; give 1 or more"),
        ("gpt", {"size": "gpt3"}, "cannot be 'gpt3'"),
    ],
)
def test_options_that_do_not_fit_are_refused(variant: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(variant, **options)


def test_inputs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="reads letters, too"):
        build("tagger")(torch.ones(1, 2, 1, dtype=torch.int64))
    with pytest.raises(InputError, match=r"windows \[N, T, 3\]"):
        build("forecaster")(torch.zeros(1, 2, 4))
    with pytest.raises(InputError, match="one token a sequence"):
        network: Any = build("seq2seq")
        network.step(torch.ones(1, 2, dtype=torch.int64), network.begin(torch.full((1, 2), 4)))


def test_weights_are_those_of_the_paper() -> None:
    """Zaremba et al. 2014 on Penn Treebank: 20 M (medium) and 66 M (large), as Press and Wolf 2017, table 3, print."""
    with torch.device("meta"):
        medium = create_model("language_model", num_tokens=10_000)
        large = create_model("language_model", num_tokens=10_000, width=1500)
        tied = create_model("language_model", num_tokens=10_000, tie=True)
    counts = [sum(p.numel() for p in network.parameters()) for network in (medium, large, tied)]
    assert [round(count / 1e6) for count in counts] == [20, 66, 13]


def test_alignment_shows_where_a_network_looked() -> None:
    for variant in ("seq2seq", "seq2seq_fed", "seq2seq_additive"):
        network, (source, target) = build(variant), inputs(variant)
        looked: Tensor = network.alignment(source, target)  # type: ignore[operator]
        assert looked.shape == (4, target.shape[1], source.shape[1])
        torch.testing.assert_close(looked.sum(2), torch.ones(4, target.shape[1]))
        assert not looked[(source == 0)[:, None].expand_as(looked)].any()
    plain: Any = build("seq2seq_plain")
    assert plain.alignment(*inputs("seq2seq_plain")) is None
