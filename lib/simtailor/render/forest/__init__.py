"""A forest from the air, straight from above: trees, bushes, logs and grass, and their shadows."""
