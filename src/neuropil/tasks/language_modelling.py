"""Language modelling: the next word or letter, at every place of a text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Generator, Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.contracts import BatchLike, Carry
from neuropil.nn.vocabulary_loss import linear_cross_entropy
from neuropil.recurrent.decoding import State, Step, sample
from neuropil.recurrent.truncation import detach_state
from neuropil.tasks.gathering import Gathering, at_least_single
from neuropil.tasks.text import Level, characters_of, checked_vocabulary, end_of, pad_of, silent, text_of
from neuropil.tasks.token_loss import IGNORED, TokenLosses, check_tokens, token_losses, weighted_mean
from neuropil.tasks.vocabulary_scores import OffersHidden, check_matrix, token_scores

__all__ = ["Continues", "LanguageModelling", "LanguageModellingScorer", "carried", "continued"]

Array = np.ndarray[Any, Any]

TOP = 5

NEVER_ENDS = -1


class Continues(Protocol):
    """What a network offers that can write on."""

    step: Step[Any]

    def begin(self, prompt: Tensor) -> State:
        """The state behind a text, int64 `[N, T]`."""
        ...


class LanguageModelling:
    """Cross-entropy of every next token, the state handed from one window of a text to the next.

    A network that offers `hidden` and `output_matrix` (GPT) reads each window by itself; its loss is made without all
    logits in memory.

    Source:
        Chapter, RNN, mapping (a), and truncated BPTT: what is known of the text before goes on from window to window,
        the error goes back no further than the window's first token (Williams and Peng 1990).

    Formula:
        E = mean over tokens of `-log softmax(z_t)` at the next token; perplexity is exp(E).

    Shape:
        the network: ids `[N, T]` and a state -> logits `[N, T, V]` and the state behind; targets int64 `[N, T]`, -100
        where there is none (and 0 where that is padding). Row r goes on where row r of the batch before ended if its
        index is one more. Where documents are packed, ids are `[N, T, 2]`, the document's number beside each.

    Args:
        vocabulary: the tokens in the order of their ids.
        level: what a token is; answers are joined accordingly, and bits counted.

    Raises:
        InputError: no token beside the four that stand for none.

    Example:
        >>> task = LanguageModelling(["<pad>", "<unk>", "<bos>", "<eos>", "a", "b"], level="character")
        >>> task.answer(torch.tensor([[[0.0, 0.0, 0.0, 0.0, 1.0, 9.0]]]))[0]["next"]
        'b'
    """

    name = "language_modelling"
    metric = "perplexity"
    metric_mode: Literal["max", "min"] = "min"

    def __init__(self, vocabulary: Sequence[str], *, level: Level = "word") -> None:
        self.vocabulary, self.level = checked_vocabulary(vocabulary), level
        self.pad, self._end = pad_of(self.vocabulary), end_of(self.vocabulary)
        self._checked = False
        self._compiled: Any = None

    def step(self, model: nn.Module, batch: BatchLike, carry: Carry) -> tuple[Tensor, Carry]:
        """The loss of one batch, and the state behind it for the next, cut off from its past.

        Raises:
            InputError: outputs or targets of the wrong shape (looked at in the first batch only), or an id outside the
                vocabulary.
        """
        if isinstance(model, OffersHidden):
            return self._by_parts(model, batch), None
        outputs, state = model(batch.inputs, continued(carry, batch))
        if not self._checked:
            self.check(outputs, batch.targets)
            self._checked = True
        return self.losses(outputs, batch.targets).mean, carried(state, batch)

    def _by_parts(self, model: OffersHidden, batch: BatchLike) -> Tensor:
        """The mean loss, made of a part of the vocabulary at a time."""
        hidden, _ = self._reader(model)(batch.inputs)
        weight, bias = model.output_matrix()
        if not self._checked:
            check_matrix(weight, len(self.vocabulary))
            self._checked = True
        targets = self.known(batch.targets)
        return linear_cross_entropy(hidden.flatten(0, 1), weight, bias, targets.flatten())

    def _reader(self, model: Any) -> Any:
        """What makes a network's hidden values; compiled, where the network is."""
        own = getattr(model, "_orig_mod", None)
        if own is None:
            return model.hidden
        if self._compiled is None:
            self._compiled = torch.compile(own.hidden)
        return self._compiled

    def known(self, targets: Tensor) -> Tensor:
        """The targets, -100 where they are padding."""
        return targets if self.pad is None else targets.masked_fill(targets == self.pad, IGNORED)

    def losses(self, outputs: Tensor, targets: Tensor) -> TokenLosses:
        """The loss of each token, in nats.

        Raises:
            InputError: what torch cannot compute, in words.
        """
        return token_losses(outputs, self.known(targets), "tokens")

    def check(self, outputs: Tensor, targets: Tensor) -> None:
        """Hold shapes and ids against the vocabulary.

        Raises:
            InputError: they do not fit.
        """
        check_tokens(outputs, targets, "tokens", len(self.vocabulary))

    def scorer(self) -> LanguageModellingScorer:
        """A fresh scorer."""
        return LanguageModellingScorer(self)

    def answer(self, outputs: Tensor | tuple[Tensor, Any]) -> list[dict[str, Any]]:
        """The likeliest token behind each text, its probability, and the five likeliest with theirs.

        Raises:
            InputError: outputs of another shape.
        """
        logits = outputs if isinstance(outputs, Tensor) else outputs[0]
        check_tokens(logits, logits.new_zeros(logits.shape[:2], dtype=torch.int64), "tokens", len(self.vocabulary))
        likeliest = at_least_single(logits[:, -1].detach()).softmax(1).topk(min(TOP, len(self.vocabulary)), 1)
        answers = []
        for chances, ids in zip(likeliest.values.tolist(), likeliest.indices.tolist(), strict=True):
            top = [[self._said(one), chance] for one, chance in zip(ids, chances, strict=True)]
            answers.append({"next": top[0][0], "probability": top[0][1], "top": top})
        return answers

    def _said(self, number: int) -> str:
        """A token as it is shown."""
        entry = self.vocabulary[number]
        return text_of([entry], "bpe") if self.level == "bpe" else entry

    def write(
        self,
        model: Continues,
        prompt: Tensor,
        *,
        most: int = 100,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        stop: bool = False,
        generator: Generator | None = None,
    ) -> list[str]:
        """Texts that go on where others end, token by token by chance; unknown tokens never come.

        Args:
            model: a network that continues, in evaluation mode.
            prompt: the texts' ids, int64 `[N, T]` without padding.
            most: tokens at most.
            temperature: see `neuropil.recurrent.decoding.narrowed`.
            top_k: see there.
            top_p: see there.
            stop: end a text at its first end token, which otherwise is written like any other.
            generator: the source of random numbers; torch's global one where left out.

        Raises:
            InputError: an empty prompt, or a number outside its range.
        """
        if prompt.ndim != 2 or not prompt.shape[1]:
            raise InputError(f"texts to go on with are ids [N, T], one at least, but {list(prompt.shape)} was given")
        with torch.no_grad():
            state = model.begin(prompt[:, :-1])
        found = sample(
            model.step, state, prompt[:, -1], most=most, temperature=temperature, top_k=top_k, top_p=top_p,
            generator=generator, end=self._end if stop and self._end is not None else NEVER_ENDS,
            never=silent(self.vocabulary),
        )  # fmt: skip
        texts = [ids[: ids.index(self._end)] if stop and self._end in ids else ids for ids in found.ids.tolist()]
        return [text_of([self.vocabulary[one] for one in ids], self.level) for ids in texts]


