"""Meta-Sim: learn which scene attributes make rendered images match target images."""
