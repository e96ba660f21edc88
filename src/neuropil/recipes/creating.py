"""`create_model`: a network of the catalogue, with weights from a file where one is named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuropil import models
from neuropil.errors import InputError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["create_model"]

OWN_ARGUMENTS = ("name", "num_classes", "in_channels", "features_only")
"""What `create_model` takes apart from the options of a network's class."""


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    weights: Path | str | None = None,
    features_only: bool = False,
    **options: Any,
) -> nn.Module:
    """A network by name.

    Args:
        name: one of `list_models()`, or a line of layers such as "Conv6@5 - ReLU - Pool2 - FC10 - SM".
        num_classes: outputs; the network's own number by default.
        in_channels: channels of the pictures; the network's own number by default.
        weights: a file of weights, `torchvision:NAME` or `hf-hub:OWNER/REPOSITORY`, that fills the network
            exactly; where the weights are known, the options that they need are taken from their record. Or a folder
            of BERT, GPT-2 or GPT-1 as Hugging Face writes it: the body is filled exactly, the head if it is the same.
        features_only: leave out the classifier; the network then returns the list of its stages' outputs.
        **options: further options of the network's class.

    Raises:
        InputError: unknown name or option, or weights that do not fit.

    Example:
        >>> create_model("lenet5", num_classes=26)(__import__("torch").zeros(1, 1, 32, 32)).shape
        torch.Size([1, 26])
    """
    if weights is not None and features_only:
        raise InputError("weights and features_only were both given; load the weights first, then take its features")
    path = None
    if weights is not None:
        from neuropil.transfer.finding import find_weights

        path, record = find_weights(weights)
        if record is not None and path.is_dir():
            record.check_network(name, str(weights))
        known = None if record is None else record.options_of(name)
        if known is not None:
            num_classes = known.get("num_classes") if num_classes is None else num_classes
            in_channels = known.get("in_channels") if in_channels is None else in_channels
            options = {**{key: value for key, value in known.items() if key not in OWN_ARGUMENTS}, **options}
    network = models.create_model(
        name, num_classes=num_classes, in_channels=in_channels, features_only=features_only, **options
    )
    if path is not None:
        from neuropil.transfer.loading import load_weights

        load_weights(network, path, strict="body" if path.is_dir() else True)
    return network
