"""Translation: a sentence for a sentence, word by word."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.contracts import BatchLike, Carry
from neuropil.recurrent.decoding import State, Step, beam, greedy
from neuropil.tasks.bleu import BleuCounts
from neuropil.tasks.gathering import Gathering
from neuropil.tasks.text import BEGIN, END, PAD, UNKNOWN, Level, checked_vocabulary, silent, text_of, tokens_of
from neuropil.tasks.token_loss import IGNORED, TokenLosses, check_tokens, token_losses, weighted_mean

__all__ = ["Translation", "TranslationScorer", "Writes"]

UNMATCHED = "\N{DOUBLE QUESTION MARK}"
"""An unknown word of a reference: one word, which no translation holds."""


class Writes(Protocol):
    """What a network offers that writes about its input."""

    step: Step[Any]

    def begin(self, source: Tensor) -> State:
        """The state before the first token."""
        ...


class Translation:
    """Cross-entropy of every token of the target, given the true ones before it.

    Source:
        Chapter, RNN, mapping (b); Sutskever, Vinyals and Le 2014, section 2; label smoothing: Szegedy et al. 2016,
        section 7; beam search and its length penalty: Wu et al. 2016, section 7.

    Formula:
        E = mean over tokens of `-log softmax(z_t)` at the true token, or of (1 - s) of it and s times the mean over all
        of the vocabulary.

    Shape:
        the network: source, and the target but its last token `[N, T - 1]` -> logits `[N, T - 1, V]`; targets int64
        `[N, T]`, from the begin token to the end token, 0 behind it.

    Args:
        vocabulary: the target's tokens in the order of their ids.
        level: what a token is; answers are joined accordingly.
        label_smoothing: s, 0 up to 1 (excluded).
        beam_width: sequences that a search keeps; 1 takes the likeliest token at each step.
        length_penalty: alpha of Wu et al.'s penalty, 0 (none) up; of no meaning with a beam of 1.
        most: tokens of an answer at most.

    Raises:
        InputError: a number outside its range, or no token beside the four that stand for none.

    Example:
        >>> task = Translation(["<pad>", "<unk>", "<bos>", "<eos>", "chat", "noir"])
        >>> task.answer(torch.tensor([[4, 5, 3, 0]]))
        [{'text': 'chat noir', 'tokens': ['chat', 'noir']}]
    """

    name = "translation"
    metric = "bleu"
    metric_mode: Literal["max", "min"] = "max"

    def __init__(
        self,
        vocabulary: Sequence[str],
        *,
        level: Level = "word",
        label_smoothing: float = 0.1,
        beam_width: int = 1,
        length_penalty: float = 0.6,
        most: int = 100,
    ) -> None:
        self.vocabulary, self.level = checked_vocabulary(vocabulary), level
        if not 0 <= label_smoothing < 1:
            raise InputError(f"label_smoothing must be at least 0 and below 1, but {label_smoothing} was given")
        if min(beam_width, most) < 1:
            raise InputError(f"a beam of {beam_width} and answers of at most {most} were asked for; give 1 or more")
        if not 0 <= length_penalty < math.inf:
            raise InputError(f"length_penalty must be finite and at least 0, but {length_penalty} was given")
        self.label_smoothing, self.beam_width = label_smoothing, beam_width
        self.length_penalty, self.most = length_penalty, most
        self._checked = False

    def step(self, model: nn.Module, batch: BatchLike, carry: Carry) -> tuple[Tensor, Carry]:
        """The loss of one batch.

        Raises:
            InputError: outputs or targets of the wrong shape (looked at in the first batch only), or an id outside the
                vocabulary.
        """
        outputs = model(batch.inputs, batch.targets[:, :-1])
        if not self._checked:
            self.check(outputs, batch.targets)
            self._checked = True
        return self.losses(outputs, batch.targets, self.label_smoothing).mean, carry

    def losses(self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> TokenLosses:
        """The loss of each token that follows another.

        Raises:
            InputError: what torch cannot compute, in words.
        """
        return token_losses(outputs, _following(targets), "tokens", label_smoothing)

    def check(self, outputs: Tensor, targets: Tensor) -> None:
        """Hold shapes and ids against the vocabulary.

        Raises:
            InputError: they do not fit.
        """
        check_tokens(outputs, _following(targets), "tokens", len(self.vocabulary))

    def write(self, model: Writes, inputs: Tensor) -> Tensor:
        """What a network writes about each input, int64 `[N, T]`: up to the end token, then padding.

        Tokens that stand for no text never come, but the end token.

        Args:
            model: a network that writes, in evaluation mode.
            inputs: a batch of what it reads.
        """
        most = self.most
        never = tuple(sorted({PAD, UNKNOWN, BEGIN, *silent(self.vocabulary, ends=True)} - {END}))
        start = torch.full((len(inputs),), BEGIN, dtype=torch.int64, device=inputs.device)
        with torch.no_grad():
            state = model.begin(inputs)
        if self.beam_width == 1:
            return greedy(model.step, state, start, most=most, never=never).ids
        found = beam(model.step, state, start, width=self.beam_width, most=most, alpha=self.length_penalty, never=never)
        return found.ids[:, 0]

    def scorer(self) -> TranslationScorer:
        """A fresh scorer."""
        return TranslationScorer(self)

    def answer(self, outputs: Tensor) -> list[dict[str, Any]]:
        """The text and the tokens of what `write` gave.

        Raises:
            InputError: no ids `[N, T]`.
        """
        if outputs.ndim != 2 or outputs.is_floating_point():
            raise InputError(
                f"answers are made of ids [N, T], which `write` gives, but {list(outputs.shape)} of "
                f"{str(outputs.dtype).removeprefix('torch.')} was given"
            )
        found = [tokens_of(ids, self.vocabulary) for ids in outputs.tolist()]
        return [{"text": text_of(tokens, self.level), "tokens": tokens} for tokens in found]

    def reference(self, target: Sequence[int]) -> str:
        """The text of a target; its unknown words are signs that match nothing."""
        known = (*self.vocabulary[:UNKNOWN], UNMATCHED, *self.vocabulary[UNKNOWN + 1 :])
        return text_of(tokens_of(target, known), self.level)

    def same(self, batch: BatchLike) -> list[Hashable]:
        """Which samples of a batch ask for the same answer, and so are references of one another: none."""
        return [int(one) for one in batch.indices]


def _following(targets: Tensor) -> Tensor:
    """The tokens that are foretold, -100 where there is none."""
    return targets[:, 1:].masked_fill(targets[:, 1:] == PAD, IGNORED)


class TranslationScorer:
    """Loss, perplexity, BLEU (as sacreBLEU counts it, 0 to 100), and the share of answers that are a reference's words.

    BLEU is that of the answers' text against the targets' text as the vocabulary has it, not against the data's own:
    unknown words of a target match nothing.

    Args:
        task: whose loss and vocabulary these are. The loss is the one that is trained, smoothing included; perplexity
            is without it.
    """

    def __init__(self, task: Translation) -> None:
        self.task = task
        self._found = Gathering()
        self._answers: dict[Hashable, str] = {}
        self._references: dict[Hashable, list[str]] = {}
        self._rows: list[Hashable] = []

    def update(self, model: nn.Module, batch: BatchLike) -> None:
        """Run the model on one batch and add its results.

        Raises:
            InputError: outputs or targets that do not fit the task.
        """
        with torch.no_grad():
            outputs = model(batch.inputs, batch.targets[:, :-1])
            self.task.check(outputs, batch.targets)
            losses = self.task.losses(outputs, batch.targets, self.task.label_smoothing)
            plain = self.task.losses(outputs, batch.targets)
            self._found.add(batch.indices, **losses.columns(), nats=plain.each.sum(1))
            self._write(model, batch)

    def _write(self, model: Any, batch: BatchLike) -> None:
        """Answers to what was not asked yet, and all references."""
        keys = self.task.same(batch)
        self._rows += keys
        for key, target in zip(keys, batch.targets.tolist(), strict=True):
            self._references.setdefault(key, []).append(self.task.reference(target))
        new = {key: row for row, key in reversed([*enumerate(keys)]) if key not in self._answers}
        if not new:
            return
        asked = batch.inputs[torch.tensor([*new.values()], device=batch.inputs.device)]
        for key, answer in zip(new, self.task.answer(self.task.write(model, asked)), strict=True):
            self._answers[key] = answer["text"]

    def compute(self) -> dict[str, float]:
        """The metrics of all sentences so far.

        Raises:
            InputError: there are no sentences.
        """
        loss, counts = weighted_mean(self._found), self._found.column("counts")
        nats = float(self._found.column("nats").sum() / max(1, counts.sum()))
        runs, exact = BleuCounts(), 0
        for key, answer in self._answers.items():
            runs.add(answer, self._references[key])
            exact += answer in self._references[key]
        return {
            "loss": loss,
            "perplexity": math.exp(nats) if nats < 700 else math.inf,
            "bleu": runs.score().score,
            "exact": exact / len(self._answers),
        }

    def details(self) -> Mapping[str, Any]:
        """What a report draws.

        Per sample `indices`, `losses` (the mean over its tokens) and `counts` of tokens; `answers`, a text each, and
        `references`, one text or more each.

        Raises:
            InputError: no batch was scored.
        """
        columns = {name: self._found.column(name) for name in ("losses", "counts")}
        return {
            "indices": self._found.indices,
            **columns,
            "answers": [self._answers[key] for key in self._rows],
            "references": [self._references[key] for key in self._rows],
        }
