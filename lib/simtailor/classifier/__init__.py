"""From a labelled task to a classifier: fitted, compared with simpler ways, ready to predict."""
