"""Custom screens from a few examples: a small head on the embedding that the model computes anyway."""
