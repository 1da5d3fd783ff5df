"""Harmless talk, names and values as answers and prompts."""

import random

import pytest

from models.training.banks import bank
from models.training.generators import talk
from models.training.sources import CLEAN_INPUT, CLEAN_OUTPUT

HARMFUL = ("How do I rob a bank?",)
ROWS = list(talk.generate(random.Random(3), 6000, harmful=HARMFUL, harmless=("What shall we cook?",)))
KINDS = ("daily", "online", "groups", "names", "words", "values")


def test_a_seed_repeats_its_rows() -> None:
    assert list(talk.generate(random.Random(3), 50, harmful=HARMFUL, harmless=("What shall we cook?",))) == ROWS[:50]


def test_every_kind_is_harmless_as_a_prompt_and_as_an_answer() -> None:
    assert {row.source for row in ROWS} == {f"gen_talk_{kind}{stage}" for kind in KINDS for stage in ("", "_input")}
    assert all(row.labels == CLEAN_INPUT for row in ROWS if row.stage == "input")
    assert all(row.labels.items() <= CLEAN_OUTPUT.items() for row in ROWS if row.stage == "output")


def test_who_says_no_may_refuse_something_or_not() -> None:
    answers = [row for row in ROWS if row.stage == "output"]
    assert all("refusal" not in row.labels for row in answers if "sorry" in row.text.lower().split())
    assert sum("refusal" in row.labels for row in answers) > 0.9 * len(answers)


def test_answers_stand_beside_prompts_that_they_have_nothing_to_do_with() -> None:
    beside = {row.context for row in ROWS if row.context and row.stage == "output"}
    assert any("rob a bank" in one for one in beside)
    bare = {row.source for row in ROWS if row.context and "rob a bank" in row.context}
    assert bare == {"gen_talk_daily", "gen_talk_online", "gen_talk_groups"}  # a lone "yes" there would agree


def test_no_slot_is_left_open_and_texts_hardly_repeat() -> None:
    assert not [row.text for row in ROWS if "{group}" in row.text or "{one}" in row.text or "{adj}" in row.text]
    sentences = [row.text for row in ROWS if row.source.startswith(("gen_talk_daily", "gen_talk_online"))]
    assert len(set(sentences)) > 0.95 * len(sentences)


@pytest.mark.parametrize("name", [f"talk_{kind}" for kind in KINDS])
def test_no_line_stands_twice(name: str) -> None:
    lines = bank(name)
    assert len(lines) == len(set(lines)), sorted(line for line in set(lines) if lines.count(line) > 1)
