from __future__ import annotations

import logging
import random
import re
import threading
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Action, Guard, GuardError, Policy, Stage, Status, Verdict
from guardsdk.errors import InputError, InputTypeError, PolicyError
from guardsdk.monitor import Alert, Kind, Monitor, MonitorRules, Severity
from guardsdk.observing import CheckRecord
from guardsdk.policy.monitoring import ActorRules, Enforcement
from guardsdk.telemetry.reporters import AlertReporter, LogReporter
from guardsdk.verdict import ArtifactRef, Evaluation
from tests.tiny import write_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydantic import BaseModel

START_NS = 1_790_000_000_000_000_000
TOML = """
name = "two"
version = "1"

[[principle]]
id = "no-override"
text = "No orders."
label = "prompt_injection"
stages = ["input", "tool"]

[[principle]]
id = "note-insult"
text = "Insults are noted."
label = "toxicity"
stages = ["input", "output"]
action = "flag"
"""
MARKER = "zebra-quartz-marker"


def policy(**rules: Any) -> Policy:
    return Policy.from_toml(TOML).model_copy(update={"monitor": MonitorRules(**rules)})


def record(
    number: int,
    score: float = 0.01,
    *,
    actor: str | None = None,
    status: Status = Status.COMPLETE,
    threshold: float = 0.9,
) -> CheckRecord:
    fired = score >= threshold
    verdict = Verdict(
        allowed=not fired,
        action=Action.BLOCK if fired else Action.ALLOW,
        status=status,
        stage=Stage.INPUT,
        principle_id="no-override" if fired else None,
        scores={"prompt_injection": score},
        evaluations=(
            Evaluation(
                principle_id="no-override",
                label="prompt_injection",
                score=score,
                threshold=threshold,
                margin=score - threshold,
                fired=fired,
            ),
        ),
        coverage=1.0,
        model=ArtifactRef(name="m", version="1", digest="d" * 64),
    )
    return CheckRecord(verdict, START_NS + number * 1_000_000_000, text_length=10, actor=actor)


def feed(monitor: Monitor, count: int, score: Callable[[random.Random], float], first: int = 0) -> None:
    chance = random.Random(first)
    for number in range(first, first + count):
        monitor.on_check(record(number, score(chance)))


def harmless(chance: random.Random) -> float:
    return chance.betavariate(1, 20)


def limits(rules: type[BaseModel], place: int) -> dict[str, float]:
    """The least (place 0) or the most that each number with a fraction may be; an error where there is none."""
    kind, name = (("Ge", "ge"), ("Le", "le"))[place]
    return {
        field: next(getattr(one, name) for one in about.metadata if type(one).__name__ == kind)
        for field, about in rules.model_fields.items()
        if about.annotation is float
    }


@pytest.mark.parametrize("place", [0, 1], ids=["least", "most"])
def test_the_monitor_works_with_the_least_and_the_most_of_every_number(place: int) -> None:
    rules: dict[str, Any] = limits(MonitorRules, place)
    actors = ActorRules.model_validate(limits(ActorRules, place))
    enforcement = Enforcement.model_validate(limits(Enforcement, place))
    assert len(rules) + len(limits(ActorRules, place)) + len(limits(Enforcement, place)) > 15
    monitor = Monitor(policy(**rules, actors=actors, enforcement=enforcement, window=40))
    chance = random.Random(1)
    for number in range(400):
        monitor.on_check(record(number, chance.random(), actor=f"actor {number % 3}"))
    assert monitor.checks == 400
    assert monitor.state()


