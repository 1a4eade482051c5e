"""Stands in for a build of ThreeDWorld: its real protocol, and pictures of balls and boxes."""
