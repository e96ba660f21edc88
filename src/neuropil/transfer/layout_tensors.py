"""The tensors of a folder as Hugging Face writes it, under our names, and ours under theirs.

Our names are theirs; what differs: GPT's linear weights are transposed there (`Conv1D`), GPT-1 calls its vectors
otherwise, a body alone has no prefix, very old files say gamma and beta, and what is tied is written once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.transfer.layouts import Kind, Layout
from neuropil.transfer.reading import read_weights

__all__ = ["is_body", "layout_tensors", "of_our_network", "under_their_names"]

FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""Where weights may lie, the first that is there."""

LARGEST_INDEX = 1 << 26

TRANSPOSED = re.compile(r"\.(?:c_attn|c_proj|c_fc)\.weight$")

WORDS = {"bert": "bert.embeddings.word_embeddings.weight", "gpt2": "transformer.wte.weight"}
"""The vectors of tokens, by which a network's family is told."""

OLD = ((re.compile(r"\.gamma$"), ".weight"), (re.compile(r"\.beta$"), ".bias"))

BUFFERS = re.compile(r"(?:^|\.)position_ids$|\.attn\.(?:masked_)?bias$")
"""What older versions kept beside the weights."""

WITHOUT_PREFIX = {
    "bert": re.compile(r"^(?=(?:embeddings|encoder|pooler)\.)"),
    "gpt2": re.compile(r"^(?=(?:wte|wpe|h|ln_f|tokens_embed|positions_embed)\.)"),
}
PREFIXES = {"bert": "bert.", "gpt2": "transformer."}

GPT1 = (("transformer.tokens_embed.", "transformer.wte."), ("transformer.positions_embed.", "transformer.wpe."))

OUTPUTS = {"bert": "cls.predictions.decoder.weight", "gpt2": "lm_head.weight"}
"""The output matrix, which is tied to the vectors of tokens."""

SHIFTS = ("cls.predictions.bias", "cls.predictions.decoder.bias")
"""One and the same in both."""


def _family(kind: Kind) -> str:
    return "bert" if kind == "bert" else "gpt2"


def is_body(name: str) -> bool:
    """Whether a tensor is of the body that all networks of a family share; the pooler is none."""
    return name.startswith(("bert.embeddings.", "bert.encoder.", "transformer."))


