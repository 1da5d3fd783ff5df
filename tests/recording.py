"""An observer that keeps what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guardsdk.observing import CheckRecord


class Recorder:
    """Keeps every record."""

    def __init__(self) -> None:
        self.records: list[CheckRecord] = []

    def on_check(self, record: CheckRecord) -> None:
        self.records.append(record)
