"""Whole texts for language models and pretraining: one row of tokens, kept on the disk, in windows, partly hidden."""
