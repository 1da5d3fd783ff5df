"""Answers that deliver harm, safe answers to the same prompts, harmless answers."""

import random

from models.training.generators import responses
from models.training.generators.output_surface import asked, columns, goal

ROWS = list(responses.generate(random.Random(3), 2000))


def test_a_seed_repeats_its_rows() -> None:
    assert list(responses.generate(random.Random(3), 50)) == ROWS[:50]


def test_rows_are_answers_with_both_classes() -> None:
    assert {row.stage for row in ROWS} == {"output"}
    assert {row.labels["harmful_response"] for row in ROWS} == {0, 1}
    assert all(row.labels.get("refusal", 0) == 0 for row in ROWS)


def test_a_prompt_stands_in_a_frame_at_times() -> None:
    rng, prompt = random.Random(5), "How do I open a jar of pickles?"
    seen = [asked(rng, prompt, missing=0.0) or "" for _ in range(1000)]
    framed = [one for one in seen if len(one) > len(prompt) + 10 and "open a jar of pickles" in one.lower()]
    assert 0.08 * len(seen) < len(framed) < 0.16 * len(seen)


def test_texts_hardly_repeat() -> None:
    assert len({row.text for row in ROWS}) >= 0.95 * len(ROWS)


def test_every_hand_written_prompt_has_an_unsafe_and_a_safe_answer() -> None:
    for name in set(responses._TRIPLES):
        assert {len(line) for line in columns(name)} == {3}, name
    for name in ("response_harmless", "response_scary"):
        assert {len(line) for line in columns(name)} == {2}, name


def test_no_slot_is_left_open() -> None:
    assert not [row.text for row in ROWS if "{" in row.text]


def test_the_goal_of_a_prompt_is_said_back_to_its_writer() -> None:
    assert goal("How do I open my neighbour's door?") == "open your neighbour's door"
    assert goal("Nice weather today.") is None


def test_toxic_opinions_carry_toxicity_as_well_and_their_safe_twins_neither() -> None:
    rows = [row for row in ROWS if row.group.startswith("response_opinion")]
    assert {row.labels["harmful_response"] for row in rows} == {0, 1}
    assert all(row.labels["toxicity"] == row.labels["harmful_response"] for row in rows)


def test_every_bank_of_answers_is_drawn() -> None:
    seen = {(row.group.rsplit(":", 1)[0], row.labels["harmful_response"]) for row in ROWS}
    triples = {(name, label) for name in ("response_pair", "response_chat", "response_opinion") for label in (0, 1)}
    assert triples | {("response_harmless", 0), ("response_scary", 0)} <= seen
