"""Weights in and out: reading foreign files safely, translating their names, loading all or nothing."""
