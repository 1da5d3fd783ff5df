"""Parsers of numbers and times, and options that several commands share."""

from __future__ import annotations

from argparse import ArgumentTypeError, BooleanOptionalAction, HelpFormatter
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from guardsdk.errors import InputError
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from argparse import ArgumentParser, _ArgumentGroup, _SubParsersAction
    from pathlib import Path

DONE: Final = "exit status: 0 done, 2 could not be done or bad usage"
"""For commands that do not answer yes or no."""


class Help(HelpFormatter):
    """Keeps the line breaks of an epilog, and indented lines, which are commands to copy."""

    def __init__(self, prog: str) -> None:
        """Leave room for the longest name of a command."""
        super().__init__(prog)
        self._action_max_length = len("    calibrate")

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = text.splitlines()
        return "\n".join(
            one if one.startswith(" ") else super(Help, self)._fill_text(one, width, indent) for one in lines
        )


def command(
    commands: _SubParsersAction[Any],
    name: str,
    words: str,
    epilog: str | None = DONE,
) -> ArgumentParser:
    """Add a command; ``words`` describe it in the list of commands and above its options."""
    parser: ArgumentParser = commands.add_parser(
        name, help=words, description=f"{words[0].upper()}{words[1:]}.", epilog=epilog, formatter_class=Help
    )
    return parser


_DIGITS: Final = 18
"""Digits of an integer: Python rejects thousands of them, and the counts here have fewer."""


def positive(given: str) -> int:
    """Parse an integer of at least 1."""
    number = _whole(given)
    if not number:
        msg = "must be a whole number of at least 1"
        raise ArgumentTypeError(msg)
    return number


def natural(given: str) -> int:
    """Parse an integer of at least 0."""
    number = _whole(given)
    if number is None:
        msg = "must be a whole number of at least 0"
        raise ArgumentTypeError(msg)
    return number


def _whole(given: str) -> int | None:
    """Return ``given`` as an integer; ``None`` if it is not one or has more than ``_DIGITS`` digits."""
    if not given.isascii() or not given.isdigit():
        return None
    return int(given) if len(given) <= _DIGITS else None


def above_zero(given: str) -> float:
    """Parse a number above 0."""
    try:
        number = float(given)
    except ValueError:
        number = 0.0
    if not isfinite(number) or number <= 0.0:
        msg = "must be a number above 0"
        raise ArgumentTypeError(msg)
    return number


def not_negative(given: str) -> float:
    """Parse a number of at least 0."""
    return 0.0 if given.strip("0.") == "" and given.strip(".") else above_zero(given)


def output(given: str) -> str | None:
    """Parse the name of an output file; ``-`` is standard output, as if no file were named."""
    return None if given == "-" else given


def guard_options(parser: ArgumentParser | _ArgumentGroup) -> None:
    """Add the options that define a guard."""
    parser.add_argument(
        "--policy", metavar="POLICY", help="policy file, or a preset such as strict (default: the packaged policy)"
    )
    taught_option(parser)
    model_option(parser)
    providers_option(parser)
    parser.add_argument(
        "--no-early-exit",
        dest="early_exit",
        action="store_false",
        help="run all layers of the model on every text, on CPU too",
    )


def taught_option(parser: ArgumentParser | _ArgumentGroup) -> None:
    """Add the option for lessons, in addition to the policy."""
    parser.add_argument(
        "--taught",
        action="append",
        default=[],
        metavar="FILE.json",
        help="a screen that guardsdk policy teach wrote; the policy need not name it; may be repeated",
    )


def model_option(parser: ArgumentParser | _ArgumentGroup) -> None:
    """Add the option for the guard's model."""
    parser.add_argument("--model", metavar="DIR", help="model directory (default: the packaged model)")


def providers_option(parser: ArgumentParser | _ArgumentGroup) -> None:
    """Add the option for the execution provider."""
    parser.add_argument("--providers", choices=("auto", "cpu", "cuda"), help="where to compute (default: auto)")


def layout_options(parser: ArgumentParser, *, context: bool = True, system: bool = False) -> None:
    """Add the options that say where the lines of a file have their text, for ``lines.layout_of``."""
    parser.add_argument(
        "--format",
        choices=("jsonl", "csv", "txt"),
        help="if the file's name does not tell: JSON in each line, a table with names in its first line, or plain "
        "text in each line",
    )
    parser.add_argument(
        "--field", metavar="NAME", help="field of a JSON line, or column, that holds the text (default: text)"
    )
    if context:
        parser.add_argument(
            "--context-field",
            metavar="NAME",
            help="field that holds what a text is read beside: the prompt of an output, the instructions of an input",
        )
    if system:
        parser.add_argument(
            "--system-field", metavar="NAME", help="field that holds the system text, on --stage input and output"
        )


def progress_option(parser: ArgumentParser) -> None:
    """Add the option to show progress."""
    parser.add_argument(
        "--progress", action=BooleanOptionalAction, help="show progress (default: if standard error is a terminal)"
    )


def stage_option(parser: ArgumentParser) -> None:
    """Add the option for the stage of the texts."""
    stages = [stage.value for stage in Stage]
    parser.add_argument(
        "--stage",
        choices=stages,
        default=stages[0],
        help="where it was seen: input from a user, tool in a document or tool result, output from the model "
        "(default: input)",
    )


def key_in(file: Path | None) -> bytes | None:
    """Return the key of a chain's hashes, if there is one.

    Raises ``OSError`` if the file cannot be read, ``InputError`` if it is empty: a log would seem to be forged by it.
    """
    key = None if file is None else file.read_bytes()
    if key == b"":
        msg = f"{file}: the file is empty, and a key has at least one byte"
        raise InputError(msg)
    return key


def moment(given: str) -> datetime:
    """Parse a date or time from the command line; UTC unless it says otherwise."""
    try:
        when = datetime.fromisoformat(given)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):  # in another time zone the year may be 0
        msg = "must be a date or a time, such as 2026-11-25 or 2026-11-25T14:30"
        raise ArgumentTypeError(msg) from None
