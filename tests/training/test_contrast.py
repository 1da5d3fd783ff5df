"""Toxic language and its look-alikes."""

import random

from models.training.generators import contrast
from models.training.generators.output_surface import columns

ROWS = list(contrast.generate(random.Random(3), 6000))
ASKED = "gen_contrast_moderation_ask"
BANKS = ("contrast_hate", "contrast_abuse", "contrast_moderation", "contrast_moderation_ask", "contrast_talk")


def test_a_seed_repeats_its_rows() -> None:
    assert list(contrast.generate(random.Random(3), 50)) == ROWS[:50]


def test_rows_are_toxic_or_not_on_both_stages_and_ask_for_nothing() -> None:
    assert {(row.stage, *row.labels) for row in ROWS if row.source != ASKED} == {
        ("input", "toxicity", "harmful_request"),
        ("output", "toxicity"),
        ("output", "toxicity", "harmful_response"),
    }
    answers = [row.labels for row in ROWS if row.stage == "output"]
    assert all(found.get("harmful_response") == (None if found["toxicity"] else 0) for found in answers)
    assert not any(row.labels.get("harmful_request") for row in ROWS)
    assert {row.labels["toxicity"] for row in ROWS} == {0, 1}


def test_texts_hardly_repeat() -> None:
    assert len({row.text for row in ROWS}) >= 0.95 * len(ROWS)


def test_no_slot_is_left_open() -> None:
    assert not [row.text for row in ROWS if "{" in row.text]


def test_groups_of_people_occur_in_both_classes() -> None:
    for plural, _, _ in columns("contrast_groups")[:10]:
        labels = {row.labels["toxicity"] for row in ROWS if plural.lower() in row.text.lower()}
        assert labels == {0, 1}


def test_every_line_of_the_hand_written_contrasts_has_a_clean_side() -> None:
    for name in BANKS:
        lines = columns(name)
        assert min(len(line) for line in lines) >= 2, name
        assert not [line for line in lines if line[0] in line[1:]], name


def test_a_prompt_for_abuse_is_toxic_and_leaves_open_whether_it_asks_for_harm() -> None:
    asked = [row for row in ROWS if row.source == ASKED]
    labels = [row.labels for row in asked]
    assert {"toxicity": 1} in labels
    assert {"toxicity": 0, "harmful_request": 0} in labels
    assert all(("harmful_request" in found) != bool(found["toxicity"]) for found in labels)
    assert {row.stage for row in asked} == {"input"}


def test_no_text_of_the_moderation_banks_stands_twice() -> None:
    for name in ("contrast_moderation", "contrast_moderation_ask"):
        texts = [text.lower() for line in columns(name) for text in line]
        assert len(texts) == len(set(texts)), name


def test_the_hand_written_banks_are_drawn_toxic_and_clean_on_both_stages() -> None:
    for kind in ("hate", "abuse", "moderation"):
        seen = {(row.stage, row.labels["toxicity"]) for row in ROWS if row.source.startswith(f"gen_contrast_{kind}")}
        assert seen == {(stage, label) for stage in ("input", "output") for label in (0, 1)}, kind
