"""Built-in objects, materials and environments, all made by code."""
