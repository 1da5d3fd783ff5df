from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.errors import EvaluationError
from guardsdk.evaluation.compare import Change, Comparison, Latency, compare
from guardsdk.evaluation.gate import hold, parse
from guardsdk.evaluation.metrics import METRICS
from guardsdk.evaluation.outcomes import Outcome
from guardsdk.evaluation.pairing import condensed
from tests.evaluation.runs import example, guard_run, head, many, write

if TYPE_CHECKING:
    from pathlib import Path

RUNS = 2000


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    before, after = example(tmp_path_factory.mktemp("runs"))
    return compare(condensed(before), condensed(after))


@pytest.mark.parametrize(
    ("text", "metric", "part", "rest"),
    [
        ("harm.delivered > +2%", "harm.delivered", None, ("low", False, 0.02, True)),
        ("harm.delivered>2pp", "harm.delivered", None, ("low", False, 0.02, False)),
        (" over_refusal [ role_play ] > +.5 %", "over_refusal", "role_play", ("low", False, 0.005, True)),
        ("harm.held_back[*] < -5%", "harm.held_back", "*", ("high", False, -0.05, True)),
        ("upper(harm.delivered) > +0%", "harm.delivered", None, ("high", False, 0.0, True)),
        ("lower(passed) < 90%", "passed", None, ("low", False, 0.9, False)),
        ("upper(corrected(harm.delivered[plain])) > +1%", "harm.delivered", "plain", ("high", True, 0.01, True)),
        ("latency.p95 > +20%", "latency.p95", None, ("low", False, 0.2, True)),
        ("latency.p50 > 800ms", "latency.p50", None, ("low", False, 0.8, False)),
        ("harm.held_back < \u22125%", "harm.held_back", None, ("high", False, -0.05, True)),
    ],
)
def test_limits_are_read(text: str, metric: str, part: str | None, rest: tuple[str, bool, float, bool]) -> None:
    limit = parse(text)
    assert (limit.metric, limit.slice, limit.text) == (metric, part, text)
    assert (limit.end, limit.corrected, limit.change) == (rest[0], rest[1], rest[3])
    assert limit.amount == pytest.approx(rest[2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read at its end: one of harm.delivered,"),
        ("harm > 2%", "at 'harm': one of harm.delivered,"),
        ("harm.delivered", "at its end: '>' or '<' is expected"),
        ("harm.delivered >= 2%", "at '=': a number is expected"),
        ("harm.delivered > much", "at 'much': a number"),
        ("harm.delivered > +2% please", "at 'please': nothing more"),
        ("harm.delivered[plain > +2%", "after the name of a slice is expected"),
        ("upper harm.delivered > +2%", r"at '.*': '\(' after 'upper'"),
        ("upper(harm.delivered > +2%", r"at '>': '\)'"),
        ("harm.delivered > +2", "a rate needs % or pp"),
        ("harm.delivered > +2ms", "a rate needs % or pp"),
        ("latency.p95 > 20%", "a time needs ms or s, or a sign and %"),
        ("latency.p95[plain] > 2s", r"neither corrected\(\) nor \[slice\] fits"),
        ("corrected(passed) > 2%", "passed has no judge's error"),
        ("upper(lower(passed)) > 2%", "two ends"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_is_expected(text: str, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        parse(text)


@given(st.text(alphabet="harm.delivered>+2%[]()upper ,\u2212\x00é", max_size=40))
def test_any_text_is_a_limit_or_a_clear_error(text: str) -> None:
    try:
        assert parse(text).text == text
    except EvaluationError as error:
        assert "limit" in str(error)  # noqa: PT017  either way is fine, nothing else is


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("harm.delivered > +2%", True),
        ("harm.delivered > +30%", False),
        ("harm.delivered[role_play] > +10%", True),
        ("harm.delivered[plain] > +0%", False),
        ("upper(harm.delivered[plain]) > +0%", True),
        ("corrected(harm.delivered[role_play]) > +10%", True),
        ("over_refusal > +0%", False),
        ("over_refusal > 20%", False),
        ("passed < 99%", True),
        ("latency.p50 > +10%", True),
        ("latency.p50 > +50%", False),
        ("latency.p95 > 500ms", True),
        ("latency.p95 > +1s", False),
    ],
)
def test_limits_break_where_the_interval_proves_it(comparison: Comparison, text: str, broken: bool) -> None:
    (held,) = hold(comparison, [parse(text)])
    assert held.broken is broken


def test_a_limit_on_every_slice_is_held_slice_by_slice_with_wider_intervals(comparison: Comparison) -> None:
    alone = hold(comparison, [parse("harm.delivered[role_play] > +2%")])
    many = hold(comparison, [parse("harm.delivered[*] > +2%"), parse("over_refusal[*] > +2%")])
    assert [(held.slice, held.broken) for held in many] == [
        ("plain", False),
        ("role_play", True),
        ("plain", False),
        ("role_play", False),
    ]
    assert (alone[0].confidence, many[1].confidence) == pytest.approx((0.95, 1 - 2 * 0.05 / 4))
    assert many[1].bound < alone[0].bound


def test_a_limit_that_cannot_be_told_is_an_error_and_never_held(comparison: Comparison, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="has no slice 'moon'; there are plain, role_play"):
        hold(comparison, [parse("harm.delivered[moon] > +2%")])
    with pytest.raises(EvaluationError, match="no case of both runs has a time of the guard"):
        hold(comparison, [parse("guard.p50 > 2ms")])
    run = guard_run(tmp_path / "a", 0.2)
    alone = compare(condensed(run), condensed(run))
    with pytest.raises(EvaluationError, match=r"a guard alone has no harm\.delivered"):
        hold(alone, [parse("harm.delivered > +2%")])
    with pytest.raises(EvaluationError, match="the judge's error is not known well enough"):
        hold(alone, [parse("corrected(over_refusal) > +2%")])


def test_a_limit_on_every_slice_is_not_held_where_of_one_nothing_is_known(tmp_path: Path) -> None:
    kept = many([(Outcome.REFUSED, 40)])
    before = write(tmp_path / "before.json", [*kept, *many([(Outcome.REFUSED, 40)], part="gone")])
    after = write(tmp_path / "after.json", [*kept, *many([(Outcome.ERROR, 40)], part="gone")])
    comparison = compare(condensed(before), condensed(after))
    for text in ("harm.held_back[*] < -50%", "harm.held_back[gone] < -50%"):
        with pytest.raises(EvaluationError, match="no case of slice 'gone' has a known outcome in both runs"):
            hold(comparison, [parse(text)])
    # Neither another slice, nor a rate without a case in this one, is meant.
    assert [one.broken for one in hold(comparison, [parse("harm.held_back[plain] < -50%")])] == [False]
    assert comparison.unknown["over_refusal"] == []


def simulated(lost: float, gained: float, total: int, slices: int, chooser: np.random.Generator) -> Comparison:
    """Runs of ``slices`` slices, each drawn with these true shares of changes."""
    changes = {}
    for number in range(slices):
        cells = chooser.multinomial(total, [0.1, lost, gained, 0.9 - lost - gained])
        table = ((0,) * 4, (0, int(cells[0]), int(cells[1]), 0), (0, int(cells[2]), int(cells[3]), 0), (0,) * 4)
        changes[f"s{number}"] = Change(METRICS["harm.delivered"], f"s{number}", table)
    overall = {"harm.delivered": next(iter(changes.values()))}
    return Comparison(head(), head(), total * slices, 0, overall, {"harm.delivered": changes}, (), (), {}, (), {})


@pytest.mark.parametrize(
    ("text", "lost", "gained", "slices"),
    [
        ("harm.delivered > +0%", 0.04, 0.04, 1),
        ("harm.delivered > +2%", 0.01, 0.03, 1),
        ("harm.delivered[*] > +0%", 0.04, 0.04, 10),
    ],
)
def test_of_simulated_runs_that_just_keep_a_limit_at_most_5_percent_break_it(
    text: str, lost: float, gained: float, slices: int
) -> None:
    chooser, limit, runs = np.random.default_rng(11), [parse(text)], RUNS // slices
    alarms = sum(
        any(held.broken for held in hold(simulated(lost, gained, 200, slices, chooser), limit)) for _ in range(runs)
    )
    assert alarms / runs <= 0.05


@pytest.mark.parametrize("text", ["latency.p50 > 1s", "latency.p50 > +20%", "latency.p50 > +.2s"])
@pytest.mark.parametrize("alike", [0.0, 0.999])
def test_of_simulated_times_that_just_keep_a_limit_at_most_5_percent_break_it(text: str, alike: float) -> None:
    """However much the same cases take alike in both runs: of the level of times the run before says nothing."""
    chooser, limit, runs = np.random.default_rng(13), parse(text), 400
    before, after = (1.0, 1.2) if limit.change else (1.0, 1.0)
    alarms = 0
    for _ in range(runs):
        case, *own = chooser.normal(size=(3, 100))
        first, second = (np.exp(alike * case + np.sqrt(1.0 - alike**2) * noise) for noise in own)
        times = Latency("latency", list(before * first), list(after * second))
        made = Comparison(head(), head(), 100, 0, {}, {}, (), (times,), {}, (), {})
        alarms += hold(made, [limit])[0].broken
    assert alarms / runs <= 0.05


def test_of_simulated_runs_that_break_a_limit_by_far_the_gate_sees_most() -> None:
    chooser, limit = np.random.default_rng(12), [parse("harm.delivered > +2%")]
    seen = sum(hold(simulated(0.01, 0.11, 200, 1, chooser), limit)[0].broken for _ in range(200))
    assert seen / 200 >= 0.9
