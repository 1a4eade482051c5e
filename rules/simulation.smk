# Simulated sets.
