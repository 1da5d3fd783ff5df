"""Observers are told of every check and can break nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from guardsdk.observing import CheckRecord, Observer, listeners, notify
from guardsdk.verdict import Action, Stage, Status, Verdict
from tests.recording import Recorder

if TYPE_CHECKING:
    import pytest


class Broken:
    def on_check(self, record: CheckRecord) -> None:
        msg = f"cannot send {record.actor}"
        raise ConnectionError(msg)


RECORD = CheckRecord(
    Verdict(allowed=True, action=Action.ALLOW, status=Status.COMPLETE, stage=Stage.INPUT, coverage=1.0),
    started_ns=1,
    text_length=3,
    actor="someone private",
)


def test_an_observer_that_raises_is_logged_and_the_next_is_told(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    with caplog.at_level(logging.WARNING, logger="guardsdk"):
        notify(listeners([Broken(), recorder]), RECORD)
    assert recorder.records == [RECORD]
    (line,) = caplog.records
    assert (line.name, line.levelname) == ("guardsdk", "WARNING")
    assert "Broken raised ConnectionError at" in line.getMessage()
    assert "test_observing.py" in line.getMessage()
    assert "private" not in caplog.text


def test_anything_with_on_check_is_an_observer() -> None:
    assert isinstance(Recorder(), Observer)
    assert not isinstance(object(), Observer)
