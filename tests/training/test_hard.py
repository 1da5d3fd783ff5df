"""Texts that a model got wrong, as rows of every stage."""

import random

import pytest

from models.training.banks import bank, newest
from models.training.generators import hard
from models.training.generators.output_surface import columns
from models.training.prepare import _quota

ROWS = list(hard.generate(random.Random(5), 6000))
KINDS = ("injection", "frame", "request", "harmless", "foreign", "role", "toxic", "order_mail", "order_page", "answer")


def _kind(source: str) -> str:
    return source.split("_", 2)[2]


def test_a_seed_repeats_its_rows() -> None:
    assert list(hard.generate(random.Random(5), 50)) == ROWS[:50]


def test_every_kind_is_there_and_its_sides_are_labelled_apart() -> None:
    assert {_kind(row.source) for row in ROWS} == {*KINDS, "toxic_output"}
    bad = [row for row in ROWS if any(row.labels.values())]
    assert 0.4 < len(bad) / len(ROWS) < 0.5  # a text drawn before is drawn again, and there are more harmless ones
    assert not [row for row in bad if _kind(row.source) == "harmless"]
    # A pair teaches what it is about and nothing else.
    asked = [row for row in ROWS if row.stage == "input"]
    assert {(_kind(row.source), *row.labels.items()) for row in asked} == {
        ("injection", ("prompt_injection", 1)),
        ("injection", ("prompt_injection", 0), ("jailbreak", 0)),
        ("frame", ("jailbreak", 1), ("harmful_request", 1)),
        ("frame", ("jailbreak", 0), ("harmful_request", 0)),
        ("request", ("harmful_request", 1)),
        ("request", ("harmful_request", 0), ("toxicity", 0)),
        ("harmless", ("jailbreak", 0), ("harmful_request", 0), ("toxicity", 0)),
        ("foreign", ("prompt_injection", 1)),
        ("foreign", ("prompt_injection", 0), ("jailbreak", 0), ("harmful_request", 0)),
        ("role", ("jailbreak", 1)),
        ("role", ("prompt_injection", 0), ("jailbreak", 0), ("harmful_request", 0)),
        ("toxic", ("toxicity", 1)),
        ("toxic", ("toxicity", 0)),
    }


def test_kinds_that_are_read_as_written_are_seen_several_times() -> None:
    as_written = {row.source for row in ROWS if row.stage != "input"}
    assert {source for source in {row.source for row in ROWS} if _quota(source)[1] > 1} == as_written


def test_toxic_text_is_judged_as_an_answer_too() -> None:
    said = [row for row in ROWS if _kind(row.source) == "toxic_output"]
    assert {row.text for row in said} <= {text for line in columns("hard_toxic") for text in line}  # as it was written
    assert {(row.stage, row.context, *row.labels.items()) for row in said} == {
        ("output", None, ("toxicity", 1)),
        ("output", None, ("toxicity", 0), ("harmful_response", 0)),
    }


def test_the_newest_lines_are_sources_of_their_own() -> None:
    fresh = {kind for kind in KINDS if newest(f"hard_{kind}") < len(bank(f"hard_{kind}"))}
    assert fresh
    for row in ROWS:
        kind, _, index = row.group.removeprefix("hard_").partition(":")
        new = int(index) >= newest(f"hard_{kind}")
        assert row.source.startswith("gen_hardnew_" if new else "gen_hard_")
    assert {_kind(row.source).removesuffix("_output") for row in ROWS if row.source.startswith("gen_hardnew_")} == fresh


def test_documents_are_about_orders_alone() -> None:
    assert {tuple(row.labels) for row in ROWS if row.stage == "tool"} == {("prompt_injection",)}


def test_answers_stand_beside_their_own_prompt_mostly() -> None:
    answers = [row for row in ROWS if _kind(row.source) == "answer"]
    assert {row.stage for row in answers} == {"output"}
    assert 0.75 < sum(row.context is not None for row in answers) / len(answers) < 0.95
    prompts = {line[0] for line in columns("hard_answer")}
    assert not [row for row in answers if row.text in prompts]
    assert [row for row in answers if row.context in prompts]


@pytest.mark.parametrize("kind", KINDS)
def test_lines_hold_both_sides_or_say_which_is_missing(kind: str) -> None:
    lines = bank(f"hard_{kind}")
    assert len(lines) == len(set(lines))
    fewest = 3 if kind == "answer" else 2
    assert [line for line in columns(f"hard_{kind}") if len(line) < fewest or not all(line)] == []