@pytest.mark.parametrize("value", ["1e-300", "1e300", "inf", "nan"])
@pytest.mark.parametrize(
    ("table", "name"),
    [
        *((("monitor",), name) for name in limits(MonitorRules, 0)),
        *((("monitor", "actors"), name) for name in limits(ActorRules, 0)),
        *((("monitor", "enforcement"), name) for name in limits(Enforcement, 0)),
    ],
)
def test_a_number_nobody_can_mean_is_an_error_that_names_it(table: tuple[str, ...], name: str, value: str) -> None:
    toml = f"{TOML}\n[{'.'.join(table)}]\n{name} = {value}\n"
    if value == "1e-300" and name in ("psi", "rate_psi", "cooldown_s"):  # which may be 0
        assert Policy.from_toml(toml).monitor is not None
        return
    with pytest.raises(PolicyError, match=rf"{'.'.join(table)}\.{name}: .*(greater|less|finite)"):
        Policy.from_toml(toml)


def test_steady_traffic_raises_nothing() -> None:
    monitor = Monitor(policy(window=400))
    feed(monitor, 6000, harmless)
    assert monitor.alerts == ()
    assert monitor.checks == 6000


def test_scores_that_rise_are_told_with_the_figures() -> None:
    told: list[Alert] = []
    monitor = Monitor(policy(window=400), on_alert=told.append)
    monitor._chance = random.Random(3).random  # with other ranks among equals it may be told before so many rose
    feed(monitor, 3000, harmless)
    feed(monitor, 800, lambda chance: chance.betavariate(4, 12), 3000)
    drift = next(alert for alert in monitor.alerts if alert.kind is Kind.SCORE_DRIFT)
    assert drift in told
    assert drift.series == "prompt_injection"
    assert drift.stage is Stage.INPUT
    assert drift.evidence["psi"] >= 0.1
    assert drift.evidence["evidence"] >= monitor.rules.run_length
    assert drift.evidence["recent_high"] > 0.05 >= drift.evidence["earlier_high"]
    assert drift.time_ns >= START_NS + 3000 * 1_000_000_000


def test_a_rising_share_of_blocks_is_told_and_a_falling_one_is_no_warning() -> None:
    monitor = Monitor(policy(window=400, cooldown_s=0))
    feed(monitor, 4000, lambda chance: 0.95 if chance.random() < 0.02 else 0.01)
    feed(monitor, 1000, lambda chance: 0.95 if chance.random() < 0.25 else 0.01, 4000)
    feed(monitor, 3000, lambda chance: 0.95 if chance.random() < 0.25 else 0.01, 5000)
    feed(monitor, 3000, lambda _: 0.01, 8000)
    rates = [alert for alert in monitor.alerts if alert.series == "blocked"]
    assert [alert.severity for alert in rates] == [Severity.WARNING, Severity.INFO]
    assert rates[0].evidence["recent_share"] > rates[0].evidence["earlier_share"]


def test_an_actor_is_told_of_by_pseudonym_only_and_can_be_forgotten() -> None:
    monitor = Monitor(policy())
    feed(monitor, 300, harmless)
    for number in range(300, 310):
        monitor.on_check(record(number, 0.99, actor=MARKER))
    (alert,) = [one for one in monitor.alerts if one.kind is Kind.REPEATED_BLOCKS]
    assert alert.actor == monitor.pseudonym(MARKER)
    assert MARKER not in str(alert) + alert.model_dump_json()
    monitor.forget(MARKER)
    assert [one for one in monitor.alerts if one.actor] == []
    monitor.on_check(record(310, 0.99, actor=MARKER))
    assert [one for one in monitor.alerts if one.actor] == []


def test_the_same_alert_waits_for_its_cool_down() -> None:
    monitor = Monitor(policy(cooldown_s=100.0))
    for number in range(250):
        monitor.on_check(record(number, 0.99, actor="a"))
    times = [alert.time_ns for alert in monitor.alerts if alert.actor]
    gaps = [(two - one) / 1e9 for one, two in pairwise(times)]
    assert len(times) >= 2
    assert min(gaps) >= 100
    assert monitor.suppressed > 100


def test_alerts_are_bounded() -> None:
    monitor = Monitor(policy(keep_alerts=3, cooldown_s=0))
    for number in range(60):
        monitor.on_check(record(number, 0.99, actor="a"))
    assert len(monitor.alerts) == 3
    assert monitor.alerts[-1].time_ns == START_NS + 59 * 1_000_000_000


