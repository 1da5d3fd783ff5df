"""Screens read texts and return scores per label; they make no decisions."""
