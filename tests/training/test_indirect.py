"""What the generator of indirect injections promises."""

from __future__ import annotations

import re
from random import Random

from models.training.generators.documents import document
from models.training.generators.indirect import generate, generate_user_side


def test_the_same_seed_gives_the_same_rows() -> None:
    assert list(generate(Random(3), 60)) == list(generate(Random(3), 60))
    assert list(generate_user_side(Random(3), 60)) == list(generate_user_side(Random(3), 60))


def test_half_of_the_tool_rows_are_injections_and_few_repeat() -> None:
    rows = list(generate(Random(1), 2001, ("A page about tea. It is hot.",), ("Name a river.",)))
    assert len(rows) == 2001
    assert {row.stage for row in rows} == {"tool"}
    assert 0.45 < sum(row.labels["prompt_injection"] for row in rows) / len(rows) < 0.55
    assert len({row.text for row in generate(Random(2), 2000)}) > 1900


def test_users_who_ask_for_the_same_things_are_harmless() -> None:
    rows = list(generate_user_side(Random(1), 2000))
    assert {row.stage for row in rows} == {"input"}
    assert not any(value for row in rows for value in row.labels.values())
    assert len({row.text for row in rows}) > 1900


def test_extra_carriers_and_tasks_are_used() -> None:
    rows = list(generate(Random(5), 400, ("Zebrafish live in rivers.",), ("Hum a tune.",)))
    assert any("Zebrafish" in row.text for row in rows)
    assert any("hum a tune" in row.text.lower() for row in rows if row.labels["prompt_injection"])


def test_no_slot_is_left_unfilled() -> None:
    texts = [document(Random(seed)).text for seed in range(800)] + [row.text for row in generate(Random(9), 800)]
    assert not [text for text in texts if re.search(r"\{(task|ask|action|x|first|last|full|n\d|url|c)\}", text)]
