"""BERT beside `transformers`', with the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from neuropil.attention.recording import recording
from neuropil.errors import InputError
from neuropil.models import create_model
from neuropil.nn.vocabulary_loss import linear_cross_entropy
from neuropil.sequence_models.bert import Bert
from sequence_models.foreign_transformers import SHAPES, foreign_bert, own_bert
from sequence_models.largest import Largest

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
BOTH = pytest.mark.parametrize("kind", TOLERANCE)
TOKENS = 60


def pairs(seed: int = 3) -> Tensor:
    """`[4, 9, 2]`: ids and segments, three rows with padding."""
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, TOKENS, (4, 9), generator=draw)
    segments = (torch.arange(9) > 4).long().expand(4, -1).clone()
    for row, length in enumerate((9, 6, 3, 1)):
        ids[row, length:] = segments[row, length:] = 0
    return torch.stack([ids, segments], 2)


def asked(inputs: Tensor) -> dict[str, Tensor]:
    """The same for `transformers`."""
    ids = inputs[..., 0]
    return {"input_ids": ids, "token_type_ids": inputs[..., 1], "attention_mask": (ids != 0).long()}


def close(found: Tensor, expected: Tensor, kind: torch.dtype) -> None:
    """Within the tolerance, on the scale of what is expected."""
    scale = max(1.0, expected.abs().max().item())
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE[kind] * scale)


@BOTH
@pytest.mark.parametrize("shape", ["small", "tiny", pytest.param("base", marks=pytest.mark.proof)])
def test_every_hidden_state_is_that_of_transformers(shape: str, kind: torch.dtype) -> None:
    theirs = foreign_bert("BertForPreTraining", shape, TOKENS).to(kind)
    ours, inputs = own_bert("bert", shape, TOKENS, theirs), pairs()
    there = inputs[..., 0] != 0
    with torch.no_grad():
        expected = theirs(**asked(inputs), output_hidden_states=True)
        hidden, follows = ours(inputs)
        found = ours.features(inputs)
    assert len(found) == len(expected.hidden_states)
    for one, other in zip(found, expected.hidden_states, strict=True):
        close(one[there], other[there], kind)
        assert not one[~there].any()
    close(follows, expected.seq_relationship_logits, kind)
    close(ours.scores(hidden)[there], expected.prediction_logits[there], kind)


@BOTH
def test_losses_and_gradients_are_those_of_transformers(kind: torch.dtype) -> None:
    theirs = foreign_bert("BertForPreTraining", "small", TOKENS).to(kind).train()
    ours, inputs = own_bert("bert", "small", TOKENS, theirs).train(), pairs()
    there, follows = inputs[..., 0] != 0, torch.tensor([0, 1, 1, 0])
    hidden_ones = there & (torch.arange(9) % 3 == 0)
    labels = inputs[..., 0].masked_fill(~hidden_ones, -100)
    expected = theirs(**asked(inputs), labels=labels, next_sentence_label=follows).loss
    expected.backward()
    hidden, said = ours(inputs)
    of_tokens = linear_cross_entropy(
        ours.transformed(hidden).flatten(0, 1), *ours.output_matrix(), labels.flatten(), chunk=7
    )
    found = of_tokens + F.cross_entropy(said, follows)
    found.backward()
    close(found, expected, kind)
    gradients = {key: value.grad for key, value in theirs.named_parameters()}
    for key, weight in ours.named_parameters():
        if key == "cls.predictions.decoder.bias":
            continue
        assert gradients[key] is not None, key
        close(weight.grad, gradients[key], kind)


@BOTH
@pytest.mark.parametrize(
    ("name", "theirs", "options"),
    [
        ("bert_classifier", "BertForSequenceClassification", {"num_classes": 3}),
        ("bert_tagger", "BertForTokenClassification", {"num_classes": 5}),
    ],
)
def test_heads_are_those_of_transformers(name: str, theirs: str, options: dict[str, Any], kind: torch.dtype) -> None:
    foreign = foreign_bert(theirs, "small", TOKENS, num_labels=options["num_classes"]).to(kind)
    ours, inputs = own_bert(name, "small", TOKENS, foreign, **options), pairs()
    with torch.no_grad():
        expected, found = foreign(**asked(inputs)).logits, ours(inputs)
    there = inputs[..., 0] != 0
    close(*(one[there] if found.ndim == 3 else one for one in (found, expected)), kind)


@BOTH
def test_the_mean_is_that_of_transformers_tokens_without_padding(kind: torch.dtype) -> None:
    foreign, inputs = foreign_bert("BertModel", "small", TOKENS).to(kind), pairs()
    ours = create_model(
        "bert_classifier", num_tokens=TOKENS, context=64, dropout=0.0, pooling="mean", num_classes=3, **SHAPES["small"]
    ).to(kind)
    weights = {f"bert.{key}": one for key, one in foreign.state_dict().items() if not key.startswith("pooler.")}
    assert not ours.load_state_dict(weights, strict=False).unexpected_keys
    there = (inputs[..., 0] != 0)[..., None]
    with torch.no_grad():
        hidden = foreign(**asked(inputs)).last_hidden_state
        mean = (hidden * there).sum(1) / there.sum(1)
        close(ours.eval()(inputs), ours.classifier(mean), kind)
        close(ours.features(inputs)[-1], mean, kind)
        ids = inputs[:1, :4, 0]
        close(ours(torch.cat([ids, torch.zeros_like(ids)], 1)), ours(ids), kind)
    with pytest.raises(InputError, match="option 'pooling' cannot be 'last'; allowed: first, mean"):
        create_model("bert_classifier", num_tokens=TOKENS, pooling="last")


@BOTH
def test_spans_are_those_of_transformers(kind: torch.dtype) -> None:
    foreign = foreign_bert("BertForQuestionAnswering", "small", TOKENS).to(kind)
    ours, inputs = own_bert("bert_spans", "small", TOKENS, foreign), pairs()
    with torch.no_grad():
        expected, found = foreign(**asked(inputs)), ours(inputs)
    there = inputs[..., 0] != 0
    close(found[..., 0][there], expected.start_logits[there], kind)
    close(found[..., 1][there], expected.end_logits[there], kind)


@BOTH
@pytest.mark.parametrize("grad", [False, True])
def test_weights_of_attention_are_those_of_transformers(kind: torch.dtype, grad: bool) -> None:
    foreign = foreign_bert("BertModel", "small", TOKENS, attn_implementation="eager").to(kind)
    body = Bert(num_tokens=TOKENS, context=64, num_layers=2, width=32, num_heads=4, hidden=64, dropout=0.0).to(kind)
    body.load_state_dict(foreign.state_dict())
    inputs = pairs()
    there = inputs[..., 0] != 0
    both = (there[:, :, None] & there[:, None])[:, None].expand(-1, 4, -1, -1)
    with torch.set_grad_enabled(grad):
        expected = foreign(**asked(inputs), output_attentions=True).attentions
        with recording(body) as found:
            recorded = body(inputs)
        close(recorded, body(inputs), kind)
    assert list(found) == [f"encoder.layer.{number}.attention.self" for number in range(2)]
    for one, other in zip(found.values(), expected, strict=True):
        assert one.shape == (4, 4, 9, 9)
        close(one[both], other[both], kind)
        assert not one[~both].any()


def test_tokens_that_make_a_number_recur_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number of them, as under autocast, in double precision: the same outputs and gradients."""
    network = create_model("bert_classifier", num_tokens=TOKENS, size="tiny", dropout=0.0).double()
    inputs = pairs()
    found = []
    for more in (0, 1, 9, 40):
        monkeypatch.setattr("neuropil.sequence_models.bert.recurring", lambda count, device, more=more: count + more)
        for one in (inputs, inputs[..., 0]):
            network.zero_grad()
            logits = network(one)
            logits.square().sum().backward()
            found.append([logits.detach(), *(weight.grad.clone() for weight in network.parameters())])
    for number, one in enumerate(found):
        for mine, plain in zip(one, found[number % 2], strict=True):
            torch.testing.assert_close(mine, plain, rtol=0, atol=1e-12)


