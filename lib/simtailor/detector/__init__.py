"""A small detector that is trained on a data set of a fit, and tried on labelled photographs."""
