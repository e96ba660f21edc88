"""Neuropil: a chapter of deep learning as working software."""

__version__ = "0.1.0"
