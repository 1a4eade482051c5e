# Real tasks and their vectors.
