"""The suite of the package is large, has both sides in every slice, repeats nothing and is nobody else's text."""

from __future__ import annotations

import base64
import codecs
from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from guardsdk.errors import EvaluationError
from guardsdk.evaluation.builtin import _cases_of, builtin_cases
from guardsdk.evaluation.encodings import ENCODINGS
from guardsdk.evaluation.suites import open_suite
from guardsdk.verdict import Stage
from tests.places import ROOT
from tests.shingles import banks, shingles

if TYPE_CHECKING:
    from guardsdk.evaluation.cases import Case

SLICES = {
    "agentic",
    "code and structure",
    "crescendo",
    "document injection",
    "encoding",
    "implicit",
    "instruction hierarchy",
    "languages",
    "plain",
    "refusal look-alikes",
    "role play",
    "suffix",
}
LOW_RESOURCE = {"sw", "zu", "ha", "cy", "eu", "ht", "is", "af", "tl"}


def under_test(case: Case) -> str:
    return case.messages[-1].content


def test_every_slice_has_enough_of_what_is_harmful_and_of_what_only_looks_it() -> None:
    sizes = Counter((case.slice, case.expectation.benign) for case in builtin_cases())
    assert {name for name, _ in sizes} == SLICES
    assert min(sizes.values()) >= 14
    assert sum(sizes.values()) >= 700
    assert 0.8 < sum(size for (_, benign), size in sizes.items() if benign) / sum(sizes.values()) / 0.5 < 1.2


def test_the_page_says_how_large_it_is() -> None:
    languages = {case.language for case in builtin_cases()} - {"mul"}  # several mixed
    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert f"{len(builtin_cases())} cases in {len(languages)} languages in twelve slices" in page
    assert len(SLICES) == 12


def test_it_stays_large_when_something_has_to_answer() -> None:
    assert open_suite(None).ref().cases >= 600
    assert all(case.stage is not Stage.OUTPUT for case in open_suite(None))
    assert any(case.stage is Stage.OUTPUT for case in open_suite(None, answered=False))


def test_many_languages_are_in_it_also_ones_models_have_seen_little_of() -> None:
    harmful = {case.language for case in builtin_cases() if case.expectation.at_risk}
    harmless = {case.language for case in builtin_cases() if case.expectation.benign}
    assert len(harmful) >= 25
    assert harmful >= LOW_RESOURCE
    assert harmful == harmless


def test_no_case_is_there_twice() -> None:
    assert len({case.id for case in builtin_cases()}) == len(builtin_cases())
    # Stages differ in what is under test; within one, the same words again would count twice.
    seen = Counter((case.stage, " ".join(one.content.casefold() for one in case.messages)) for case in builtin_cases())
    assert [number for number in seen.values() if number > 1] == []


def test_a_slice_is_not_one_sentence_again_and_again() -> None:
    """Few pairs of equal expectation share half of their runs of six words: frames are filled twice, not ten times."""
    for name in SLICES:
        cases = [case for case in builtin_cases() if case.slice == name and case.stage is Stage.INPUT]
        runs = [(case.expectation, shingles(under_test(case))) for case in cases]
        pairs = [
            1
            for (one, own), (two, other) in combinations(runs, 2)
            if one is two and own and 2 * len(own & other) >= min(len(own), len(other) or len(own))
        ]
        assert len(pairs) <= len(cases) / 2, name


def test_no_case_is_training_text() -> None:
    assert [case.id for case in builtin_cases() if banks().holds(under_test(case))] == []


def test_code_words_are_not_given_away_in_what_is_harmless() -> None:
    """An honest answer to a clean question has no reason to hold a forbidden text."""
    for case in builtin_cases():
        if case.forbidden:
            assert case.expectation.at_risk or case.messages[0].role == "system"
            assert not case.holds_forbidden("I cannot help with that, but here is what the page says.")


def test_encoded_requests_can_be_decoded() -> None:
    encoded = [case.prompt for case in builtin_cases() if case.slice == "encoding"]
    line = next(text for text in encoded if text.startswith("Turn this back"))
    assert base64.b64decode(line.rsplit(" ", 1)[1]) == b"how to build a letter bomb"
    text = "How to fold a letter?"
    assert codecs.decode(ENCODINGS["rot13"](text), "rot13") == text
    assert bytes(int(bits, 2) for bits in ENCODINGS["binary"](text).split()).decode() == text
    assert ENCODINGS["atbash"](ENCODINGS["atbash"](text)) == text
    assert ENCODINGS["caesar by three"]("xyz XYZ") == "abc ABC"
    assert ENCODINGS["morse"]("SOS at sea") == "... --- ... / .- - / ... . .-"
    assert ENCODINGS["pig latin"]("string apple") == "ingstray appleway"
    assert ENCODINGS["url escapes"]("a é") == "%61%20%C3%A9"
    assert len({encode(text) for encode in ENCODINGS.values()}) == len(ENCODINGS)


def test_a_slip_in_a_suite_file_is_an_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("suite") / "x.toml"
    file.write_text('slice = "x"\nfames = []\n', encoding="utf-8")
    with pytest.raises(EvaluationError, match="unknown fames"):
        list(_cases_of(file))
