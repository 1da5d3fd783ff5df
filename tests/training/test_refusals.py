"""Refusals and the answers that merely sound like them."""

import random
from collections import defaultdict

from models.training.generators import refusals
from models.training.generators.output_surface import columns

ROWS = list(refusals.generate(random.Random(3), 2000))


def test_a_seed_repeats_its_rows() -> None:
    assert list(refusals.generate(random.Random(3), 50)) == ROWS[:50]


def test_rows_are_answers_with_sure_labels_and_both_classes() -> None:
    assert {row.stage for row in ROWS} == {"output"}
    assert {row.labels["refusal"] for row in ROWS} == {0, 1}
    assert {row.labels["harmful_response"] for row in ROWS} == {0, 1}


def test_texts_hardly_repeat() -> None:
    assert len({row.text for row in ROWS}) >= 0.95 * len(ROWS)


def test_both_classes_open_with_the_same_words() -> None:
    openings = defaultdict(set)
    for row in ROWS:
        openings[row.text.split(" ")[0].lower().strip(",.")].add(row.labels["refusal"])
    for word in ("i'm", "no", "i", "unfortunately"):
        assert openings[word] == {0, 1}


def test_given_prompts_become_contexts_of_refusals() -> None:
    rows = list(refusals.generate(random.Random(4), 400, ["HARMFUL ONE"], ["HARMLESS ONE"]))
    seen = {(row.context, row.labels["refusal"]) for row in rows}
    assert ("HARMFUL ONE", 1) in seen
    assert ("HARMLESS ONE", 1) in seen


def test_lines_of_the_banks_of_pairs_have_a_prompt_and_an_answer() -> None:
    for name in ("refusal_own", "refusal_alike", "refusal_partly", "refusal_modern", "response_plain"):
        assert {len(line) for line in columns(name)} == {2}


def test_newer_styles_are_refusals_and_their_slots_are_filled() -> None:
    rows = [row for row in ROWS if row.group.startswith("refusal_modern")]
    assert len(rows) > 0.08 * len(ROWS)
    assert {row.labels["refusal"] for row in rows} == {1}
    open_slots = ("{goal}", "{rule}", "{bad}", "{law}", "{helpline}", "{folk}")
    assert not [row.text for row in ROWS if any(slot in row.text for slot in open_slots)]
