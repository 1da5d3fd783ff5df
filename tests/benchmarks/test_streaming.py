from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import streaming
from benchmarks.data import Row
from benchmarks.pages import filled
from benchmarks.streaming import Clock, at_the_end, body, decisions, streamed
from guardsdk import Guard

TOKENS = [" The", " town", " lies", " on", " a", " river", ".", " It", " is", " an", " old", " one", "."]


def test_the_clock_waits_at_once_and_works_by_the_wall() -> None:
    clock = Clock()
    clock.wait_until(100.0)
    assert clock.now == 100.0
    assert clock.work() > 100.0
    clock.wait_until(50.0)
    assert 100.0 < clock.now < 150.0
    assert 0.0 < clock.worked < 50.0


def test_a_stream_is_late_by_its_segment_and_a_check_at_the_end_by_all_of_it(model_directory: Path) -> None:
    guard = Guard(models=model_directory, providers="cpu", cache=0)
    rate = 0.1  # ten seconds a token: whatever the checks take does not matter
    stream = streamed(guard, TOKENS * 4, "Where is it?", rate)
    end = at_the_end(guard, TOKENS * 4, "Where is it?", rate)
    characters = len("".join(TOKENS * 4))
    assert len(stream.delays) == len(end.delays) == characters
    assert min(stream.delays) >= 0.0
    assert stream.delays[0] < 14 / rate < 51 / rate < end.delays[0]
    assert sum(stream.delays) < sum(end.delays) / 2
    assert stream.checks > end.checks == end.runs == 1


def test_decisions_are_counted_by_set_and_label(guard: Guard) -> None:
    insult = "You are a worthless idiot and everybody hates you, you stupid ugly pig."
    rows = [
        Row("made", "output", "".join(TOKENS), "Where is it?", None, 0, None),
        Row("made", "output", insult, "Did I do this right?", None, 1, None),
        Row("made", "input", insult, None, None, 1, None),
        Row("made", "output", insult, None, None, None, None),
    ]
    harmless, harmful = decisions(guard, rows)
    assert (harmless["rows"], harmless["check"], harmless["stream"]) == (1, 0, 0)
    assert (harmful["rows"], harmful["check"], harmful["stream"], harmful["let_out"]) == (1, 1, 1, 0.0)


def test_the_page_is_filled_between_its_markers() -> None:
    times = dict.fromkeys(("first_s", "mean_s", "p95_s", "last_s"), 0.5) | {
        "characters_per_s": 1e4,
        "runs_per_1000": 9.0,
    }
    result: dict[str, Any] = {
        "date": "2026-01-01",
        "machine": {"processor": "A", "cores": 2},
        "model": {"name": "m", "version": "1", "digest": "0" * 64},
        "load": 1.0,
        "limit": 5,
        "timings": [{"tokens": 60, "rate": 20, "stream": times, "long": times, "at_the_end": times}],
        "decisions": [{"set": "s", "harmful": True, "rows": 4, "check": 1, "stream": 2, "let_out": 0.25}],
    }
    page = streaming.PAGE.name + "\n<!-- streaming:begin -->\nold\n<!-- streaming:end -->\nend"
    made = filled(page, "streaming", body(result))
    assert "| 60 | 20 | stream | 0.50 | 0.50 | 0.50 | 0.50 | 10,000 | 9.0 |" in made
    assert "| `s` | harmful | 4 | 25.0 [4.6, 69.9] | 50.0 [15.0, 85.0] | 25 |" in made
    assert "old" not in made
    with pytest.raises(ValueError, match="streaming"):
        filled("no markers", "streaming", "")


def test_the_page_holds_the_figures_as_they_were_measured() -> None:
    root = Path(__file__).resolve().parents[2]
    page = (root / streaming.PAGE).read_text(encoding="utf-8")
    result = json.loads((root / streaming.RESULTS).read_text(encoding="utf-8"))
    assert filled(page, "streaming", body(result)) == page
