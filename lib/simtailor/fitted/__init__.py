"""Data sets drawn from the fitted generator of a Meta-Sim experiment."""
