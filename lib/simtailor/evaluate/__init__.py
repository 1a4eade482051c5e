"""Evaluation of backbones on real tasks, and the reward database."""
