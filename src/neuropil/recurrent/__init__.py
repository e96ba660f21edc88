"""Layers with a memory, how their errors go back in time, and how they write."""
