"""A screen of one's own from a few examples: a small head on the embedding the model computes anyway."""
