"""BERT with something to say: for pretraining, about a text or a pair, about each token, about a span.

Source: Devlin et al. 2018, section 3.1 (pretraining), section 4 and figure 4 (one layer on top). The state's names are
those of Hugging Face's BertForPreTraining, BertForSequenceClassification, BertForTokenClassification and
BertForQuestionAnswering.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from neuropil.attention.chance import QuickDropout
from neuropil.errors import InputError
from neuropil.nn.linear import linear_head
from neuropil.sequence_models.bert import EPS, BertSize, begin_as_bert, bert_body

__all__ = ["BertClassifier", "BertPooling", "BertPretraining", "BertSpans", "BertTagger"]


BertPooling = Literal["first", "mean"]
"""What of a text its label is read from."""


class Predictions(nn.Module):
    """What a hidden token was: a layer with GELU and a normalization, then the vectors of all tokens.

    Shape:
        `[..., D]` -> `[..., V]`.
    """

    def __init__(self, words: nn.Embedding) -> None:
        super().__init__()
        num_tokens, width = words.weight.shape
        self.transform = nn.ModuleDict(
            {"dense": nn.Linear(width, width), "activation": nn.GELU(), "LayerNorm": nn.LayerNorm(width, EPS)}
        )
        self.decoder = nn.Linear(width, num_tokens)
        begin_as_bert(self)
        self.decoder.weight = words.weight
        self.bias = self.decoder.bias

    def transformed(self, hidden: Tensor) -> Tensor:
        """What the logits are read from."""
        found: Tensor = self.transform["LayerNorm"](
            self.transform["activation"](self.transform["dense"](hidden))
        )  # fmt: skip
        return found

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits of all tokens."""
        logits: Tensor = self.decoder(self.transformed(hidden))
        return logits


