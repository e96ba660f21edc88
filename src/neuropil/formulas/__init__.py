"""Each formula of the chapter once, in NumPy float64: the specification as code, the oracle of every fast version."""
