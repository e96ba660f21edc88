"""Attention against Keras', and the networks against torch's own cells, put together by the papers' equations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.sequence_models.attention import AdditiveAttention, DotAttention, make_attention
from sequence_models.small_sequences import build, inputs


def some() -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    query, memory = torch.randn(3, 4, 5, generator=draw), torch.randn(3, 6, 5, generator=draw)
    there = torch.arange(6) < torch.tensor([[6], [2], [4]])
    return query, memory, there


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dot", "additive"])
def test_attention_is_that_of_keras(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras has no maps of question and memory; they stand before its layer."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    query, memory, there = some()
    layer: Any = DotAttention(5, 5) if name == "dot" else AdditiveAttention(5, 5, 7)
    keys, asked = layer.keys(memory).detach(), query
    peer = keras.layers.Attention() if name == "dot" else keras.layers.AdditiveAttention()
    if name == "additive":
        asked = layer.of_query(query).detach()
        peer.build([asked.shape, memory.shape, keys.shape])
        peer.scale.assign(layer.score.weight[0].detach())
    means, weights = peer([asked, memory, keys], mask=[None, there], return_attention_scores=True)
    found = layer(query, memory, layer.keys(memory), there)
    torch.testing.assert_close(found[0].detach(), means.detach())
    torch.testing.assert_close(found[1].detach(), weights.detach())


def test_dot_attention_is_torchs_without_its_scale() -> None:
    query, memory, there = some()
    layer = DotAttention(5, 5)
    theirs = F.scaled_dot_product_attention(query, memory, memory, attn_mask=there[:, None], scale=1.0)
    torch.testing.assert_close(layer(query, memory, layer.keys(memory), there)[0], theirs)
    with pytest.raises(InputError, match="allowed: additive, dot, none"):
        make_attention("cosine", 5, 5)  # type: ignore[arg-type]


def cell_of(layer: Any, kind: type[nn.RNNCellBase]) -> Any:
    """Torch's cell with the weights of a layer of one direction."""
    cell: Any = kind(layer.input_size, layer.hidden_size)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    cell.load_state_dict({name: getattr(layer, name + "_l0").detach() for name in names})
    return cell.double()


def alone(network: Any, source: Tensor) -> tuple[Tensor, Any]:
    """What torch's own layer in both directions makes of one sentence."""
    kind = nn.LSTM if network.recurrent.parts == 2 else nn.GRU
    theirs = kind(network.recurrent.input_size, network.recurrent.hidden_size, bidirectional=True, batch_first=True)
    theirs.load_state_dict(network.recurrent.state_dict())
    outputs, state = theirs.double()(network.embedding.weight[source][None])
    return outputs[0], state


def test_a_luong_decoder_that_is_fed_what_it_said() -> None:
    """Luong et al. 2015, equations 5 to 8 and section 3.3, one step after the other."""
    network: Any = build("seq2seq_fed", num_layers=1).eval().double()
    sources, targets = inputs("seq2seq_fed")
    writer, found = network.writer, network(sources, targets)
    cell = cell_of(writer.recurrent, nn.LSTMCell)
    for row in range(4):
        source = sources[row][sources[row] != 0]
        memory, (h, c) = alone(network, source)
        s, c = writer.starts[0](h.flatten()).tanh(), writer.starts[1](c.flatten())
        fed = torch.zeros(6, dtype=torch.float64)
        for t, token in enumerate(targets[row][targets[row] != 0]):
            s, c = cell(torch.cat([writer.embedding.weight[token], fed])[None], (s[None], c[None]))
            s, c = s[0], c[0]
            weights = (memory @ writer.attention.of_memory.weight.T @ s).softmax(0)
            fed = (writer.join.weight @ torch.cat([weights @ memory, s])).tanh()
            torch.testing.assert_close(found[row, t], writer.head(fed), rtol=0, atol=1e-9)


def test_a_bahdanau_decoder() -> None:
    """Bahdanau et al. 2015, section 3.1 and appendix A: the mean is asked for by the state before the step."""
    network: Any = build("seq2seq_additive", num_layers=1).eval().double()
    sources, targets = inputs("seq2seq_additive")
    writer, found = network.writer, network(sources, targets)
    cell, attention = cell_of(writer.recurrent, nn.GRUCell), writer.attention
    for row in range(4):
        memory, h = alone(network, sources[row][sources[row] != 0])
        s = writer.starts[0](h.flatten()).tanh()
        for t, token in enumerate(targets[row][targets[row] != 0]):
            word = writer.embedding.weight[token]
            hidden = (
                attention.of_query.weight @ s + memory @ attention.of_memory.weight.T + attention.of_memory.bias
            ).tanh()
            mean = (hidden @ attention.score.weight[0]).softmax(0) @ memory
            s = cell(torch.cat([word, mean])[None], s[None])[0]
            pieces = writer.join(torch.cat([s, word, mean]))
            read = torch.maximum(pieces[0::2], pieces[1::2])
            torch.testing.assert_close(found[row, t], writer.head(read), rtol=0, atol=1e-9)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_a_text_is_pooled_as_it_says(pooling: str) -> None:
    network: Any = build("text_classifier", pooling=pooling).eval().double()
    (texts,) = inputs("text_classifier")
    for row in range(4):
        outputs, (h, _) = alone(network, texts[row][texts[row] != 0])
        if pooling == "last":
            wanted = torch.cat([outputs[-1, :4], outputs[0, 4:]])
            torch.testing.assert_close(wanted, h.flatten())
        elif pooling == "attention":
            hidden = (outputs @ network.attention.hidden.weight.T + network.attention.hidden.bias).tanh()
            wanted = (hidden @ network.attention.score.weight[0]).softmax(0) @ outputs
        else:
            wanted = outputs.mean(0) if pooling == "mean" else outputs.amax(0)
        torch.testing.assert_close(network.features(texts)[0][row], wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("variant", ["tagger", "tagger_recurrent"])
def test_words_are_read_beside_their_letters(variant: str) -> None:
    network: Any = build(variant, num_layers=1).eval().double()
    (words,) = inputs(variant)
    vectors, _ = network.features(words)
    for row, place in ((0, 0), (2, 1), (2, 6)):
        word, letters = words[row, place, 0], words[row, place, 1:]
        letters = letters[letters != 0]
        if variant == "tagger":
            shown = F.pad(network.letters.embedding.weight[letters].T, (1, 1))  # nothing stands beside the word
            spelled = F.conv1d(shown, network.letters.convolution.weight, network.letters.convolution.bias).amax(1)
        else:
            spelled = alone(network.letters, letters)[1][0].flatten()
        wanted = torch.cat([network.embedding.weight[word], spelled])
        torch.testing.assert_close(vectors[row, place], wanted, rtol=0, atol=1e-9)
