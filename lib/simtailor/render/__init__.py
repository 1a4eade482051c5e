"""Renderers: scene graphs in, images out."""
