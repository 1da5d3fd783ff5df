"""What the decision log tells and asks OpenTelemetry, so that it need not know it."""

from __future__ import annotations

from typing import Literal

from opentelemetry import trace

from guardsdk.telemetry import names
from guardsdk.telemetry.sources import Reporter


def current_ids() -> tuple[str | None, str | None]:
    """Return trace and span id of the caller's current span in hexadecimal, or none where there is no span."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None, None
    return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)


class LogReporter(Reporter):
    """Reports how a decision log fares. Like the observer it uses the global providers where none are given."""

    def count(self, outcome: Literal["written", "lost"], number: int) -> None:
        """Count ``number`` records."""
        instruments = self._sources.instruments()
        if instruments is not None:
            instruments.log.add(number, {names.OUTCOME.name: outcome})

    def anchor(self, file: int, sequence: int, digest: str) -> None:
        """Say how far the log goes, to someone who cannot be made to forget it by whoever can edit the file."""
        self._event(
            names.ANCHOR,
            {names.ANCHOR_FILE.name: file, names.ANCHOR_SEQUENCE.name: sequence, names.ANCHOR_HASH.name: digest},
        )
