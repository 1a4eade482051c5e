"""Real downstream tasks: where they come from, and how they are prepared."""
