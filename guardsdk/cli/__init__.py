"""The command line, one module per command; ``app`` imports the one requested."""

from guardsdk.cli.app import main

__all__ = ["main"]
