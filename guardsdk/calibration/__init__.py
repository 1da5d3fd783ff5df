"""Calibration on the user's own text: what a policy flags of it, and the thresholds that meet a target rate."""
