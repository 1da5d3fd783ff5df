"""What the benchmark of the decision log asks is asked of a log as a guard writes it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import decision_log
from benchmarks.pages import filled
from guardsdk.decisions.files import Place
from guardsdk.decisions.query import Query, count, records
from guardsdk.decisions.verify import verify
from guardsdk.policy.logging import LogRules
from guardsdk.pseudonyms import Pseudonyms
from tests.decisions.conftest import Written, record

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]


def test_what_is_written_is_a_log_over_several_files_whose_chain_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision_log, "LogRules", lambda: LogRules(max_bytes=256 * 1024))
    monkeypatch.setattr(decision_log, "KINDS", 400)
    path = tmp_path / "decisions.jsonl"
    size = decision_log.write(path, 600, seed=1)
    files = Place(path).every()
    assert len(files) > 2
    assert sum(file.stat().st_size for file in files) == size
    report = verify(path)
    assert (report.sound, report.decisions, report.notes) == (True, 600, [])
    blocked = count(path, Query(action="block"), ["principle"])
    assert 0 < sum(blocked.values()) < 60
    whole = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    actor = Pseudonyms(decision_log._KEY).of(decision_log.actor_name(7))
    assert {one["actor"] for one in whole if one["kind"] == "decision"} - {None, actor}
    for question in decision_log.questions(600, tmp_path).values():
        assert question(path) <= 600


def test_a_line_has_the_fields_of_one_that_a_guard_writes(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.log().record([record(1, actor="ada")])
    decision_log.write(tmp_path / "made.jsonl", 3, seed=2)
    (real,), made = records(written.path, Query()), records(tmp_path / "made.jsonl", Query())
    assert [list(one) for one in made] == [list(real)] * 3


def test_the_page_quotes_the_measured_figures_as_they_are() -> None:
    found = json.loads((ROOT / decision_log.RESULTS).read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "decision-log.md").read_text(encoding="utf-8")
    assert filled(page, "questions", decision_log.markdown(found)) == page


def test_the_table_has_a_row_for_every_question() -> None:
    asked = decision_log.Asked("`verify`", 1000, 2.0, 0.5, 71.4)
    found = {
        "date": "2026-01-01",
        "hardware": {"processor": "P"},
        "records": 1000,
        "bytes": 1_600_000,
        "asked": [json.loads(json.dumps(asdict(asked)))],
    }
    assert decision_log.markdown(found).splitlines()[-1] == "| `verify` | 1,000 | 2,000 | 71 MB |"
