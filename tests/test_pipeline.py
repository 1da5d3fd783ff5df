"""One check from text to verdict, with screens whose scores a test can foresee."""

from __future__ import annotations

import math

import pytest

from guardsdk.errors import ModelError, ModelNotFoundError, PolicyError
from guardsdk.policy import Policy, Principle
from guardsdk.screens.base import Reading
from guardsdk.surroundings import NOWHERE, Surroundings
from guardsdk.verdict import Action, Stage, Status, Verdict
from tests.pipeline_bench import LENIENT, MODEL, POLICY, Bench, GoneRuntime, WordScreen

BOTH = frozenset({Stage.INPUT, Stage.OUTPUT})


def test_a_block_names_its_principle_its_numbers_and_the_passage() -> None:
    verdict = Bench().check("so bad")
    assert (verdict.allowed, verdict.action, verdict.status) == (False, Action.BLOCK, Status.COMPLETE)
    assert verdict.principle_id == "no-bad"
    assert verdict.scores == {"bad": 0.5, "rude": 0.0}
    (finding,) = verdict.findings
    assert (finding.score, finding.threshold, finding.margin, finding.span) == (0.5, 0.5, 0.0, (3, 6))
    assert [(one.label, one.fired) for one in verdict.evaluations] == [("bad", True), ("rude", False)]
    assert (verdict.model, verdict.policy) == (MODEL, POLICY.ref)
    assert (verdict.provider_requested, verdict.provider_active) == ("auto", "CPUExecutionProvider")
    assert not verdict


def test_a_flag_lets_the_text_pass_and_is_found() -> None:
    verdict = Bench().check("rude it is")
    assert (verdict.allowed, verdict.action, verdict.principle_id) == (True, Action.FLAG, "note-rude")
    assert verdict


@pytest.mark.parametrize("text", ["", " ", "\n\t  \u00a0\u2003"])
def test_a_text_without_a_visible_character_is_allowed_and_nobody_is_asked(text: str) -> None:
    bench = Bench(failure=ModelNotFoundError("no model"))
    verdict = bench.check(text)
    assert (verdict.allowed, verdict.status, verdict.coverage) == (True, Status.COMPLETE, 1.0)
    assert (verdict.findings, verdict.evaluations, verdict.scores) == ((), (), {})
    assert bench.screen.asked == []
    assert len(bench.recorder.records) == 1


def test_a_failed_check_is_no_block_of_a_principle() -> None:
    verdict = Bench(failure=ModelNotFoundError("no model in /here")).check("fine")
    assert (verdict.allowed, verdict.action, verdict.status) == (False, Action.BLOCK, Status.FAILED)
    assert (verdict.principle_id, verdict.findings, verdict.coverage) == (None, (), 0.0)
    assert verdict.error == "ModelNotFoundError: no model in /here"


def test_on_error_allow_lets_a_failed_check_pass_and_it_is_still_false() -> None:
    bench = Bench(WordScreen("bad", "rude", error=ModelError("out of memory")), policy=LENIENT)
    verdict = bench.check("fine")
    assert (verdict.allowed, verdict.action, verdict.status) == (True, Action.ALLOW, Status.FAILED)
    assert not verdict
    assert verdict.error == "words: ModelError: out of memory"
    assert verdict.model == MODEL
    assert not bench.check("fine", Stage.OUTPUT).allowed


def test_a_bug_in_a_screen_is_a_failed_check_and_its_words_stay_inside() -> None:
    verdict = Bench(WordScreen("bad", "rude", error=KeyError("my secret text"))).check("my secret text")
    assert (verdict.status, verdict.error) == (Status.FAILED, "words: KeyError")


def test_a_stage_the_policy_says_nothing_about_is_not_passed_in_silence() -> None:
    bench = Bench()
    verdict = bench.check("fine", Stage.TOOL)
    assert (verdict.allowed, verdict.status) == (False, Status.FAILED)
    assert verdict.error is not None
    assert "no principle for stage tool" in verdict.error
    assert bench.screen.asked == []


def test_a_policy_that_does_not_fit_the_model_is_the_callers_error() -> None:
    with pytest.raises(PolicyError, match="no label"):
        Bench(failure=PolicyError("no label")).check("fine")


