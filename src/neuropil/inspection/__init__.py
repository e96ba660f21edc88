"""Measure a network without changing it."""
