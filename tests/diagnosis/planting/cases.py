"""All cases: planted faults, public questions re-enacted, healthy runs."""

from __future__ import annotations

from diagnosis.planting import classics, faults_data, faults_gradients, faults_learning, healthy
from diagnosis.planting.training import Case

__all__ = ["ALL", "HEALTHY", "KINDS", "PLANTED"]

KINDS = (
    "vanishing_gradient", "exploding_gradient", "dead_relu", "saturated_activation", "learning_rate_too_high",
    "learning_rate_too_low", "overfitting", "underfitting", "unscaled_input", "wrong_last_activation", "wrong_loss",
    "shuffled_labels", "constant_labels", "class_imbalance", "frozen_parameters", "batch_too_small_for_norm",
)  # fmt: skip
"""What `neuropil diagnose` may name."""

PLANTED: list[Case] = [*faults_gradients.CASES, *faults_learning.CASES, *faults_data.CASES, *classics.CASES]
HEALTHY: list[Case] = healthy.CASES
ALL: list[Case] = [*PLANTED, *HEALTHY]
