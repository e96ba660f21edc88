"""Attention: each place of a sequence asks all others, and takes a mean of what they answer."""
