"""Short texts that are not plainly harmless are read twice over, and nothing else is."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Guard, Policy, Principle, Stage, Status
from guardsdk.engine.classifier import Classifier
from guardsdk.errors import ModelError
from tests.tiny import early_exit, write_halves, write_manifest, write_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from guardsdk.engine.scores import Scores

PLAIN = "please the filler, the filler the filler."
MILD = f"{PLAIN} {PLAIN} please the attack. {PLAIN}"
"""An attack that the model hears too little of: each token takes a little off the score."""
POLICY = Policy(
    name="p",
    version="1",
    principles=(Principle(id="no-orders", text="No.", label="prompt_injection", stages=(Stage.INPUT, Stage.TOOL)),),
)


def rules(added: float = 6.0, **changes: Any) -> dict[str, Any]:
    return {"characters": 400, "added": {"input": {"prompt_injection": added}}, **changes}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return what writes a model in two halves that hears less of an attack the more there is around it."""

    def write(**changes: Any) -> Path:
        directory = tmp_path_factory.mktemp("diluted") / "tiny"
        write_model(directory, dilution=0.13)
        write_halves(directory)
        write_manifest(directory, **{"early_exit": early_exit(), "max_tokens": 128, "repeated": rules(), **changes})
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


def odds(one: Guard, text: str) -> float:
    score = one.check(text).scores["prompt_injection"]
    return math.log(score / (1.0 - score))


def test_the_mean_of_both_readings_counts_with_what_is_added_to_it(made: Callable[..., Path]) -> None:
    """The second reading is by all layers, too: the lower ones would have cleared it, with a score of their own."""
    with guard(made(repeated=None), early_exit=False) as once, guard(made()) as twice:
        first, second = odds(once, MILD), odds(once, f"{MILD}\n{MILD}")
        assert once.check(MILD).allowed
        verdict = twice.check(MILD)
        assert odds(twice, MILD) == pytest.approx((first + second) / 2 + 6.0, abs=1e-4)
    (finding,) = verdict.findings
    assert (verdict.allowed, verdict.status, finding.view) == (False, Status.COMPLETE, "repeated")
    assert {MILD[start:end] for start, end in finding.spans} == {"attack"}


def test_a_score_is_never_lowered(made: Callable[..., Path]) -> None:
    with guard(made(repeated=None)) as once, guard(made(repeated=rules(-1.0))) as twice:
        for text in (MILD, "please the attack."):
            assert twice.check(text).scores == once.check(text).scores


def test_what_is_cleared_or_long_or_from_elsewhere_is_read_once(
    made: Callable[..., Path], asked: list[list[str]]
) -> None:
    with guard(made(repeated=rules(characters=len(MILD)))) as twice:
        twice.warmup()
        asked.clear()
        for text in (PLAIN, f"{MILD} {PLAIN}"):
            twice.check(text)
        twice.check(MILD, stage=Stage.TOOL)
        assert asked == [[PLAIN], [f"{MILD} {PLAIN}"], [MILD]]
        asked.clear()
        twice.check(MILD)
        assert asked == [[MILD], [f"{MILD}\n{MILD}"]]


def test_what_does_not_fit_into_a_window_twice_is_left_as_it_is(made: Callable[..., Path]) -> None:
    with guard(made(repeated=None, max_tokens=64)) as once, guard(made(max_tokens=64)) as twice:
        assert twice.check(MILD).scores == once.check(MILD).scores


def test_a_view_is_read_twice_too_and_nothing_is_without_views(made: Callable[..., Path]) -> None:
    packed = base64.b64encode(MILD.encode()).decode()
    text = f"please {packed} please"
    with guard(made()) as twice, guard(made(), views=False) as plain:
        (finding,) = twice.check(text).findings
        assert finding.view == "base64+repeated"
        assert {text[start:end] for start, end in finding.spans} == {packed}
        assert plain.check(MILD).allowed


def test_that_the_time_was_too_short_for_it_is_told(made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    score = Classifier.score

    def slow(self: Classifier, *given: Any, **named: Any) -> list[Scores]:
        found = score(self, *given, **named)
        now[0] += 10.0
        return found

    with guard(made()) as twice:
        twice.warmup()
        monkeypatch.setattr("guardsdk.limits.time.monotonic", lambda: now[0])
        monkeypatch.setattr(Classifier, "score", slow)
        verdict = twice.check(MILD, deadline_s=5.0)
    assert verdict.status is Status.DEGRADED
    assert "a second time" in str(verdict.error or verdict.degraded_reasons)


@pytest.mark.parametrize(("floor", "looks"), [(0.001, True), (0.999, False)])
def test_where_no_lower_layers_clear_a_text_the_floor_tells_what_is_read_twice(
    made: Callable[..., Path], floor: float, *, looks: bool
) -> None:
    directory = made(repeated=rules(floors={"input": {"prompt_injection": floor}}))
    with guard(directory, early_exit=False) as all_layers, guard(directory) as early:
        assert all_layers.check(MILD).allowed is not looks
        assert not early.check(MILD).allowed


def test_a_label_that_is_not_read_cannot_be_raised(made: Callable[..., Path]) -> None:
    directory = made(repeated={"characters": 400, "added": {"output": {"prompt_injection": 1.0}}})
    with guard(directory) as twice, pytest.raises(ModelError, match=r"repeated\.added\.output must name labels read"):
        twice.warmup()
