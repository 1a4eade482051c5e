"""Task vectors: the diagonal Fisher information of a probe network."""
