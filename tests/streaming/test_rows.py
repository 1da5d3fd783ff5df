"""Rows of values in a stream: what tells of them stands before the first one, and may be far from the last."""

from __future__ import annotations

import pytest

from guardsdk import Guard, Policy

SECRETS = """
name = "secrets"
version = "1"

[[principle]]
id = "no-secrets"
text = "No secrets."
label = "secret"
stages = ["output"]
action = "redact"
"""
ROWS = {
    "table": "Logins:\n\n| Service | User | Password |\n|---|---|---|\n"
    + "".join(f"| Service number {row} | user{row} | Maple#Quay{row} |\n" for row in range(10, 60)),
    "list": "The passwords:\n\n" + "".join(f"- Maple#Quay{row}\n" for row in range(10, 60)),
    "json": '{"passwords": [' + ", ".join(f'"Maple#Quay{row}"' for row in range(10, 60)) + "]}\n",
}


@pytest.mark.parametrize("text", ROWS.values(), ids=ROWS.keys())
@pytest.mark.parametrize("size", [1, 19])
def test_the_last_of_many_rows_is_cut_out_as_the_first(text: str, size: int) -> None:
    guard = Guard(Policy.from_toml(SECRETS), observers=())
    text = f"{text}\nThat is all there is to say about it, and it should be changed soon."
    stream = guard.stream([text[at : at + size] for at in range(0, len(text), size)])
    out = "".join(stream)
    assert out == guard.apply(text, guard.check(text, stage="output"))
    assert "Quay" not in out
    assert out.count("[SECRET_") == 50


def test_a_row_that_is_still_being_written_is_read() -> None:
    guard = Guard(Policy.from_toml(SECRETS), observers=())
    text = "| name | password |\n|---|---|\n| a | orchid-Dune16! |\n"
    assert "".join(guard.stream(list(text))) == "| name | password |\n|---|---|\n| a | [SECRET_1] |\n"
