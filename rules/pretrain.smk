# Backbones pre-trained on simulated sets.
