"""Writing on against `transformers`: penalties, warpers, whole texts; characters and strings that span tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.recurrent.decoding import narrowed
from neuropil.recurrent.generation import Manner, WholeText, less_repeated, tokens_behind, until_stop, write_on


class Window(nn.Module):
    """Reads all that was said, through any function of ids `[1, T]` to logits `[1, V]`; counts what it read at once."""

    def __init__(self, of: Any, context: int | None = None) -> None:
        super().__init__()
        self.of, self.context = of, context
        self.read: list[int] = []

    def begin(self, prompt: Tensor) -> Tensor:
        return prompt

    def step(self, ids: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.cat([state, ids[:, None]], 1)
        self.read.append(state.shape[1])
        return self.of(state), state


def next_one(said: Tensor) -> Tensor:
    """After token i comes token i + 1 of ten."""
    return torch.eye(10)[(said[:, -1] + 1) % 10] * 20


def pieces_of(*texts: str) -> Iterator[str]:
    yield from texts


# --- numbers, held against transformers ---------------------------------------------------------------


@pytest.mark.parametrize("penalty", [0.5, 1.0, 1.2, 7.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_repetition_penalty_is_that_of_transformers(penalty: float, dtype: torch.dtype) -> None:
    peer = pytest.importorskip("transformers.generation.logits_process")
    draw = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(5, 40, generator=draw, dtype=dtype)
    said = torch.randint(40, (5, 12), generator=draw)
    theirs = peer.RepetitionPenaltyLogitsProcessor(penalty)(said, logits.clone())
    assert torch.equal(less_repeated(logits, said, penalty), theirs)


def test_all_choices_together_are_those_of_transformers() -> None:
    peer = pytest.importorskip("transformers.generation.logits_process")
    draw = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(30, 50, generator=draw, dtype=torch.float64)
    said = torch.randint(50, (30, 9), generator=draw)
    chain = peer.LogitsProcessorList(
        [
            peer.RepetitionPenaltyLogitsProcessor(1.3),
            peer.TemperatureLogitsWarper(0.8),
            peer.TopKLogitsWarper(12),
            peer.TopPLogitsWarper(0.7),
        ]
    )
    theirs = chain(said, logits.clone())
    ours = narrowed(less_repeated(logits, said, 1.3), temperature=0.8, top_k=12, top_p=0.7)
    assert torch.equal(ours.isinf(), theirs.isinf())
    assert torch.allclose(ours.softmax(1), theirs.softmax(1), atol=1e-12, rtol=0)


@pytest.fixture(scope="module")
def gpt2() -> Any:
    """Random weights of a small GPT-2 in `transformers`, far enough from nothing that it says something."""
    pytest.importorskip("oracle_shim")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=60, n_positions=64, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0
    )
    network = transformers.GPT2LMHeadModel(config).eval().double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(6)
    return network


@pytest.mark.parametrize(
    "manner",
    [
        {"greedy": True},
        {"greedy": True, "repetition_penalty": 1.5},
        {"temperature": 1.7},
        {"temperature": 0.9, "top_k": 20, "top_p": 0.9, "repetition_penalty": 1.2},
    ],
    ids=str,
)
def test_texts_are_those_that_transformers_generates(gpt2: Any, manner: dict[str, Any]) -> None:
    prompt, seed = torch.tensor([5, 9, 33]), 7
    network = Window(lambda said: gpt2(said).logits[:, -1])
    ours = list(tokens_behind(network, prompt, Manner(most=30, seed=seed, **manner), end=0))
    asked = {"top_k": 0, **manner}
    greedy = bool(asked.pop("greedy", False))
    torch.manual_seed(seed)
    with torch.no_grad():
        theirs = gpt2.generate(
            prompt[None],
            attention_mask=torch.ones(1, 3, dtype=torch.int64),
            max_new_tokens=30,
            do_sample=not greedy,
            pad_token_id=0,
            **({key: asked[key] for key in asked if key != "top_k"} if greedy else asked),
        )[0, 3:].tolist()
    assert ours == (theirs[: theirs.index(0)] if 0 in theirs else theirs)
    assert len(set(ours)) > 2


# --- what is written ----------------------------------------------------------------------------------


def test_the_end_token_ends_a_text_and_never_comes_back() -> None:
    assert list(tokens_behind(Window(next_one), torch.tensor([3]), Manner(greedy=True), end=8)) == [4, 5, 6, 7]
    found = list(tokens_behind(Window(next_one), torch.tensor([3]), Manner(greedy=True, most=3), never=[4]))
    assert found[0] != 4 and len(found) == 3


def test_a_context_is_read_anew_from_its_later_half() -> None:
    network = Window(next_one, context=6)
    found = list(tokens_behind(network, torch.tensor([0, 1, 2, 3]), Manner(greedy=True, most=12)))
    assert found == [one % 10 for one in range(4, 16)]
    assert max(network.read) == 6
    assert network.read == [4, 5, 6, 3, 4, 5, 6, 3, 4, 5, 6, 3]
    alone = Window(next_one, context=1)
    assert list(tokens_behind(alone, torch.tensor([0]), Manner(greedy=True, most=3))) == [1, 2, 3]
    assert set(alone.read) == {1}


def test_one_seed_gives_one_text_and_others_give_others() -> None:
    def flat(said: Tensor) -> Tensor:
        return torch.zeros(1, 1000)

    texts = [list(tokens_behind(Window(flat), torch.tensor([0]), Manner(most=5, seed=seed))) for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]
    before = torch.get_rng_state()
    list(tokens_behind(Window(flat), torch.tensor([0]), Manner(most=2)))
    assert torch.equal(before, torch.get_rng_state())


BYTES = [bytes([one]) for one in range(256)]


def text_of(ids: Sequence[int]) -> str:
    return b"".join(BYTES[one] for one in ids).decode("utf-8", errors="replace")


@pytest.mark.parametrize("text", ["gäbe", "재밌다!", "a🙂b", "\ufffd no", "plain", "end\ufffd"])
def test_only_whole_characters_are_handed_out(text: str) -> None:
    whole = WholeText(text_of)
    pieces = [whole.add(one) for one in text.encode()] + [whole.rest()]
    assert "".join(pieces) == text
    if "\ufffd" not in text:
        assert all("\ufffd" not in piece for piece in pieces)
        assert [piece for piece in pieces if piece] == list(text)


def test_bytes_that_are_no_text_come_out_in_the_end() -> None:
    whole = WholeText(text_of)
    assert [whole.add(0xE2), whole.add(0x82)] == ["", ""]
    assert whole.rest() == "\ufffd"
    whole = WholeText(text_of)
    assert [whole.add(0xE2), whole.add(0x41), whole.rest()] == ["", "\ufffdA", ""]


def test_words_keep_their_spaces() -> None:
    words = ["to", "be", "or"]
    whole = WholeText(lambda ids: " ".join(words[one] for one in ids), before=[0])
    assert [whole.add(1), whole.add(2)] == [" be", " or"]


@pytest.mark.parametrize(
    ("pieces", "stop", "wanted"),
    [
        (["abc", "def"], [], "abcdef"),
        (["abc", "def"], ["cd"], "ab"),
        (["a", "b", "c", "d"], ["bcd"], "a"),
        (["a", "b", "c", "x", "d"], ["bcd"], "abcxd"),
        (["aab", "aac"], ["aaac"], "aabaac"),
        (["aa", "aab"], ["aab"], "aa"),
        (["one two"], ["two", "one"], ""),
        (["xx", "yz"], ["z", "xy"], "x"),
        (["ab"], ["abc"], "ab"),
    ],
)
def test_stop_strings_span_pieces(pieces: list[str], stop: list[str], wanted: str) -> None:
    assert "".join(until_stop(pieces_of(*pieces), stop)) == wanted


def test_what_can_be_shown_is_shown_at_once() -> None:
    shown = until_stop(pieces_of("ab\n", "\nc", "d\n\n", "e"), ["\n\nc", "\n\ne"])
    assert list(shown) == ["ab"]
    assert list(until_stop(pieces_of("ab\n", "c"), ["\n\n"])) == ["ab", "\nc"]


def test_writing_stops_asking_when_a_string_was_found() -> None:
    network = Window(next_one)
    text = "".join(
        write_on(network, torch.tensor([0]), Manner(greedy=True, stop=("45",)), lambda ids: "".join(map(str, ids)))
    )
    assert text == "123" and len(network.read) == 5


# --- refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"most": 0}, "1 or more"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_k": 0}, "top_k"),
        ({"top_p": 1.1}, "top_p"),
        ({"repetition_penalty": 0.0}, "repetition_penalty"),
        ({"repetition_penalty": float("inf")}, "repetition_penalty"),
        ({"greedy": True, "top_k": 3}, "greedy"),
        ({"greedy": True, "temperature": 0.5}, "greedy"),
        ({"stop": ("a", "")}, "none of them empty"),
        ({"stop": "abc"}, "list of texts"),
        ({"seed": -1}, "seed"),
    ],
    ids=str,
)
def test_numbers_out_of_their_range_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Manner(**options)


def test_prompts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="7 tokens, but this network reads 6"):
        tokens_behind(Window(next_one, context=6), torch.arange(7), Manner())
    with pytest.raises(InputError, match="one at least"):
        tokens_behind(Window(next_one), torch.arange(0), Manner())
    with pytest.raises(InputError, match="repetition_penalty"):
        less_repeated(torch.zeros(1, 2), torch.zeros(1, 1, dtype=torch.int64), -1)
