"""A policy's rules for the decision log: its file, how long it is kept, and what happens if it cannot be written."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from guardsdk.frozen import NO_WORD, Frozen

Fsync = Literal["always", "interval", "never"]


class LogRules(Frozen):
    """How decisions are logged."""

    path: str | None = Field(default=None, min_length=1)
    """The file to write to; relative paths start at the working directory. Required in a policy."""
    on_error: Literal["serve", "block"] = "serve"
    """If a decision cannot be written: ``serve`` continues and counts it, ``block`` stops the text."""
    fsync: Fsync = "interval"
    """When records are forced to disk: ``always`` before a check returns, at an ``interval``, or ``never``, which
    leaves it to the system. A killed process loses nothing in any case; a power cut may lose what was not forced."""
    fsync_interval_s: Annotated[float, Field(ge=0.001), NO_WORD] = 1.0
    """Seconds. Tested when something is written, and on ``flush``."""
    max_bytes: Annotated[int, Field(ge=4096), NO_WORD] = 64 * 2**20
    """A file that would grow beyond this is closed and the next one started."""
    max_age_s: Annotated[float, Field(ge=0.001), NO_WORD] = 24 * 3600.0
    """Seconds after which the next file is started, whatever its size."""
    keep_days: Annotated[float, Field(ge=1 / 24), NO_WORD] = 200.0
    """The least number of days that closed files are kept, from their last record; ``inf`` is for ever. The EU AI Act
    (Regulation 2024/1689, article 26(6)) asks deployers of high-risk systems for six months or more."""
    anchor_every_s: Annotated[float, Field(ge=0.001), NO_WORD] = 300.0
    """Seconds between two anchors: the number and hash of the newest record, sent to telemetry."""
    lock_timeout_s: Annotated[float, Field(ge=0.001), NO_WORD] = 5.0
    """Seconds to wait for other writing threads and processes; after that, the record counts as not written."""
    capture_text: str = "none"
    """What a record may contain of the text: ``none``, ``hash``, ``redacted`` or ``full``; any other word means
    ``none``."""
