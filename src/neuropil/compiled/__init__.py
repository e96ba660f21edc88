"""Loops over many numbers that Numba compiles, where torch has no quick call for them, and sizes of products for which
torch's library has made its kernels. `serving` and `sizes` need no Numba, all else does.
"""
