"""Screens look at texts and give scores per label; they do not judge."""
