"""Networks found by a search: a space of blocks, accuracy weighed against measured latency, the Pareto picture."""
