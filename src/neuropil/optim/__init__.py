"""Update rules, schedules, clipping, penalties."""

from neuropil.registry import Catalogue

__all__ = ["RULES", "SCHEDULES"]

RULES = Catalogue(
    "optimizer",
    {
        "sgd": ("neuropil.optim.rules:gradient_descent", "gradient descent: w - lr * gradient"),
        "momentum": ("neuropil.optim.rules:momentum", "gradient descent with a decaying sum of past steps"),
        "nag": ("neuropil.optim.rules:nag", "Nesterov's accelerated gradient"),
        "adagrad": ("neuropil.optim.rules:adagrad", "steps divided by the root of all squared gradients"),
        "adadelta": ("neuropil.optim.rules:adadelta", "Adagrad that forgets, in units of past steps"),
        "rmsprop": ("neuropil.optim.rules:rmsprop", "steps divided by the root of recent squared gradients"),
        "adam": ("neuropil.optim.rules:adam", "first and second moments, corrected for their start"),
        "adamax": ("neuropil.optim.rules:adamax", "Adam with the largest gradient in place of the second moment"),
        "adamw": ("neuropil.optim.rules:adamw", "Adam with weight decay apart from the gradient"),
    },
)

SCHEDULES = Catalogue(
    "schedule",
    {
        "constant": ("neuropil.optim.schedules:Constant", "the same rate throughout"),
        "step": ("neuropil.optim.schedules:StepDecay", "multiplied by a factor at equal distances"),
        "exponential": ("neuropil.optim.schedules:Exponential", "falls by equal ratios to a final fraction"),
        "linear": ("neuropil.optim.schedules:Linear", "falls on a straight line to a final fraction"),
        "cosine": ("neuropil.optim.schedules:Cosine", "falls along half a cosine to a final fraction"),
        "one_cycle": ("neuropil.optim.schedules:OneCycle", "rises to the peak, then falls to almost nothing"),
        "plateau": ("neuropil.optim.schedules:Plateau", "multiplied by a factor when the metric stops getting better"),
    },
)
