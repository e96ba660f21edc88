"""`from oracle_shim import torchvision`: the real torchvision, also beside a torch that its compiled part does not fit.

Beside a CPU build of torch the published torchvision cannot load its compiled operators and fails while it describes
them. Declaring the two it describes is enough for its networks and transforms; only compiled operators stay missing.
"""

from __future__ import annotations

import sys

import torch

__all__ = ["torchvision"]

try:
    import torchvision
except RuntimeError:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    LIBRARY = torch.library.Library("torchvision", "DEF")
    LIBRARY.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    LIBRARY.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision
