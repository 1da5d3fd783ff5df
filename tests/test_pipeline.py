"""One check from text to verdict, with screens whose scores a test can foresee."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from guardsdk.cache import Keys, VerdictCache
from guardsdk.errors import ModelError, ModelNotFoundError, PolicyError
from guardsdk.pipeline import Assembly, Pipeline
from guardsdk.policy import OnError, Policy, Principle, bind
from guardsdk.screens.base import OperatingPoints, Panel, Reading
from guardsdk.verdict import Action, ArtifactRef, Stage, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.observing import CheckRecord

MODEL = ArtifactRef(name="words", version="1", digest="0" * 64)


class WordScreen:
    """Scores a label by the share of a text's words that are its name; remembers what it was asked."""

    name = "words"

    def __init__(self, *labels: str, coverage: float = 1.0, error: Exception | None = None) -> None:
        self._labels = labels
        self._coverage = coverage
        self._error = error
        self.asked: list[tuple[str, Stage, str | None]] = []
        self.operating_points: OperatingPoints = {
            (label, stage): {"default": 0.5} for label in labels for stage in Stage
        }

    def read(self, texts: Sequence[str], stage: Stage, contexts: Sequence[str | None]) -> list[Reading]:
        self.asked += [(text, stage, context) for text, context in zip(texts, contexts, strict=True)]
        if self._error is not None:
            raise self._error
        return [self._read(text) for text in texts]

    def _read(self, text: str) -> Reading:
        words = text.split()
        scores = {label: words.count(label) / max(1, len(words)) for label in self._labels}

        def span(label: str) -> tuple[int, int]:
            start = text.index(label)
            return start, start + len(label)

        return Reading(scores, self._coverage, span)


class StillRuntime:
    provider_active = "CPUExecutionProvider"
    provider_reason: str | None = None


class GoneRuntime:
    @property
    def provider_active(self) -> str:
        msg = "cannot load again"
        raise ModelError(msg)

    provider_reason: str | None = None


class Recorder:
    def __init__(self) -> None:
        self.records: list[CheckRecord] = []

    def on_check(self, record: CheckRecord) -> None:
        self.records.append(record)


PRINCIPLES = (
    Principle(id="no-bad", text="No.", label="bad", stages=(Stage.INPUT, Stage.OUTPUT)),
    Principle(id="note-rude", text="Note.", label="rude", stages=(Stage.INPUT,), threshold=0.2, action=Action.FLAG),
)
POLICY = Policy(name="p", version="1", principles=PRINCIPLES)
LENIENT = Policy(name="p", version="1", on_error=OnError(input="allow"), principles=PRINCIPLES)


class Bench:
    """A pipeline with everything a test wants to look at."""

    def __init__(
        self,
        screen: WordScreen | None = None,
        *,
        policy: Policy = POLICY,
        cache: int = 0,
        max_chars: int | None = None,
        failure: ModelError | PolicyError | None = None,
        runtime: StillRuntime | GoneRuntime | None = None,
    ) -> None:
        self.screen = screen or WordScreen("bad", "rude")
        self.recorder = Recorder()
        self.cache = VerdictCache(cache, 60) if cache else None
        self._failure = failure
        panel = Panel([self.screen])
        self._assembly = Assembly(
            panel, bind(policy, panel.operating_points), MODEL, runtime or StillRuntime(), Keys(policy.digest)
        )
        self.pipeline = Pipeline(
            policy,
            self._assemble,
            observers=[self.recorder],
            provider_requested="auto",
            cache=self.cache,
            max_chars=max_chars,
        )

    def _assemble(self) -> Assembly:
        if self._failure is not None:
            raise self._failure
        return self._assembly

    def run(
        self, *texts: str, stage: Stage = Stage.INPUT, contexts: Sequence[str | None] | None = None
    ) -> list[Verdict]:
        return self.pipeline.run(texts, stage, contexts or [None] * len(texts), "someone")

    def check(self, text: str, stage: Stage = Stage.INPUT) -> Verdict:
        return self.run(text, stage=stage)[0]


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
            return Reading({**reading.scores, "bad": math.nan}, 1.0, reading.span)

    verdict = Bench(Lost("bad", "rude")).check("fine")
    assert (verdict.status, verdict.allowed) == (Status.DEGRADED, False)
    assert verdict.degraded_reasons == ("no usable score for bad",)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_a_cached_verdict_says_so_and_is_otherwise_the_same() -> None:
    bench = Bench(cache=8)
    first, second = bench.check("so bad"), bench.check("so bad")
    assert (first.cached, second.cached) == (False, True)
    assert len(bench.screen.asked) == 1
    same = {"cached": False, "duration_s": 0.0}
    assert first.model_copy(update=same) == second.model_copy(update=same)
    assert [record.verdict.cached for record in bench.recorder.records] == [False, True]