def test_a_runtime_that_is_gone_costs_its_name_and_not_the_verdict() -> None:
    verdict = Bench(WordScreen("bad", "rude", error=ModelError("gone")), runtime=GoneRuntime()).check("fine")
    assert (verdict.status, verdict.provider_active) == (Status.FAILED, None)


def test_text_beyond_max_chars_is_reported_and_held_back() -> None:
    bench = Bench(max_chars=10)
    verdict = bench.check("fine " * 8)
    assert bench.screen.asked[0][0] == "fine fine "
    assert (verdict.status, verdict.coverage) == (Status.DEGRADED, 0.25)
    assert (verdict.allowed, verdict.action, verdict.principle_id) == (False, Action.BLOCK, None)
    assert verdict.degraded_reasons == ("only the first 10 of 40 characters were scored (max_chars)",)
    exact = bench.check("fine fine ")
    assert (exact.status, exact.coverage) == (Status.COMPLETE, 1.0)


def test_a_degraded_check_still_blocks_by_principle_where_one_fired() -> None:
    verdict = Bench(max_chars=6).check("so bad and more of it")
    assert (verdict.status, verdict.action, verdict.principle_id) == (Status.DEGRADED, Action.BLOCK, "no-bad")


def test_on_error_allow_lets_a_degraded_check_pass_with_what_it_found() -> None:
    verdict = Bench(max_chars=8, policy=LENIENT).check("rude bit and more")
    assert (verdict.allowed, verdict.action, verdict.status) == (True, Action.FLAG, Status.DEGRADED)
    assert not verdict


def test_low_coverage_of_a_screen_degrades_the_check() -> None:
    verdict = Bench(WordScreen("bad", "rude", coverage=0.5)).check("fine")
    assert (verdict.status, verdict.coverage, verdict.allowed) == (Status.DEGRADED, 0.5, False)


def test_a_score_that_is_no_number_degrades_the_check() -> None:
    class Lost(WordScreen):
        def _read(self, text: str) -> Reading:
            reading = super()._read(text)
            return Reading({**reading.scores, "bad": math.nan}, 1.0, reading.spans)

    verdict = Bench(Lost("bad", "rude")).check("fine")
    assert (verdict.status, verdict.allowed) == (Status.DEGRADED, False)
    assert verdict.degraded_reasons == ("words: no usable score for bad",)
    assert verdict.incomplete_layers == ("words",)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


@pytest.mark.parametrize("stage", [Stage.INPUT, Stage.OUTPUT])
def test_surroundings_reach_the_output_stage_only_where_the_model_reads_no_more(stage: Stage) -> None:
    bench = Bench()
    around = Surroundings("why", "be kind")
    bench.run("fine", stage=stage, around=[around])
    assert bench.screen.asked == [("fine", stage, around if stage is Stage.OUTPUT else NOWHERE)]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (Surroundings("why", "be kind"), "be kind"),
        (Surroundings("why"), "why"),
        (Surroundings("why", ""), "why"),
        (Surroundings("why", " \n"), "why"),
        (Surroundings("", "\t"), None),
        (NOWHERE, None),
    ],
)
def test_what_a_user_wrote_is_read_beside_the_system_text_or_else_the_context(
    given: Surroundings, read: str | None
) -> None:
    bench = Bench(paired=BOTH)
    bench.run("fine", around=[given])
    assert bench.screen.asked == [("fine", Stage.INPUT, Surroundings(system=read))]


def test_a_document_is_read_by_itself_whatever_the_model_can() -> None:
    principle = Principle(id="no-bad", text="No.", label="bad", stages=(Stage.TOOL,))
    bench = Bench(policy=Policy(name="p", version="1", principles=(principle,)), paired=frozenset(Stage))
    bench.run("fine", stage=Stage.TOOL, around=[Surroundings("why", "be kind")])
    assert bench.screen.asked == [("fine", Stage.TOOL, NOWHERE)]


@pytest.mark.parametrize("stage", [Stage.INPUT, Stage.OUTPUT])
def test_an_empty_surrounding_text_is_none(stage: Stage) -> None:
    bench = Bench(paired=BOTH)
    bench.run("fine", stage=stage, around=[Surroundings("", "")])
    assert bench.screen.asked == [("fine", stage, NOWHERE)]


