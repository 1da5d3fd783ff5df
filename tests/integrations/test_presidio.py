"""Presidio's real engine as a screen: its recognizers on a blank spaCy pipeline, which needs no language model."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from guardsdk import Action, Guard, Policy, Principle, Stage, Status
from guardsdk.errors import InputError
from guardsdk.surroundings import NOWHERE

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk.integrations.presidio import PresidioScreen

# Looked for and not imported: Presidio takes seconds to load, which only a run of these tests should pay.
pytestmark = pytest.mark.skipif(find_spec("presidio_analyzer") is None, reason="needs the extra presidio")

TEXT = "Please write to Dana Meyer, or to Ines Okafor in Bremen."


@pytest.fixture(scope="module")
def screen() -> PresidioScreen:
    import presidio_analyzer as presidio
    import spacy

    from guardsdk.integrations.presidio import PresidioScreen

    nlp = presidio.nlp_engine.SpacyNlpEngine(models=[{"lang_code": "en", "model_name": "blank"}])
    vars(nlp)["nlp"] = {"en": spacy.blank("en")}  # spaCy without a trained model: tokens only
    registry = presidio.RecognizerRegistry()
    people, places = ["Dana Meyer", "Ines Okafor"], ["Bremen"]
    registry.add_recognizer(presidio.PatternRecognizer(supported_entity="PERSON", deny_list=people))
    registry.add_recognizer(presidio.PatternRecognizer(supported_entity="LOCATION", deny_list=places))
    engine = presidio.AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=["en"])
    return PresidioScreen(engine)


def test_names_and_places_are_scored_and_placed(screen: PresidioScreen) -> None:
    named, plain = screen.read([TEXT, "Good morning."], Stage.INPUT, [NOWHERE] * 2)
    assert named.scores == {"personal_name": 1.0, "personal_place": 1.0}
    assert [TEXT[start:end] for start, end in named.spans("personal_name")] == ["Dana Meyer", "Ines Okafor"]
    assert [TEXT[start:end] for start, end in named.spans("personal_place")] == ["Bremen"]
    assert plain.scores == {"personal_name": 0.0, "personal_place": 0.0}


def test_a_name_on_the_border_of_two_windows_is_found_once(screen: PresidioScreen) -> None:
    text = "x " * 49_996 + TEXT
    (reading,) = screen.read([text], Stage.INPUT, [NOWHERE])
    assert [text[start:end] for start, end in reading.spans("personal_name")] == ["Dana Meyer", "Ines Okafor"]


def test_a_guard_cuts_names_out(screen: PresidioScreen, model_directory: Path) -> None:
    principle = Principle(
        id="no-names", text="No names.", label="personal_name", stages=(Stage.INPUT,), action=Action.REDACT
    )
    policy = Policy(name="names", version="1", principles=(principle,))
    with Guard(policy, models=model_directory, providers="cpu", observers=(), screens=[screen]) as guard:
        verdict = guard.check(TEXT)
        assert (verdict.action, verdict.status) == (Action.REDACT, Status.COMPLETE)
        assert len(verdict.findings[0].spans) == 2
        assert "Dana" not in verdict.model_dump_json()


def test_an_analyzer_that_cannot_tell_is_refused(screen: PresidioScreen) -> None:
    from guardsdk.integrations.presidio import PresidioScreen

    with pytest.raises(InputError, match="recognises no PHONE_NUMBER in 'en', which 'personal_phone'"):
        PresidioScreen(screen._analyzer, labels={"PHONE_NUMBER": "personal_phone"})
    with pytest.raises(InputError, match="recognises no PERSON in 'de', which 'personal_name'"):
        PresidioScreen(screen._analyzer, language="de")