def test_actors_whose_checks_failed_did_nothing() -> None:
    monitor = Monitor(policy())
    for number in range(20):
        monitor.on_check(record(number, 0.99, actor="a", status=Status.FAILED))
    assert [one for one in monitor.alerts if one.actor] == []


def test_a_listener_that_raises_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Alert] = []

    def broken(_: Alert) -> None:
        raise RuntimeError(MARKER)

    monitor = Monitor(policy(cooldown_s=0), on_alert=broken)
    monitor.listen(told.append)
    with caplog.at_level(logging.WARNING, "guardsdk"):
        for number in range(12):
            monitor.on_check(record(number, 0.99, actor="a"))
    assert told == list(monitor.alerts) != []
    assert "RuntimeError" in caplog.text
    assert MARKER not in caplog.text


async def awaited(_: Alert) -> None: ...


class Awaited:
    async def __call__(self, alert: Alert) -> None: ...


@pytest.mark.parametrize("given", [awaited, partial(awaited), Awaited(), 3], ids=lambda one: type(one).__name__)
def test_who_cannot_be_told_of_alerts_is_refused(given: Any) -> None:
    reason = "must be a function that takes an alert, not int" if given == 3 else "is async, and nobody awaits it"
    with pytest.raises(InputTypeError, match=f"on_alert {reason}"):
        Monitor(policy(), on_alert=given)
    monitor = Monitor(policy())
    with pytest.raises(InputTypeError, match=f"listener {reason}"):
        monitor.listen(given)


async def answered(_: str) -> str:
    return "a pseudonym"


@pytest.mark.parametrize(
    ("option", "given", "reason"),
    [
        ("pseudonym", b"key", "must be a function that takes the name of an actor and returns a pseudonym, not bytes"),
        ("pseudonym", "", "must be a function that takes the name of an actor and returns a pseudonym, not str"),
        ("pseudonym", answered, "is async, and nobody awaits it; give a plain function"),
        ("references", {}, "must be a function that returns the quantiles of benign scores, not dict"),
        ("references", partial(answered, ""), "is async, and nobody awaits it; give a plain function"),
        ("reporter", print, "must be a guardsdk.telemetry.reporters.AlertReporter, not builtin_function_or_method"),
        ("reporter", AlertReporter, "must be a guardsdk.telemetry.reporters.AlertReporter, not type"),
        ("reporter", LogReporter(), "must be a guardsdk.telemetry.reporters.AlertReporter, not LogReporter"),
    ],
)
def test_an_option_of_another_type_is_refused_at_once(option: str, given: Any, reason: str) -> None:
    with pytest.raises(InputTypeError, match=f"^{option} {re.escape(reason)}$"):
        Monitor(policy(), **{option: given})


