"""The multilayer perceptron: fully connected layers, as many as you like.

Source: chapter, "DNN"; Rumelhart, Hinton and Williams 1986. Each hidden layer is Linear, batch normalization (on the
result of the weights, before the activation, as the chapter has it), activation, dropout; the last layer gives logits.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.activation import ActivationName, make_activation
from neuropil.nn.dropout import Dropout, DropoutForm
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head
from neuropil.nn.normalization import BatchNormalization

__all__ = ["Perceptron"]


class Perceptron(nn.Module):
    """A multilayer perceptron for tables, or for pictures read as one long row of numbers.

    Shape:
        `[N, in_features]`, or `[N, ...]` with that many values a sample -> `[N, num_classes]`.

    Args:
        in_features: numbers a sample; for a picture `C x H x W`.
        num_classes: outputs: classes, or values of a regression; 0 leaves the last layer out.
        hidden: units of each hidden layer; `()` is a linear model.
        activation: of the hidden layers.
        dropout: share of hidden nodes left out while training, 0 (none) up to below 1; the chapter's is 0.2.
        dropout_form: see `neuropil.nn.dropout.Dropout`; the chapter's chooses nodes once a mini-batch, the others
            once a sample. The default keeps predictions unbiased.
        batch_norm: normalize each hidden layer's sums over the mini-batch, in the chapter's form.
        initialization: how the weights start.

    Raises:
        InputError: a size below 1, or a sample of another size than `in_features`.

    Example:
        >>> sum(p.numel() for p in Perceptron(in_features=784, hidden=(300, 100)).parameters())
        266610
    """

    def __init__(
        self,
        *,
        in_features: int,
        num_classes: int = 10,
        hidden: tuple[int, ...] = (128,),
        activation: ActivationName = "relu",
        dropout: float = 0.0,
        dropout_form: DropoutForm = "inverted",
        batch_norm: bool = False,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        if min(in_features, *hidden, 1) < 1:
            raise InputError(
                f"a perceptron of {(in_features, *hidden)} units was asked for; each layer needs at least 1"
            )
        self.in_features = in_features
        self.widths = tuple(hidden)
        self.initialization = initialization
        self.stem = nn.Flatten(1)
        self.stages = nn.ModuleList()
        for n_in, n_out in pairwise((in_features, *hidden)):
            layers: list[nn.Module] = [nn.Linear(n_in, n_out)]
            if batch_norm:
                layers.append(BatchNormalization(n_out))
            layers.append(make_activation(activation))
            if dropout:
                layers.append(Dropout(dropout, dropout_form, per="batch" if dropout_form == "chapter" else "sample"))
            self.stages.append(nn.Sequential(*layers))
        initialize(self, initialization)
        self.head = linear_head((in_features, *hidden)[-1], num_classes, initialization)

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        width = (self.in_features, *self.widths)[-1]
        self.head = linear_head(width, num_classes, self.initialization, like=next(self.parameters(), None))

    def features(self, x: Tensor) -> list[Tensor]:
        """The outputs of the hidden layers, `[N, width]` each."""
        x = self._rows(x)
        return [x := stage(x) for stage in self.stages]

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[N, num_classes]`."""
        x = self._rows(x)  # [N, in_features]
        for stage in self.stages:
            x = stage(x)  # [N, width]
        logits: Tensor = self.head(x)
        return logits

    def _rows(self, x: Tensor) -> Tensor:
        rows: Tensor = self.stem(x)
        if rows.shape[1] != self.in_features:
            raise InputError(
                f"samples of {'x'.join(map(str, x.shape[1:]))} = {rows.shape[1]} numbers were given to a perceptron "
                f"that reads {self.in_features}; build it with in_features={rows.shape[1]}"
            )
        return rows
