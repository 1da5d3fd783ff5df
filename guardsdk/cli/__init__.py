"""The command line, one module per command; ``app`` imports the one requested."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from guardsdk.cli.outcome import Exit
from guardsdk.cli.terminal import complain

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line on ``argv``, by default the process's own, and return the exit status: see ``app.main``.

    What takes most of a short command's time is imported here, where an interrupt is no traceback either.
    """
    try:
        from guardsdk.cli import app  # noqa: PLC0415  see above
    except KeyboardInterrupt:
        with suppress(OSError):  # standard error is closed
            complain("interrupted")
        return Exit.INTERRUPTED
    return app.main(argv)