def layout_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder by their names in it, whether they lie in one file or several.

    Raises:
        InputError: no file of weights, a file that is missing, damaged or would run code, or an index of others.
    """
    found = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if found is None:
        others = [one.name for one in sorted(folder.iterdir()) if one.suffix in (".h5", ".msgpack", ".ckpt")]
        beside = f" ({others[0]} is there, which is not read)" if others else ""
        raise InputError(f"{str(folder)!r} holds no model.safetensors and no pytorch_model.bin{beside}; put one there")
    if found.suffix != ".json":
        return read_weights(found)
    tensors: dict[str, Tensor] = {}
    for file, names in _shards(found).items():
        if not (folder / file).is_file():
            raise InputError(f"{str(folder)!r} lacks {file}, which {found.name} names; get it, too")
        part = read_weights(folder / file)
        if missing := next((name for name in names if name not in part), None):
            raise InputError(f"{str(folder / file)!r} lacks {missing!r}, which {found.name} says is there")
        tensors |= {name: part[name] for name in names}
    return tensors


def _shards(index: Path) -> dict[str, list[str]]:
    """The names of the tensors in each file."""
    try:
        with index.open("rb") as file:
            text = file.read(LARGEST_INDEX + 1)
        if len(text) > LARGEST_INDEX:
            raise ValueError("it is larger than any index")
        places = json.loads(text)["weight_map"]
        if not isinstance(places, dict) or not all(isinstance(one, str) for one in places.values()):
            raise TypeError("weight_map must give a file for each name")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{str(index)!r} cannot be read ({error}); get a fresh copy") from error
    shards: dict[str, list[str]] = {}
    for name, file in places.items():
        if Path(file).name != file or file in ("", ".", "..") or "\0" in file or "\\" in file:
            raise InputError(f"{str(index)!r} names a file outside its folder: {file!r}; get a fresh copy")
        shards.setdefault(file, []).append(name)
    return shards


def of_our_network(layout: Layout, model: nn.Module) -> dict[str, Tensor]:
    """The folder's tensors under the names of a network of ours.

    Raises:
        InputError: a network of another family, vocabulary or number of heads, an output matrix of its own where ours
            is tied, or what `layout_tensors` refuses.
    """
    family = _family(layout.kind)
    own = model.state_dict()
    where, called = str(layout.folder), type(model).__name__
    if (words := own.get(WORDS[family])) is None:
        fitting = "bert, bert_classifier, bert_tagger or bert_spans" if family == "bert" else "gpt"
        raise InputError(
            f"{where!r} holds {layout.architecture}, whose weights do not fit {called}; use model={fitting}"
        )
    tensors = _renamed(layout_tensors(layout.folder), layout.kind)
    theirs = tensors.get(WORDS[family])
    if theirs is not None and theirs.ndim == 2 and theirs.shape[0] != words.shape[0]:
        raise InputError(
            f"{where!r} has a vocabulary of {theirs.shape[0]:,} entries, but the network one of {words.shape[0]:,}; "
            f"read the texts with the folder's own: data.subwords={where}"
        )
    for name, module in model.named_modules():
        heads = getattr(module, "num_heads", None)
        if isinstance(heads, int) and heads != layout.options["num_heads"]:
            raise InputError(
                f"{where!r} has {layout.options['num_heads']} heads of attention, but {called} has {heads} in {name!r}"
                f"; give model.num_heads={layout.options['num_heads']}"
            )
    return _tied(tensors, family, own, where)


def _renamed(tensors: Mapping[str, Tensor], kind: Kind) -> dict[str, Tensor]:
    family, found = _family(kind), {}
    for name, tensor in tensors.items():
        if BUFFERS.search(name):
            continue
        ours = WITHOUT_PREFIX[family].sub(PREFIXES[family], name)
        if kind == "bert":
            for pattern, new in OLD:
                ours = pattern.sub(new, ours)
        for old, new in GPT1 if kind == "openai-gpt" else ():
            ours = ours.replace(old, new)
        turned = family == "gpt2" and tensor.ndim == 2 and TRANSPOSED.search(ours)
        found[ours] = tensor.t() if turned else tensor
    return found


def _tied(tensors: dict[str, Tensor], family: str, own: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """The output matrix from the vectors of tokens, where the folder does not say it again; biases of 0 are none."""
    matrix, words = OUTPUTS[family], tensors.get(WORDS[family])
    with_head = family == "gpt2" or any(name in tensors for name in SHIFTS)
    if matrix in own and words is not None and with_head:
        tied = own[matrix].data_ptr() == own[WORDS[family]].data_ptr()
        given = tensors.setdefault(matrix, words)
        if tied and not torch.equal(given, words):
            raise InputError(
                f"{where!r} has an output matrix that is not the vectors of its tokens, as it is in the network; build "
                "it with tie=False, or give other weights"
            )
    for first, second in (SHIFTS, SHIFTS[::-1]):
        if first in tensors and second in own:
            tensors.setdefault(second, tensors[first])
    nothing = [name for name in tensors if name.endswith(".bias") and name not in own and not tensors[name].any()]
    return {name: tensor for name, tensor in tensors.items() if family == "bert" or name not in nothing}


def under_their_names(model: nn.Module, kind: Kind) -> dict[str, Tensor]:
    """The tensors of a network of ours as their files hold them: transposed where they are, tied ones once.

    A GPT without biases gets biases of 0, which is the same network.
    """
    state, family = dict(model.state_dict()), _family(kind)
    if OUTPUTS[family] in state and state[OUTPUTS[family]].data_ptr() == state[WORDS[family]].data_ptr():
        del state[OUTPUTS[family]]
    state.pop(SHIFTS[1], None)
    found = {}
    for name, tensor in state.items():
        if kind == "openai-gpt":
            for theirs, ours in GPT1:
                name = name.replace(ours, theirs)
        turned = family == "gpt2" and TRANSPOSED.search(name)
        found[name] = (tensor.t() if turned else tensor).detach().cpu().contiguous()
        bias = f"{name.removesuffix('weight')}bias"
        if family == "gpt2" and re.search(r"\.(?:c_attn|c_proj|c_fc|ln_\w)\.weight$", name) and bias not in state:
            found[bias] = found[name].new_zeros(found[name].shape[-1])
    return found
