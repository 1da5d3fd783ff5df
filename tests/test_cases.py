"""The shipped model on frozen hand-written cases: a bad model cannot land, and what it misses is listed."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from benchmarks.own import CASUAL_PROMPTS, OWN, own
from guardsdk import Stage
from tests.cases import Case, Document, Slice, as_toml, known_misses, problems, slices
from tests.cases.__main__ import main
from tests.shingles import banks, letters

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk import Guard

SLICES = slices()
SIZES = {
    "injection": 16,
    "jailbreak": 15,
    "obfuscated": 10,
    "tool_attack": 31,
    "tool_clean": 31,
    "harmful_request": 41,
    "benign": 40,
    "hard_benign": 40,
    "harmful_response": 20,
    "harmless_response": 20,
    "refusal": 20,
    "no_refusal": 20,
    "toxic": 15,
    "not_toxic": 16,
    "against_system": 12,
    "beside_system": 12,
    "harmless_talk": 50,
    "abusive_talk": 25,
}
"""A slice that shrinks, or a case that is dropped because a model misses it, is seen here."""
MADE = Slice("made", Stage.INPUT, "block", 0.5, 1, tuple(Case(text=text) for text in "abcd"))


@pytest.mark.parametrize("name", SLICES)
def test_the_model_holds_the_floor_and_its_misses_are_the_listed_ones(guard: Guard, name: str) -> None:
    assert problems(SLICES[name], SLICES[name].missed(guard), known_misses().get(name, ())) == []


def test_the_slices_are_whole_and_no_case_is_there_twice() -> None:
    assert {name: len(found.cases) for name, found in SLICES.items()} == SIZES
    names = [letters(case.name) or case.name for found in SLICES.values() for case in found.cases]
    names += [letters(row.text) for name in OWN if name != CASUAL_PROMPTS for row in own(name)]  # those of another set
    assert len(set(names)) == len(names)


def test_every_listed_miss_is_a_case() -> None:
    for name, texts in known_misses().items():
        assert set(texts) <= {case.name for case in SLICES[name].cases}
        assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("name", SLICES)
def test_no_case_is_training_text(name: str) -> None:
    assert [case.text for case in SLICES[name].cases if banks().holds(case.text)] == []


@pytest.mark.parametrize(
    ("missed", "known", "said"),
    [
        ("", "", []),
        ("ab", "ab", []),
        ("ab", "a", []),
        ("ab", "", ["2 misses are not listed"]),
        ("abc", "abc", ["25% of 4 cases are right"]),
        ("a", "ab", []),
        ("", "ab", ["2 listed misses are none"]),
        ("abc", "de", ["25% of 4 cases are right", "3 misses are not listed", "2 listed misses are none"]),
    ],
)
def test_what_is_wrong_with_a_slice_is_said(missed: str, known: str, said: list[str]) -> None:
    found = problems(MADE, missed, known)
    assert len(found) == len(said)
    assert all(part in line for part, line in zip(said, found, strict=True))


def test_a_list_of_misses_can_be_read_back() -> None:
    texts = {"made": ['quotes " and \\', "line\nbreak", "zero\u200bwidth\U000e0041", "nbsp\u00a0 \x7f", "\U0001d408 é"]}
    assert tomllib.loads(as_toml(texts)) == texts
    assert "\u200b" not in as_toml(texts)


def test_a_document_has_one_gap() -> None:
    assert Document(text="a {} b", order="x", instead="y").filled("instead").text == "a y b"
    with pytest.raises(ValueError, match="once"):
        Document(text="a b", order="x", instead="y").filled("order")


def test_a_slice_without_cases_or_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "made.toml"
    for content, said in (
        ('[a]\nstage = "input"\nexpect = "block"\nfloor = 0.5\nallowance = 0\n', "no case"),
        ('[a]\nstage = "input"\nexpect = "block"\nflor = 0.5\nallowance = 0\ncases = ["x"]\n', "flor"),
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=said):
            slices([path])


def test_the_command_writes_a_list_that_is_true(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "misses.toml")]) == 0
    written, listed = known_misses(tmp_path / "misses.toml"), known_misses()
    for name, found in SLICES.items():
        assert len(set(written.get(name, ())) ^ set(listed.get(name, ()))) <= found.allowance
    assert "below" not in capsys.readouterr().out
