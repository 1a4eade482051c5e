"""The controller: from a task vector to simulation parameters."""
