"""Scores called otherwise: nothing is decided otherwise by the model's own lines, and numbers mean the new scale."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from guardsdk.errors import PolicyError
from guardsdk.policy import Policy, bind, decide
from guardsdk.policy.decide import not_below
from guardsdk.policy.difference import changes
from guardsdk.policy.judge import settled
from guardsdk.policy.lint import Level, lint
from guardsdk.policy.recalibrating import MOST, Recalibration, offered, references
from guardsdk.policy.writing import as_toml
from guardsdk.verdict import Stage

POINTS = {
    ("toxicity", Stage.INPUT): {"default": 0.6, "0.001": 0.9},
    ("toxicity", Stage.OUTPUT): {"default": 0.6},
    ("jailbreak", Stage.INPUT): {"default": 0.5},
}
TOML = """
name = "p"
version = "1"

[[recalibrate]]
label = "toxicity"
stage = "input"
slope = 0.5
intercept = -1.0

[[principle]]
id = "one"
text = "No."
label = "toxicity"
stages = ["input", "output"]
"""
LINE = Recalibration(label="toxicity", stage=Stage.INPUT, slope=0.5, intercept=-1.0)
CURVE = Recalibration(label="toxicity", stage=Stage.INPUT, points=((0.1, 0.2), (0.5, 0.3), (0.9, 0.95)))
CURVED = TOML.replace("slope = 0.5\nintercept = -1.0", "points = [[0.1, 0.2], [0.5, 0.3], [0.9, 0.95]]")
PLAIN = TOML.replace(TOML[TOML.index("[[recalibrate]]") : TOML.index("[[principle]]")], "")
SLOPES, INTERCEPTS = st.floats(1e-3, 50.0), st.floats(-50.0, 50.0)
SCORES = st.floats(0.0, 1.0)
INNER = st.floats(0.001, 0.999)


def test_it_is_a_line_in_log_odds() -> None:
    odds = 0.5 * math.log(0.8 / 0.2) - 1.0
    assert LINE.of(0.8) == pytest.approx(1.0 / (1.0 + math.exp(-odds)))
    assert (LINE.of(0.0), LINE.of(1.0)) == (0.0, 1.0)
    assert math.isnan(LINE.of(math.nan))


@given(SLOPES, INTERCEPTS, SCORES, SCORES)
def test_it_never_turns_two_scores_around_and_stays_a_probability(
    slope: float, intercept: float, one: float, two: float
) -> None:
    line = Recalibration(label="x", stage=Stage.INPUT, slope=slope, intercept=intercept)
    low, high = sorted((one, two))
    assert 0.0 <= line.of(low) <= line.of(high) <= 1.0


def test_a_curve_goes_through_its_points_in_straight_lines_of_log_odds_and_on_beyond_them() -> None:
    for score, called in CURVE.points or ():
        assert CURVE.of(score) == pytest.approx(called)
    assert CURVE.of(0.25) == pytest.approx(0.2466, abs=1e-3)  # halfway in log-odds, or else 0.2375
    first, second = (math.log(CURVE.of(score) / (1.0 - CURVE.of(score))) for score in (0.1**2, 0.1))
    assert (second - first) / (math.log(0.1 / 0.9) - math.log(0.01 / 0.99)) == pytest.approx(
        (math.log(0.3 / 0.7) - math.log(0.2 / 0.8)) / -math.log(0.1 / 0.9)
    )
    assert (CURVE.of(0.0), CURVE.of(1.0)) == (0.0, 1.0)
    assert math.isnan(CURVE.of(math.nan))


@given(st.lists(st.tuples(INNER, INNER), min_size=2, max_size=MOST), SCORES, SCORES)
def test_no_curve_turns_two_scores_around(pairs: list[tuple[float, float]], one: float, two: float) -> None:
    columns = [sorted({round(number, 6) for number in column}) for column in zip(*pairs, strict=True)]
    points = tuple(zip(*columns, strict=False))
    assume(len(points) > 1)
    curve = Recalibration(label="x", stage=Stage.INPUT, points=points)
    low, high = sorted((one, two))
    assert 0.0 <= curve.of(low) <= curve.of(high) <= 1.0


@given(st.sampled_from(["default", "fpr:0.001"]), SCORES)
def test_by_the_models_own_lines_a_curve_decides_the_same(threshold: str, score: float) -> None:
    words = f'stages = ["input"]\nthreshold = "{threshold}"'
    plain, curved = (
        bind(Policy.from_toml(text.replace('stages = ["input", "output"]', words)), POINTS) for text in (PLAIN, CURVED)
    )
    seen = {"toxicity": score}
    after = decide(curved, Stage.INPUT, curved.scaled(Stage.INPUT, seen))
    assert after.action is decide(plain, Stage.INPUT, seen).action
    assert after.evaluations[0].score == CURVE.of(score)


@pytest.mark.parametrize(("first", "second"), [(LINE, CURVE), (CURVE, LINE), (CURVE, CURVE)])
def test_curves_and_lines_one_after_another_are_one_curve(first: Recalibration, second: Recalibration) -> None:
    both = second.after(first)
    for score in (1e-6, 0.05, 0.1, 0.3, 0.5, 0.77, 0.9, 0.999):
        assert both.of(score) == pytest.approx(second.of(first.of(score)))
    assert Policy.from_toml(as_toml(Policy.from_toml(CURVED))) == Policy.from_toml(CURVED)


def test_a_curve_of_too_many_points_is_refused_where_it_would_be_made() -> None:
    first, second = (
        Recalibration(label="x", stage=Stage.INPUT, points=tuple((at / 60, (at + off) / 62) for at in range(1, 50)))
        for off in (0.5, 1.0)
    )
    with pytest.raises(PolicyError, match="'x' on input is recalibrated for the second time"):
        second.after(first)


@given(st.sampled_from(["default", "fpr:0.001"]), SCORES)
def test_by_the_models_own_lines_it_decides_the_same(threshold: str, score: float) -> None:
    words = f'stages = ["input"]\nthreshold = "{threshold}"'
    plain, scaled = (
        bind(Policy.from_toml(text.replace('stages = ["input", "output"]', words)), POINTS) for text in (PLAIN, TOML)
    )
    seen = {"toxicity": score}
    before = decide(plain, Stage.INPUT, plain.scaled(Stage.INPUT, seen))
    after = decide(scaled, Stage.INPUT, scaled.scaled(Stage.INPUT, seen))
    assert before.action is after.action
    assert settled(scaled, Stage.INPUT, seen) is settled(plain, Stage.INPUT, seen)
    assert after.evaluations[0].score == LINE.of(score)


def test_numbers_are_on_the_new_scale_and_other_stages_and_labels_stay_as_they_are() -> None:
    bound = bind(Policy.from_toml(TOML + "threshold = 0.5\n"), POINTS)
    seen = {"toxicity": 0.8, "jailbreak": 0.8}
    assert not decide(bound, Stage.INPUT, bound.scaled(Stage.INPUT, seen)).fired  # 0.8 is called 0.42 now
    assert decide(bound, Stage.OUTPUT, bound.scaled(Stage.OUTPUT, seen)).fired
    assert not settled(bound, Stage.INPUT, seen)
    assert settled(bound, Stage.INPUT, {"toxicity": 0.95})
    assert bound.scaled(Stage.INPUT, seen)["jailbreak"] == 0.8
    assert bound.scaled(Stage.OUTPUT, seen) is seen


def test_early_exit_is_asked_about_lines_on_the_same_scale() -> None:
    defaults = {("toxicity", Stage.INPUT): 0.6}
    assert Stage.INPUT in not_below(bind(Policy.from_toml(TOML), POINTS), defaults)
    assert Stage.INPUT in not_below(bind(Policy.from_toml(TOML + f"threshold = {LINE.of(0.6)!r}\n"), POINTS), defaults)
    assert Stage.INPUT not in not_below(bind(Policy.from_toml(TOML + "threshold = 0.25\n"), POINTS), defaults)


def test_one_after_another_is_one_line() -> None:
    second = Recalibration(label="toxicity", stage=Stage.INPUT, slope=3.0, intercept=0.25)
    for score in (0.01, 0.5, 0.99):
        assert second.after(LINE).of(score) == pytest.approx(second.of(LINE.of(score)))


def test_thresholds_on_offer_and_quantiles_are_taken_along() -> None:
    given_ = offered([LINE], POINTS)
    assert given_["toxicity", Stage.INPUT] == {"default": LINE.of(0.6), "0.001": LINE.of(0.9)}
    assert given_["toxicity", Stage.OUTPUT] == POINTS["toxicity", Stage.OUTPUT]
    assert references([LINE], {("toxicity", Stage.INPUT): [0.1, 0.2]}) == {
        ("toxicity", Stage.INPUT): [LINE.of(0.1), LINE.of(0.2)]
    }


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("slope = 0.5", "slope = 0.0", r"p:8: recalibrate\[0\].slope: .*greater than or equal to 0.000001"),
        ("slope = 0.5", "slope = inf", "finite"),
        ("intercept = -1.0", "intercept = nan", "finite"),
        ("intercept = -1.0", "", "needs slope and intercept, or points"),
        ("intercept = -1.0", "points = [[0.1, 0.2], [0.2, 0.3]]", "has points, so it can have no slope"),
        ("slope = 0.5\nintercept = -1.0", "points = [[0.2, 0.2], [0.1, 0.3]]", "points must rise"),
        ("slope = 0.5\nintercept = -1.0", "points = [[0.1, 0.3], [0.2, 0.3]]", "points must rise"),
        ("slope = 0.5\nintercept = -1.0", "points = [[0.1, 0.3]]", "at least 2"),
        ("slope = 0.5\nintercept = -1.0", "points = [[0.0, 0.3], [0.5, 0.5]]", "greater than 0"),
        ("slope", "slop", r"unknown key recalibrate\[0\].slop; did you mean 'slope'"),
        ("[[principle]]", TOML[TOML.index("[[recalibrate]]") : TOML.index("id =")], "'toxicity' on input twice"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(before: str, after: str, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        Policy.from_toml(TOML.replace(before, after, 1), source="p")


def test_a_label_that_nobody_scores_is_refused_and_linted() -> None:
    policy = Policy.from_toml(TOML.replace("toxicity", "toxic", 1), source="p")
    with pytest.raises(PolicyError, match=r"p:6: recalibrate\[0\]: no screen of this guard scores 'toxic' on input"):
        bind(policy, POINTS)
    assert [one.level for one in lint(policy, POINTS) if "recalibrate[0]" in one.message] == [Level.ERROR]
    unused = Policy.from_toml(TOML.replace("toxicity", "jailbreak", 1))
    assert [one.rule for one in lint(unused, POINTS) if "recalibrate[0]" in one.message] == ["dead"]
    assert not [one for one in lint(Policy.from_toml(TOML), POINTS) if "recalibrate" in one.message]


def test_the_digest_covers_it_and_show_and_diff_tell_it() -> None:
    plain, scaled = Policy.from_toml(PLAIN), Policy.from_toml(TOML)
    assert plain.digest != scaled.digest
    assert Policy.from_toml(TOML.replace("-1.0", "-1.5")).digest != scaled.digest
    assert Policy.from_toml(as_toml(scaled)) == scaled
    (change,) = changes(plain, scaled)
    assert (change.key, change.before) == ("recalibrate", "[]")
    assert "slope = 0.5" in change.after
