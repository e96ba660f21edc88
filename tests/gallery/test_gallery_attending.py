"""Attention maps of trained runs: against transformers' with the same weights, and against the formula in NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from neuropil.errors import InputError
from neuropil.gallery.attending import attention_of_text
from neuropil.gallery.runs import run_pictures
from neuropil.recipes.run import Run
from neuropil.recipes.train import train
from neuropil.sources.token_names import token_names
from sequence_models.foreign_transformers import foreign_bert, foreign_gpt2, own_bert, own_gpt

WORDS = ("cat", "dog", "man", "bird", "sees", "finds", "the", "a", "red", "old")
SMALL = ("model.num_layers=2", "model.width=32", "model.num_heads=4", "model.dropout=0", "training.epochs=1")
BERT = (*SMALL, "model.hidden=64", "model.context=64", "data.max_length=32", "data.size=120")


def sentences(count: int, seed: int) -> list[str]:
    """Some words in any order."""
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(WORDS, draw.integers(4, 9))) + "." for _ in range(count)]


def lay_out(kind: str, folder: Path) -> tuple[str, tuple[str, ...]]:
    """Files of a kind of run, and what to say for it."""
    lines, others = sentences(60, 0), sentences(60, 1)
    folder.mkdir()
    if kind == "tags":
        rows = ["\n".join(f"{word}\t{'X' if len(word) > 3 else 'Y'}" for word in one[:-1].split()) for one in lines]
        for part in ("train", "valid"):
            (folder / f"{part}.conll").write_text("\n\n".join(rows) + "\n", encoding="utf-8")
        return "bert-finetune-tags", BERT
    if kind in ("transformer", "seq2seq", "plain"):
        for part in ("train", "val"):
            (folder / f"{part}.de").write_text("\n".join(lines).replace("the", "die"), encoding="utf-8")
            (folder / f"{part}.en").write_text("\n".join(others), encoding="utf-8")
        if kind == "transformer":
            return "transformer-translation", (*SMALL, "model.hidden=64", "data.size=300", "task.most=8")
        attention = "none" if kind == "plain" else "dot"
        words = ("model.width=12", f"model.attention={attention}", "task.most=8", "training.epochs=1")
        return "translation-multi30k", words
    if kind == "classes":
        table = ["label,text", *(f"{number % 2},{one}" for number, one in enumerate(lines))]
        (folder / "train.csv").write_text("\n".join(table), encoding="utf-8")
        return "bert-finetune-reviews", (*BERT, "data.text=text", "data.label=label")
    blocks = ["\n".join(lines[at : at + 2]) for at in range(0, 60, 2)]
    (folder / "a.txt").write_text("\n\n".join(blocks), encoding="utf-8")
    if kind == "gpt":
        return "gpt-text", (*SMALL, "model.context=64", "data.window=16")
    return "bert-pretrain", BERT


@pytest.fixture(scope="module")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run of each kind, trained when it is asked for."""
    place, made = tmp_path_factory.mktemp("attending"), {}

    def of(kind: str) -> Run:
        if kind not in made:
            recipe, words = lay_out(kind, place / kind)
            run = train(recipe, f"data.root={place / kind}", *words, runs=place / "runs", progress=False)
            made[kind] = run.folder.path
        return Run(made[kind])

    return of


KINDS = ("gpt", "classes", "tags", "pretrain", "transformer", "seq2seq")


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_is_a_share_of_what_is_there(kind: str, run_of: Any) -> None:
    for text in ("the red dog sees a man.", None):
        found = attention_of_text(run_of(kind), text)
        assert len(found.looks) == (3 if kind == "transformer" else 1)
        for one in found.looks:
            assert one.weights.shape[2:] == (len(one.queries), len(one.keys)) and "<pad>" not in one.keys
            np.testing.assert_allclose(one.weights.sum(3), 1, atol=1e-5)
            past = np.triu(one.weights, 1)
            assert (not past.any()) == (kind == "gpt" or one.name == "What is written looks at itself")


@pytest.mark.slow  # transformers is loaded
def test_berts_weights_are_transformers(run_of: Any) -> None:
    run = run_of("classes")
    count = run.signature.entries("vocabulary")
    foreign = foreign_bert("BertForSequenceClassification", "small", count, attn_implementation="eager")
    run.model = own_bert("bert_classifier", "small", count, foreign)
    (found,) = attention_of_text(run, "the old bird finds a cat.").looks
    entries = list(run.signature.encoding["vocabulary"])
    ids = torch.tensor([[entries.index(one) for one in found.queries]])
    with torch.no_grad():
        expected = foreign(ids, output_attentions=True).attentions
    assert found.queries == found.keys and found.keys[0] == "[CLS]"
    np.testing.assert_allclose(found.weights, torch.cat(expected).numpy(), atol=1e-5)


