"""Simulated image sets: the nine parameters, scenes drawn from them, shards."""
