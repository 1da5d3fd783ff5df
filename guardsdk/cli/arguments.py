"""Arguments that are numbers or times, and options that several commands share."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, _ArgumentGroup


def positive(given: str) -> int:
    """Read a whole number of at least 1."""
    if not given.isascii() or not given.isdigit() or int(given) == 0:
        msg = "must be a whole number of at least 1"
        raise ArgumentTypeError(msg)
    return int(given)


def natural(given: str) -> int:
    """Read a whole number of at least 0."""
    if not given.isascii() or not given.isdigit():
        msg = "must be a whole number of at least 0"
        raise ArgumentTypeError(msg)
    return int(given)


def above_zero(given: str) -> float:
    """Read a number above 0."""
    try:
        number = float(given)
    except ValueError:
        number = 0.0
    if not isfinite(number) or number <= 0.0:
        msg = "must be a number above 0"
        raise ArgumentTypeError(msg)
    return number


def not_negative(given: str) -> float:
    """Read a number of at least 0."""
    return 0.0 if given.strip("0.") == "" and given.strip(".") else above_zero(given)


def guard_options(parser: ArgumentParser | _ArgumentGroup) -> None:
    """Add what a guard is made of."""
    parser.add_argument(
        "--policy", metavar="FILE.toml", help="policy file, or a preset such as strict (default: the packaged policy)"
    )
    parser.add_argument("--model", metavar="DIR", help="model directory (default: the packaged model)")
    parser.add_argument("--providers", choices=("auto", "cpu", "cuda"), help="where to compute (default: auto)")
    parser.add_argument(
        "--no-early-exit",
        dest="early_exit",
        action="store_false",
        help="let every layer of the model see every text, on CPU too",
    )


def moment(given: str) -> datetime:
    """Read a date or time of a command line; UTC unless it says so."""
    try:
        when = datetime.fromisoformat(given)
    except ValueError:
        msg = "must be a date or a time, such as 2026-11-25 or 2026-11-25T14:30"
        raise ArgumentTypeError(msg) from None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
