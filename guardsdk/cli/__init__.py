"""The command line: ``guardsdk check``, ``scan``, ``info`` and ``log``."""

from guardsdk.cli.app import main

__all__ = ["main"]
