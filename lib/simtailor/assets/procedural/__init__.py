"""Everyday objects made by code: one function a category, varied by a random generator."""
