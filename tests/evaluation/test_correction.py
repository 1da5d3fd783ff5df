from __future__ import annotations

import math

import numpy as np
import pytest

from guardsdk.evaluation.correction import Confusion, Seen, corrected_difference, corrected_rate, fits

RUNS = 500


def error(sensitivity: float, specificity: float, there: int, rest: int, chooser: np.random.Generator) -> Confusion:
    """What was counted of a judge with these true figures on labelled texts."""
    found, left = int(chooser.binomial(there, sensitivity)), int(chooser.binomial(rest, specificity))
    return Confusion(found, there - found, rest - left, left)


def table(**cells: int) -> list[list[int]]:
    """Pairs by ``before_after``: c certain, p judged positive, n judged negative, o neither."""
    counts = [[0] * 4 for _ in range(4)]
    for name, count in cells.items():
        counts["cpno".index(name[0])]["cpno".index(name[1])] = count
    return counts


def test_the_point_is_that_of_rogan_and_gladen() -> None:
    judge = Confusion(80, 20, 10, 190)  # finds 80 %, leaves 95 % alone
    assert corrected_rate(Seen(0, 200, 1000, 1000), judge).value == pytest.approx((0.2 + 0.95 - 1) / 0.75)
    assert corrected_rate(Seen(0, 10, 1000, 1000), judge).value == 0.0, "less than its false alarms"
    assert corrected_rate(Seen(0, 200, 500, 1000), judge).value == pytest.approx(0.5 * (0.4 - 0.05) / 0.75)
    assert corrected_rate(Seen(500, 200, 500, 1000), judge).value == pytest.approx(0.5 + 0.5 * (0.4 - 0.05) / 0.75)


def test_a_judge_that_never_errs_changes_nothing_but_the_width() -> None:
    found = corrected_rate(Seen(0, 30, 200, 200), Confusion(10**6, 0, 0, 10**6))
    assert (found.value, found.low, found.high) == pytest.approx((0.15, 0.1071, 0.2061), abs=2e-3)
    moved = corrected_difference(table(pp=20, pn=5, np=25, nn=150), Confusion(10**6, 0, 0, 10**6))
    assert moved.value == pytest.approx(0.1)
    assert moved.low > 0.04


def test_a_judge_like_a_coin_gives_no_figure() -> None:
    for judge in (Confusion(50, 50, 50, 50), Confusion(2, 0, 0, 2), Confusion(0, 0, 0, 0), Confusion(1, 99, 99, 1)):
        assert not judge.usable
        assert math.isnan(corrected_rate(Seen(0, 5, 10, 10), judge).value)
        assert math.isnan(corrected_difference(table(pp=5, nn=5), judge).low)
    assert math.isnan(corrected_rate(Seen(0, 0, 0, 0), Confusion(90, 10, 10, 90)).value)


def test_a_rate_that_such_a_judge_cannot_see_does_not_fit() -> None:
    judge = Confusion(60, 40, 20, 80)  # sees 20 % to 60 %
    assert [fits(Seen(0, seen, 300, 300), judge) for seen in (15, 60, 120, 180, 250)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert fits(Seen(0, 2, 2, 300), judge), "two cases tell nothing"
    assert fits(Seen(300, 0, 0, 300), judge), "nothing was judged"


def test_what_needed_no_judge_is_not_corrected() -> None:
    judge = Confusion(80, 20, 10, 190)
    assert corrected_rate(Seen(40, 0, 0, 100), judge).value == 0.4
    assert corrected_difference(table(cc=40, oo=50, oc=10), judge).value == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("rate", "share", "certain"), [(0.1, 1.0, False), (0.02, 1.0, False), (0.3, 0.6, False), (0.1, 0.7, True)]
)
def test_of_simulated_runs_95_percent_of_the_intervals_hold_the_true_rate(
    rate: float,
    share: float,
    certain: bool,
) -> None:
    chooser = np.random.default_rng(1)
    held = 0
    for _ in range(RUNS):
        judge = error(0.85, 0.96, 200, 400, chooser)
        judged = int(chooser.binomial(400, share))
        true = chooser.binomial(judged, rate)
        positives = int(chooser.binomial(true, 0.85) + chooser.binomial(judged - true, 0.04))
        found = corrected_rate(Seen(400 - judged if certain else 0, positives, judged, 400), judge)
        held += found.low <= (1 - share if certain else 0) + share * rate <= found.high
    assert 0.93 <= held / RUNS <= 0.97


@pytest.mark.parametrize(("lost", "gained", "both"), [(0.05, 0.05, 0.1), (0.01, 0.05, 0.02), (0.0, 0.0, 0.0)])
def test_of_simulated_pairs_95_percent_of_the_intervals_hold_the_true_change(
    lost: float, gained: float, both: float
) -> None:
    chooser = np.random.default_rng(7)
    held = 0
    for run in range(RUNS):
        judge = error(0.85, 0.96, 200, 400, chooser)
        ways = chooser.choice(4, 300, p=[lost, gained, both, 1 - lost - gained - both])
        seen = [
            np.where(true, chooser.random(300) < 0.85, chooser.random(300) < 0.04)
            for true in (np.isin(ways, [0, 2]), np.isin(ways, [1, 2]))
        ]
        counts = table(
            pp=int((seen[0] & seen[1]).sum()),
            pn=int((seen[0] & ~seen[1]).sum()),
            np=int((~seen[0] & seen[1]).sum()),
            nn=int((~seen[0] & ~seen[1]).sum()),
        )
        found = corrected_difference(counts, judge, seed=run)
        held += found.low <= gained - lost <= found.high
    assert 0.93 <= held / RUNS <= 0.97


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="3 positive of 2 judged cases"):
        Seen(0, 3, 2, 5)
    with pytest.raises(ValueError, match="3 certain and 3 judged cases of 5"):
        Seen(3, 1, 3, 5)


def test_counts_of_two_labelled_sets_add_up() -> None:
    assert Confusion(1, 2, 3, 4) + Confusion(10, 20, 30, 40) == Confusion(11, 22, 33, 44)
