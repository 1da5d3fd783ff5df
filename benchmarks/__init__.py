"""Measurements of quality and speed; run them as modules, such as ``python -m benchmarks.quality``."""
