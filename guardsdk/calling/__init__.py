"""Wrapping and guarding calls: reading their arguments, and acting on the verdicts before and after."""
