"""Who is asked: callables of every kind, an endpoint over a real socket, and what is refused."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk.errors import EvaluationError
from guardsdk.evaluation import targets
from guardsdk.evaluation.cases import Case
from guardsdk.evaluation.endpoint import EndpointTarget
from guardsdk.evaluation.opening import Options, open_target
from guardsdk.evaluation.targets import CallableTarget, TargetError, TargetHangsError, in_daemon_thread, question_of
from guardsdk.settings import endpoint_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TARGETS = """
import asyncio
def one(prompt): return prompt.upper()
async def later(prompt):
    await asyncio.sleep(0)
    return prompt.upper()
def whole(messages): return " ".join(m["role"] for m in messages)
def many(prompts): return [p.upper() for p in prompts]
async def many_later(conversations): return [c[-1]["content"] for c in conversations]
def seeded(prompt, seed): return str(seed)
def seeded_many(prompts, *, seeds): return [str(s) for s in seeds]
def gives_coroutine(prompt): return later(prompt)
class Model:
    async def __call__(self, prompt): return prompt.upper()
    def method(self, prompt): return prompt.lower()
model = Model()
def short(prompts): return ["only one"]
def number(prompt): return 7
def stops(prompt): raise StopIteration
def exits(prompt): raise SystemExit(7)
def cancels(prompt): raise asyncio.CancelledError
async def exits_later(prompt): raise SystemExit(7)
async def cancels_later(prompt): raise asyncio.CancelledError
"""
CASES = [
    Case.model_validate({"id": "a", "prompt": "hello", "expectation": "comply"}),
    Case.model_validate({"id": "b", "prompt": "Bye", "system": "be kind", "expectation": "comply"}),
]
POISONED = Case.model_validate(
    {
        "id": "t",
        "stage": "tool",
        "expectation": "block",
        "messages": [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "read it"},
            {"role": "tool", "content": "obey"},
        ],
    }
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("one", ["HELLO", "SYSTEM: BE KIND\n\nUSER: BYE"]),
        ("later", ["HELLO", "SYSTEM: BE KIND\n\nUSER: BYE"]),
        ("gives_coroutine", ["HELLO", "SYSTEM: BE KIND\n\nUSER: BYE"]),
        ("model", ["HELLO", "SYSTEM: BE KIND\n\nUSER: BYE"]),
        ("model.method", ["hello", "system: be kind\n\nuser: bye"]),
        ("whole", ["user", "system user"]),
        ("many", ["HELLO", "SYSTEM: BE KIND\n\nUSER: BYE"]),
        ("many_later", ["hello", "Bye"]),
    ],
)
async def test_callables_are_asked_as_their_first_parameter_says(
    module: Callable[[str, str], str], name: str, expected: list[str]
) -> None:
    target = CallableTarget(f"{module('own_targets', TARGETS)}:{name}")
    questions = [question_of(case, 0) for case in CASES]
    if target.batch > 1:
        assert await target.ask(questions) == expected
    else:
        assert [await target.ask([question]) for question in questions] == [[one] for one in expected]


async def test_a_case_has_one_seed_in_a_run_and_another_in_the_next(module: Callable[[str, str], str]) -> None:
    name = module("own_targets", TARGETS)
    first, again, other = question_of(CASES[0], 1), question_of(CASES[0], 1), question_of(CASES[0], 2)
    assert first.seed == again.seed != other.seed
    assert first.seed != question_of(CASES[1], 1).seed
    assert await CallableTarget(f"{name}:seeded").ask([first]) == [str(first.seed)]
    assert await CallableTarget(f"{name}:seeded_many").ask([first, other]) == [str(first.seed), str(other.seed)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("short", "list of 2 answers"),
        ("number", "gave int"),
        ("stops", "StopIteration"),
        ("exits", "SystemExit"),
        ("cancels", "CancelledError"),
        ("exits_later", "SystemExit"),
        ("cancels_later", "CancelledError"),
    ],
)
async def test_what_is_no_answer_is_an_error_without_text(
    module: Callable[[str, str], str], name: str, reason: str
) -> None:
    target = CallableTarget(f"{module('own_targets', TARGETS)}:{name}")
    questions = [question_of(case, 0) for case in CASES][: target.batch]
    with pytest.raises(TargetError, match=reason):
        await target.ask(questions)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing", "--target own_odd:nothing: cannot be called with one text or list: too many positional arguments"),
        ("more", "--target own_odd:more: cannot be called with one text or list: missing a required argument: 'heat'"),
        ("only", "--target own_odd:only: cannot be called with one text or list, seed: "),
    ],
)
def test_a_function_that_cannot_be_asked_is_refused_before_anything_is(
    module: Callable[[str, str], str], name: str, reason: str
) -> None:
    source = "def nothing(): return ''\ndef more(prompt, heat): return ''\ndef only(seed): return ''\n"
    with pytest.raises(EvaluationError) as caught:
        CallableTarget(f"{module('own_odd', source)}:{name}")
    assert str(caught.value).startswith(reason)


async def test_what_a_decorator_gives_to_a_function_is_not_asked_for(module: Callable[[str, str], str]) -> None:
    source = (
        "import functools\ndef given(call):\n"
        "    return functools.wraps(call)(lambda prompt: call('client', prompt))\n"
        "@given\ndef ask(client, prompt): return client + prompt\n"
    )
    target = CallableTarget(f"{module('own_given', source)}:ask")
    assert await target.ask([question_of(CASES[0], 0)]) == ["clienthello"]


async def test_a_target_that_never_comes_back_ends_the_run_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "_MOST_ABANDONED", 2)
    release = threading.Event()
    try:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await in_daemon_thread(release.wait)
        with pytest.raises(TargetHangsError, match="2 calls"):
            await in_daemon_thread(release.wait)
    finally:
        release.set()


@dataclass
class Served:
    """What a server saw, and what it says next."""

    seen: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    replies: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    base: str = ""


def completion(**message: object) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, json.dumps({"choices": [{"message": {"role": "assistant", **message}}]}).encode()


@contextmanager
def serving() -> Iterator[Served]:
    served = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            served.paths.append(self.path)
            served.headers.append({key.lower(): value for key, value in self.headers.items()})
            served.seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status, headers, body = served.replies.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.base = f"http://127.0.0.1:{server.server_address[1]}/v1/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


async def test_an_endpoint_is_asked_as_openai_has_it() -> None:
    with serving() as served:
        served.replies = [completion(content="hello there"), completion(content="fine")]
        target = EndpointTarget(served.base, "small", key="k-123", max_tokens=9, temperature=0.5)
        question = question_of(POISONED, 3)
        assert await target.ask([question]) == ["hello there"]
        assert await target.ask([question_of(CASES[0], 3)]) == ["fine"]
    assert served.paths[0] == "/v1/chat/completions"
    assert served.headers[0]["authorization"] == "Bearer k-123"
    assert served.seen[0] == {
        "model": "small",
        "messages": [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "read it\n\nHere is what the tool gave:\n\nobey"},
        ],
        "seed": question.seed,
        "max_tokens": 9,
        "temperature": 0.5,
    }
    assert "k-123" not in target.ref.model_dump_json()
    assert "127.0.0.1" not in target.ref.model_dump_json()
    assert target.origin == EndpointTarget(served.base.rstrip("/"), "small").origin
    assert target.origin != EndpointTarget("http://127.0.0.1:1/v1", "small").origin


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ({"content": None, "refusal": "I won't."}, "I won't."),
        ({"content": [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]}, "one two"),
        ({"content": [{"type": "text", "text": "one"}, {"type": "reasoning", "text": None}]}, "one"),
        (
            {"content": None, "tool_calls": [{"function": {"name": "pay", "arguments": "{}"}}]},
            '{"name": "pay", "arguments": {}}',
        ),
        (
            {"content": "", "tool_calls": [{"function": {"name": "do", "arguments": '{"a": "\\u00fcber \\"b\\""}'}}]},
            '\n{"name": "do", "arguments": {"a": "\u00fcber \\"b\\""}}',
        ),
        (
            {"content": None, "tool_calls": [{"function": {"name": "tell", "arguments": '{"a": "one", "a": "two"}'}}]},
            '{"name": "tell", "arguments": "{\\"a\\": \\"one\\", \\"a\\": \\"two\\"}"}',
        ),
        (
            {"content": None, "tool_calls": [{"function": {"name": "tell", "arguments": "\u00fcber"}}]},
            '{"name": "tell", "arguments": "\u00fcber"}',
        ),
        ({"content": "one", "tool_calls": 5}, "one"),
        ({"content": None}, ""),
    ],
)
async def test_refusals_parts_and_calls_are_answers(message: dict[str, object], answer: str) -> None:
    with serving() as served:
        served.replies = [completion(**message)]
        assert await EndpointTarget(served.base, "small").ask([question_of(CASES[0], 0)]) == [answer]


@pytest.mark.parametrize(
    ("reply", "again", "after_s"),
    [
        ((429, {"Retry-After": "3"}, b"slow down, secret"), True, 3.0),
        ((503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b""), True, 0.0),
        ((500, {"Retry-After": "soon"}, b"secret"), True, None),
        ((401, {}, b"your key secret is wrong"), False, None),
        ((302, {"Location": "http://127.0.0.1:9/elsewhere"}, b""), False, None),
        ((200, {}, b"no json, secret"), True, None),
        ((200, {}, b'{"choices": []}'), True, None),
    ],
)
async def test_an_endpoint_that_fails_says_whether_to_try_again_and_quotes_nothing(
    reply: tuple[int, dict[str, str], bytes],
    again: bool,
    after_s: float | None,
) -> None:
    with serving() as served:
        served.replies = [reply]
        with pytest.raises(TargetError) as caught:
            await EndpointTarget(served.base, "small", key="secret").ask([question_of(CASES[0], 0)])
    assert (caught.value.again, caught.value.after_s) == (again, after_s)
    assert "secret" not in str(caught.value)
    assert len(served.seen) == 1


async def test_an_endpoint_nobody_listens_at_is_tried_again() -> None:
    with serving() as served:
        base = served.base
    with pytest.raises(TargetError, match="ConnectionRefusedError") as caught:
        await EndpointTarget(base, "small").ask([question_of(CASES[0], 0)])
    assert caught.value.again


@pytest.mark.parametrize(
    "base",
    [
        *("http://:80/x", "http://h:port/v1", "https://u:p@h/v1", "http://h/v1?key=1", "http://h/#x"),
        *("http://h/v1 ", "http://h/a b", "http://h/p\u00e4th"),
    ],
)
def test_an_address_that_is_none_is_refused_without_being_repeated(base: str) -> None:
    with pytest.raises(EvaluationError, match="not a base URL") as caught:
        open_target(base, Options(name="m"))
    assert base not in str(caught.value)


def test_a_key_comes_from_the_environment_and_has_to_fit_into_a_header() -> None:
    assert endpoint_key({"GUARDSDK_ENDPOINT_KEY": "k-1"}) == "k-1"
    assert endpoint_key({"GUARDSDK_ENDPOINT_KEY": ""}) is endpoint_key({}) is None
    for key in ("secret\n", "s\u00e9cret"):
        with pytest.raises(EvaluationError, match="GUARDSDK_ENDPOINT_KEY") as caught:
            EndpointTarget("http://127.0.0.1:1/v1", "small", key=key)
        assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "options", "reason"),
    [
        ("nothing_of_the_kind", Options(), "neither module:function"),
        ("no_module_here:f", Options(), "there is no module no_module_here in "),
        ("json:no_function", Options(), "json has no callable no_function$"),
        ("json:__doc__", Options(), "__doc__ of json is of type str, which cannot be called$"),
        ("json:dump_", Options(), r"json has no callable dump_; did you mean dumps?\?"),
        ("json:", Options(), "neither|module:function"),
        ("json:dumps", Options(batch=4), "takes one at a time"),
        ("json:dumps", Options(temperature=0.5), "--temperature is not for a callable"),
        ("http://127.0.0.1:1/v1", Options(), "which model"),
        ("http://127.0.0.1:1/v1", Options(name="m", batch=2), "--batch is not for an endpoint"),
        ("guard", Options(max_tokens=3), "--max-tokens is not for guard"),
    ],
)
def test_targets_and_options_that_do_not_fit_are_refused(spec: str, options: Options, reason: str) -> None:
    with pytest.raises(EvaluationError, match=reason):
        open_target(spec, options)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import surely_not_here\n", "there is no module surely_not_here in "),
        ("from json import surely_not_there\n", r"cannot be imported: ImportError at .*{name}.py:1$"),
        ("fine = True\n1 / 0\n", r"cannot be imported: ZeroDivisionError at .*{name}.py:2$"),
        ("fine = True\ndef (\n", r"cannot be imported: SyntaxError at .*{name}.py:2$"),
    ],
    ids=["module", "name", "crash", "syntax"],
)
def test_a_module_that_cannot_be_imported_says_where(
    source: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    name = f"broken_target_{request.node.callspec.id}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EvaluationError, match=reason.format(name=name)):
        open_target(f"{name}:ask", Options())


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"neither config\.json"):
        open_target(str(tmp_path), Options())
    assert open_target("guard", Options()) is None
