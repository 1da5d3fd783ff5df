"""Plain harmful requests and their harmless twins."""

import random

from models.training.generators import requests
from models.training.generators.input_surface import SLOT
from models.training.generators.output_surface import columns

PAIRS = (
    "request_pairs",
    "request_terse",
    "request_hazards",
    "request_veiled",
    "request_foreign",
    "request_alike",
    "request_natural",
)
ROWS = list(requests.generate(random.Random(3), 6000))


def test_a_seed_repeats_its_rows() -> None:
    assert list(requests.generate(random.Random(3), 50)) == ROWS[:50]


def test_plain_requests_are_neither_injections_nor_jailbreaks() -> None:
    assert {row.stage for row in ROWS} == {"input"}
    assert {row.labels["harmful_request"] for row in ROWS} == {0, 1}
    assert {(row.labels["prompt_injection"], row.labels["jailbreak"]) for row in ROWS} == {(0, 0)}


def test_texts_hardly_repeat() -> None:
    assert len({row.text for row in ROWS}) >= 0.95 * len(ROWS)


def test_no_slot_is_left_open() -> None:
    assert not [row.text for row in ROWS if SLOT.search(row.text)]


def test_every_line_has_a_twin() -> None:
    for name in PAIRS:
        assert min(len(line) for line in columns(name)) >= 2, name
        assert not [line for line in columns(name) if line[0] in line[1:]], name
    assert {row.labels["harmful_request"] for row in ROWS if row.group.startswith("request_frame")} == {0, 1}


def test_every_bank_of_pairs_is_drawn_on_both_sides() -> None:
    seen = {
        (row.group.rsplit(":", 1)[0].replace("request_pair", "request_pairs", 1), row.labels["harmful_request"])
        for row in ROWS
        if not row.group.startswith(("request_frame", "contrast_request"))
    }
    assert seen == {(name, label) for name in PAIRS for label in (0, 1)} | {("request_scary", 0)}


def test_abuse_is_no_request_and_a_request_about_it_is() -> None:
    labels = {
        row.source: (row.labels["harmful_request"], row.labels.get("toxicity"))
        for row in ROWS
        if row.group.startswith("contrast_request")
    }
    assert labels == {
        "gen_requests_abuse": (0, 1),
        "gen_requests_harmful": (1, None),
        "gen_requests_twin": (0, 0),
    }


def test_alarming_words_alone_are_no_harm() -> None:
    assert {len(line) for line in columns("request_scary")} == {1}
    alarming = ("kill", "bomb", "poison", "hack", "steal", "drug")
    for word in alarming:
        assert {row.labels["harmful_request"] for row in ROWS if word in row.text.lower()} == {0, 1}, word


def test_no_wording_stands_on_both_sides() -> None:
    sides: dict[str, set[int]] = {}
    for name in PAIRS:
        for line in columns(name):
            for side, text in ((1, line[0]), *((0, text) for text in line[1:])):
                if text != "-":
                    sides.setdefault(text.lower(), set()).add(side)
    for (text,) in columns("request_scary"):
        sides.setdefault(text.lower(), set()).add(0)
    assert not [text for text, labels in sides.items() if len(labels) > 1]
