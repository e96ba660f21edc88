"""Folders as Hugging Face writes them: the same numbers here and there, both ways; and wrong folders in a sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from neuropil.errors import InputError
from neuropil.models import build_model
from neuropil.recipes.creating import create_model
from neuropil.recurrent.generation import Manner, tokens_behind
from neuropil.transfer.finding import find_weights
from neuropil.transfer.layout_writing import write_layout
from neuropil.transfer.layouts import read_layout
from neuropil.transfer.loading import load_weights

VOCABULARY, CONTEXT = 60, 40

BERT = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 48, "max_position_embeddings": CONTEXT, "num_labels": 3,
}  # fmt: skip
GPT = {
    "vocab_size": VOCABULARY, "n_positions": CONTEXT, "n_embd": 32, "n_layer": 2, "n_head": 4, "bos_token_id": 1,
    "eos_token_id": 1,
}  # fmt: skip

CLASSES = {
    "BertModel": "bert",
    "BertForPreTraining": "bert",
    "BertForMaskedLM": "bert",
    "BertForSequenceClassification": "bert_classifier",
    "BertForTokenClassification": "bert_tagger",
    "BertForQuestionAnswering": "bert_spans",
    "GPT2Model": "gpt",
    "GPT2LMHeadModel": "gpt",
    "OpenAIGPTModel": "gpt",
    "OpenAIGPTLMHeadModel": "gpt",
}

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


@pytest.fixture(scope="module")
def transformers() -> Any:
    pytest.importorskip("oracle_shim")
    found = pytest.importorskip("transformers")
    found.utils.logging.disable_progress_bar()
    return found


def theirs_of(transformers: Any, name: str) -> Any:
    """Random weights, large enough that a swapped layer, a transposed matrix or a lost bias shows."""
    config = {"Bert": transformers.BertConfig, "GPT2": transformers.GPT2Config, "Open": transformers.OpenAIGPTConfig}
    options = BERT if name.startswith("Bert") else GPT
    if name == "BertForQuestionAnswering":
        options = {**options, "num_labels": 2}
    if name.endswith(" untied"):  # a tied output repeats the last token for ever while nothing was learned
        options = {**options, "tie_word_embeddings": False}
    torch.manual_seed(0)
    network = getattr(transformers, name.split()[0])(config[name[:4]](**options)).eval()
    with torch.no_grad():
        for place, parameter in network.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
            else:
                parameter.mul_(40 if "wpe" in place or "positions_embed" in place else 4)
    return network


def some_texts() -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1)
    ids = torch.randint(1, VOCABULARY, (3, 17), generator=draw)
    ids[1, 9:] = 0
    ids[2, 12:] = 0
    return ids, (torch.arange(17) > 7).long().expand(3, 17).contiguous()


def outputs_of(name: str, theirs: Any, ours: Any) -> list[tuple[Tensor, Tensor]]:
    """What both say to the same texts, padding left out."""
    ids, segments = some_texts()
    if not name.startswith("Bert"):
        found = theirs(ids)
        if name.endswith("LMHeadModel"):
            return [(found.logits, ours(ids)[0])]
        return [(found.last_hidden_state, ours.hidden(ids)[0])]
    there = ids != 0
    found = theirs(ids, attention_mask=there.long(), token_type_ids=segments)
    said = ours(torch.stack([ids, segments], 2))
    if name == "BertModel":
        return [(found.last_hidden_state[there], said[0][there]), (found.pooler_output, ours.bert.pool(said[0]))]
    if name == "BertForPreTraining":
        scores = ours.scores(said[0])
        return [(found.prediction_logits[there], scores[there]), (found.seq_relationship_logits, said[1])]
    if name == "BertForMaskedLM":
        return [(found.logits[there], ours.scores(said[0])[there])]
    if name == "BertForQuestionAnswering":
        both = torch.stack([found.start_logits, found.end_logits], 2)
        return [(both[there], said[there])]
    return [(found.logits, said) if name == "BertForSequenceClassification" else (found.logits[there], said[there])]


@pytest.fixture(scope="module")
def folders(transformers: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("theirs")

    def folder(name: str) -> Path:
        if not (root / name).exists():
            theirs_of(transformers, name).save_pretrained(root / name)
        return root / name

    return folder


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_networks_say_the_same(
    name: str, dtype: torch.dtype, transformers: Any, folders: Callable[[str], Path]
) -> None:
    theirs = getattr(transformers, name).from_pretrained(folders(name)).eval().to(dtype)
    ours = create_model(CLASSES[name], weights=folders(name)).eval().to(dtype)
    with torch.no_grad():
        for wanted, found in outputs_of(name, theirs, ours):
            assert found.shape == wanted.shape and wanted.abs().max() > 0.1
            assert (found - wanted).abs().max() < TOLERANCE[dtype]


@pytest.mark.parametrize("name", CLASSES)
def test_the_folder_says_which_network_it_is(name: str, folders: Callable[[str], Path]) -> None:
    record = find_weights(folders(name)).record
    assert record is not None and record.model == CLASSES[name] and name in record.source
    assert record.options["num_layers"] == 2 and record.options["num_heads"] == 4
    network = build_model(record.model, record.options)
    assert load_weights(network, folders(name), strict="body").matched


WRITTEN: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertForPreTraining", {"size": "tiny", "width": 32, "hidden": 48, "context": CONTEXT}),
    "bert_classifier": ("BertForSequenceClassification", {"size": "tiny", "width": 32, "num_classes": 3}),
    "bert_tagger": ("BertForTokenClassification", {"size": "tiny", "width": 32, "num_classes": 3}),
    "bert_spans": ("BertForQuestionAnswering", {"size": "tiny", "width": 32}),
    "gpt": ("GPT2LMHeadModel", {"num_layers": 2, "width": 32, "num_heads": 4, "context": CONTEXT}),
    "gpt untied": ("GPT2LMHeadModel", {"num_layers": 2, "width": 32, "num_heads": 4, "tie": False}),
    "gpt without biases": ("GPT2LMHeadModel", {"num_layers": 2, "width": 32, "num_heads": 4, "bias": False}),
    "gpt as of 2018": ("OpenAIGPTLMHeadModel", {"size": "gpt1", "num_layers": 2, "width": 32, "num_heads": 4}),
}


def loud(network: Any) -> Any:
    """Weights far from their beginning."""
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter)) if parameter.ndim == 1 else parameter.mul_(4)
    return network.eval()


@pytest.mark.parametrize("case", WRITTEN)
def test_what_is_written_opens_there_without_a_word(
    case: str, transformers: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    name, options = WRITTEN[case]
    ours = loud(build_model(case.split()[0], {"num_tokens": VOCABULARY, **options}))
    before = {key: one.clone() for key, one in ours.state_dict().items()}
    labels = ("a", "b", "c") if "num_classes" in options else ()
    write_layout(ours, tmp_path / "out", classes=labels)
    assert all(torch.equal(one, before[key]) for key, one in ours.state_dict().items())
    capfd.readouterr()
    theirs = getattr(transformers, name).from_pretrained(tmp_path / "out").eval()
    seen = capfd.readouterr()
    assert not seen.err.strip() and not seen.out.strip()
    if labels:
        assert theirs.config.id2label == {0: "a", 1: "b", 2: "c"}
    with torch.no_grad():
        for wanted, found in outputs_of(name, theirs, ours):
            assert wanted.abs().max() > 0.1 and (found - wanted).abs().max() < 1e-5
    again = create_model(case.split()[0], weights=tmp_path / "out")
    if case != "gpt without biases":
        assert all(torch.equal(one, before[key]) for key, one in again.state_dict().items())


def test_a_label_from_the_mean_has_no_form_there(tmp_path: Path) -> None:
    ours = build_model("bert_classifier", {"num_tokens": VOCABULARY, "size": "tiny", "pooling": "mean"})
    with pytest.raises(InputError, match="from the mean of all tokens has no form at Hugging Face"):
        write_layout(ours, tmp_path / "out")
    assert not (tmp_path / "out").exists()


MANNERS: list[dict[str, Any]] = [
    {"greedy": True},
    {"greedy": True, "repetition_penalty": 1.4},
    {"temperature": 1.2, "top_k": 20, "top_p": 0.9},
]


@pytest.mark.parametrize("manner", MANNERS, ids=str)
@pytest.mark.parametrize("name", ["GPT2LMHeadModel", "OpenAIGPTLMHeadModel"])
def test_texts_are_those_of_transformers(
    name: str, manner: dict[str, Any], transformers: Any, folders: Callable[[str], Path]
) -> None:
    folder = folders(f"{name} untied")
    theirs = getattr(transformers, name).from_pretrained(folder).eval()
    ours: Any = create_model("gpt", weights=folder).eval()
    prompt = torch.tensor([5, 9, 33])
    found = list(tokens_behind(ours, prompt, Manner(most=CONTEXT - 3, seed=3, **manner), end=1))
    asked = {key: one for key, one in manner.items() if key != "greedy"}
    torch.manual_seed(3)
    with torch.no_grad():
        wanted = theirs.generate(
            prompt[None], attention_mask=torch.ones(1, 3, dtype=torch.int64), max_new_tokens=CONTEXT - 3,
            do_sample=not manner.get("greedy"), pad_token_id=1, **asked,
        )[0, 3:].tolist()  # fmt: skip
    assert found == (wanted[: wanted.index(1)] if 1 in wanted else wanted)
    assert len(set(found)) > 2


# --- other forms of the same folder -------------------------------------------------------------------


def edited(folder: Path, place: Path, **changes: Any) -> Path:
    """A copy of a folder whose config is another; `None` takes a field out."""
    shutil.copytree(folder, place)
    config = json.loads((place / "config.json").read_text())
    config = {key: one for key, one in {**config, **changes}.items() if one is not None}
    (place / "config.json").write_text(json.dumps(config))
    return place


def same(first: Any, second: Any) -> bool:
    return all(torch.equal(one, second.state_dict()[key]) for key, one in first.state_dict().items())


def test_other_files_hold_the_same(folders: Callable[[str], Path], tmp_path: Path) -> None:
    source = folders("BertForPreTraining")
    tensors, wanted = load_file(source / "model.safetensors"), create_model("bert", weights=source)
    old = edited(source, tmp_path / "old", model_type=None, architectures=None)
    (old / "model.safetensors").unlink()
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): one
        for name, one in tensors.items()
    }
    torch.save({**renamed, "bert.embeddings.position_ids": torch.arange(CONTEXT)[None]}, old / "pytorch_model.bin")
    assert same(create_model("bert", weights=old), wanted)
    sharded = edited(source, tmp_path / "sharded")
    (sharded / "model.safetensors").unlink()
    halves = [dict(list(tensors.items())[::2]), dict(list(tensors.items())[1::2])]
    places = {name: f"model-{n}.safetensors" for n, half in enumerate(halves) for name in half}
    for number, half in enumerate(halves):
        save_file(half, sharded / f"model-{number}.safetensors")
    (sharded / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    assert same(create_model("bert", weights=sharded), wanted)
    bare = edited(source, tmp_path / "bare")
    save_file({name.removeprefix("bert."): one for name, one in tensors.items()}, bare / "model.safetensors")
    assert same(create_model("bert", weights=bare), wanted)


def test_a_body_takes_another_head(folders: Callable[[str], Path]) -> None:
    source = folders("BertForPreTraining")
    network: Any = create_model("bert_classifier", weights=source, num_classes=5)
    report = load_weights(network, source, strict="body")
    assert report.missing == ("classifier.weight", "classifier.bias") and network.classifier.out_features == 5
    assert {name.partition(".")[0] for name in report.unexpected} == {"cls"}
    pretrained: Any = create_model("bert", weights=source)
    assert torch.equal(network.bert.pooler.dense.weight, pretrained.bert.pooler.dense.weight)
    other: Any = create_model("bert_classifier", weights=folders("BertForSequenceClassification"), num_classes=5)
    assert other.classifier.out_features == 5


# --- refusals -----------------------------------------------------------------------------------------

CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "another type": ({"model_type": "roberta"}, "'roberta' are not read"),
    "another class": (
        {"architectures": ["BertForMultipleChoice"]},
        "'BertForMultipleChoice' of type 'bert' is not read",
    ),
    "two classes": ({"architectures": ["BertModel", "BertForMaskedLM"]}, "one name in a list"),
    "code of its own": ({"auto_map": {"AutoModel": "evil.Model"}}, "which is never run"),
    "quantized": ({"quantization_config": {"bits": 8}}, "quantized"),
    "relative positions": ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
    "another activation": ({"hidden_act": "silu"}, "hidden_act is 'silu'"),
    "another epsilon": ({"layer_norm_eps": 1e-5}, "layer_norm_eps is 1e-05"),
    "three segments": ({"type_vocab_size": 3}, "type_vocab_size is 3"),
    "a decoder": ({"is_decoder": True}, "is_decoder is True"),
    "padding elsewhere": ({"pad_token_id": 1}, "pad_token_id is 1"),
    "no layers": ({"num_hidden_layers": 0}, "num_hidden_layers must be a whole number"),
    "a million layers": ({"num_hidden_layers": 10**6}, "from 1 to 1,000"),
    "words for a size": ({"hidden_size": "32"}, "hidden_size must be a whole number"),
    "more layers than there are": ({"num_hidden_layers": 3}, "encoder.layer.2.* is not in the file"),
    "fewer layers than there are": ({"num_hidden_layers": 1}, "no place for .*encoder.layer.1"),
    "another width": ({"intermediate_size": 40}, "is 48.* in the file but 40.* in the network"),
    "heads that do not divide": ({"num_attention_heads": 5}, "5 heads cannot share a width of 32"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_configs_that_mean_something_else(case: str, folders: Callable[[str], Path], tmp_path: Path) -> None:
    changes, says = CONFIGS[case]
    folder = edited(folders("BertForPreTraining"), tmp_path / "wrong", **changes)
    with pytest.raises(InputError, match=says) as refused:
        create_model("bert", weights=folder)
    assert "\n" not in str(refused.value)


def _lacks_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def _broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def _lacks_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "tf_model.h5")


def _cut_off(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


class _Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("was-run"),))


def _hostile(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"a": _Hostile()}, folder / "pytorch_model.bin")


def _lacks_a_shard(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "b.safetensors"}}))


def _outside(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../b.safetensors"}}))


def _own_output(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    words = tensors["bert.embeddings.word_embeddings.weight"]
    save_file({**tensors, "cls.predictions.decoder.weight": words + 1}, folder / "model.safetensors")


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "no config": (_lacks_config, "without config.json.*of a run here: neuropil export"),
    "half a config": (_broken_config, "cannot be read"),
    "no weights": (_lacks_weights, r"no pytorch_model.bin \(tf_model.h5 is there"),
    "half a file": (_cut_off, "cannot be read"),
    "code in place of weights": (_hostile, "asks for code to be run, which is never done"),
    "a missing shard": (_lacks_a_shard, "lacks b.safetensors"),
    "a shard outside": (_outside, "outside its folder"),
    "an output of its own": (_own_output, "not the vectors of its tokens"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_folders(
    case: str, folders: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    change, says = BROKEN[case]
    folder = edited(folders("BertForPreTraining"), tmp_path / "broken")
    change(folder)
    with pytest.raises(InputError, match=says) as refused:
        create_model("bert", weights=folder)
    assert "\n" not in str(refused.value) and not (tmp_path / "was-run").exists()


def test_other_networks_are_refused(folders: Callable[[str], Path], tmp_path: Path) -> None:
    bert, gpt = folders("BertModel"), folders("GPT2LMHeadModel")
    with pytest.raises(InputError, match="holds BertModel, whose weights do not fit GPT; use model=bert"):
        load_weights(build_model("gpt", {"num_tokens": VOCABULARY}), bert)
    with pytest.raises(InputError, match="holds GPT2LMHeadModel, whose weights do not fit ResNet20; use model=gpt"):
        load_weights(build_model("resnet20", {}), gpt)
    with pytest.raises(
        InputError, match=r"holds weights of bert .BertModel .*, not of gpt; use bert or bert_classifier"
    ):
        create_model("gpt", weights=bert)
    with pytest.raises(InputError, match=r"has a vocabulary of 60 entries, but the network one of 50.*data.subwords="):
        create_model("bert", weights=bert, num_tokens=50)
    with pytest.raises(InputError, match="has 4 heads of attention, but GPT has 8"):
        create_model("gpt", weights=gpt, num_heads=8)
    with pytest.raises(InputError, match="ln_f"):
        create_model("gpt", weights=gpt, norm_first=False)
    with pytest.raises(InputError, match="scale_attn_by_inverse_layer_idx is True"):
        read_layout(edited(gpt, tmp_path / "scaled", scale_attn_by_inverse_layer_idx=True))
    with pytest.raises(InputError, match="activation_function is 'relu'"):
        read_layout(edited(gpt, tmp_path / "relu", activation_function="relu"))


def test_folders_that_cannot_be_written(tmp_path: Path) -> None:
    network = build_model("gpt", {"num_tokens": 50, "num_layers": 1, "width": 8, "num_heads": 2})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("all of it")
    with pytest.raises(InputError, match="is there already"):
        write_layout(network, tmp_path / "full")
    write_layout(network, tmp_path / "full", replace=True)
    assert (tmp_path / "full" / "thesis.txt").exists() and (tmp_path / "full" / "model.safetensors").exists()
    with pytest.raises(InputError, match="is not there; make it first"):
        write_layout(network, tmp_path / "no" / "where")
    with pytest.raises(InputError, match="ResNet20 has no form at Hugging Face"):
        write_layout(build_model("resnet20", {}), tmp_path / "resnet")
    small = {"num_tokens": 50, "num_layers": 1, "width": 8, "num_heads": 2}
    odd = build_model("gpt", {**small, "size": "gpt1", "hidden": 9})
    with pytest.raises(InputError, match="9 wide, but Hugging Face's GPT-1"):
        write_layout(odd, tmp_path / "odd")


@pytest.mark.proof
@pytest.mark.parametrize("name", ["BertForPreTraining", "GPT2LMHeadModel"])
def test_published_sizes_say_the_same(name: str, transformers: Any, tmp_path: Path) -> None:
    """BERT-base and the small GPT-2, with random weights."""
    config = transformers.BertConfig() if name.startswith("Bert") else transformers.GPT2Config()
    torch.manual_seed(0)
    theirs = getattr(transformers, name)(config).eval()
    theirs.save_pretrained(tmp_path)
    ours = create_model(CLASSES[name], weights=tmp_path).eval()
    with torch.no_grad():
        for wanted, found in outputs_of(name, theirs, ours):
            assert wanted.abs().max() > 0.1 and (found - wanted).abs().max() < 1e-5