def test_stage_and_context_are_part_of_what_is_remembered() -> None:
    bench = Bench(cache=8)
    bench.check("fine")
    assert not bench.check("fine", Stage.OUTPUT).cached
    assert not bench.run("fine", stage=Stage.OUTPUT, contexts=["why"])[0].cached
    assert bench.run("fine", stage=Stage.OUTPUT, contexts=["why"])[0].cached


@pytest.mark.parametrize("text", ["fine and longer than ten", "rude and longer than ten"])
def test_a_degraded_verdict_is_not_remembered(text: str) -> None:
    bench = Bench(cache=8, max_chars=10)
    bench.check(text)
    assert not bench.check(text).cached


def test_a_failed_verdict_is_not_remembered() -> None:
    bench = Bench(WordScreen("bad", "rude", error=ModelError("gone")), cache=8)
    bench.check("fine")
    assert not bench.check("fine").cached
    assert len(bench.screen.asked) == 2


def test_changing_a_verdicts_scores_changes_no_other() -> None:
    bench = Bench(cache=8)
    for _ in range(3):
        verdict = bench.check("fine")
        assert verdict.scores["bad"] == 0.0
        verdict.scores["bad"] = 1.0


@pytest.mark.parametrize("cache", [0, 8])
def test_equal_texts_of_a_batch_are_scored_once_and_order_is_kept(cache: int) -> None:
    bench = Bench(cache=cache)
    verdicts = bench.run("so bad", "fine", "", "so bad", "rude it is")
    assert [text for text, _, _ in bench.screen.asked] == ["so bad", "fine", "rude it is"]
    actions = [Action.BLOCK, Action.ALLOW, Action.ALLOW, Action.BLOCK, Action.FLAG]
    assert [verdict.action for verdict in verdicts] == actions
    assert len(bench.recorder.records) == 5
    assert [record.text_length for record in bench.recorder.records] == [6, 4, 0, 6, 10]
    verdicts[0].scores["bad"] = 0.0
    assert verdicts[3].scores["bad"] == 0.5


def test_one_text_with_two_contexts_is_two_questions() -> None:
    bench = Bench()
    bench.run("fine", "fine", "fine", stage=Stage.OUTPUT, contexts=["a", "b", "a"])
    assert [context for _, _, context in bench.screen.asked] == ["a", "b"]


@pytest.mark.parametrize("stage", [Stage.INPUT, Stage.OUTPUT])
def test_context_reaches_the_output_stage_only(stage: Stage) -> None:
    bench = Bench()
    bench.run("fine", stage=stage, contexts=["why"])
    assert bench.screen.asked == [("fine", stage, "why" if stage is Stage.OUTPUT else None)]


def test_a_huge_context_keeps_its_two_ends() -> None:
    bench = Bench(max_chars=5)
    bench.run("fine", stage=Stage.OUTPUT, contexts=["abcdefghij"])
    assert bench.screen.asked[0][2] == "abcij"


def test_screens_see_clean_text_of_the_same_length() -> None:
    bench = Bench()
    bench.run("a\x00b\ud800c", stage=Stage.OUTPUT, contexts=["\udfff?"])
    assert bench.screen.asked == [("a\ufffdb\ufffdc", Stage.OUTPUT, "\ufffd?")]


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
