"""Limits of what is read, apart from the readers, so that settings load quickly."""

MOST_PIXELS = 400_000_000  # of an image