def test_under_autocast_the_number_of_tokens_recurs() -> None:
    body = Bert(num_tokens=TOKENS, size="tiny", dropout=0.0)
    seen: list[int] = []
    body.encoder["layer"][0].register_forward_hook(lambda _, given, found: seen.append(len(found)))  # type: ignore[index]
    inputs = pairs()
    assert body(inputs).shape[:2] == inputs.shape[:2]
    with torch.autocast("cpu", torch.bfloat16):
        assert body(inputs).shape[:2] == inputs.shape[:2]
    assert seen == [int((inputs[..., 0] != 0).sum()), 64]
    with torch.autocast("cpu", torch.bfloat16), recording(body) as recorded:
        body(inputs)
    assert {one.shape[0] for one in recorded.values()} == {len(inputs)}


@pytest.mark.slow
def test_a_batch_without_padding_a_row_of_nothing_and_padding_within() -> None:
    body = Bert(num_tokens=TOKENS, size="tiny", dropout=0.0).double().eval()
    inputs = pairs()[..., 0]
    inputs[1, 2] = 0  # within a sentence
    inputs[3] = 0
    found = body(inputs)
    assert not found[3].any() and found.isfinite().all()
    alone = body(inputs[:1])
    torch.testing.assert_close(found[:1], alone, rtol=0, atol=1e-10)
    program = torch.export.export(body, (inputs,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    for rows in (inputs, inputs[:2]):  # it computes the padding, too
        torch.testing.assert_close(body(rows), program.module()(rows), rtol=0, atol=1e-10)
    assert torch.equal(body(torch.stack([inputs, torch.zeros_like(inputs)], 2)), found)


def test_no_padding_is_computed() -> None:
    body = Bert(num_tokens=TOKENS, size="tiny", dropout=0.0)
    seen: list[tuple[int, ...]] = []
    for layer in body.modules():
        if isinstance(layer, torch.nn.LayerNorm | torch.nn.Linear | torch.nn.GELU):
            layer.register_forward_hook(lambda _layer, _inputs, output: seen.append(tuple(output.shape[:-1])))
    body(pairs())
    assert set(seen) == {(19,)}  # of 36 places


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("name", ["bert_tagger", "transformer"])
def test_the_matrix_of_all_weights_is_never_held(name: str, dropout: float) -> None:
    steps, options = 1024, {"width": 32, "num_heads": 4, "num_layers": 1, "dropout": dropout}
    more = {"num_target_tokens": TOKENS} if name == "transformer" else {"context": steps}
    network = create_model(name, num_tokens=TOKENS, hidden=64, **options, **more).train()
    read = torch.randint(1, TOKENS, (2, steps))
    read[1, 900:] = 0
    with Largest() as seen:
        network(*([read] * (2 if name == "transformer" else 1))).sum().backward()
    assert seen.numbers < steps * steps, seen.numbers  # of 8 T T for all rows and heads


def test_weights_are_those_of_the_paper() -> None:
    counts = {
        "tiny": 4_385_920, "mini": 11_170_560, "small": 28_763_648, "medium": 41_373_184, "base": 109_482_240,
        "large": 335_141_888,
    }  # fmt: skip
    for size, count in counts.items():
        with torch.device("meta"):
            body = Bert(num_tokens=30_522, size=size)  # type: ignore[arg-type]
        assert sum(weight.numel() for weight in body.parameters()) == count, size


def test_weights_begin_as_published() -> None:
    network = create_model("bert", num_tokens=3000, size="tiny")
    for key, weight in network.named_parameters():
        if weight.ndim == 2:
            assert weight.abs().max() <= 0.04, key
            assert weight.std().item() == pytest.approx(0.0176, rel=0.15), key  # 0.02, cut at two deviations
        else:
            assert torch.equal(weight, torch.full_like(weight, float("LayerNorm.weight" in key))), key
    assert not network.get_parameter("bert.embeddings.word_embeddings.weight")[0].any()


def test_what_does_not_fit_is_refused() -> None:
    body = Bert(num_tokens=TOKENS, size="tiny", context=8, pooling=False)
    with pytest.raises(InputError, match="9 tokens were given to a network that reads 8 at most; shorten the text"):
        body(torch.ones(1, 9, dtype=torch.int64))
    with pytest.raises(InputError, match="segments are numbers from 0 to 1, but 0 to 2 were given"):
        body(torch.tensor([[[4, 0], [5, 2]]]))
    with pytest.raises(InputError, match="has no pooler"):
        body.pool(body(torch.tensor([[4]])))
    with pytest.raises(InputError, match="without a token"):
        body(torch.zeros(2, 3, dtype=torch.int64))
