"""Update rules, schedules, clipping, penalties."""

from __future__ import annotations

from neuropil.registry import Catalogue

__all__ = ["RULES", "SCHEDULES"]

RULES = Catalogue(
    "optimizer",
    {
        "gradient_descent": ("neuropil.optim.rules:gradient_descent", "the gradient times the learning rate"),
        "sgd": ("neuropil.optim.rules:gradient_descent", "another name of gradient_descent"),
        "momentum": ("neuropil.optim.rules:momentum", "gradient descent with a decaying sum of past steps"),
        "nag": ("neuropil.optim.rules:nag", "Nesterov's accelerated gradient: the gradient at the look-ahead point"),
        "adagrad": ("neuropil.optim.rules:adagrad", "steps divided by the root of all squared gradients"),
        "adadelta": ("neuropil.optim.rules:adadelta", "Adagrad that forgets, in units of past steps"),
        "rmsprop": ("neuropil.optim.rules:rmsprop", "steps divided by the root of recent squared gradients"),
        "adam": ("neuropil.optim.rules:adam", "first and second moments, corrected for their start"),
        "adamax": ("neuropil.optim.rules:adamax", "Adam with the largest gradient in place of the second moment"),
        "adamw": ("neuropil.optim.rules:adamw", "Adam with weight decay apart from the gradient"),
    },
)
"""The chapter's nine update rules."""

SCHEDULES = Catalogue(
    "schedule",
    {
        "constant": ("neuropil.optim.schedules:Constant", "the same rate throughout"),
        "step": ("neuropil.optim.schedules:StepDecay", "multiplied by a factor at equal distances"),
        "exponential": ("neuropil.optim.schedules:Exponential", "falls by equal ratios to a final fraction"),
        "linear": ("neuropil.optim.schedules:Linear", "falls on a straight line to a final fraction"),
        "cosine": ("neuropil.optim.schedules:Cosine", "falls along half a cosine to a final fraction"),
        "one_cycle": ("neuropil.optim.schedules:OneCycle", "rises to the peak, then falls to almost nothing"),
        "noam": ("neuropil.optim.warm_schedules:Noam", "rises, then falls with the inverse root of the step"),
        "linear_warmup": ("neuropil.optim.warm_schedules:LinearWarmup", "rises, then falls on a straight line"),
        "plateau": ("neuropil.optim.schedules:Plateau", "multiplied by a factor when the metric stops getting better"),
    },
)
"""How the learning rate changes over a run."""
