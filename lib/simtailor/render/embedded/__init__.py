"""The renderers that come with simtailor."""
