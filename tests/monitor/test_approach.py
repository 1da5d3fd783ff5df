"""What speaks for an approach is a fair bet while nobody approaches anything."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from guardsdk.monitor.approach import LATELY, Shares, Step, approach, rising
from guardsdk.monitor.behaviour import LEAST_SHARE
from guardsdk.policy.monitoring import ActorRules

VARIANTS, REACHED = Shares(0.02, 0.5), Shares(0.03, 0.5)


@pytest.mark.parametrize("scores", [(1, 2, 3, 4, 5), (1, 1, 2, 3, 3), (7, 7, 7, 7, 7)])
def test_over_all_orders_of_some_scores_the_ratio_is_one_on_average(scores: tuple[float, ...]) -> None:
    orders = [*itertools.permutations(scores)]
    assert sum(map(rising, orders)) / len(orders) == pytest.approx(1.0)


def test_the_more_an_order_rises_the_likelier_it_is_of_somebody_who_climbs() -> None:
    up = list(range(8))
    one_back = [0, 1, 2, 4, 3, 5, 6, 7]
    assert rising(up) > rising(one_back) > 20
    assert rising([*reversed(up)]) < 1


def test_by_chance_the_sum_is_no_more_than_the_beginnings_it_is_over() -> None:
    chance = random.Random(3)
    runs = 40_000
    total = over = 0.0
    for _ in range(runs):
        # As anybody: variants and scores as they come, and the newest reaches the place at its share.
        steps = [Step(chance.random(), chance.random() < VARIANTS.everybody) for _ in range(LATELY)]
        if chance.random() < REACHED.everybody:
            ratio = 2.718281828 ** approach(steps, VARIANTS, REACHED).total
            total += ratio
            over += ratio >= 1000.0
    # On average one for each beginning, of which there are nine; the odds of the place are part of it.
    assert total / runs < LATELY
    assert over / runs < LATELY / 1000.0


def test_each_part_is_told_apart() -> None:
    climb = [Step(float(at), at > 0) for at in range(6)]
    found = approach(climb, VARIANTS, REACHED)
    assert found.variants == 5
    assert 0 < found.climb < found.total
    alone = approach([Step(step.closeness, None) for step in climb], VARIANTS, REACHED)
    assert (alone.variants, alone.climb) == (0, found.climb)
    assert alone.total < found.total
    assert approach(climb[:1], VARIANTS, REACHED).total == 0.0


def test_three_texts_prove_nothing_whatever_they_are_and_four_may() -> None:
    """As the page says of whoever is over the line within four: by these rules no fewer can be told from chance."""
    least = Shares(LEAST_SHARE, ActorRules().suspect_share)
    most = [approach([Step(float(at), at > 0) for at in range(texts)], least, least).total for texts in (2, 3, 4)]
    assert most[:2] == pytest.approx([9.5, 14.6], abs=0.05)
    assert most[1] < math.log(ActorRules().run_length) < most[2]
