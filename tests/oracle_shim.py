"""Lets `import torchvision` work beside a torch that its compiled part was not built for: import this first.

Its networks and its transforms on tensors are then usable as oracles; its compiled operators are not.
"""

from __future__ import annotations

import torch

LIBRARY = torch.library.Library("torchvision", "DEF")
LIBRARY.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
LIBRARY.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
