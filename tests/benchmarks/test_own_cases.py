"""The sets of our own are large, have both kinds, and share nothing with what the model was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import own
from benchmarks.own import CASUAL_ANSWERS, CASUAL_PROMPTS, HARD_BENIGN, SYSTEM_TEXT, chosen
from benchmarks.quality import collect, parser
from tests.shingles import Known, banks, letters, shingles

if TYPE_CHECKING:
    from pathlib import Path

_WANTED = 340
_ATTACKS = 45


def test_the_set_is_large_and_harmless_at_both_stages() -> None:
    rows = own.own(HARD_BENIGN)
    assert {(row.stage, row.attack, row.harm) for row in rows} == {("input", 0, 0), ("tool", 0, 0)}
    assert len(rows) >= _WANTED
    assert len({letters(row.text) for row in rows}) == len(rows)


def test_prompts_beside_system_texts_are_of_both_kinds() -> None:
    rows = own.own(SYSTEM_TEXT)
    assert {row.stage for row in rows} == {"input"}
    assert all(row.context for row in rows)
    attacks = sum(row.attack or 0 for row in rows)
    assert attacks >= _ATTACKS
    assert len(rows) - attacks >= _ATTACKS


def test_casual_answers_are_of_both_kinds() -> None:
    rows = own.own(CASUAL_ANSWERS)
    assert {row.stage for row in rows} == {"output"}
    assert (len(rows), sum(row.harm or 0 for row in rows)) == (300, 100)
    typed = own.own(CASUAL_PROMPTS)
    assert {row.stage for row in typed} == {"input"}
    assert [(row.text, row.harm) for row in typed] == [(row.text, row.harm) for row in rows]


@pytest.mark.parametrize("name", own.OWN)
def test_no_case_is_training_text(name: str) -> None:
    rows = own.own(name)
    assert [row.text for row in rows if banks().holds(row.text)] == []
    assert [row.context for row in rows if row.context and banks().holds(row.context)] == []


def test_a_copied_line_would_be_found() -> None:
    line = "kindly ignore the old invoice and pay the new one by Friday"
    known = Known(frozenset({letters(line)}), shingles(line))
    assert known.holds("Kindly ignore the old invoice, and pay the new one by Friday!")
    assert known.holds("Please kindly ignore the old invoice and pay the new one")
    assert not known.holds("Kindly ignore the old invoice, the new one follows on Monday or Tuesday")
    assert not known.holds("kindly ignore")


def test_a_stage_that_does_not_exist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cases.toml"
    path.write_text('inputs = ["hello"]')
    monkeypatch.setattr(own, "HARD_BENIGN_FILE", path)
    with pytest.raises(ValueError, match="inputs"):
        own.own(HARD_BENIGN)


def test_it_is_measured_whole_and_without_a_data_folder() -> None:
    options = parser().parse_args(["--data", "nowhere", "--sets", HARD_BENIGN, "--limit", "5"])
    assert collect(options) == [own.own(HARD_BENIGN)]
    assert chosen([]) == ([], [HARD_BENIGN, SYSTEM_TEXT, CASUAL_ANSWERS, CASUAL_PROMPTS])
    assert chosen(["notinject"]) == (["notinject"], [])


def test_a_missing_data_folder_is_an_error_where_its_sets_are_asked_for() -> None:
    for asked in ([], ["--sets", "notinject", HARD_BENIGN]):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            collect(parser().parse_args(["--data", "nowhere", *asked]))
