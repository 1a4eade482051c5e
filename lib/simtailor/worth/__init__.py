"""What a fit is worth: networks trained on pictures of each source, tried on labelled ones."""
