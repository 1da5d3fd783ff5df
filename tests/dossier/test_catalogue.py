"""The rows a dossier is held against, and that no row comes to more than its evidence."""

from __future__ import annotations

import itertools
import re

import pytest

from guardsdk.dossier.catalogue import Row, RowStatus, frameworks, held
from guardsdk.dossier.facts import WANTED, Facts, State
from guardsdk.policy.lint import REFERENCES

ROWS = [row for framework in frameworks() for row in framework.rows]
_FORMS = {"NIST AI 600-1 actions": "NIST-AI-600-1:", "EU AI Act": "EU-AI-Act:", "MITRE ATLAS": "ATLAS:"}


def test_every_framework_the_dossier_promises_is_there_and_marked_second_hand() -> None:
    by_name = {framework.name: framework for framework in frameworks()}
    articles = [row.ref for row in by_name["EU AI Act"].rows]
    assert articles == [f"Art. {number}" for number in (9, 12, 13, 14, 15, 26, 72, 73)]
    assert [row.ref for row in by_name["OWASP Top 10 for LLM applications 2025"].rows] == [
        f"LLM{number:02}" for number in range(1, 11)
    ]
    assert len(by_name["NIST AI 600-1 risks"].rows) == 12
    assert all("second-hand" in framework.source for framework in frameworks())


def test_references_have_the_form_lint_knows() -> None:
    for framework in frameworks():
        prefix = _FORMS.get(framework.name)
        for row in framework.rows if prefix else ():
            name = str(prefix)[:-1]
            assert re.fullmatch(REFERENCES[name], f":{row.ref.replace('Art. ', 'Art.')}")


def test_every_fact_is_asked_for_and_every_row_says_what_lies_beyond() -> None:
    assert {name for row in ROWS for name in row.evidence} == set(WANTED)
    assert [row.ref for row in ROWS if not row.beyond] == []


def test_nothing_but_law_and_promises_of_whole_duties_is_never_covered_whole() -> None:
    whole = {row.ref for row in ROWS if row.most is RowStatus.COVERED}
    assert not any(ref.startswith("Art.") for ref in whole)


@pytest.mark.parametrize("states", list(itertools.product(State, repeat=2)))
def test_missing_and_contrary_evidence_never_counts(states: tuple[State, State]) -> None:
    row = Row(ref="x", title="x", asks="x", evidence=("log.sound", "log.kept"), beyond="x")
    facts = Facts()
    for name, state in zip(row.evidence, states, strict=True):
        if state is not State.MISSING:
            facts.add(name, state, "says")
    found = held(row, facts).status
    if states == (State.SHOWN, State.SHOWN):
        assert found is RowStatus.COVERED
        assert held(row.model_copy(update={"most": RowStatus.PARTLY}), facts).status is RowStatus.PARTLY
    elif State.SHOWN in states or State.PARTLY in states:
        assert found is RowStatus.PARTLY
    else:
        assert found is RowStatus.NOT_COVERED


def test_what_a_row_needs_nothing_else_stands_in_for() -> None:
    row = Row(ref="x", title="x", asks="x", evidence=("log.sound", "log.kept"), needs=("log.sound",), beyond="x")
    facts = Facts()
    facts.add("log.kept", State.SHOWN, "says")
    assert held(row, facts).status is RowStatus.NOT_COVERED
    facts.add("log.sound", State.PARTLY, "says")
    assert held(row, facts).status is RowStatus.PARTLY
    assert [row.ref for row in ROWS if not set(row.needs) <= set(row.evidence)] == []


def test_a_row_without_evidence_is_not_covered_and_unknown_facts_are_refused() -> None:
    row = Row(ref="x", title="x", asks="x", evidence=(), beyond="x")
    assert held(row, Facts()).status is RowStatus.NOT_COVERED
    with pytest.raises(ValueError, match="unknown facts"):
        Row(ref="x", title="x", asks="x", evidence=("log.sond",), beyond="x")
    with pytest.raises(KeyError):
        Facts().add("log.sond", State.SHOWN, "x")
