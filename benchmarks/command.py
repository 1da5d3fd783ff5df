"""What all benchmark commands share: arguments in, an exit status out."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from guardsdk.errors import GuardError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    Work = Callable[[argparse.Namespace], int | None]
    """Runs a command with its options; returns the exit status, or ``None`` for 0."""


def command(parser: Callable[[], argparse.ArgumentParser]) -> Callable[[Work], Callable[..., int]]:
    """Turn a function of the options that ``parser`` reads into one of arguments, by default those of the process.

    It returns the exit status: 2, with a line on standard error, if a model, a folder or a peer is missing or fails.
    """

    def made(work: Work) -> Callable[..., int]:
        def main(arguments: Sequence[str] | None = None) -> int:
            reader = parser()
            try:
                return work(reader.parse_args(arguments)) or 0
            except (GuardError, OSError, subprocess.SubprocessError) as error:
                print(f"{reader.prog}: {error}", file=sys.stderr)
                return 2

        return main

    return made