def test_many_threads_lose_no_check() -> None:
    monitor = Monitor(policy())
    workers = [threading.Thread(target=feed, args=(monitor, 400, harmless, number * 400)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert monitor.checks == 1600


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


def test_a_guard_has_a_monitor_that_is_told_of_its_checks(model: Path) -> None:
    with Guard(Policy.from_toml(TOML), models=model, observers=[]) as guard:
        for _ in range(8):
            guard.check("attack attack", actor=MARKER)
        guard.check("filler", stage="tool")
        assert guard.monitor.checks == 9
        (alert,) = guard.monitor.alerts
        assert alert.kind is Kind.REPEATED_BLOCKS
        assert alert.model == guard.info().model.digest


def test_a_guard_without_a_monitor_says_so(model: Path) -> None:
    with Guard(Policy.from_toml(TOML), models=model, observers=[], monitor=False) as guard:
        assert guard.check("filler").allowed
        with pytest.raises(GuardError, match="monitor=False"):
            _ = guard.monitor


def test_guards_can_share_a_monitor(model: Path) -> None:
    shared = Monitor(Policy.from_toml(TOML))
    for _ in range(2):
        with Guard(Policy.from_toml(TOML), models=model, observers=[], monitor=shared) as guard:
            guard.check("filler")
            assert guard.monitor is shared
    assert shared.checks == 2


@pytest.mark.parametrize("table", ["[monitor]\nwindow = 400\n", "[monitor.enforcement]\n"])
def test_a_monitor_by_other_rules_than_the_policy_has_is_refused(table: str) -> None:
    plain, stricter = Policy.from_toml(TOML), Policy.from_toml(f"{TOML}\n{table}")
    for watched, checked in ((plain, stricter), (stricter, plain)):
        with pytest.raises(InputError, match=r"other rules than the table \[monitor\] of policy '"):
            Guard(checked, observers=[], monitor=Monitor(watched))
    written_out = Policy.from_toml(f"{TOML}\n[monitor]\nwindow = 1000\n")
    assert Guard(plain, observers=[], monitor=Monitor(written_out)).monitor.rules.window == 1000  # the same, in words


def test_something_else_is_no_monitor() -> None:
    with pytest.raises(InputTypeError, match="Monitor, not str"):
        Guard(monitor="yes")  # type: ignore[arg-type]


def test_actors_are_called_what_the_decision_log_calls_them(model: Path, tmp_path: Path) -> None:
    log = tmp_path / "decisions.jsonl"
    with Guard(Policy.from_toml(TOML), models=model, observers=[], decision_log=log) as guard:
        assert not log.with_name("decisions.jsonl.key").exists()
        for _ in range(8):
            guard.check("attack attack", actor="a")
        (alert,) = guard.monitor.alerts
    assert f'"actor":"{alert.actor}"' in log.read_text()


def test_a_principle_that_comes_later_is_watched_too(model: Path) -> None:
    late = TOML + '[[principle]]\nid = "no-insult"\ntext = "None."\nlabel = "toxicity"\nstages = ["input"]\n'
    with Guard(Policy.from_toml(TOML), models=model, observers=[]) as guard:
        assert guard.monitor._watched[Stage.INPUT] == {"no-override"}
        guard.monitor.follow(Policy.from_toml(late))
        assert guard.monitor._watched[Stage.INPUT] == {"no-override", "no-insult"}
        guard._follow(())  # as teaching does
        assert guard.monitor.policy is guard.policy


def test_rules_are_written_in_the_policy() -> None:
    written = Policy.from_toml(
        TOML.replace(
            'version = "1"',
            'version = "1"\n[monitor]\nwindow = 500\n[monitor.actors]\nblocks = 7\n[monitor.enforcement]',
        )
    )
    assert written.monitor is not None
    assert written.monitor.window == 500
    assert written.monitor.actors.blocks == 7
    assert written.monitor.enforcement is not None
    assert Monitor(written).rules is written.monitor
    assert Policy.from_toml(TOML).digest != written.digest


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("[monitor]\nwindws = 500", "unknown key monitor.windws; did you mean 'window'?"),
        ("[monitor.actors]\nblock = 5", "unknown key monitor.actors.block; did you mean 'blocks'?"),
        ("[monitor]\nwindow = 3", "monitor.window: must be greater than or equal to 40"),
        ('[monitor.enforcement]\nkinds = ["rude"]', "monitor.enforcement.kinds"),
    ],
)
def test_a_wrong_rule_is_an_error_that_names_it(line: str, expected: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.from_toml(TOML.replace('version = "1"', f'version = "1"\n{line}'))
    assert expected in str(caught.value)


@pytest.mark.parametrize("policy", ["default", None, 5])
def test_a_monitor_of_no_policy_is_refused(policy: object) -> None:
    with pytest.raises(InputTypeError, match=f"policy must be a Policy, .* not {type(policy).__name__}"):
        Monitor(policy)  # type: ignore[arg-type]


@pytest.mark.parametrize(("key", "error"), [(b"", InputError), ("secret", InputTypeError)])
def test_a_key_that_hides_nobody_is_refused(key: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^key must"):
        Monitor(policy(), key=key)
