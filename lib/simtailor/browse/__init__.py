"""A page of all results, opened from disk: ``results/index.html`` and the folder beside it."""
