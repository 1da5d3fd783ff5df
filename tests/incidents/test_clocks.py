"""Severity and reporting clocks, computed from harms and dates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from guardsdk.incidents import Clock, Harm, Role, clocks, serious
from guardsdk.incidents.clocks import Recipient, standing

AWARE = datetime(2026, 11, 26, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("harm", "article", "due"),
    [
        (Harm.CRITICAL_INFRASTRUCTURE, "73(3)", "2026-11-28"),
        (Harm.WIDESPREAD_INFRINGEMENT, "73(3)", "2026-11-28"),
        (Harm.DEATH, "73(4)", "2026-12-06"),
        (Harm.HEALTH, "73(2)", "2026-12-11"),
        (Harm.FUNDAMENTAL_RIGHTS, "73(2)", "2026-12-11"),
        (Harm.PROPERTY_OR_ENVIRONMENT, "73(2)", "2026-12-11"),
    ],
)
def test_each_harm_has_its_article_and_its_days(harm: Harm, article: str, due: str) -> None:
    (clock,) = clocks([harm], AWARE, Role.PROVIDER)
    assert clock.due is not None
    assert (clock.article, f"{clock.due:%Y-%m-%d %H:%M}") == (article, f"{due} 14:30")
    assert serious([harm])


def test_what_is_not_serious_has_no_clock() -> None:
    assert not serious([Harm.OTHER])
    assert clocks([Harm.OTHER], AWARE, Role.DEPLOYER) == ()


def test_of_several_harms_every_duty_is_told_and_the_earliest_first() -> None:
    found = clocks([Harm.HEALTH, Harm.OTHER, Harm.DEATH, Harm.CRITICAL_INFRASTRUCTURE], AWARE, Role.PROVIDER)
    assert [clock.article for clock in found] == ["73(3)", "73(4)", "73(2)"]


def test_a_deployer_informs_the_provider_first() -> None:
    found = clocks([Harm.HEALTH], AWARE, Role.DEPLOYER)
    assert [(clock.article, clock.recipient, clock.due is None) for clock in found] == [
        ("26(5)", Recipient.PROVIDER, True),
        ("73(2)", Recipient.AUTHORITY, False),
    ]


def test_a_clock_runs_over_february_and_years() -> None:
    (clock,) = clocks([Harm.HEALTH], datetime(2028, 2, 20, tzinfo=UTC), Role.PROVIDER)
    assert clock.due == datetime(2028, 3, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("reported", "now", "words"),
    [
        (None, timedelta(days=1), "running, 1 d 0 h left"),
        (None, timedelta(days=1, hours=23, minutes=15), "running, 0 h 45 min left"),
        (None, timedelta(days=3, hours=2), "overdue by 1 d 2 h"),
        (timedelta(days=1), timedelta(days=9), "1 d 0 h before the last moment"),
        (timedelta(days=3), timedelta(days=9), "1 d 0 h after the last moment"),
    ],
)
def test_a_clock_says_how_it_stands(reported: timedelta | None, now: timedelta, words: str) -> None:
    (clock,) = clocks([Harm.CRITICAL_INFRASTRUCTURE], AWARE, Role.PROVIDER)
    assert words in standing(clock, None if reported is None else AWARE + reported, AWARE + now)


def test_a_duty_without_a_last_day_is_at_once_until_it_is_done() -> None:
    clock = Clock("26(5)", Recipient.PROVIDER, "inform", None)
    assert standing(clock, None, AWARE) == "at once"
    assert standing(clock, AWARE, AWARE) == "reported 2026-11-26 14:30 UTC"
