"""Text this project writes itself: seeded, compositional generators over the phrase banks in ``../banks``."""
