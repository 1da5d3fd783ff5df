"""The exit status of a command: allowed, blocked and could not check are kept apart."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guardsdk.verdict import Verdict


class Exit(IntEnum):
    """Exit statuses."""

    ALLOWED = 0
    BLOCKED = 1
    """May not pass unchanged."""
    UNCHECKED = 2
    """Could not be checked, not completely, or bad usage."""
    DONE = ALLOWED
    """Success of commands that check no text."""
    NOT_SO = BLOCKED
    """Such a command succeeded, but something is not as required: a broken chain, a missed limit, a difference."""
    INTERRUPTED = 130
    """128 plus the number of SIGINT, as in shells."""
    PIPE_CLOSED = 141
    """128 plus the number of SIGPIPE: the reader of the output is gone."""


WORDS = {Exit.ALLOWED: "allowed", Exit.BLOCKED: "blocked", Exit.UNCHECKED: "unchecked"}
"""The names of the outcomes of a text in output."""


def outcome(verdict: Verdict) -> Exit:
    """Return the outcome for ``verdict``.

    A text that a principle does not let pass unchanged counts as blocked, even if the rest was not checked. One that
    was not checked completely is never allowed here, whatever the policy's ``on_error`` says.
    """
    if verdict:
        return Exit.ALLOWED
    return Exit.UNCHECKED if verdict.allowed or verdict.principle_id is None else Exit.BLOCKED