@pytest.mark.slow
def test_gpts_weights_are_transformers(run_of: Any) -> None:
    run = run_of("gpt")
    foreign = foreign_gpt2("small", run.signature.entries("vocabulary"))
    foreign.set_attn_implementation("eager")
    run.model = own_gpt("small", run.signature.entries("vocabulary"), foreign, "gpt2")
    (found,) = attention_of_text(run, "the old bird").looks
    assert found.keys == tuple("the\N{OPEN BOX}old\N{OPEN BOX}bird")
    entries = list(run.signature.encoding["vocabulary"])
    ids = torch.tensor([[entries.index(one) for one in "the old bird"]])
    with torch.no_grad():
        expected = foreign(ids, output_attentions=True).attentions
    np.testing.assert_allclose(found.weights, torch.cat(expected).numpy(), atol=1e-5)


def softmax(x: Any) -> Any:
    big = np.exp(x - x.max(-1, keepdims=True))
    return big / big.sum(-1, keepdims=True)


def test_a_translations_weights_follow_the_formula(run_of: Any) -> None:
    """`softmax(Q K^T / sqrt(d))` of what the layer itself was given."""
    run, given = run_of("transformer"), []
    layer = run.model.decoder[1].memory_attention
    layer.register_forward_pre_hook(lambda module, inputs: given.append([one.double().numpy() for one in inputs[:2]]))
    found = attention_of_text(run, "die red dog.")
    read, _, crossed = found.looks
    (x,), (memory,) = given[-1]
    weight, bias = (one.detach().double().numpy() for one in (layer.joined.weight, layer.joined.bias))
    asked, answers = (
        (side @ weight[at : at + 32].T + bias[at : at + 32]).reshape(-1, 4, 8).transpose(1, 0, 2)
        for side, at in ((x, 0), (memory, 32))
    )
    np.testing.assert_allclose(crossed.weights[1], softmax(asked @ answers.transpose(0, 2, 1) / 8**0.5), atol=1e-5)
    assert crossed.keys == read.queries == read.keys and crossed.keys[-1] == "<eos>"
    assert "".join(crossed.queries).replace("\N{OPEN BOX}", " ").replace("<eos>", "") in found.notes[0]


def test_a_recurrent_translators_weights_follow_the_formula(run_of: Any) -> None:
    run, given = run_of("seq2seq"), []
    run.model.writer.attention.register_forward_pre_hook(lambda module, inputs: given.append(inputs))
    (found,) = attention_of_text(run, "die red dog.").looks
    query, _, keys = (one[0].numpy() for one in given[-1][:3])
    np.testing.assert_allclose(found.weights[0, 0], softmax(query @ keys.T), atol=1e-5)
    assert found.keys == ("die", "red", "dog", ".", "<eos>")


def test_a_page_tells_each_kind_and_a_pair_may_be_read(run_of: Any) -> None:
    run = run_of("transformer")
    page = run_pictures(run.folder.path, "die red dog.")
    assert [title for title, _ in page.pictures] == [one.name for one in attention_of_text(run, "die red dog.").looks]
    assert len(page.folds) == 6 and len({fold.anchor for fold in page.folds}) == 6
    read = attention_of_text(run_of("pretrain"), "the [MASK] dog.\ta man.").looks[0].keys
    assert read.count("[SEP]") == 2 and "[MASK]" in read


class Forgets(nn.Module):
    """Without attention."""


def test_what_has_no_attention_or_cannot_be_read_is_refused(run_of: Any) -> None:
    gpt = run_of("gpt")
    with pytest.raises(InputError, match="never saw the character 'Q'"):
        attention_of_text(gpt, "Q")
    with pytest.raises(InputError, match="reads 64 at most"):
        attention_of_text(gpt, "a red dog " * 20)
    with pytest.raises(InputError, match="leave --layer out"):
        run_pictures(gpt.folder.path, "the", layer="transformer")
    with pytest.raises(InputError, match=r"no text file 'nowhere\.txt'"):
        attention_of_text(run_of("tags"), "nowhere.txt")
    with pytest.raises(InputError, match=r"model\.attention=dot"):
        attention_of_text(run_of("plain"), "die red dog.")
    gpt.model = Forgets()
    with pytest.raises(InputError, match="a Forgets has no attention to draw"):
        attention_of_text(gpt, "the")


def test_numbers_outside_a_vocabulary_have_no_name(run_of: Any) -> None:
    for kind in ("gpt", "classes"):
        saved = run_of(kind).signature.encoding
        with pytest.raises(InputError, match="outside the vocabulary"):
            token_names([len(saved["vocabulary"])], saved)
