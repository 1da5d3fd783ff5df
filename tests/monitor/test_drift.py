from __future__ import annotations

import json
import math
import random

import pytest

from guardsdk.monitor.drift import Series
from guardsdk.monitor.histograms import RATE_EDGES, SCORE_EDGES, middle, psi, shares

WINDOW = 400


def fed(series: Series, chance: random.Random, count: int, shift: float = 0.0) -> list[float]:
    """The evidence after each of ``count`` scores, normal in log-odds around ``shift - 3``."""
    return [
        series.add(1 / (1 + math.exp(3 - shift - chance.gauss(0, 2))), chance.random())  # a logistic of a normal
        for _ in range(count)
    ]


def test_without_a_change_the_evidence_reaches_a_limit_no_sooner_than_promised() -> None:
    chance = random.Random(1)
    limit, runs = 200.0, []
    for _ in range(60):
        series = Series(SCORE_EDGES, WINDOW)
        length = 0
        while series.evidence < limit and length < 1500:
            fed(series, chance, 1)
            length += 1
        runs.append(length)
    # On average at least `limit` numbers; runs that were cut off only make the average smaller than it is.
    assert sum(runs) / len(runs) > limit


def test_ranks_among_equals_are_even_too() -> None:
    chance = random.Random(2)
    series = Series(RATE_EDGES, WINDOW)
    most = max(series.add(float(chance.random() < 0.02), chance.random()) for _ in range(20_000))
    assert most < 1e7


@pytest.mark.parametrize(("shift", "within"), [(1.0, 800), (-1.0, 1200), (3.0, 200)])
def test_a_shift_of_the_scores_is_found_up_and_down(shift: float, within: int) -> None:
    chance = random.Random(3)
    series = Series(SCORE_EDGES, WINDOW)
    assert max(fed(series, chance, 4000)) < 1e6
    assert series.psi < 0.1
    assert max(fed(series, chance, within, shift)) >= 1e6
    assert series.psi >= 0.1


def test_a_few_violations_among_many_harmless_texts_are_found() -> None:
    chance = random.Random(4)
    series = Series(SCORE_EDGES, WINDOW)
    fed(series, chance, 4000)
    for number in range(600):
        evidence = series.add(0.9999, chance.random()) if number % 20 == 0 else fed(series, chance, 1)[-1]
    assert evidence >= 1e6


def test_a_slow_drift_is_found_although_the_past_drifts_along() -> None:
    chance = random.Random(5)
    series = Series(SCORE_EDGES, WINDOW)
    fed(series, chance, 3000)
    found = next((step for step in range(6000) if fed(series, chance, 1, step / 2000)[-1] >= 1e7), None)
    assert found is not None


def test_a_change_is_told_once_and_becomes_what_is_usual() -> None:
    chance = random.Random(6)
    series = Series(SCORE_EDGES, WINDOW)
    fed(series, chance, 3000)
    assert max(fed(series, chance, 600, 2.0)) >= 1e7
    series.begin_anew()
    assert max(fed(series, chance, 6000, 2.0)) < 1e7


def test_a_reference_takes_the_place_of_the_past() -> None:
    chance = random.Random(7)
    told = Series(SCORE_EDGES, WINDOW)
    fed(told, chance, 20_000)
    reference = [count / 20_000 for count in told.counts]
    same, other = Series(SCORE_EDGES, WINDOW, reference), Series(SCORE_EDGES, WINDOW, reference)
    assert max(fed(same, chance, 3000)) < 1e6
    assert max(fed(other, chance, 600, 1.5)) >= 1e6  # from the first number on, with no past of its own
    assert same.psi < 0.1 < other.psi


def test_too_few_numbers_have_no_index() -> None:
    series = Series(SCORE_EDGES, WINDOW)
    fed(series, random.Random(8), WINDOW)
    assert series.psi == 0.0


def test_the_index_is_the_symmetrised_divergence() -> None:
    expected = (0.3 - 0.1) * math.log(3) + (0.7 - 0.9) * math.log(7 / 9)
    assert psi([100_000, 900_000], [300_000, 700_000]) == pytest.approx(expected, rel=1e-4)
    assert psi([10, 20, 30], [10, 20, 30]) == 0.0


def test_two_processes_together_know_what_one_would() -> None:
    chance = random.Random(9)
    one, two, whole = (Series(SCORE_EDGES, WINDOW) for _ in range(3))
    for number in range(4000):
        value = 1 / (1 + math.exp(-chance.gauss(-3, 2)))
        whole.add(value, chance.random())
        (one if number % 2 else two).add(value, chance.random())
    one.merge(two)
    assert one.counts == whole.counts
    assert sum(one.recent_counts) <= 2 * WINDOW
    fresh = sum(fed(one, chance, 600, 2.0)[-1:])
    assert fresh >= 1e7


def test_a_series_goes_on_where_it_was_saved() -> None:
    chance = random.Random(10)
    series, copy = Series(SCORE_EDGES, WINDOW), Series(SCORE_EDGES, WINDOW)
    fed(series, chance, 1234)
    copy.restore(json.loads(json.dumps(series.state())))
    after = random.Random(11)
    expected = fed(series, random.Random(11), 300)
    assert fed(copy, after, 300) == pytest.approx(expected)
    assert copy.recent_counts == series.recent_counts


def test_what_is_recent_is_the_sum_of_its_parts_and_the_rest_came_earlier() -> None:
    chance = random.Random(12)
    series, other = Series(SCORE_EDGES, WINDOW), Series(SCORE_EDGES, WINDOW)
    for numbers in (30, 1234):
        fed(series, chance, numbers)
        fed(other, chance, 700)
        series.merge(other)
        assert series.recent_counts == [sum(column) for column in zip(*series.recent, strict=True)]
        both = zip(series.earlier_counts, series.recent_counts, strict=True)
        assert [sum(pair) for pair in both] == series.counts


@pytest.mark.parametrize("change", [{"counts": [1.0]}, {"bets": []}, {"recent": [[1.0]]}])
def test_a_state_with_other_bins_is_refused(change: dict[str, object]) -> None:
    state = Series(SCORE_EDGES, WINDOW).state() | change
    with pytest.raises(ValueError, match="bins"):
        Series(SCORE_EDGES, WINDOW).restore(state)


def test_quantiles_give_the_share_of_every_bin() -> None:
    found = shares([0.0, 0.1, 0.2, 0.3, 1.0], [0.05, 0.2, 0.65])
    assert found == pytest.approx([0.125, 0.375, 0.375, 0.125])
    assert sum(shares([0.0, 0.0, 0.0, 0.5], SCORE_EDGES)) == pytest.approx(1.0)


def test_the_middle_is_the_median_within_its_bin() -> None:
    assert middle([0, 4, 0, 0], [0.1, 0.2, 0.3]) == pytest.approx(0.15)
    assert middle([1, 2, 1, 0], [0.1, 0.2, 0.3]) == pytest.approx(0.15)
    assert middle([0, 0, 0, 5], [0.1, 0.2, 0.3]) == pytest.approx(0.65)
    assert middle([0, 0, 0, 0], [0.1, 0.2, 0.3]) == 0.0
