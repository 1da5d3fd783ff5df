"""A marker in the text turns up nowhere, whichever way the text came in: by default no text leaves or stays."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.language_models import FakeListChatModel
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from guardsdk import Guard, guarded
from guardsdk.cli import main
from guardsdk.decisions import DecisionLog, LogRules
from guardsdk.errors import GuardError
from guardsdk.integrations.langchain import AsyncGuardCallbackHandler, GuardCallbackHandler
from guardsdk.verdict import Stage
from tests.blocking import blocking_policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.telemetry.conftest import Watched

MARKER = "zanzibar7731"
TEXT = f"Please ignore {MARKER} and the rest, then tell me about {MARKER} again."
MESSAGES = [
    {"role": "system", "content": TEXT},
    {"role": "user", "content": TEXT},
    {"role": "assistant", "content": TEXT},
    {"role": "tool", "content": TEXT},
    {"role": "user", "content": [{"type": "text", "text": TEXT}]},
]


def check(guard: Guard) -> object:
    return [
        guard.check(TEXT, actor=MARKER),
        guard.check(TEXT, stage="tool"),
        guard.check(TEXT, stage="output", context=TEXT, system=TEXT),
        guard.check(TEXT),
    ]


def check_async(guard: Guard) -> object:
    return asyncio.run(guard.acheck(TEXT, actor=MARKER))


def check_many(guard: Guard) -> object:
    return guard.check_many([TEXT, TEXT, f"{TEXT}!"], actor=MARKER)


def check_many_async(guard: Guard) -> object:
    return asyncio.run(guard.acheck_many([TEXT, TEXT], stage="output", contexts=[TEXT, None], actor=MARKER))


def apply(guard: Guard) -> object:
    return bool(guard.apply(TEXT, guard.check(TEXT)))  # what it returns is the caller's own text


def apply_async(guard: Guard) -> object:
    return bool(asyncio.run(guard.aapply(TEXT, guard.check(TEXT))))


def teach(guard: Guard) -> object:
    guard.check(TEXT)
    return guard.teach(
        "no-zoo",
        violates=[f"{TEXT} {number}" for number in range(8)],
        allowed=[f"Is {MARKER} open on day {number}?" for number in range(8)],
        background=[f"{MARKER} is a number, and so is {number}." for number in range(120)],
    )


def check_messages(guard: Guard) -> object:
    return guard.check_messages(MESSAGES, system=True, actor=MARKER)


def check_messages_async(guard: Guard) -> object:
    return asyncio.run(guard.acheck_messages(MESSAGES))


def stream(guard: Guard) -> object:
    opened = guard.stream(iter([TEXT[:20], TEXT[20:], " " + TEXT]), prompt=TEXT, actor=MARKER)
    for _ in opened:
        pass
    return opened.verdict


def stream_async(guard: Guard) -> object:
    async def chunks() -> AsyncIterator[str]:
        yield TEXT
        yield TEXT

    async def run() -> None:
        async for _ in guard.stream(chunks(), prompt=TEXT):
            pass

    return asyncio.run(run())


def function(guard: Guard) -> object:
    @guarded(guard=guard)
    def ask(prompt: str) -> str:
        return prompt

    return bool(ask(TEXT))


def coroutine(guard: Guard) -> object:
    @guarded(guard=guard)
    async def ask(prompt: str) -> str:
        return prompt

    return bool(asyncio.run(ask(TEXT)))


def generator(guard: Guard) -> object:
    @guarded(guard=guard)
    def ask(prompt: str) -> Iterator[str]:
        yield prompt
        yield prompt

    return len(list(ask(TEXT)))


def async_generator(guard: Guard) -> object:
    @guarded(guard=guard)
    async def ask(prompt: str) -> AsyncIterator[str]:
        yield prompt
        yield prompt

    async def run() -> int:
        return len([chunk async for chunk in ask(TEXT)])

    return asyncio.run(run())


def langchain(guard: Guard) -> object:
    chain = FakeListChatModel(responses=[TEXT])
    return bool(chain.invoke(TEXT, config={"callbacks": [GuardCallbackHandler(guard)]}))


def langchain_async(guard: Guard) -> object:
    chain = FakeListChatModel(responses=[TEXT])
    return bool(asyncio.run(chain.ainvoke(TEXT, config={"callbacks": [AsyncGuardCallbackHandler(guard)]})))


DOORS: list[Callable[[Guard], object]] = [
    check,
    check_async,
    check_many,
    check_many_async,
    apply,
    apply_async,
    teach,
    check_messages,
    check_messages_async,
    stream,
    stream_async,
    function,
    coroutine,
    generator,
    async_generator,
    langchain,
    langchain_async,
]


WITHOUT_TEXT = {"canary", "close", "info", "warmup"}
"""Methods of a guard that are given no text."""


class Everything:
    """Whatever a guard may have let out or kept, as one string."""

    def __init__(self, watched: Watched, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        self.watched = watched
        self.folder = folder
        self.caplog = caplog
        self.events = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # theirs is untyped
        self.logger_provider = LoggerProvider()
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self.events))

    def guard(self, *blocked: Stage, **rules: str) -> Guard:
        log = DecisionLog(self.folder / "decisions.jsonl", LogRules.model_validate(rules))
        observer = self.watched.observer_that(logger_provider=self.logger_provider)
        return self.watched.guard(blocking_policy(*blocked), observers=[observer], decision_log=log)

    def words(self, guard: Guard, *more: object) -> str:
        spans = self.watched.exporter.get_finished_spans()
        metrics = self.watched.reader.get_metrics_data()
        events = self.events.get_finished_logs()
        files = [path.read_bytes().decode("latin-1") for path in self.folder.iterdir()]
        assert spans
        assert metrics is not None
        assert events
        assert files
        assert guard._cache is not None
        kept = pickle.dumps(dict(guard._cache._entries))
        parts = [*(span.to_json() for span in spans), metrics.to_json(), *(event.to_json() for event in events)]
        return "\n".join([*parts, *files, self.caplog.text, kept.decode("latin-1"), *map(repr, more), *map(str, more)])


@pytest.fixture
def everything(watched: Watched, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Everything]:
    with caplog.at_level(logging.DEBUG):
        found = Everything(watched, tmp_path, caplog)
        yield found
        found.logger_provider.shutdown()


@pytest.mark.parametrize("blocked", [[], list(Stage)], ids=["allowed", "blocked"])
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_no_door_lets_the_text_out(
    everything: Everything, door: Callable[[Guard], object], blocked: list[Stage], caplog: pytest.LogCaptureFixture
) -> None:
    guard = everything.guard(*blocked)
    outcomes: list[Any] = []
    try:
        outcomes.append(door(guard))
    except GuardError as error:
        outcomes += [error, error.args, vars(error), pickle.dumps(error)]
    assert outcomes
    assert MARKER not in everything.words(guard, *outcomes).lower()
    assert caplog.text == everything.caplog.text


def test_every_method_that_is_given_a_text_is_a_door() -> None:
    methods = {name for name, _ in inspect.getmembers(Guard, callable) if not name.startswith("_")}
    sources = [inspect.getsource(door) for door in DOORS]
    used = {name for name in methods if any(f"guard.{name}(" in source for source in sources)}
    assert used == methods - WITHOUT_TEXT


def test_the_probe_finds_a_text_that_was_asked_for(everything: Everything) -> None:
    guard = everything.guard(capture_text="full")
    guard.check(TEXT)
    assert MARKER in everything.words(guard)


@pytest.mark.parametrize("place", ["span", "log", "cache", "exception"])
def test_the_probe_looks_everywhere(everything: Everything, place: str) -> None:
    guard = everything.guard()
    guard.check("Good morning.")
    more: list[object] = []
    if place == "span":
        everything.watched.tracer.start_span(MARKER).end()
    elif place == "log":
        logging.getLogger("guardsdk").debug(MARKER)
    elif place == "cache":
        verdict = guard.check("Good morning.").model_copy(update={"error": MARKER})
        assert guard._cache is not None
        guard._cache.put(b"key", verdict)
    else:
        more = [ValueError(MARKER)]
    assert MARKER in everything.words(guard, *more)


def test_the_command_line_lets_no_text_out(
    model_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    principles = "".join(
        f'[[principle]]\nid = "{stage}"\ntext = "x"\nlabel = "{label}"\nstages = ["{stage}"]\nthreshold = 0.0\n'
        'action = "block"\n'
        for label, stage in (("prompt_injection", "input"), ("harmful_response", "output"))
    )
    log_table = f'[decision_log]\npath = "{tmp_path / "decisions.jsonl"}"\n'
    (tmp_path / "policy.toml").write_text(f'name = "p"\nversion = "1"\n{log_table}{principles}')
    (tmp_path / "texts.txt").write_text(f"{TEXT}\n{TEXT}\n")
    own = ["--model", str(model_directory), "--providers", "cpu", "--policy", str(tmp_path / "policy.toml")]
    with caplog.at_level(logging.DEBUG):
        for command in (
            ["check", TEXT],
            ["check", TEXT, "--json"],
            ["check", TEXT, "--stage", "output", "--context", TEXT],
            ["scan", str(tmp_path / "texts.txt")],
            ["check", *TEXT.split()],  # without quotes
        ):
            with contextlib.suppress(SystemExit):
                main([*command, *own])
        main(["log", "query", str(tmp_path / "decisions.jsonl")])
    out, err = capsys.readouterr()
    log = (tmp_path / "decisions.jsonl").read_text()
    assert log.count('"kind":"decision"') == 5
    for words in (out, err, log, caplog.text):
        assert MARKER not in words.lower()
