"""The command line: ``guardsdk check``, ``guardsdk scan`` and ``guardsdk info``."""

from guardsdk.cli.app import main

__all__ = ["main"]
