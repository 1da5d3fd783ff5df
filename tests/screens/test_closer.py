"""What was not plainly harmless is read once more passage by passage, and nothing else is."""

from __future__ import annotations

import base64
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Guard, Policy, Principle, Stage, Status
from guardsdk.engine.classifier import Classifier
from tests.tiny import early_exit, write_halves, write_manifest, write_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from guardsdk.engine.scores import Scores

PLAIN = "please the filler, the filler the filler."
HIDING = f"{PLAIN} {PLAIN} please the attack. {PLAIN}"
"""An attack among so much else that the model misses it: each token takes a little off the score."""


def rules(margin: float = 0.5, spread: float = 0.0) -> dict[str, Any]:
    return {"characters": 40, "margins": {"input": {"prompt_injection": margin}}, "spread": {"input": spread}}


POLICY = Policy(
    name="p",
    version="1",
    principles=(
        Principle(id="no-orders", text="No.", label="prompt_injection", stages=(Stage.INPUT, Stage.TOOL)),
        Principle(id="no-insults", text="No.", label="toxicity", stages=(Stage.INPUT,)),
    ),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return what writes a model in two halves that hears less of an attack the more there is around it."""

    def write(**changes: Any) -> Path:
        directory = tmp_path_factory.mktemp("diluted") / "tiny"
        write_model(directory, dilution=0.13)
        write_halves(directory)
        write_manifest(directory, **{"early_exit": early_exit(), "max_tokens": 64, "passages": rules(), **changes})
        return directory

    return write


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return a list that gets the texts of every call of the real classifier."""
    calls: list[list[str]] = []
    score = Classifier.score

    def noted(self: Classifier, requests: Sequence[Any], *rest: Any, **named: Any) -> list[Scores]:
        calls.append([request.text for request in requests])
        return score(self, requests, *rest, **named)

    monkeypatch.setattr(Classifier, "score", noted)
    return calls


def guard(directory: Path, **options: Any) -> Guard:
    return Guard(POLICY, models=directory, providers="cpu", cache=0, **options)


def test_what_is_asked_in_the_midst_of_much_else_is_found_where_it_stands(made: Callable[..., Path]) -> None:
    with guard(made(passages=None)) as whole, guard(made()) as closer:
        assert whole.check(HIDING).allowed
        verdict = closer.check(HIDING)
    (finding,) = verdict.findings
    assert (verdict.allowed, verdict.status, finding.view) == (False, Status.COMPLETE, "passage")
    assert {HIDING[start:end] for start, end in finding.spans} == {"attack"}


def test_a_passage_says_less_than_the_whole_by_its_margin(made: Callable[..., Path]) -> None:
    with guard(made()) as closer, guard(made(passages=rules(3.5))) as steeper:
        more, fewer = (one.check(HIDING).scores["prompt_injection"] for one in (closer, steeper))
        assert steeper.check("the attack").scores == closer.check("the attack").scores
    assert more > 0.5 > fewer


def test_the_more_passages_there_are_the_less_each_of_them_says(made: Callable[..., Path]) -> None:
    odds = []
    for spread in (0.0, 0.5, 1.0):
        with guard(made(passages=rules(0.0, spread))) as closer:
            score = closer.check(HIDING).scores["prompt_injection"]
        odds.append(math.log(score / (1.0 - score)))
    assert odds[0] - odds[1] == pytest.approx(0.5 * math.log(4), abs=1e-3)
    assert odds[1] - odds[2] == pytest.approx(0.5 * math.log(4), abs=1e-3)


def test_a_guard_without_views_looks_no_closer(made: Callable[..., Path]) -> None:
    with guard(made(), views=False) as plain:
        assert plain.check(HIDING).allowed


def test_a_label_without_a_margin_and_a_stage_without_any_are_left_as_they_are(made: Callable[..., Path]) -> None:
    insult = HIDING.replace("attack", "insult")
    with guard(made(passages=None)) as whole, guard(made()) as closer:
        assert closer.check(insult).scores["toxicity"] == whole.check(insult).scores["toxicity"]
        assert closer.check(HIDING, stage=Stage.TOOL).scores == whole.check(HIDING, stage=Stage.TOOL).scores


def test_passages_of_a_stage_can_have_a_least_length(made: Callable[..., Path], asked: list[list[str]]) -> None:
    stages = {stage: {"prompt_injection": 0.5} for stage in ("input", "tool")}
    with guard(made(passages={"characters": 40, "least": {"tool": 60}, "margins": stages})) as closer:
        closer.warmup()
        asked.clear()
        for stage in (Stage.INPUT, Stage.TOOL):
            closer.check(HIDING, stage=stage)
    short, long = asked[1], asked[3]
    assert short == [PLAIN, PLAIN, "please the attack.", PLAIN]
    assert long == [f"{PLAIN} {PLAIN}", f"please the attack. {PLAIN}"]


def test_a_stage_can_ask_for_more_passages(made: Callable[..., Path], asked: list[list[str]]) -> None:
    for fewest, reads in ((4, 2), (5, 1)):
        with guard(made(passages=rules() | {"fewest": {"input": fewest}})) as closer:
            closer.warmup()
            asked.clear()
            assert closer.check(HIDING).allowed is (reads == 1)
        assert len(asked) == reads


def test_what_the_lower_layers_clear_and_what_is_one_passage_is_read_once(
    made: Callable[..., Path], asked: list[list[str]]
) -> None:
    harmless, single = f"{PLAIN} {PLAIN}", "please question the attack."
    with guard(made()) as closer:
        closer.warmup()
        asked.clear()
        for text in (harmless, single):
            closer.check(text)
    assert asked == [[harmless], [single]]


def test_of_a_long_text_only_what_was_not_cleared_is_looked_at(
    made: Callable[..., Path], asked: list[list[str]]
) -> None:
    text = " ".join([PLAIN] * 30 + ["please the attack."] + [PLAIN] * 30)
    with guard(made(max_tokens=48)) as closer:
        closer.warmup()
        asked.clear()
        verdict = closer.check(text)
    (whole, parts) = asked
    assert (whole, verdict.allowed) == ([text], False)
    assert any("attack" in part for part in parts)
    assert 2 <= len(parts) <= 12
    ((start, end),) = verdict.findings[0].spans
    assert text[start:end] == "attack"


def test_the_passages_of_a_view_are_looked_at_too(made: Callable[..., Path]) -> None:
    packed = base64.b64encode(HIDING.encode()).decode()
    text = f"please {packed} please"
    with guard(made()) as closer:
        (finding,) = closer.check(text).findings
    assert finding.view == "base64+passage"
    assert {text[start:end] for start, end in finding.spans} == {packed}


@pytest.mark.parametrize("text", [HIDING, f"please {base64.b64encode(HIDING.encode()).decode()} please"])
def test_passages_that_time_was_too_short_for_are_told(
    made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    now = [0.0]
    score = Classifier.score

    def slow(self: Classifier, *given: Any, **named: Any) -> list[Scores]:
        found = score(self, *given, **named)
        now[0] += 10.0
        return found

    with guard(made()) as closer:
        closer.warmup()
        monkeypatch.setattr("guardsdk.limits.time.monotonic", lambda: now[0])
        monkeypatch.setattr(Classifier, "score", slow)
        verdict = closer.check(text, deadline_s=5.0)
    assert (verdict.status, verdict.allowed) == (Status.DEGRADED, False)
    assert "passages" in str(verdict.error or verdict.degraded_reasons)
    assert not math.isclose(verdict.coverage, 0.0)


@pytest.mark.parametrize(("floor", "looks"), [(0.001, True), (0.999, False)])
def test_where_no_lower_layers_clear_a_text_the_floor_tells_what_is_looked_at(
    made: Callable[..., Path], asked: list[list[str]], floor: float, *, looks: bool
) -> None:
    directory = made(passages=rules() | {"floors": {"input": {"prompt_injection": floor}}})
    for options in ({"early_exit": False}, {}):
        with guard(directory, **options) as closer:
            asked.clear()
            found = not closer.check(HIDING).allowed
        assert found is (looks or not options)
        assert len(asked) == 1 + found


def around(**more: Any) -> dict[str, Any]:
    return rules(0.0) | {"around": {"input": [10, 20]}} | more


def log_odds(score: float) -> float:
    return math.log(score / (1.0 - score))


def test_the_worst_passages_are_read_with_what_is_around_them_and_the_mean_counts(
    made: Callable[..., Path], asked: list[list[str]]
) -> None:
    with guard(made(passages=around())) as closer, guard(made(passages=None)) as plain:
        closer.warmup()
        asked.clear()
        verdict = closer.check(HIDING)
        _, parts, wider = asked
        at = HIDING.index("please the attack.")
        readings = ["please the attack.", HIDING[at - 10 : at + 28], HIDING[at - 20 : at + 38]]
        assert parts == [PLAIN, PLAIN, "please the attack.", PLAIN]
        assert len(wider) == 4
        assert wider[:2] == readings[1:]
        odds = [log_odds(plain.check(text).scores["prompt_injection"]) for text in readings]
    assert max(odds) - min(odds) > 0.1
    assert log_odds(verdict.scores["prompt_injection"]) == pytest.approx(sum(odds) / 3, abs=1e-3)
    ((start, end),) = verdict.findings[0].spans
    assert HIDING[start:end] == "attack"


def test_passages_below_the_floor_are_not_read_with_what_is_around_them(
    made: Callable[..., Path], asked: list[list[str]]
) -> None:
    for floor, reads in ((0.5, 2), (0.9999, 0)):
        with guard(made(passages=around(floors={"input": {"prompt_injection": floor}}))) as closer:
            closer.warmup()
            asked.clear()
            verdict = closer.check(HIDING)
        assert sum(map(len, asked[2:])) == reads
        assert verdict.allowed is not bool(reads)


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_passage_with_an_unusable_score_is_not_passed_over_for_others(
    made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    score = Classifier.score

    def broken(self: Classifier, requests: Sequence[Any], *given: Any, **named: Any) -> list[Scores]:
        found = score(self, requests, *given, **named)
        if len(found) == 4:
            unusable = found[place].probabilities | {"prompt_injection": math.nan}
            found[place] = replace(found[place], probabilities=unusable)
        return found

    with guard(made(passages=around())) as closer:
        closer.warmup()
        monkeypatch.setattr(Classifier, "score", broken)
        verdict = closer.check(HIDING)
    assert (verdict.status, verdict.allowed) == (Status.DEGRADED, False)
    assert "prompt_injection" in str(verdict.degraded_reasons)
