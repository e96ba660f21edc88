"""Texts, series and captions into samples of different lengths: vocabularies, readers, sources."""
