"""The trackers, a file each; each registers itself."""
