"""Tables written as text: values that only the head of their column gives away."""

from __future__ import annotations

import json

import pytest

from guardsdk.screens.pattern_screen import patterns
from guardsdk.text import columns
from guardsdk.text.columns import cells_named

KEY = "q7Rm2Kd9Zt4Lw8Xb5Nc3Vh6Jp1"
ROWS = (
    "| Service | User | Password |",
    "|:---|---|---|",
    "| Shop | dana | `Maple#Quay77` |",
    "| Mail | tom | **Kettle!Bay19** |",
)
MARKDOWN = "\n".join(ROWS)


@pytest.mark.parametrize(
    ("label", "text", "values"),
    [
        ("secret", f"Here they are:\n\n{MARKDOWN}\nBye, all 4 of you.", ["Maple#Quay77", "Kettle!Bay19"]),
        ("secret", "user,password\r\ndana,Maple#Quay77\r\ntom,Kettle!Bay19\r\n", ["Maple#Quay77", "Kettle!Bay19"]),
        ("secret", '"user";"password"\n"dana";"Maple#Quay77"\n', ["Maple#Quay77"]),
        ("secret", 'user,password\n"Meyer, Dana",none\ntom,Kettle!Bay19', ["Kettle!Bay19"]),
        ("secret", f"| Service | API key |\n|---|---|\n| Maps | {KEY} |\n| Mail | {KEY[::-1]} |", [KEY, KEY[::-1]]),
        ("secret", f"| Service | Key |\n|---|---|\n| Maps | {KEY} |", [KEY]),
        (
            "personal_data",
            "name,ssn,phone\nDana,531487263,9876543219\nTom,402771835,",
            ["531487263", "9876543219", "402771835"],
        ),
        ("secret", "| name | password |\n|---|---|\n| a | orchid-Dune16!", ["orchid-Dune16!"]),
        ("secret", "user,password,note\ndana,orchid-Dune16!", ["orchid-Dune16!"]),
        ("personal_data", "| Naam | BSN |\n|--|--|\n| Daan | 555891379 |", ["555891379"]),
        ("secret", "| Key | Count |\n|---|---|\n| c48bbf33-feff-4924-a3a8-f506b40928b5 | 4 |", []),
        ("secret", "Well, the password, they say,\nis gone, lost in Abcdef12, maybe,\nfor good", []),
        ("secret", "| Field | password |\n|---|---|\n| Length | varchar(255) |\n| Default | [SECRET_1] |", []),
        ("secret", "user,password\nThat is all of it.\ndana,Maple#Quay77", []),
    ],
)
def test_a_value_is_found_by_the_head_of_its_column(label: str, text: str, values: list[str]) -> None:
    for said in (text, json.dumps({"table": text})):
        found = patterns(label).find(said)
        assert list(dict.fromkeys(said[match.start : match.end] for match in found)) == values


def test_columns_may_be_parted_by_tabs() -> None:
    text = "user\tpassword\tnote\ndana\tMaple#Quay77\tok"
    assert [text[match.start : match.end] for match in patterns("secret").find(text)] == ["Maple#Quay77"]


def test_work_is_linear_and_a_text_without_tables_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(cells_named("The password, one line, 4 commas, Maple#Quay77")) == []
    asked: list[object] = []
    real = columns._cells

    def watched(line: tuple[int, str], mark: str) -> list[tuple[int, int]]:
        asked.append(line)
        return real(line, mark)

    monkeypatch.setattr(columns, "_cells", watched)
    for count in (100, 200):
        asked.clear()
        rows = "".join(f"dana,Maple#Quay{row}\n" for row in range(100, 100 + count))
        assert len(list(cells_named(f"user,password\n{rows}"))) == count
        assert len(asked) == count + 1
    asked.clear()
    assert list(cells_named("one,two\n" * 500)) == []
    assert len(asked) <= 500
