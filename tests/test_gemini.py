"""What Google's Gen AI package takes and gives: its real objects, the JSON they are sent as, its client on a socket."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from google.genai import types

from guardsdk import Blocked, Guard, guarded
from guardsdk.errors import InputTypeError
from guardsdk.extract.chunks import pieces_of, with_texts
from guardsdk.extract.prompts import Passage, prompt_passages
from guardsdk.extract.responses import ResponseText
from guardsdk.extract.rewrite import rewrite
from guardsdk.extract.turns import turns_of
from guardsdk.verdict import Stage
from tests.samples import ATTACKS
from tests.samples import BENIGN as HARMLESS

if TYPE_CHECKING:
    from collections.abc import Iterator

BENIGN, ATTACK = HARMLESS["capital"], ATTACKS["override"]
PNG = types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png")
SEARCH = types.FunctionCall(name="search", args={"query": "weather in Lisbon", "days": 3})
RESULT = types.FunctionResponse(name="search", response={"result": "It rains in Lisbon."})


def content(*parts: types.Part, role: str | None = "user") -> types.Content:
    return types.Content(role=role, parts=list(parts))


def answer(*parts: types.Part, **fields: Any) -> types.GenerateContentResponse:
    candidate = types.Candidate(content=content(*parts, role="model"), **fields)
    return types.GenerateContentResponse(candidates=[candidate], model_version="m")


def sent(value: Any) -> Any:
    """Return ``value`` as the JSON it is sent as, read back."""
    return json.loads(value.model_dump_json(by_alias=True, exclude_none=True))


def found(value: object, *, data: bool = False) -> list[str]:
    response = ResponseText(data=data)
    response.add(value)
    return response.texts()


PROMPTS: list[tuple[Any, list[tuple[str, Stage | None]]]] = [
    (content(types.Part(text="Hello")), [("Hello", Stage.INPUT)]),
    (content(types.Part(text="Hello"), types.Part(text="there"), role=None), [("Hello\nthere", Stage.INPUT)]),
    (content(types.Part(function_response=RESULT)), [("It rains in Lisbon.", Stage.TOOL)]),
    (
        content(types.Part.from_bytes(data=b"Dear all", mime_type="text/plain"), types.Part(text="Sum it up")),
        [("Dear all", Stage.TOOL), ("Sum it up", Stage.INPUT)],
    ),
    (content(types.Part(text="Said before"), role="model"), [("", Stage.INPUT)]),
    (content(types.Part(executable_code=types.ExecutableCode(code="print(1)"))), [("print(1)", Stage.INPUT)]),
]


@pytest.mark.parametrize(("given", "read"), PROMPTS)
def test_a_prompt_is_read_as_object_and_as_json(given: Any, read: list[tuple[str, Stage | None]]) -> None:
    for one in (given, [given], sent(given), [sent(given)], given.model_dump(exclude_none=True)):
        assert [(passage.text, passage.stage) for passage in prompt_passages(one)] == read


@pytest.mark.parametrize(
    ("holder", "field"),
    [("codeExecutionResult", "output"), ("executable_code", "code"), ("audioTranscription", "text")],
)
@pytest.mark.parametrize(
    ("output", "read"), [({"stdout": ["It rains", 3], "error": None}, "It rains"), (7, ""), (["a", "b"], "a\nb")]
)
def test_the_strings_in_an_output_that_is_data_are_read(holder: str, field: str, output: object, read: str) -> None:
    part = {holder: {field: output}}
    for given in (part, [part], {"role": "user", "parts": [part]}):
        assert [(passage.text, passage.stage) for passage in prompt_passages(given)] == [(read, Stage.INPUT)]


def test_parts_and_files_may_stand_by_themselves() -> None:
    file = types.File(name="files/1", uri="https://example.com/1", mime_type="application/pdf")
    assert prompt_passages(types.Part(text="Hello")) == [Passage("Hello")]
    assert prompt_passages(["What is this?", PNG, file]) == [
        Passage("What is this?"),
        Passage("", uncovered=("image",)),
        Passage("", uncovered=("file",)),
    ]


def test_a_picture_is_named_with_the_text_it_came_with() -> None:
    sound = types.Part(file_data=types.FileData(file_uri="gs://a/b", mime_type="audio/wav"))
    (passage,) = prompt_passages(content(types.Part(text="What is this?"), PNG, sound))
    assert (passage.text, passage.uncovered, passage.media) == ("What is this?", ("image", "audio"), (1, 2))


def test_a_tool_may_give_a_picture_beside_its_words() -> None:
    given = RESULT.model_copy(update={"parts": [types.FunctionResponsePart(inline_data=types.FunctionResponseBlob())]})
    (passage,) = prompt_passages(content(types.Part(function_response=given)))
    assert (passage.text, passage.stage, passage.uncovered) == ("It rains in Lisbon.", Stage.TOOL, ("file",))


@pytest.mark.parametrize(
    "given",
    [{"role": "user", "parts": [{"poem": "Hello"}]}, {"parts": []}, {"parts": "Hello"}, {"text": 1}, {"role": "king"}],
)
def test_what_is_no_content_is_refused(given: object) -> None:
    with pytest.raises(InputTypeError):
        prompt_passages(given)


ANSWERS: list[tuple[types.GenerateContentResponse, list[str]]] = [
    (answer(types.Part(text="It "), types.Part(text="rains.")), ["It rains."]),
    (answer(types.Part(text="Let me see.", thought=True), types.Part(text="Rain.")), ["Let me see.", "Rain."]),
    (answer(types.Part(function_call=SEARCH)), ["weather in Lisbon"]),
    (answer(types.Part(function_response=RESULT)), ["It rains in Lisbon."]),
    (
        answer(
            types.Part(executable_code=types.ExecutableCode(code="print('a')", language=types.Language.PYTHON)),
            types.Part(code_execution_result=types.CodeExecutionResult(outcome=types.Outcome.OUTCOME_OK, output="a")),
        ),
        ["print('a')", "a"],
    ),
    (
        answer(types.Part(function_call=types.FunctionCall(name="look up the weather", args={"query": "in Lisbon"}))),
        ["in Lisbon", "look up the weather"],
    ),
    (
        answer(
            types.Part(function_response=types.FunctionResponse(name="what it gave", response={"result": "It rains."}))
        ),
        ["It rains.", "what it gave"],
    ),
    (answer(types.Part(text="No."), finish_message="Stopped for a reason."), ["No.", "Stopped for a reason."]),
    (answer(), [""]),
    (types.GenerateContentResponse(candidates=[], prompt_feedback=types.GenerateContentResponsePromptFeedback()), [""]),
    (types.GenerateContentResponse(usage_metadata=types.GenerateContentResponseUsageMetadata()), [""]),
]


@pytest.mark.parametrize(("given", "read"), ANSWERS)
def test_an_answer_is_read_as_object_and_as_json(given: types.GenerateContentResponse, read: list[str]) -> None:
    assert found(given) == found(given, data=True) == read
    for candidate in given.candidates or ():
        if "Stopped" not in str(candidate):
            assert found(candidate.content) == read
    as_json = sent(given)
    if as_json.get("candidates"):
        assert found(as_json) == found(as_json, data=True) == read


def test_what_a_call_comes_in_is_read_as_the_strings_it_makes() -> None:
    def called(call: dict[str, Any]) -> dict[str, Any]:
        return sent(answer(types.Part(function_call=types.FunctionCall.model_validate(call))))  # type: ignore[no-any-return]

    def part(path: str, words: str) -> dict[str, Any]:
        return {"json_path": path, "string_value": words}

    whole = [called({"name": "search", "args": {"query": f"weather in {place}"}}) for place in ("Lisbon", "Porto")]
    calls = [
        called({"name": "search", "will_continue": True}),
        called({"partial_args": [part("$.query", "weather in Lis")], "will_continue": True}),
        called({"partial_args": [part("$.query", "bon"), part("$.why", "for a walk")], "will_continue": True}),
        called({}),
    ]
    for chunks, words in (
        (whole, "weather in Lisbon\nweather in Porto"),
        (calls, "weather in Lisbon\nfor a walk"),
        ([types.GenerateContentResponse.model_validate(one) for one in calls], "weather in Lisbon\nfor a walk"),
    ):
        read = ResponseText()
        for chunk in chunks:
            read.add(chunk)
        assert read.texts() == [words]


def test_what_stands_beside_a_file_or_a_result_is_read() -> None:
    picture = {"mimeType": "image/png", "data": "AAAA", "displayName": "a map of Lisbon", "note": "from the tool"}
    given = [
        {"inlineData": picture, "text": "where it rains"},
        {"functionResponse": {"name": "what it gave", "response": {"result": "It rains."}, "note": "of rain"}},
        {"fileData": {"mimeType": "text/plain", "fileUri": "files/1"}},
    ]
    assert [(one.text, one.stage, one.uncovered) for one in prompt_passages({"role": "user", "parts": given})] == [
        ("where it rains\na map of Lisbon\nfrom the tool", Stage.TOOL, ()),
        ("It rains.\nwhat it gave\nof rain", Stage.TOOL, ()),
        ("", Stage.INPUT, ("image", "file")),
    ]


def test_every_candidate_is_read_and_what_was_found_on_the_way() -> None:
    web = types.GroundingChunk(web=types.GroundingChunkWeb(title="A page about rain", uri="https://example.com"))
    page = types.SearchEntryPoint(rendered_content="<b>how it is to be shown</b>")
    about = types.GroundingMetadata(
        web_search_queries=["rain in Lisbon"], grounding_chunks=[web], search_entry_point=page
    )
    one, other = (answer(types.Part(text=text), grounding_metadata=about) for text in ("It rains.", "It pours."))
    both = one.model_copy(update={"candidates": [*(one.candidates or ()), *(other.candidates or ())]})
    assert set(found(both)) == {"It rains.", "It pours.", "rain in Lisbon\nA page about rain"} or set(found(both)) == {
        "It rains.",
        "It pours.",
        "A page about rain\nrain in Lisbon",
    }


@pytest.mark.parametrize("given", [answer(PNG), sent(answer(PNG))])
def test_a_picture_in_an_answer_is_refused(given: object) -> None:
    with pytest.raises(InputTypeError, match="inline_data"):
        found(given)


def test_data_of_the_hosts_is_no_answer_of_googles() -> None:
    given = {"candidates": ["Ada Lovelace", "Alan Turing"], "usage_metadata": {}, "response_id": "of a vote"}
    assert found(given, data=True) == ["Ada Lovelace\nAlan Turing\nof a vote"]
    assert found({"video_metadata": {"caption": "heist"}}, data=True) == ["heist"]
    assert found({"thought": "of the host's own"}, data=True) == ["of the host's own"]
    assert found({"text": "a film", "video_metadata": {"caption": "of a heist"}}, data=True) == ["a film", "of a heist"]
    assert "and more" in "\n".join(found({"model_version": "1", "response_id": "r", "note": "and more"}, data=True))


def test_other_words_take_the_place_of_those_in_an_answer_and_what_repeats_them_goes() -> None:
    tokens = [types.LogprobsResultCandidate.model_validate({"token": token}) for token in ("47", "11")]
    supports = [types.GroundingSupport(segment=types.Segment(text="It is 4711."))]
    given = answer(
        types.Part(text="It is 4711."),
        logprobs_result=types.LogprobsResult(chosen_candidates=tokens),
        grounding_metadata=types.GroundingMetadata(grounding_supports=supports),
    )
    for one in (given, sent(given)):
        (piece,) = pieces_of(one, None)
        assert piece.text == "It is 4711."
        streamed = with_texts(one, ["It is [gone]."], None, lambda _: [], repeats=True, data=False)
        whole = rewrite(one, lambda text: [(at, at + 4, "[gone]")] if (at := text.find("4711")) >= 0 else [])
        for changed in (streamed, whole):
            left = json.dumps(changed if isinstance(changed, dict) else sent(changed))
            assert found(changed) == ["It is [gone]."]
            assert "4711" not in left
            assert '"token"' not in left
        assert found(one) == ["It is 4711."]


def test_the_turns_of_a_conversation_know_their_part() -> None:
    history = [
        content(types.Part(text="Hello")),
        content(types.Part(text="Yes?"), types.Part(function_call=SEARCH), role="model"),
        content(PNG, types.Part(function_response=RESULT)),
    ]
    turns = turns_of(history, screen_system=False)
    assert [(turn.message, turn.passage.stage, turn.passage.text) for turn in turns if turn.passage.text] == [
        (0, Stage.INPUT, "Hello"),
        (1, Stage.OUTPUT, "Yes?\nweather in Lisbon"),
        (2, Stage.TOOL, "It rains in Lisbon."),
    ]
    assert turns[2].parts_of(0, 4) == [(1, 0, 4)]


class Provider(BaseHTTPRequestHandler):
    """Answers as Google's service does, whole or as a stream of two."""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["content-length"])).decode()
        words = ("Ignored: ", "it rains.") if "stream" in self.path else ("It rains.",)
        bodies = [json.dumps(sent(answer(types.Part(text=word)))) for word in words]
        streams = "stream" in self.path
        body = "".join(f"data: {one}\r\n\r\n" for one in bodies) if streams else bodies[0]
        self.send_response(200 if BENIGN in asked else 400)
        self.send_header("content-type", "text/event-stream" if streams else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def client() -> Iterator[genai.Client]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        yield genai.Client(api_key="none", http_options=types.HttpOptions(base_url=address))
        server.shutdown()


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    with Guard(observers=(), providers="cpu") as made:
        yield made


def test_calls_of_the_real_client_are_guarded(client: genai.Client, guard: Guard) -> None:
    ask: Any = guarded(guard=guard)(client.models.generate_content)
    assert ask(model="m", contents=[content(types.Part(text=BENIGN))]).text == "It rains."
    assert ask(model="m", contents=BENIGN).text == "It rains."
    with pytest.raises(Blocked):
        ask(model="m", contents=[content(types.Part(text=BENIGN)), content(types.Part(text=ATTACK))])

    @guarded(guard=guard)
    def stream(contents: Any) -> Iterator[types.GenerateContentResponse]:
        yield from client.models.generate_content_stream(model="m", contents=contents)

    assert "".join(chunk.text or "" for chunk in stream([content(types.Part(text=BENIGN))])) == "Ignored: it rains."
    with pytest.raises(Blocked):
        list(stream(types.Part(text=ATTACK)))


def test_a_chat_of_the_real_client_is_guarded(client: genai.Client, guard: Guard) -> None:
    chat = client.chats.create(model="m")
    send: Any = guarded(guard=guard)(chat.send_message)
    assert send(BENIGN).text == "It rains."
    with pytest.raises(Blocked):
        send(["Hello!", types.Part(text=ATTACK)])
