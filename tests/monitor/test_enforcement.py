"""Lower thresholds for an actor over a limit: only where the policy says so, only for a while, never weaker."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Action, Blocked, Guard, Policy, Status
from guardsdk.errors import PolicyError
from guardsdk.monitor import Kind, Monitor
from guardsdk.policy.decide import lowered
from guardsdk.policy.judge import stricter
from guardsdk.policy.monitoring import Enforcement, MonitorRules
from tests.monitor.test_monitor import START_NS, TOML, record
from tests.tiny import write_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from guardsdk.observing import CheckRecord

SECOND = 1_000_000_000


def policy(**changes: Any) -> Policy:
    return Policy.from_toml(TOML).model_copy(update=changes)


def enforcing(**rules: Any) -> Policy:
    return policy(monitor=MonitorRules(enforcement=Enforcement(**rules)))


def offended(monitor: Monitor) -> None:
    for number in range(8):
        monitor.on_check(record(number, 0.99, actor="a"))
    assert [alert for alert in monitor.alerts if alert.actor]


@pytest.mark.parametrize(("by", "expected"), [(0.0, 0.9), (2.1972245773362196, 0.5), (4.394449154672439, 0.1)])
def test_a_threshold_is_lowered_in_log_odds(by: float, expected: float) -> None:
    assert lowered(0.9, by) == pytest.approx(expected)


def test_a_threshold_beyond_every_score_stays() -> None:
    assert (lowered(0.0, 3.0), lowered(1.0, 3.0)) == (0.0, 1.0)


@pytest.mark.parametrize("by", [800.0, 1e308])
def test_a_threshold_can_be_lowered_to_nothing(by: float) -> None:
    assert 0.0 <= lowered(0.9, by) < 1e-300


def test_limits_begin_with_the_alert_and_end_by_themselves() -> None:
    monitor = Monitor(enforcing(for_s=60.0))
    assert monitor.limits("a", START_NS) is None
    offended(monitor)
    assert monitor.limits("a", START_NS + 10 * SECOND) == Enforcement(for_s=60.0)
    assert monitor.limits("b", START_NS + 10 * SECOND) is None
    assert monitor.limits("a", START_NS + 70 * SECOND) is None
    monitor.forget("a")
    assert monitor.limits("a", START_NS + 10 * SECOND) is None


@pytest.mark.parametrize("score", [lambda _: 0.85, lambda number: 0.6 + number / 100.0], ids=["same", "climbing"])
def test_limits_end_although_the_actor_goes_on_with_what_lowered_thresholds_hold_back(
    score: Callable[[int], float],
) -> None:
    rules = Enforcement(for_s=60.0)
    monitor = Monitor(enforcing(for_s=60.0))
    offended(monitor)
    before = len(monitor.alerts)
    for number in range(8, 30):
        sent = record(number, score(number - 8), actor="a")
        verdict = stricter(policy(), sent.verdict, rules, 10)
        assert verdict.action is Action.BLOCK
        monitor.on_check(replace(sent, verdict=verdict))
    assert monitor.limits("a", START_NS + 60 * SECOND) == rules
    assert monitor.limits("a", START_NS + 70 * SECOND) is None
    assert len(monitor.alerts) == before
    for number in range(70, 90):  # what passes counts again
        monitor.on_check(record(number, 0.85, actor="a"))
    assert monitor.alerts[-1].kind is Kind.ADJACENT_VOLUME


def test_limits_that_would_outlast_the_memory_of_the_actor_are_refused() -> None:
    table = "[monitor.enforcement]\nfor_s = 604800\n"
    toml = TOML.replace('version = "1"', f'version = "1"\n{table}')
    with pytest.raises(PolicyError, match=r"monitor: .*for_s, 604800 s, must not exceed actors.ttl_s, 86400 s"):
        Policy.from_toml(toml)
    written = Policy.from_toml(toml.replace(table, f"{table}[monitor.actors]\nttl_s = 604800\n"))
    monitor = Monitor(written)
    offended(monitor)
    week = 7 * 86_400
    for number in (2 * 86_400, week - 60):
        monitor.on_check(record(number, actor="b"))
        assert monitor.limits("a", START_NS + number * SECOND) == written.monitor.enforcement  # type: ignore[union-attr]  # it has one
    assert monitor.limits("a", START_NS + (week + 10) * SECOND) is None


def test_limits_hold_again_after_a_clock_had_jumped_ahead() -> None:
    monitor = Monitor(enforcing(for_s=60.0))
    years = 20 * 365 * 86_400
    monitor.on_check(record(years, 0.1, actor="b"))
    offended(monitor)
    assert monitor.limits("a", START_NS + 10 * SECOND) == Enforcement(for_s=60.0)


def test_an_alert_of_a_time_that_never_was_cools_down_no_longer_than_others() -> None:
    monitor = Monitor(policy())
    years = 20 * 365 * 86_400
    for number in range(8):
        monitor.on_check(record(years + number, 0.99, actor="a"))
    assert len(monitor.alerts) == 1
    offended(monitor)
    assert len(monitor.alerts) == 2


def test_without_the_table_nothing_follows() -> None:
    monitor = Monitor(policy())
    assert monitor.limiter is None
    offended(monitor)
    assert monitor.limits("a", START_NS + 8 * SECOND) is None


def test_other_kinds_of_alerts_do_not_start_it() -> None:
    monitor = Monitor(enforcing(kinds=("rephrased",)))
    offended(monitor)
    assert monitor.limits("a", START_NS + 8 * SECOND) is None


@pytest.mark.parametrize(
    ("score", "action", "expected"),
    [
        (0.7, "block", Action.BLOCK),
        (0.7, "review", Action.REVIEW),
        (0.2, "block", Action.ALLOW),
        (0.99, "review", Action.BLOCK),
    ],
)
def test_a_text_close_below_the_threshold_is_held(score: float, action: str, expected: Action) -> None:
    before = record(0, score).verdict
    after = stricter(policy(), before, Enforcement(action=action), 10)  # type: ignore[arg-type]  # of its words
    assert after.action is expected
    assert after.evaluations == before.evaluations
    if after != before:
        assert after.principle_id == "no-override"
        (finding,) = after.findings
        assert finding.threshold == pytest.approx(lowered(0.9, 2.0))
        assert finding.spans == ((0, 10),)


def test_in_shadow_mode_it_is_only_said() -> None:
    after = stricter(policy(shadow=True), record(0, 0.7).verdict, Enforcement(), 10)
    assert after.allowed
    assert (after.action, after.would_action) == (Action.FLAG, Action.BLOCK)


def test_a_guard_holds_back_what_it_let_pass_before_and_from_nobody_else(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", strong=4.0)
    # The word scores 0.982; the threshold is above it, and the lowered one is not.
    toml = TOML.replace('stages = ["input", "tool"]', 'stages = ["input", "tool"]\nthreshold = 0.99')
    rules = "[monitor.enforcement]\nstricter_by = 1.0\n[monitor.actors]\nadjacent = 3\n"
    written = Policy.from_toml(toml.replace('version = "1"', f'version = "1"\n{rules}'))
    with Guard(written, models=model, observers=[]) as guard:
        verdicts = [guard.check("attack", actor="a") for _ in range(12)]
        assert verdicts[0].allowed
        assert verdicts[-1].action is Action.BLOCK
        assert guard.check("attack", actor="b").allowed
        assert guard.check("filler", actor="a").allowed
        with pytest.raises(Blocked):
            guard.apply("attack", verdicts[-1])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"on_error": "block"}, (False, Action.BLOCK, None)),
        ({"on_error": "allow"}, (True, Action.ALLOW, None)),
        ({"shadow": True}, (True, Action.FLAG, Action.BLOCK)),
    ],
)
def test_where_nobody_can_say_whether_an_actor_is_limited_the_check_is_not_complete(
    tmp_path: Path, changes: dict[str, Any], expected: tuple[bool, Action, Action | None]
) -> None:
    def unreachable(_: str) -> str:
        msg = "the disk with the key of the pseudonyms is gone"
        raise OSError(msg)

    written = enforcing().model_copy(update=changes)
    told: list[CheckRecord] = []

    class Told:
        def on_check(self, record: CheckRecord) -> None:
            told.append(record)

    monitor = Monitor(written, pseudonym=unreachable)
    model = write_model(tmp_path / "model", strong=4.0)
    with Guard(written, models=model, observers=[Told()], monitor=monitor) as guard:
        verdict = guard.check("filler", actor="a")
        assert (verdict.allowed, verdict.action, verdict.would_action) == expected
        assert not verdict
        assert verdict.status is Status.DEGRADED
        assert verdict.incomplete_layers == ("monitor",)
        assert verdict.degraded_reasons == ("monitor: OSError",)
        assert told[-1].verdict == verdict
        assert guard.check("filler"), "nobody is named, so there is nothing to ask"
        assert guard.check(" ", actor="a"), "nothing is held against a threshold"
        assert guard.check("attack", actor="a").principle_id == "no-override", "what a principle decides stays"
