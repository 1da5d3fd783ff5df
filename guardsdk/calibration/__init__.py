"""Thresholds on the user's own text: what a policy flags of it, and where its lines have to be to flag no more."""
