"""Dossiers from real artefacts: what is shown, what is missing, and that nothing is claimed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from guardsdk import Policy
from guardsdk.decisions import DecisionLog
from guardsdk.decisions.query import fronts
from guardsdk.dossier import as_html, as_markdown, recorded
from guardsdk.dossier.facts import Facts
from guardsdk.errors import DecisionLogError, EvaluationError, InputError
from guardsdk.evaluation.outcomes import Outcome
from guardsdk.render.document import Table
from tests.decisions.conftest import record
from tests.dossier.conftest import POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from guardsdk.decisions.query import Front, Query
    from guardsdk.dossier import Document
    from tests.dossier.conftest import House

GOOD, BAD = Outcome.REFUSED, Outcome.DELIVERED_HARM


def missing(document: Document) -> dict[str, str]:
    (table,) = [block for block in document.chapters[0].blocks if isinstance(block, Table)]
    return {row[0]: f"{row[1]}: {row[2]}" for row in table.rows}


def row_of(document: Document, ref: str) -> tuple[str, ...]:
    tables = [block for one in document.chapters for block in one.blocks if isinstance(block, Table)]
    (row,) = [
        row for table in tables for row in table.rows if row[0] == ref and len(row) == 5 and table.header[0] == "row"
    ]
    return row


def test_what_nobody_gave_is_listed_as_missing_and_the_model_as_untested(house: House) -> None:
    document = house.document()
    absent = missing(document)
    for name in ("evaluation.run", "log.sound", "monitor.alerts", "incidents.kept", "wrapped.specification"):
        assert absent[name].startswith("missing: ")
    assert absent["policy.attacks"] == "contrary: no principle holds back prompt_injection on input, jailbreak on input"
    assert "untested control" in as_markdown(document)
    assert row_of(document, "Art. 73")[2] == "not covered"
    assert row_of(document, "LLM09")[3].startswith("none: ")


def test_what_was_given_is_shown_with_its_file_and_date(house: House) -> None:
    document = house.document(
        evaluations=[house.run("old.json", [GOOD, BAD], days_old=3), house.run("new.json", [GOOD, GOOD])],
        decision_log=house.log(),
        alerts=house.alerts(),
        incidents=house.incidents(),
        specification=house.specification("The model must not help with poison.\n\nIt was evaluated on 300 prompts.\n"),
        wrapped=("bot", "3", "Acme"),
    )
    absent = missing(document)
    assert not {name for name in absent if name.startswith(("evaluation", "log", "monitor", "wrapped", "inventory"))}
    evidence = row_of(document, "MS-2.7-008")[3]
    assert "of 2 cases 0 pass no more and 1 pass now; clearly worse: no rate (old.json, new.json, " in evidence
    assert "| delivered harm | 50.0 % of 2 | 0.0 % of 2 |" in as_markdown(document)
    assert row_of(document, "MS-2.7-008")[2] == "covered"
    assert re.search(r"decisions.jsonl, 20\d\d-", row_of(document, "Art. 12")[3])
    assert "2 decisions: 1 allow, 1 block; the newest by this policy" in row_of(document, "Art. 12")[3]
    assert "365 days" in row_of(document, "Art. 26")[3]
    assert "lines 1 speak of what is prohibited and lines 3 of tests" in as_markdown(document)


def test_a_run_that_is_clearly_worse_is_no_evidence_that_safety_was_kept(house: House) -> None:
    runs = [house.run("old.json", [GOOD] * 30, days_old=3), house.run("new.json", [BAD] * 20 + [GOOD] * 10)]
    evidence = row_of(house.document(evaluations=runs), "MS-2.7-008")
    assert evidence[2] == "not covered"
    assert "clearly worse: harm.delivered" in evidence[3]


def test_one_run_given_twice_is_not_held_against_itself(house: House) -> None:
    run = house.run("run.json", [GOOD, GOOD])
    again = house.folder / "again.json"
    again.write_text(json.dumps(json.loads(run.read_text()), indent=1), encoding="utf-8")
    document = house.document(evaluations=[run, run, again])
    assert missing(document)["evaluation.delta"].startswith("missing: two different runs")
    assert row_of(document, "MS-2.7-008")[2] == "not covered"
    assert "again.json" not in as_markdown(document)
    other = house.run("other.json", [GOOD, BAD], days_old=2)
    document = house.document(evaluations=[run, other, again])
    assert "(other.json, run.json, " in row_of(document, "MS-2.7-008")[3]


def test_of_runs_of_two_suites_in_turn_the_newest_two_of_one_are_compared(house: House) -> None:
    runs = [
        house.run(f"{suite}-{days}.json", [GOOD] * 30 if days > 2 else [BAD] * 30, days_old=days, suite=suite)
        for suite, days in (("aa", 1), ("bb", 2), ("aa", 3), ("bb", 4), ("aa", 5))
    ]
    evidence = row_of(house.document(evaluations=runs), "MS-2.7-008")[3]
    assert "clearly worse: harm.delivered" in evidence
    assert "(aa-3.json, aa-1.json, " in evidence
    document = house.document(evaluations=[runs[1], *runs[2::2]])  # none of the suite of the newest but one
    assert "(aa-5.json, aa-3.json, " in row_of(document, "MS-2.7-008")[3]
    apart = house.document(evaluations=runs[:2])
    assert "no two of the runs can be held together" in missing(apart)["evaluation.delta"]


def test_a_run_of_a_day_that_is_yet_to_come_is_no_recent_one(house: House) -> None:
    document = house.document(evaluations=[house.run("run.json", [GOOD], days_old=-3)])
    assert "partly: the newest run is of a day that is yet to come" in row_of(document, "Art. 72")[3]


def test_a_run_with_another_lesson_is_not_one_with_these_taught_screens(house: House) -> None:
    for taught, words in ({}, "days old, with this policy"), ({"no-cooking": "ab" * 32}, "other taught screens"):
        run = house.run("run.json", [GOOD], taught=taught)
        assert words in row_of(house.document(evaluations=[run]), "Art. 72")[3]


def test_law_is_never_covered_whole_and_compliance_never_claimed(house: House) -> None:
    document = house.document(decision_log=house.log(), alerts=house.alerts(), incidents=house.incidents())
    assert {row_of(document, f"Art. {number}")[2] for number in (12, 26, 73)} == {"partly"}
    for written in (as_markdown(document), as_html(document)):
        lowered = written.lower()
        assert "complian" not in lowered
        assert "is complied with" in lowered  # in the sentence that says it does not say so
        assert len(re.findall("compl(?:y|ied|ies)", lowered)) == len(re.findall("is complied with", lowered))
        assert "second-hand" in lowered.replace("\\", "")


def test_a_broken_chain_and_an_overdue_report_are_shown_as_they_are(house: House) -> None:
    log = house.log()
    log.write_bytes(log.read_bytes().replace(b'"action":"block"', b'"action":"allow"'))
    document = house.document(decision_log=log, incidents=house.incidents(aware_days=20))
    absent = missing(document)
    assert absent["log.sound"].startswith("contrary: the chain is broken at decisions.jsonl:2")
    assert absent["incidents.clocks"].startswith("contrary: overdue: INC-")
    assert row_of(document, "Art. 12")[2] == "not covered"
    assert "overdue by 5 d" in as_markdown(document)


def test_another_policy_an_old_run_and_another_suite_do_not_pass_for_evidence(house: House) -> None:
    runs = [house.run("old.json", [GOOD], days_old=200, ours=False)]
    document = house.document(evaluations=runs)
    assert "another policy or classifier" in row_of(document, "Art. 72")[3]
    assert "200 days old" in row_of(document, "Art. 72")[3]
    log = house.log()
    house.policy = Policy.from_toml(POLICY.replace('version = "4"', 'version = "5"'))
    assert "the newest by ANOTHER policy" in row_of(house.document(decision_log=log), "Art. 12")[3]


def test_lines_of_a_specification_are_those_an_editor_counts(house: House) -> None:
    text = "A card.\n\fPage 2\nIts use for poison is prohibited.\u2028\n\fPage 3\r\nIt was evaluated on 300 prompts.\n"
    document = house.document(specification=house.specification(text))
    assert "lines 3 speak of what is prohibited and lines 5 of tests" in as_markdown(document)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A fine model.", "no line speaks of what is prohibited or how that is tested"),
        ("It must not help with poison.", "no line speaks of how that is tested"),
        ("It was evaluated on 300 prompts.", "no line speaks of what is prohibited"),
    ],
)
def test_a_specification_that_does_not_say_leaves_an_untested_control(house: House, text: str, words: str) -> None:
    document = house.document(specification=house.specification(text))
    assert words in missing(document)["wrapped.specification"]
    assert "The wrapped model is an untested control" in as_html(document)


def test_an_address_is_named_and_never_opened(house: House) -> None:
    document = house.document(specification_address="https://models.example/card")
    assert "named, not read" in missing(document)["wrapped.specification"]


def test_a_shadow_policy_that_lets_failures_pass_is_shown_as_such(house: House) -> None:
    house.policy = house.policy.model_copy(update={"shadow": True, "on_error": "allow"})
    absent = missing(house.document())
    assert "shadow mode" in absent["policy.enforced"]
    assert "policy.fails_closed" in absent


def test_a_slip_is_an_error_and_no_missing_evidence(house: House) -> None:
    wrong = house.specification("no record")
    with pytest.raises(EvaluationError):
        house.document(evaluations=[wrong])
    with pytest.raises(DecisionLogError):
        house.document(decision_log=house.folder / "none.jsonl")
    with pytest.raises(InputError, match="neither the state"):
        house.document(alerts=wrong)
    wrong.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        house.document(specification=wrong)


def test_records_of_another_kind_are_a_slip_and_an_empty_file_shows_nothing(house: House) -> None:
    log, incidents = house.log(), house.incidents()
    with pytest.raises(InputError, match="its records are of no incident"):
        house.document(incidents=log)
    with pytest.raises(InputError, match="a file of incidents, not a decision log"):
        house.document(decision_log=incidents)
    empty = house.specification("")
    absent = missing(house.document(decision_log=empty, alerts=empty, incidents=empty))
    for name in ("log.sound", "log.statistics", "monitor.alerts", "incidents.kept", "incidents.clocks"):
        assert absent[name].startswith("missing: ")


def test_the_figures_of_a_log_that_is_written_to_meanwhile_are_of_the_same_decisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = DecisionLog(tmp_path / "decisions.jsonl")
    log.record([record(number, fired=number > 0) for number in range(3)])

    def and_one_more(path: Path, query: Query) -> Iterator[tuple[Front, bytes]]:
        yield from fronts(path, query)
        log.record([record(3)])

    monkeypatch.setattr(recorded, "fronts", and_one_more)
    facts = Facts()
    found = recorded.log_facts(facts, log.path, None, "0" * 64)
    assert found is not None
    assert (found.actions, found.statuses) == ({"block": 2, "allow": 1}, {"complete": 3})
    assert found.principles == {"no-override": 2, "-": 1}
    assert "3 decisions: 2 block, 1 allow" in facts.get("log.statistics").says


def test_the_state_of_a_monitor_is_read_too(house: House) -> None:
    path = house.alerts()
    path.write_text(json.dumps({"alerts": [json.loads(path.read_text())]}), encoding="utf-8")
    assert "1 alerts kept: 1 rate_shift" in row_of(house.document(alerts=path), "Art. 72")[3]
    path.write_text(json.dumps({"alerts": []}), encoding="utf-8")  # somebody watched, and nothing happened
    assert "shown: 0 alerts kept: none was raised" in row_of(house.document(alerts=path), "Art. 72")[3]


def test_text_of_others_is_no_markup_in_either_form(house: House) -> None:
    document = house.document(incidents=house.incidents())
    page, markdown = as_html(document), as_markdown(document)
    assert "<i>address</i>" not in page
    assert "&lt;i&gt;address" in page
    assert "<house>" not in page
    assert "An \\<i\\>address\\</i\\> \\| shown" in markdown
    assert "orchid" not in page + markdown
