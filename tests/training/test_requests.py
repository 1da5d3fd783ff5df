"""Plain harmful requests and their harmless twins."""
# ruff: noqa: S311 - seeded draws, no secrets

import random

from models.training.generators import requests
from models.training.generators.output_surface import columns

ROWS = list(requests.generate(random.Random(3), 2000))


def test_a_seed_repeats_its_rows() -> None:
    assert list(requests.generate(random.Random(3), 50)) == ROWS[:50]


def test_plain_requests_are_neither_injections_nor_jailbreaks() -> None:
    assert {row.stage for row in ROWS} == {"input"}
    assert {row.labels["harmful_request"] for row in ROWS} == {0, 1}
    assert {(row.labels["prompt_injection"], row.labels["jailbreak"]) for row in ROWS} == {(0, 0)}


def test_texts_hardly_repeat() -> None:
    assert len({row.text for row in ROWS}) >= 0.95 * len(ROWS)


def test_no_slot_is_left_open() -> None:
    assert not [row.text for row in ROWS if "{" in row.text]


def test_every_line_has_a_twin() -> None:
    assert min(len(line) for line in columns("request_pairs")) >= 2
    assert {row.labels["harmful_request"] for row in ROWS if row.group.startswith("request_frame")} == {0, 1}
