"""The command line, one file for each command; ``app`` finds the one that is asked for."""

from guardsdk.cli.app import main

__all__ = ["main"]
