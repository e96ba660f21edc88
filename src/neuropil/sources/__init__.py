"""One door to all data: built-in names, files and folders."""

from __future__ import annotations

from neuropil.registry import Catalogue

__all__ = ["SOURCES"]

SOURCES = Catalogue(
    "data source",
    {
        "digits": ("neuropil.data.samples:open_digits", "1,797 handwritten digits of 8 × 8, built in"),
        "iris": ("neuropil.data.samples:open_iris", "150 irises, 4 measures, 3 kinds, built in"),
        "wine": ("neuropil.data.samples:open_wine", "178 wines, 13 measures, 3 growers, built in"),
        "breast_cancer": ("neuropil.data.samples:open_breast_cancer", "569 tumours, 30 measures, 2 kinds, built in"),
        "diabetes": ("neuropil.data.samples:open_diabetes", "442 patients, 10 measures, progression, built in"),
        "idx": ("neuropil.data.idx:open_idx", "a folder of idx files, gzipped or not"),
        "mnist": ("neuropil.data.idx:open_mnist", "70,000 handwritten digits of 28 × 28, idx files"),
        "fashion_mnist": ("neuropil.data.idx:open_fashion_mnist", "70,000 clothes of 28 × 28, idx files"),
        "cifar10": (
            "neuropil.data.cifar:open_cifar10",
            "60,000 pictures of 32 × 32 in ten classes, the binary version",
        ),
        "folder": ("neuropil.data.folder:open_folder", "pictures in a folder a class, or a zip of that"),
        "boxes": (
            "neuropil.annotations.box_opening:open_boxes",
            "pictures with boxes: Pascal VOC, COCO, YOLO text or CSV",
        ),
        "masks": ("neuropil.annotations.mask_opening:open_masks", "pictures with masks, two folders of the same names"),
        "csv": ("neuropil.data.tables:open_csv", "a table with a header or without: numbers and categories"),
        "tagged_text": (
            "neuropil.sequences.tagged:open_tagged",
            "a tag at every word: CoNLL-U, or a word and its tag a line",
        ),
        "labelled_text": (
            "neuropil.sequences.labelled:open_labelled_text",
            "texts with a label each: a table, lines, or a file a class",
        ),
        "parallel": (
            "neuropil.sequences.parallel:open_parallel",
            "sentences and their translations, line by line",
        ),
        "series": ("neuropil.sequences.series:open_series", "a time series: windows of the past and what follows"),
        "captions": (
            "neuropil.sequences.captions:open_captions",
            "pictures and a file of what they show, a sentence a line",
        ),
        "text": (
            "neuropil.corpora.language:open_text",
            "plain text for language models: characters, words or subwords",
        ),
        "pretraining_text": (
            "neuropil.corpora.pretraining:open_pretraining_text",
            "plain text for BERT's pretraining: hidden tokens, next sentences",
        ),
        "questions": (
            "neuropil.sequences.questions:open_questions",
            "questions whose answers stand in a text: SQuAD's JSON, or a table",
        ),
        "python_docs": (
            "neuropil.sources.default_text:open_python_docs",
            "the prose of Python's own documentation strings, on every machine; as root= of texts, too",
        ),
        "npz": ("neuropil.data.npz:open_npz", "NumPy arrays x, y or x_train, y_train, x_test, y_test"),
    },
)
"""Where data come from: built-in sets, files and folders."""
