"""What a network is for: loss, metrics, readable answer."""

from __future__ import annotations

from neuropil.registry import Catalogue

__all__ = ["TASKS"]

TASKS = Catalogue(
    "task",
    {
        "classification": ("neuropil.tasks.classification:Classification", "one of K classes a sample: cross-entropy"),
        "detection": ("neuropil.tasks.detection:Detection", "boxes and their classes: YOLO's grid of cells"),
        "segmentation": ("neuropil.tasks.segmentation:Segmentation", "the class of every picture element"),
        "tagging": ("neuropil.tasks.tagging:Tagging", "the class of every word of a sentence"),
        "language_modelling": (
            "neuropil.tasks.language_modelling:LanguageModelling",
            "the next word or letter: perplexity",
        ),
        "pretraining": (
            "neuropil.tasks.pretraining:Pretraining",
            "BERT's two: hidden tokens, and whether a text follows another",
        ),
        "spans": ("neuropil.tasks.answer_spans:AnswerSpans", "where in a text an answer stands: exact match and F1"),
        "translation": ("neuropil.tasks.translation:Translation", "a sentence for a sentence: BLEU"),
        "captioning": ("neuropil.tasks.captioning:Captioning", "a sentence about a picture: BLEU"),
        "regression": ("neuropil.tasks.regression:Regression", "one or more values a sample: squared error"),
    },
)
"""What a network of the catalogue can be trained for."""
