"""Pre-training of backbones on simulated sets."""
