"""What the generator of text messages promises."""

from __future__ import annotations

import re
from random import Random

from models.training.banks import bank
from models.training.generators.messages import generate


def test_the_same_seed_gives_the_same_rows() -> None:
    rows = list(generate(Random(3), 400))
    assert rows[:100] == list(generate(Random(3), 100))
    assert {row.stage for row in rows} == {"tool"}


def test_a_fifth_holds_an_order_and_its_source_says_so() -> None:
    rows = list(generate(Random(1), 2000, ("Hum a tune.",)))
    bad = [row for row in rows if row.labels["prompt_injection"]]
    assert abs(len(bad) / len(rows) - 0.21) < 0.04
    assert any("hum a tune" in row.text.lower() for row in bad)
    assert {row.source for row in bad} == {"gen_messages_plain"}
    assert {row.source for row in rows if not row.labels["prompt_injection"]} == {"gen_messages_clean"}


def test_no_message_is_in_two_groups() -> None:
    groups: dict[str, set[str]] = {}
    for row in generate(Random(5), 1500):
        for line in bank("doc_sms"):
            if line in row.text:
                groups.setdefault(line, set()).add(row.group)
    whole = {line: found for line, found in groups.items() if len(line) > 40}
    assert whole
    assert all(len(found) == 1 for found in whole.values())


def test_no_slot_or_mark_is_left() -> None:
    texts = [row.text for row in generate(Random(9), 1500)]
    known = r"\0|\{(task|ask|action|x|i|count|first|last|full|n\d|url|phone|money|date|time|company|name|line|city)\}"
    assert not [text for text in texts if re.search(known, text)]


def test_messages_are_many_and_differ() -> None:
    lines = bank("doc_sms")
    assert len(lines) == len({line.lower() for line in lines}) >= 300
