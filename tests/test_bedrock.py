"""What Bedrock's Converse API takes and gives: messages, answers, stream events, and the client under ``boto3``."""

from __future__ import annotations

import json
import struct
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from botocore.session import get_session

from guardsdk import Blocked, Guard, guarded
from guardsdk.errors import InputTypeError
from guardsdk.extract.chunks import pieces_of, with_texts
from guardsdk.extract.prompts import prompt_passages
from guardsdk.extract.responses import ResponseText
from guardsdk.extract.turns import turns_of
from guardsdk.verdict import Stage
from tests.samples import ATTACKS
from tests.samples import BENIGN as HARMLESS

if TYPE_CHECKING:
    from collections.abc import Iterator

BENIGN, ATTACK = HARMLESS["capital"], ATTACKS["override"]
IMAGE = {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}
CALL = {"toolUse": {"toolUseId": "t1", "name": "search", "input": {"query": "weather in Lisbon", "days": 3}}}
RESULT = {"toolUseId": "t1", "content": [{"json": {"sky": "It rains in Lisbon."}}, {"text": "And in Porto."}]}
ABOUT = {
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    "metrics": {"latencyMs": 1},
    "ResponseMetadata": {"HTTPHeaders": {"date": "Fri, 27 Nov 2026 20:00:00 GMT"}},
}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def answer(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"output": {"message": {"role": "assistant", "content": list(blocks)}}, **ABOUT}


def document(**source: object) -> dict[str, Any]:
    return {"document": {"format": "txt", "name": "a letter", "source": source}}


def found(value: object, *, data: bool = False) -> list[str]:
    response = ResponseText(data=data)
    response.add(value)
    return response.texts()


@pytest.mark.parametrize(
    ("message", "read"),
    [
        (user({"text": "Hello"}), [("Hello", Stage.INPUT)]),
        (user({"text": "Hello"}, {"guardContent": {"text": {"text": "there"}}}), [("Hello\nthere", Stage.INPUT)]),
        (user({"toolResult": RESULT}), [("It rains in Lisbon.\nAnd in Porto.", Stage.TOOL)]),
        (
            user(document(text="Dear all"), {"text": "Sum it up"}),
            [("a letter\nDear all", Stage.TOOL), ("Sum it up", Stage.INPUT)],
        ),
        (user(document(bytes=b"Dear all")), [("a letter\nDear all", Stage.TOOL)]),
        (user(document(content=[{"text": "Dear"}, {"text": "all"}])), [("a letter\nDear\nall", Stage.TOOL)]),
        (
            user({"searchResult": {"source": "s", "title": "A page about rain", "content": [{"text": "It rains."}]}}),
            [("A page about rain", Stage.TOOL), ("It rains.", Stage.TOOL)],
        ),
        ({"role": "assistant", "content": [CALL]}, [("", Stage.INPUT)]),
    ],
)
def test_a_prompt_is_read_block_by_block(message: object, read: list[tuple[str, Stage | None]]) -> None:
    assert [(passage.text, passage.stage) for passage in prompt_passages([message])] == read


def test_what_cannot_be_read_is_named_with_its_place() -> None:
    (passage,) = prompt_passages(user({"text": "What is this?"}, {"cachePoint": {"type": "default"}}, IMAGE))
    assert (passage.uncovered, passage.media) == (("image",), (2,))
    (name, empty) = prompt_passages(
        user({"document": {"format": "pdf", "name": "a letter", "source": {"bytes": b"%"}}})
    )
    assert (name.text, empty.uncovered) == ("a letter", ("document",))
    with pytest.raises(InputTypeError):
        prompt_passages(user({"text": "Hello"}, {"poem": {"text": "Hello"}}))


@pytest.mark.parametrize(
    ("blocks", "read"),
    [
        (({"text": "It "}, {"text": "rains."}), ["It rains."]),
        (
            ({"reasoningContent": {"reasoningText": {"text": "Let me see."}}}, {"text": "Rain."}),
            ["Let me see.", "Rain."],
        ),
        ((CALL,), ["weather in Lisbon"]),
        (({"toolResult": RESULT}, {"text": "Rain."}), ["It rains in Lisbon.\nAnd in Porto.", "Rain."]),
        (({"citationsContent": {"content": [{"text": "It rains."}], "citations": []}},), ["It rains."]),
        ((), [""]),
    ],
)
def test_an_answer_is_read_and_not_what_is_said_about_it(blocks: tuple[dict[str, Any], ...], read: list[str]) -> None:
    assert found(answer(*blocks)) == found(answer(*blocks), data=True) == read


def test_a_picture_in_an_answer_is_refused_and_other_words_beside_it_are_read() -> None:
    with pytest.raises(InputTypeError, match="image"):
        found(answer(IMAGE))
    assert found({**answer({"text": "No."}), "note": "and more words"}) == ["No.", "and more words"]


