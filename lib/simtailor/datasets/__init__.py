"""Labelled data sets: shards, their making and reading, and exports to other formats."""
