"""What a command ends with: allowed, blocked and could not check stay three different things."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guardsdk.verdict import Verdict


class Exit(IntEnum):
    """Exit statuses."""

    ALLOWED = 0
    BLOCKED = 1
    """May not pass as it is."""
    UNCHECKED = 2
    """Could not check, not completely, or was called wrongly."""
    DONE = ALLOWED
    """What commands that judge no text end with."""
    NOT_SO = BLOCKED
    """Such a command did its work, and something is not as wanted: a broken chain, a missed limit, a difference."""
    INTERRUPTED = 130
    """128 plus the number of SIGINT, as shells have it."""
    PIPE_CLOSED = 141
    """128 plus the number of SIGPIPE: whoever read the output went away."""


WORDS = {Exit.ALLOWED: "allowed", Exit.BLOCKED: "blocked", Exit.UNCHECKED: "unchecked"}
"""How output calls the outcome of one text."""


def outcome(verdict: Verdict) -> Exit:
    """Return what to make of ``verdict``.

    A text that a principle does not let pass as it is counts as blocked, even where the rest went unchecked; one that
    was not checked completely is never allowed here, whatever the policy's ``on_error`` lets through.
    """
    if verdict:
        return Exit.ALLOWED
    return Exit.UNCHECKED if verdict.allowed or verdict.principle_id is None else Exit.BLOCKED