def carried(state: Any, batch: BatchLike) -> Carry:
    """A state behind a batch as it goes to the next: cut off from its past, beside the numbers of its rows."""
    return detach_state(state), torch.from_numpy(np.array(batch.indices, dtype=np.int64))


def continued(carry: Carry, batch: BatchLike) -> Any:
    """The state before a batch: that of the same row where the text goes on, 0 elsewhere; `None` where none does."""
    if carry is None:
        return None
    state, before = carry
    rows, device = len(batch.inputs), batch.inputs.device
    if rows > len(before):
        return None
    goes_on = before[:rows].cpu() + 1 == torch.from_numpy(np.array(batch.indices, dtype=np.int64))
    if not bool(goes_on.any()):
        return None
    if bool(goes_on.all()):
        return _each(state, lambda part: part[:, :rows].contiguous().to(device))
    kept = goes_on.to(device)[None, :, None]
    return _each(state, lambda part: part[:, :rows].to(device) * kept)


def _each(state: Any, change: Any) -> Any:
    """A state whose every tensor is changed."""
    return change(state) if isinstance(state, Tensor) else tuple(_each(part, change) for part in state)


class LanguageModellingScorer:
    """Loss in nats a token, perplexity, bits a token, accuracy; the state goes from batch to batch as in training.

    Of subwords bits are those of a character: all nats over the characters that the tokens stand for (see
    `neuropil.tasks.text.characters_of`), so that vocabularies can be compared.

    Args:
        task: whose loss and vocabulary these are.
    """

    def __init__(self, task: LanguageModelling) -> None:
        self.task = task
        self._found = Gathering()
        self._carry: Carry = None
        of_pieces = task.level in ("wordpiece", "bpe")
        self._characters = characters_of(task.vocabulary, task.level) if of_pieces else None

    def update(self, model: nn.Module, batch: BatchLike) -> None:
        """Run the model on one batch and add its results.

        Raises:
            InputError: outputs or targets that do not fit the task.
        """
        with torch.no_grad():
            if isinstance(model, OffersHidden):
                losses, right = self._by_parts(model, batch)
            else:
                outputs, state = model(batch.inputs, continued(self._carry, batch))
                self._carry = carried(state, batch)
                self.task.check(outputs, batch.targets)
                losses = self.task.losses(outputs, batch.targets)
                right = (outputs.argmax(2) == batch.targets) & losses.known
            columns = {**losses.columns(), "right": right.sum(1)}
            if self._characters is not None:
                said = torch.tensor(self._characters, device=batch.targets.device)
                columns["characters"] = (said[batch.targets.clamp(min=0)] * losses.known).sum(1)
        self._found.add(batch.indices, **columns)

    def _by_parts(self, model: OffersHidden, batch: BatchLike) -> tuple[TokenLosses, Tensor]:
        """The losses and hits of a network whose logits are made some places at a time."""
        hidden, _ = model.hidden(batch.inputs)
        weight, bias = model.output_matrix()
        check_matrix(weight, len(self.task.vocabulary))
        targets = self.task.known(batch.targets)
        each, right = token_scores(hidden.flatten(0, 1), weight, bias, targets.flatten())
        return TokenLosses(each.view(targets.shape), targets != IGNORED), right.view(targets.shape)

    def compute(self) -> dict[str, float]:
        """The metrics of all tokens so far.

        Raises:
            InputError: there are no windows.
        """
        loss, counts = weighted_mean(self._found), self._found.column("counts")
        of_what, share = self.task.level, 1.0
        if self._characters is not None:
            of_what, share = "character", counts.sum() / max(1, self._found.column("characters").sum())
        return {
            "loss": loss,
            "perplexity": math.exp(loss) if loss < 700 else math.inf,
            f"bits_per_{of_what}": float(loss / math.log(2) * share),
            "accuracy": float(self._found.column("right").sum() / max(1, counts.sum())),
        }

    def details(self) -> Mapping[str, Array]:
        """What a report draws: per window `indices`, `losses` (the mean over its tokens) and `counts` of tokens.

        Raises:
            InputError: no batch was scored.
        """
        columns = {name: self._found.column(name) for name in ("losses", "counts")}
        return {"indices": self._found.indices, **columns}
