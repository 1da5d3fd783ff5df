"""Lexicons: every packaged one is what its format says, and what is none is refused with its line."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

import guardsdk.text
from guardsdk.text.lexicon import COMMON, LANGUAGES, Lexicon, LexiconError, fold, lexicon, parse
from models.training.lexicon_index import common_lines

FOLDER = Path(guardsdk.text.__file__).parent / "lexicons"
EVERY = [(code, script) for script, codes in LANGUAGES.items() for code in codes]


def test_every_lexicon_of_the_folder_is_read_for_some_script() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {COMMON, *(f"{code}.txt" for code, _ in EVERY)}


@pytest.mark.parametrize(("code", "script"), EVERY)
def test_a_lexicon_has_plain_glosses_and_composed_forms(code: str, script: str) -> None:
    text = (FOLDER / f"{code}.txt").read_text(encoding="utf-8")
    assert unicodedata.is_normalized("NFC", text)
    book = lexicon(code, script)
    assert len(book.forms) > 1000
    said = {*book.forms.values(), *book.stems.values()}
    assert [gloss for gloss in said if not gloss.isascii() or gloss != gloss.strip() or "*" in gloss] == []
    assert [form for form in (*book.forms, *book.stems) if form != form.strip() or not form or "," in form] == []


def test_the_list_of_common_forms_is_that_of_the_lexicons() -> None:
    assert (FOLDER / COMMON).read_text(encoding="utf-8").splitlines() == common_lines()


def small(text: str) -> Lexicon:
    return parse(text, "de", "latin")


def test_an_exact_form_wins_over_a_stem_and_the_longest_stem_over_others() -> None:
    book = small("# German\nkill = t\u00f6te, t\u00f6tet\nkilling = t\u00f6t*\ndead end = t\u00f6tung*\n- = denn")
    assert [
        book.word(fold(word, full=False)) for word in ("T\u00f6te", "t\u00f6tend", "T\u00d6TUNGEN", "denn", "Haus")
    ] == [
        "kill",
        "killing",
        "dead end",
        "",
        None,
    ]


def test_prefixes_are_taken_off_and_compounds_are_parted() -> None:
    book = small(
        "@strip = ge\n@compounds\nbomb = bombe, bomben\nbuild = bauen\nguide = anleitung, bauanleitung\nto = ge"
    )
    assert book.word("gebomben") == "bomb"
    assert book.word("bombenbauanleitung") == "bomb guide"
    assert book.word("bombensbauen") == "bomb build"
    assert book.word("bombenxyzw") is None


@pytest.mark.parametrize(
    "line",
    [
        *("kill", "kill: toeten", " = toeten", "kill=toeten"),
        *("kill = ", "kill = toeten, , morden", "kill = toeten, ", "kill = \u200b", "@strip = ", "@strip = be, , ge"),
    ],
)
def test_a_line_that_is_no_gloss_is_refused_with_its_number(line: str) -> None:
    with pytest.raises(LexiconError, match=r"de\.txt:2: expected 'gloss = form, form, ...', found"):
        small(f"# German\n{line}")


def test_a_word_of_any_length_is_looked_at_once() -> None:
    book = small("@compounds\n@strip = be\nbomb = bomb, bombe\nburst = bombast*")
    assert book.word("bombe" * 40_000) is None
    assert book.word("bombebombebombebombe") is None
    assert book.word("bombast" + "e" * 40_000) == "burst"