def test_a_huge_prompt_keeps_its_two_ends_and_a_system_text_is_read_whole() -> None:
    bench = Bench(max_chars=5)
    bench.run("fine", stage=Stage.OUTPUT, around=[Surroundings("abcdefghij", "abcdefghij")])
    assert bench.screen.asked[0][2] == Surroundings("abcij", "abcdefghij")


def test_a_huge_system_text_that_is_aimed_at_keeps_its_two_ends() -> None:
    bench = Bench(max_chars=5, paired=BOTH)
    bench.run("fine", around=[Surroundings(None, "abc\x00efghij")])
    assert bench.screen.asked[0][2] == Surroundings(None, "abcij")
    bench.run("fine", around=[Surroundings(None, "a\x00c")])
    assert bench.screen.asked[1][2] == Surroundings(None, "a\ufffdc")


def test_screens_see_clean_text_of_the_same_length() -> None:
    bench = Bench()
    bench.run("a\x00b\ud800c", stage=Stage.OUTPUT, around=[Surroundings("\udfff?", "\x00!")])
    assert bench.screen.asked == [("a\ufffdb\ufffdc", Stage.OUTPUT, Surroundings("\ufffd?", "\ufffd!"))]


def test_a_record_says_when_how_long_and_who() -> None:
    bench = Bench()
    verdict = bench.check("fine")
    (record,) = bench.recorder.records
    assert record.verdict == verdict
    assert (record.text_length, record.actor) == (4, "someone")
    assert record.started_ns > 10**18
    assert verdict.duration_s > 0.0


def test_no_texts_give_no_verdicts() -> None:
    bench = Bench(failure=ModelNotFoundError("no model"))
    assert bench.run() == []
    assert bench.recorder.records == []


REDACTING = Policy(
    name="p",
    version="1",
    principles=(
        Principle(id="cut-bad", text="No.", label="bad", stages=(Stage.INPUT,), threshold=0.1, action=Action.REDACT),
        Principle(id="no-rude", text="No.", label="rude", stages=(Stage.INPUT,), threshold=0.9),
    ),
)


def test_a_text_that_may_pass_only_when_changed_is_not_allowed_as_it_is() -> None:
    verdict = Bench(policy=REDACTING).check("a bad word")
    assert (verdict.allowed, bool(verdict), verdict.action, verdict.principle_id) == (
        False,
        False,
        Action.REDACT,
        "cut-bad",
    )
    assert verdict.findings[0].spans == ((2, 5),)
    assert verdict.would_action is None


def test_a_verdict_that_contradicts_itself_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="cannot have allowed=True"):
        Verdict(allowed=True, action=Action.REDACT, status=Status.COMPLETE, stage=Stage.INPUT)


@pytest.mark.parametrize(
    ("text", "action", "would", "findings"),
    [
        ("fine", Action.ALLOW, Action.ALLOW, []),
        ("a bad word", Action.FLAG, Action.REDACT, [Action.REDACT]),
        ("rude", Action.FLAG, Action.BLOCK, [Action.BLOCK]),
        ("", Action.ALLOW, Action.ALLOW, []),
    ],
)
def test_in_shadow_mode_everything_passes_and_the_verdict_says_what_would_have_followed(
    text: str, action: Action, would: Action, findings: list[Action]
) -> None:
    verdict = Bench(policy=REDACTING.model_copy(update={"shadow": True})).check(text)
    assert (verdict.allowed, verdict.action, verdict.would_action) == (True, action, would)
    assert [finding.action for finding in verdict.findings] == findings
    assert verdict.principle_id == Bench(policy=REDACTING).check(text).principle_id


def test_in_shadow_mode_a_failed_or_incomplete_check_passes_and_is_still_no_check() -> None:
    shadow = REDACTING.model_copy(update={"shadow": True})
    failed = Bench(policy=shadow, failure=ModelError("gone")).check("fine")
    degraded = Bench(policy=shadow, max_chars=2).check("fine")
    for verdict, status in ((failed, Status.FAILED), (degraded, Status.DEGRADED)):
        assert (verdict.allowed, verdict.action, verdict.would_action) == (True, Action.FLAG, Action.BLOCK)
        assert (verdict.status, bool(verdict)) == (status, False)
