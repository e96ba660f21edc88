"""A picture in, a sentence about it out.

Source: chapter, RNN, mapping (d): one input, a sequence out; Vinyals et al. 2015, "Show and tell" (a state made of the
picture); Xu et al. 2015, "Show, attend and tell", section 3 (attention over the picture's places). New against captions
from templates: the network that looks and the one that writes are trained as one.

Where we deviate: the picture is the first state of the layers that write, where Vinyals et al. let it be their first
input; without Xu et al.'s gate on the mean, deep output and doubly stochastic penalty.
"""

from __future__ import annotations

from typing import Any, ClassVar, cast

from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.models import build_model
from neuropil.nn.contracts import Network
from neuropil.nn.staged import keep_features
from neuropil.sequence_models.attention import AttentionName
from neuropil.sequence_models.states import WritingState
from neuropil.sequence_models.tokens import CellName
from neuropil.sequence_models.writer import Writer, first_of

__all__ = ["Captioner"]


class Captioner(nn.Module):
    """A network of the catalogue that looks, and recurrent layers that write.

    Shape:
        pictures `[N, in_channels, H, W]`, and the target but its last token, int64 `[N, T]` -> logits
        `[N, T, num_target_tokens]` of the target but its first token. Without a target: of its first token, T = 1.

    Args:
        num_target_tokens: of the vocabulary.
        in_channels: 3 for colour pictures.
        backbone: a network that has features; its last maps are what is looked at.
        backbone_options: for it.
        cell: of the recurrent layers.
        width: of each.
        num_layers: how many there are.
        embedding_width: of a token's vector.
        attention: over the places of the last maps: `additive` (Xu et al.), `dot`, or `none`: their mean is all that
            is known (Vinyals et al.).
        input_feeding: with `dot`: what the logits read is read by the next step, too.
        dropout: share of the values before, between and behind the recurrent layers left out while training.
        variational: one choice of them for all tokens of a sentence.

    Raises:
        InputError: a number out of its range, a backbone without features, or what does not go together.

    Example:
        >>> import torch
        >>> network = Captioner(num_target_tokens=7, backbone="resnet20", width=8)
        >>> network(torch.zeros(1, 3, 32, 32), torch.tensor([[2, 6]])).shape
        torch.Size([1, 2, 7])
    """

    usual_side: ClassVar[int] = 224

    def __init__(
        self,
        *,
        num_target_tokens: int,
        in_channels: int = 3,
        backbone: str = "resnet18",
        backbone_options: dict[str, Any] | None = None,
        cell: CellName = "lstm",
        width: int = 256,
        num_layers: int = 1,
        embedding_width: int = 256,
        attention: AttentionName = "additive",
        input_feeding: bool = False,
        dropout: float = 0.5,
        variational: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = build_model(backbone, {"in_channels": in_channels, **(backbone_options or {})})
        if not isinstance(self.backbone, Network) or not self.backbone.widths:
            raise InputError(f"{backbone!r} has no features to describe; take another backbone")
        self.backbone.reset_classifier(0)
        self.widths = tuple(self.backbone.widths)
        keep_features(self.backbone, len(self.widths))
        self.writer = Writer(
            num_target_tokens, self.widths[-1], self.widths[-1], cell=cell, width=width, num_layers=num_layers,
            embedding_width=embedding_width, attention=attention, input_feeding=input_feeding, dropout=dropout,
            variational=variational,
        )  # fmt: skip

    def features(self, pictures: Tensor) -> list[Tensor]:
        """What the backbone's stages give."""
        return cast(Network, self.backbone).features(pictures)

    def begin(self, pictures: Tensor) -> WritingState:
        """Look at pictures `[N, C, H, W]`: the state before the first token is written."""
        maps = self.features(pictures)[-1]
        memory = maps.flatten(2).transpose(1, 2).contiguous()  # [N, places, M]
        mean = memory.mean(1).expand(self.writer.recurrent.num_layers, -1, -1)
        return self.writer.begin([mean] * self.writer.recurrent.parts, memory)

    def forward(self, pictures: Tensor, target: Tensor | None = None) -> Tensor:
        """Logits `[N, T, num_target_tokens]` of what follows each token of the target."""
        logits: Tensor = self.writer(first_of(pictures) if target is None else target, self.begin(pictures))
        return logits

    def step(self, ids: Tensor, state: WritingState) -> tuple[Tensor, WritingState]:
        """One token `[N]` further: logits `[N, num_target_tokens]` of the next."""
        return self.writer.step(ids, state)

    def alignment(self, pictures: Tensor, target: Tensor) -> Tensor | None:
        """How much each place was looked at for each token that follows one of the target, `[N, T, places]`.

        Places run along the rows of the last maps; `None` of a network without attention.
        """
        return self.writer.write(target, self.begin(pictures))[2]
