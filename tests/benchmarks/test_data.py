from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.data import Row, groups, length_bucket, load, parse, sample, sources, text_format

if TYPE_CHECKING:
    from pathlib import Path


BLANK = Row("made", "input", "a", None, attack=None, harm=None, refusal=None)


def row(**fields: object) -> Row:
    return replace(BLANK, **fields)  # type: ignore[arg-type]


def line(**fields: object) -> str:
    return json.dumps({"role": "user", "text": "words", "attack": None, "harm": None, "refusal": None} | fields)


def write(folder: Path, name: str, lines: list[str]) -> Path:
    path = folder / f"{name}.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return path


def test_a_row_is_read_with_its_stage_and_labels() -> None:
    found = parse("made", line(role="response", context="prompt", harm=1, harm_categories="theft", lang="en"))
    assert (found.stage, found.context, found.attack, found.harm) == ("output", "prompt", None, 1)
    assert (found.categories, found.language) == (("theft",), "en")


@pytest.mark.parametrize("broken", ["{", line(role="nobody"), '{"role": "user"}'])
def test_a_broken_row_is_an_error_and_not_skipped(broken: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        parse("made", broken)


def test_a_row_shows_neither_text_nor_context() -> None:
    shown = repr(row(text="very private words", context="more private words"))
    assert "private" not in shown
    assert "made" in shown


def test_the_key_depends_on_what_is_checked_and_on_nothing_else() -> None:
    first = row(text="a \ud800 lone surrogate")
    assert first.key == row(text="a \ud800 lone surrogate", harm=1, context="a passage the request speaks of").key
    assert first.key != row(text="a \ud800 lone surrogate", attack=1, context="what it is aimed at").key
    assert first.key != row(text="a \ud800 lone surrogate", stage="tool").key
    assert row(stage="output", context="x").key != row(stage="output", context="y").key


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ({"stage": "output", "harm": 1}, True),
        ({"stage": "input", "attack": 1}, True),
        ({"stage": "input", "attack": 0}, True),
        ({"stage": "input", "harm": 1}, False),
        ({"stage": "tool", "attack": 1}, False),
    ],
)
def test_a_prompt_is_checked_beside_instructions_and_beside_nothing_else(fields: dict[str, Any], read: bool) -> None:
    assert row(**fields, context="given").beside == ("given" if read else None)
    assert row(**fields).beside is None


def test_sources_name_what_is_missing(tmp_path: Path) -> None:
    write(tmp_path, "one", [line()])
    assert [path.name for path in sources(tmp_path)] == ["one.jsonl.gz"]
    with pytest.raises(FileNotFoundError, match="two"):
        sources(tmp_path, ["one", "two"])
    with pytest.raises(FileNotFoundError, match="no"):
        sources(tmp_path / "nowhere")


def test_a_limit_keeps_so_many_rows_of_each_label_and_repeats_by_seed(tmp_path: Path) -> None:
    lines = [line(text=str(index), attack=index % 2) for index in range(40)] + [line(text="lone", attack=None)]
    path = write(tmp_path, "one", lines)
    kept = load(path, limit=5, seed=1)
    assert sorted((found.attack is None, found.attack or 0) for found in kept) == [(False, 0)] * 5 + [
        (False, 1)
    ] * 5 + [(True, 0)]
    assert kept == load(path, limit=5, seed=1)
    assert kept != load(path, limit=5, seed=2)
    assert sample(load(path), 100, 0) == load(path)


def test_the_rows_kept_stand_for_all_rows_of_their_labels() -> None:
    rows = [row(text=str(index), attack=int(index < 30)) for index in range(37)]
    kept = sample(rows, 10, 0)
    assert [sum(one.weight for one in kept if one.attack == value) for value in (1, 0)] == [30.0, 7.0]
    assert {one.key for one in kept} <= {one.key for one in rows}


def test_a_limit_keeps_rows_of_every_part_that_is_reported() -> None:
    rows = [row(source="mgsm", text=str(index), language="th", attack=0) for index in range(50)]
    rows += [row(source="mgsm", text="only", language="en", attack=0)]
    assert [one.language for one in sample(rows, 2, 0)] == ["th", "th", "en"]


def test_labels_that_hold_for_the_same_rows_share_a_group() -> None:
    found = groups([row(text="a", attack=0, harm=0), row(text="b", attack=0, harm=0)])
    assert [(group.label, group.positive, len(group.rows)) for group in found] == [("attack+harm", False, 2)]


def test_a_row_that_any_label_calls_bad_is_no_negative() -> None:
    rows = [row(text="jailbreak", attack=1, harm=0), row(text="toxic", attack=0, harm=1), row(attack=0, harm=0)]
    found = {(group.label, group.positive): [one.text for one in group.rows] for group in groups(rows)}
    assert found == {("attack", True): ["jailbreak"], ("harm", True): ["toxic"], ("attack+harm", False): ["a"]}


def test_rows_without_any_label_are_a_group_of_their_own() -> None:
    found = groups([row(text="a", attack=1), row(text="b")])
    assert [(group.label, group.positive, len(group.rows)) for group in found] == [
        ("attack", True, 1),
        ("none", None, 1),
    ]


def test_stages_are_never_mixed_and_splits_come_beside_the_whole() -> None:
    rows = [
        row(source="mgsm", language="en", attack=0),
        row(source="mgsm", language="th", text="b", attack=0),
        row(source="mgsm", language="th", text="c", attack=0, stage="tool"),
    ]
    found = [(group.split, group.stage, len(group.rows)) for group in groups(rows)]
    assert found == [
        ("", "input", 2),
        ("en", "input", 1),
        ("other languages", "input", 1),
        ("", "tool", 1),
        ("other languages", "tool", 1),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": [1, 2]}', "json"),
        ("{not json}", "plain"),
        ("What is the capital of France?", "plain"),
        ("TWFrZSBtZSBhIHNhbmR3aWNoIHdpdGggY2hlZXNl" * 2, "encoded"),
        ("def add(a, b):\n    return a + b", "code"),
        ("<p>Hello <b>you</b></p>", "markup"),
        ("# Title\n\n- one\n- two", "markdown"),
    ],
)
def test_formats(text: str, expected: str) -> None:
    assert text_format(row(text=text)) == expected


def test_length_buckets_meet_without_a_gap() -> None:
    bounds = [
        (99, "under 100"),
        (100, "100 to 499"),
        (499, "100 to 499"),
        (500, "500 to 1,999"),
        (2000, "2,000 or more"),
    ]
    assert [length_bucket(row(text="x" * length)) for length, _ in bounds] == [name for _, name in bounds]