class BertPretraining(nn.Module):
    """The body, what each token was, and whether the second text follows the first.

    Shape:
        int64 `[N, T]` or `[N, T, 2]`, as `Bert` -> what each token means `[N, T, D]`, and logits `[N, 2]`, of which the
        first says that the second text follows and the second that it does not. `scores` makes logits of tokens, of
        those places alone that were hidden.

    Args:
        num_tokens: of the vocabulary.
        size: of the body; this and what follows as in `Bert`.
        num_layers: blocks.
        width: D.
        num_heads: of each attention.
        hidden: of the feed-forward layers.
        context: tokens that are read at most.
        dropout: share of the values left out while training.

    Raises:
        InputError: as `Bert`.

    Example:
        >>> import torch
        >>> network = BertPretraining(num_tokens=50, size="tiny")
        >>> hidden, follows = network(torch.tensor([[2, 9, 7, 3]]))
        >>> hidden.shape, follows.shape, network.scores(hidden[:, 1]).shape
        (torch.Size([1, 4, 128]), torch.Size([1, 2]), torch.Size([1, 50]))
    """

    in_shape: tuple[int, ...]
    tied: ClassVar[bool] = True

    def __init__(
        self,
        *,
        num_tokens: int,
        size: BertSize = "mini",
        num_layers: int | None = None,
        width: int | None = None,
        num_heads: int | None = None,
        hidden: int | None = None,
        context: int = 512,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.bert = bert_body(
            num_tokens, size, num_layers, width, num_heads, hidden, context, dropout, pooling=True
        )  # fmt: skip
        self.in_shape = self.bert.in_shape
        self.widths = self.bert.widths
        follows = nn.Linear(self.widths[-1], 2)
        begin_as_bert(follows)
        predictions = Predictions(self.bert.embeddings.word_embeddings)
        self.cls = nn.ModuleDict({"predictions": predictions, "seq_relationship": follows})

    def features(self, inputs: Tensor) -> list[Tensor]:
        """The vectors of the tokens, and what each block makes of them, `[N, T, D]`."""
        return self.bert.features(inputs)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """What each token means, and logits of whether the second text follows."""
        hidden: Tensor = self.bert(inputs)
        return hidden, self.cls["seq_relationship"](self.bert.pool(hidden))

    def transformed(self, hidden: Tensor) -> Tensor:
        """What `output_matrix` makes logits of, `[..., D]`, from what tokens mean."""
        predictions: Any = self.cls["predictions"]
        found: Tensor = predictions.transformed(hidden)
        return found

    def scores(self, hidden: Tensor) -> Tensor:
        """Logits `[..., V]` of what tokens were, from what they mean, `[..., D]`."""
        logits: Tensor = self.cls["predictions"](hidden)
        return logits

    def output_matrix(self) -> tuple[Tensor, Tensor]:
        """What gives logits of `transformed(hidden)`: weights `[V, D]`, which are the tokens' vectors, and biases."""
        predictions: Any = self.cls["predictions"]
        return predictions.decoder.weight, predictions.decoder.bias


class BertClassifier(nn.Module):
    """The body, its pooled vector, a linear layer: one answer about a text or a pair of texts.

    Source: Devlin et al. 2018, section 4.1; the mean: Reimers and Gurevych 2019, "Sentence-BERT", section 3. The pooler
    reads the first token, which learns to stand for a text from next sentences; a body that was pretrained without them
    has not learned that.

    Shape:
        int64 `[N, T]` or `[N, T, 2]`, as `Bert` -> logits `[N, num_classes]`.

    Args:
        num_tokens: of the vocabulary.
        num_classes: outputs; 0 leaves the last layer out.
        size: of the body; this and what follows as in `Bert`.
        num_layers: blocks.
        width: D.
        num_heads: of each attention.
        hidden: of the feed-forward layers.
        context: tokens that are read at most.
        dropout: share of the values left out while training.
        pooling: `first`: the first token through a layer of its own, as published; `mean`: of all tokens of the text.

    Raises:
        InputError: as `Bert`, or no such pooling.

    Example:
        >>> import torch
        >>> BertClassifier(num_tokens=50, num_classes=3, size="tiny")(torch.tensor([[2, 9, 7, 3]])).shape
        torch.Size([1, 3])
    """

    in_shape: tuple[int, ...]

    def __init__(
        self,
        *,
        num_tokens: int,
        num_classes: int = 2,
        size: BertSize = "mini",
        num_layers: int | None = None,
        width: int | None = None,
        num_heads: int | None = None,
        hidden: int | None = None,
        context: int = 512,
        dropout: float = 0.1,
        pooling: BertPooling = "first",
    ) -> None:
        super().__init__()
        if pooling not in ("first", "mean"):
            raise InputError(f"there is no pooling {pooling!r}; allowed: first, mean")
        self.pooling = pooling
        self.bert = bert_body(
            num_tokens, size, num_layers, width, num_heads, hidden, context, dropout, pooling=pooling == "first"
        )  # fmt: skip
        self.in_shape = self.bert.in_shape
        self.widths = (*self.bert.widths, self.bert.widths[-1])
        self.dropout = QuickDropout(dropout)
        self.classifier = linear_head(self.widths[-1], num_classes, "truncated_normal")

    def features(self, inputs: Tensor) -> list[Tensor]:
        """The vectors of the tokens, what each block makes of them, `[N, T, D]`, and the pooled vector `[N, D]`."""
        found = self.bert.features(inputs)
        return [*found, self._pooled(found[-1], inputs)]

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits `[N, num_classes]`."""
        logits: Tensor = self.classifier(self.dropout(self._pooled(self.bert(inputs), inputs)))
        return logits

    def _pooled(self, hidden: Tensor, inputs: Tensor) -> Tensor:
        if self.pooling == "first":
            return self.bert.pool(hidden)
        there = (inputs if inputs.ndim == 2 else inputs[..., 0]) != 0  # at padding `hidden` is 0
        mean: Tensor = hidden.sum(1) / there.sum(1, keepdim=True).clamp(min=1)
        return mean

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        like = next(self.parameters())
        self.classifier = linear_head(self.widths[-1], num_classes, "truncated_normal", like=like)


class BertTagger(nn.Module):
    """The body and a linear layer at every token.

    Shape:
        int64 `[N, T]` or `[N, T, 2]`, as `Bert` -> logits `[N, T, num_classes]`; those at padding mean nothing.

    Args:
        num_tokens: of the vocabulary.
        num_classes: outputs; 0 leaves the last layer out.
        size: of the body; this and what follows as in `Bert`.
        num_layers: blocks.
        width: D.
        num_heads: of each attention.
        hidden: of the feed-forward layers.
        context: tokens that are read at most.
        dropout: share of the values left out while training.

    Raises:
        InputError: as `Bert`.

    Example:
        >>> import torch
        >>> BertTagger(num_tokens=50, num_classes=3, size="tiny")(torch.tensor([[2, 9, 7, 3]])).shape
        torch.Size([1, 4, 3])
    """

    in_shape: tuple[int, ...]

    def __init__(
        self,
        *,
        num_tokens: int,
        num_classes: int = 17,
        size: BertSize = "mini",
        num_layers: int | None = None,
        width: int | None = None,
        num_heads: int | None = None,
        hidden: int | None = None,
        context: int = 512,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.bert = bert_body(
            num_tokens, size, num_layers, width, num_heads, hidden, context, dropout, pooling=False
        )  # fmt: skip
        self.in_shape = self.bert.in_shape
        self.widths = self.bert.widths
        self.dropout = QuickDropout(dropout)
        self.classifier = linear_head(self.widths[-1], num_classes, "truncated_normal")

    def features(self, inputs: Tensor) -> list[Tensor]:
        """The vectors of the tokens, and what each block makes of them, `[N, T, D]`."""
        return self.bert.features(inputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits `[N, T, num_classes]`."""
        logits: Tensor = self.classifier(self.dropout(self.bert(inputs)))
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        like = next(self.parameters())
        self.classifier = linear_head(self.widths[-1], num_classes, "truncated_normal", like=like)


class BertSpans(nn.Module):
    """The body, and at every token a logit that the answer begins there and one that it ends there.

    Shape:
        int64 `[N, T]` or `[N, T, 2]`, as `Bert` -> logits `[N, T, 2]`, begin and end; those at padding mean nothing.

    Args:
        num_tokens: of the vocabulary.
        size: of the body; this and what follows as in `Bert`.
        num_layers: blocks.
        width: D.
        num_heads: of each attention.
        hidden: of the feed-forward layers.
        context: tokens that are read at most.
        dropout: share of the values left out while training.

    Raises:
        InputError: as `Bert`.

    Example:
        >>> import torch
        >>> BertSpans(num_tokens=50, size="tiny")(torch.tensor([[2, 9, 3, 7, 3]])).shape
        torch.Size([1, 5, 2])
    """

    in_shape: tuple[int, ...]

    def __init__(
        self,
        *,
        num_tokens: int,
        size: BertSize = "mini",
        num_layers: int | None = None,
        width: int | None = None,
        num_heads: int | None = None,
        hidden: int | None = None,
        context: int = 512,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.bert = bert_body(
            num_tokens, size, num_layers, width, num_heads, hidden, context, dropout, pooling=False
        )  # fmt: skip
        self.in_shape = self.bert.in_shape
        self.widths = self.bert.widths
        self.qa_outputs = nn.Linear(self.widths[-1], 2)
        begin_as_bert(self.qa_outputs)

    def features(self, inputs: Tensor) -> list[Tensor]:
        """The vectors of the tokens, and what each block makes of them, `[N, T, D]`."""
        return self.bert.features(inputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits `[N, T, 2]`."""
        logits: Tensor = self.qa_outputs(self.bert(inputs))
        return logits
