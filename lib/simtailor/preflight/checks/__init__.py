"""The checks, one file each; a file that is added here is found by its registration."""
