"""A verdict made without validation is the one that validation would have made."""

from __future__ import annotations

import pickle

import pytest
from pydantic import ValidationError

from guardsdk.policy import decide
from guardsdk.verdict import Action, Evaluation, Stage, Status, Verdict
from tests.pipeline_bench import POLICY, Bench, WordScreen

CHECKED = {
    "nothing found": Bench().check("a quiet day"),
    "a finding": Bench().check("bad rude bad"),
    "held back": Bench(WordScreen("bad", "rude", coverage=0.5)).check("a quiet day"),
    "shadow": Bench(policy=POLICY.model_copy(update={"shadow": True})).check("bad bad"),
    "failed": Bench(WordScreen("bad", "rude", error=OSError())).check("bad"),
    "empty": Bench().check(" "),
    "remembered": [(bench := Bench(cache=4)).check("bad"), bench.check("bad")][1],
}


@pytest.mark.parametrize("verdict", CHECKED.values(), ids=CHECKED)
def test_it_is_what_validation_makes_of_the_same_fields(verdict: Verdict) -> None:
    validated = Verdict.model_validate(verdict.model_dump())
    assert verdict == validated
    assert verdict.model_dump_json() == validated.model_dump_json()
    assert repr(verdict) == repr(validated)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
    assert verdict.model_fields_set == set(Verdict.model_fields)
    assert verdict.model_extra is validated.model_extra is None
    assert verdict.__pydantic_private__ is validated.__pydantic_private__ is None


@pytest.mark.parametrize("verdict", CHECKED.values(), ids=CHECKED)
def test_it_is_copied_pickled_and_frozen_like_any_other(verdict: Verdict) -> None:
    assert pickle.loads(pickle.dumps(verdict)) == verdict  # noqa: S301  what was pickled in this line
    assert verdict.model_copy(update={"cached": True}).cached
    with pytest.raises(ValidationError, match="frozen"):
        verdict.cached = True


def test_what_is_missing_has_its_default_and_its_place() -> None:
    given = {"allowed": True, "action": Action.ALLOW, "status": Status.COMPLETE, "stage": Stage.INPUT, "scores": {}}
    made = Verdict.of(dict(reversed(given.items())))
    assert made.model_dump_json() == Verdict.model_validate(given).model_dump_json()
    assert list(made.__dict__) == list(Verdict.model_fields)


def test_one_caller_changes_nothing_of_anothers() -> None:
    bench = Bench(cache=4)
    bench.check("bad").scores["bad"] = 7.0
    bench.check("bad").scores.clear()
    assert bench.check("bad").scores["bad"] == 1.0


@pytest.mark.parametrize("score", [1.5, -0.1])
def test_a_score_that_is_no_probability_is_still_refused(score: float) -> None:
    bound = Bench()._assembly.bound
    with pytest.raises(ValidationError, match="score"):
        decide(bound, Stage.INPUT, {"bad": score, "rude": 0.0})


def test_evaluations_are_hashable_and_equal_to_validated_ones() -> None:
    (one, *_) = CHECKED["a finding"].evaluations
    assert {one} == {Evaluation.model_validate(one.model_dump())}


LINES = {
    "nothing found": "input: allow",
    "a finding": "input: block by ",
    "held back": "input: block, degraded: ",
    "shadow": "input: flag by ",
    "failed": "input: block, failed: ",
    "empty": "input: allow",
}


@pytest.mark.parametrize("name", LINES)
def test_it_prints_as_one_line_without_the_text(name: str) -> None:
    line = str(CHECKED[name])
    assert line.startswith(LINES[name])
    assert "\n" not in line
    assert "bad bad" not in line


def test_the_line_tells_score_threshold_and_what_shadow_mode_keeps_back() -> None:
    verdict = CHECKED["shadow"]
    [found] = [one for one in verdict.findings if one.principle_id == verdict.principle_id]
    told = f"({found.label} {found.score:.3f}, threshold {found.threshold:.3f}), block without shadow mode"
    assert str(verdict) == f"input: flag by {verdict.principle_id} {told}"