EVENTS: list[dict[str, Any]] = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"reasoningContent": {"text": "Let me"}}, "contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"reasoningContent": {"text": " see."}}, "contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"reasoningContent": {"signature": "abc"}}, "contentBlockIndex": 0}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": "It "}, "contentBlockIndex": 1}},
    {"contentBlockDelta": {"delta": {"text": "rains."}, "contentBlockIndex": 1}},
    {"contentBlockStart": {"start": {"toolUse": {"toolUseId": "t1", "name": "search"}}, "contentBlockIndex": 2}},
    {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"query": "weather'}}, "contentBlockIndex": 2}},
    {"contentBlockDelta": {"delta": {"toolUse": {"input": ' in Lisbon"}'}}, "contentBlockIndex": 2}},
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": {"inputTokens": 1}, "metrics": {"latencyMs": 1}}},
]


def test_the_events_of_a_stream_are_one_answer() -> None:
    response = ResponseText()
    for event in EVENTS:
        response.add(event)
    assert response.texts() == ["Let me see.", "It rains.", "weather in Lisbon"]
    assert response.called() == ["weather in Lisbon"]
    assert found({"metadata": {"poem": "hidden"}}, data=True) == ["hidden"]  # of the host's own
    assert found({"someException": {"poem": "hidden"}}, data=True) == ["hidden"]
    assert found({"throttlingException": {"message": "Too many requests."}}) == ["Too many requests."]


@pytest.mark.parametrize(
    "event",
    [
        {"contentBlockDelta": {"delta": {"image": {}}, "contentBlockIndex": 0}},
        {"contentBlockDelta": {"delta": {"poem": "hidden"}, "contentBlockIndex": 0}},
        {"contentBlockDelta": {"delta": {"text": "It"}, "poem": "hidden"}},
        {"contentBlockDelta": {"delta": {"text": 7}}},
        {"metadata": {"poem": "hidden"}},
        {"poemStart": {"line": "a b"}},
    ],
)
def test_events_that_cannot_be_read_are_refused(event: object) -> None:
    with pytest.raises(InputTypeError):
        found(event)


def test_other_words_take_the_place_of_those_in_an_event() -> None:
    (piece,) = pieces_of(EVENTS[6], None)
    assert piece.text == "rains."
    changed = with_texts(EVENTS[6], ["[gone]"], None, lambda _: [], repeats=True, data=False)
    assert changed["contentBlockDelta"]["delta"] == {"text": "[gone]"}


def test_the_turns_of_a_conversation_know_their_block() -> None:
    history = [
        user({"text": "Hello"}),
        answer({"text": "Yes?"}, CALL)["output"]["message"],
        user({"toolResult": RESULT}),
    ]
    turns = turns_of(history, screen_system=False)
    assert [(turn.message, turn.passage.stage, turn.passage.text.rstrip()) for turn in turns if turn.passage.text] == [
        (0, Stage.INPUT, "Hello"),
        (1, Stage.OUTPUT, "Yes?"),
        (1, Stage.OUTPUT, "weather in Lisbon"),
        (2, Stage.TOOL, "It rains in Lisbon.\nAnd in Porto."),
    ]
    assert turns[3].parts_of(0, 4) == [(0, 0, 4)]


def frame(event: dict[str, Any]) -> bytes:
    """Return one event as it goes over the wire: ``vnd.amazon.eventstream``."""
    (name, content), *_ = event.items()
    headers = b""
    for key, value in ((":message-type", "event"), (":event-type", name), (":content-type", "application/json")):
        headers += bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    payload = json.dumps(content).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


class Provider(BaseHTTPRequestHandler):
    """Answers as Bedrock does, whole or as a stream."""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["content-length"])).decode()
        streams = self.path.endswith("converse-stream")
        whole = {name: value for name, value in answer({"text": "It rains."}).items() if name != "ResponseMetadata"}
        body = b"".join(map(frame, EVENTS)) if streams else json.dumps(whole).encode()
        self.send_response(200 if BENIGN in asked else 400)
        self.send_header("content-type", "application/vnd.amazon.eventstream" if streams else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
        yield get_session().create_client("bedrock-runtime", region_name="us-east-1", endpoint_url=address, **keys)
        server.shutdown()


def test_calls_of_the_real_client_are_guarded(client: Any) -> None:
    with Guard(observers=(), providers="cpu") as guard:
        ask: Any = guarded(guard=guard, prompt="messages")(client.converse)
        answered = ask(modelId="m", messages=[user({"text": BENIGN})])
        assert answered["output"]["message"]["content"] == [{"text": "It rains."}]
        with pytest.raises(Blocked):
            ask(modelId="m", messages=[user({"text": BENIGN}), user({"text": ATTACK})])

        @guarded(guard=guard)
        def stream(messages: list[Any]) -> Iterator[Any]:
            yield from client.converse_stream(modelId="m", messages=messages)["stream"]

        assert list(stream([user({"text": BENIGN})])) == EVENTS
        with pytest.raises(Blocked):
            list(stream([user({"text": ATTACK})]))
