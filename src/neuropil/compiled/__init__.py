"""Loops over many numbers that Numba compiles, where torch has no quick call for them; all but `serving` need Numba."""
