from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from types import SimpleNamespace as Thing
from typing import TYPE_CHECKING
from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.errors import InputTypeError
from guardsdk.extract import Passage, ResponseText, context_of, prompt_passages, system_of, tool_passages
from guardsdk.extract.growing import GrowingText
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PRIVATE = "the words of a user"
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def user(content: object, **more: object) -> dict[str, object]:
    return {"role": "user", "content": content, **more}


def prompt_of(value: object) -> list[tuple[str, str]]:
    return [(passage.stage.value, passage.text) for passage in prompt_passages(value) if passage.stage is not None]


def answer_of(*chunks: object) -> list[str]:
    response = ResponseText()
    for chunk in chunks:
        response.add(chunk)
    return response.texts()


def choices(*messages: dict[str, object]) -> dict[str, object]:
    return {"choices": [{"index": index, "message": message} for index, message in enumerate(messages)]}


def delta(index: int = 0, **fields: object) -> dict[str, object]:
    return {"choices": [{"index": index, "delta": fields}]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("hello", [("input", "hello")]),
        ("", [("input", "")]),
        (["one", "two"], [("input", "one"), ("input", "two")]),
        (user("hello"), [("input", "hello")]),
        ([("system", "Be kind."), ("human", "hello")], [("input", "hello")]),
        ([user([{"type": "text", "text": "one"}, "two"])], [("input", "one\ntwo")]),
        ([user([{"type": "input_text", "text": "hello"}])], [("input", "hello")]),
        ([user([{"text": "hello"}])], [("input", "hello")]),
        ([{"role": "system", "content": [PICTURE]}, {"role": "developer", "content": "Be kind."}], [("input", "")]),
        ([{"role": "assistant", "content": None, "tool_calls": [{}]}, user("hello")], [("input", "hello")]),
        ([{"role": "tool", "content": "found", "tool_call_id": "1"}], [("tool", "found")]),
        ([{"role": "function", "name": "f", "content": "found"}], [("tool", "found")]),
        ([{"type": "function_call_output", "call_id": "1", "output": "found"}], [("tool", "found")]),
        ([{"type": "function_call", "call_id": "1", "arguments": "{}"}, user("hello")], [("input", "hello")]),
        ([{"type": "web_search_call", "id": "1", "status": "completed"}, user("hello")], [("input", "hello")]),
        ([{"type": "configuration_update", "reasoning": {"effort": "low"}}, user("hello")], [("input", "hello")]),
        ([{"type": "shell_call_output", "output": [{"stdout": "one", "stderr": "two"}]}], [("tool", "one\ntwo")]),
        ([{"type": "local_shell_call_output", "id": "1", "output": "found"}], [("tool", "found")]),
        ([{"type": "apply_patch_call_output", "call_id": "1", "status": "completed"}], [("tool", "")]),
        ([{"type": "mcp_approval_response", "approve": False, "reason": "not now"}], [("input", "not now")]),
        (
            [user([{"type": "search_result", "title": "a title", "content": [{"type": "text", "text": "a page"}]}])],
            [("tool", "a title"), ("tool", "a page")],
        ),
        (
            [user([{"type": "tool_result", "content": [{"type": "tool_reference", "tool_name": "f"}]}, "hello"])],
            [("tool", ""), ("input", "hello")],
        ),
        (
            [user([{"type": "tool_result", "content": [{"type": "text", "text": "found"}]}, "hello"])],
            [("tool", "found"), ("input", "hello")],
        ),
        ([user([{"type": "document", "source": {"type": "text", "data": "a page"}}])], [("tool", "a page")]),
        (
            [user([{"type": "document", "title": "t", "context": "c", "source": {"type": "text", "data": "a page"}}])],
            [("tool", "t\nc\na page")],
        ),
        (
            [
                user(
                    [{"type": "document", "title": "t", "source": {"type": "content", "content": [{"text": "a page"}]}}]
                )
            ],
            [("tool", "t"), ("tool", "a page")],
        ),
        ([Thing(type="human", content="hello"), Thing(type="ai", content="yes")], [("input", "hello")]),
        (Thing(to_messages=lambda: [Thing(type="ToolMessageChunk", content="found")]), [("tool", "found")]),
        ([], [("input", "")]),
    ],
)
def test_prompts_are_read_by_shape_each_passage_at_its_stage(value: object, expected: list[tuple[str, str]]) -> None:
    assert prompt_of(value) == expected


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (b"hello", "bytes"),
        (None, "NoneType"),
        (7, "int"),
        ({"prompt": PRIVATE}, "dict"),
        (iter([PRIVATE]), "list_iterator"),
        ([b"hello"], "bytes"),
        (user(None), "NoneType"),
        (user({"text": PRIVATE}), "dict"),
        (user([{"text": PRIVATE, "image": "AAAA"}]), "'dict'"),
        (user([{"type": "text", "text": None}]), "'text'"),
        (user([{"type": PRIVATE}]), "'dict'"),
        ([{"role": PRIVATE, "content": PRIVATE}], "a role that is not one of"),
    ],
)
def test_a_prompt_that_cannot_be_read_is_refused_with_its_type_and_the_way_out(value: object, named: str) -> None:
    with pytest.raises(InputTypeError) as caught:
        prompt_passages(value)
    assert named in str(caught.value)
    assert "extract_prompt=" in str(caught.value)
    assert PRIVATE not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (user([PICTURE, {"type": "text", "text": "hello"}]), [("input", "hello", ("image_url",))]),
        (user([{"type": "input_audio", "input_audio": {}}, PICTURE]), [("input", "", ("input_audio", "image_url"))]),
        (user([{"type": "file", "file": {}}]), [("input", "", ("file",))]),
        (user([{"type": "document", "source": {"type": "url", "url": "x"}}]), [("input", "", ("document",))]),
        (
            user([{"type": "document", "title": "t", "source": {"type": "url", "url": "x"}}]),
            [("tool", "t", ()), ("input", "", ("document",))],
        ),
        (user("hello", images=["AAAA"]), [("input", "hello", ("images",))]),
        (user(["hello", {"type": "container_upload", "file_id": "x"}]), [("input", "hello", ("container_upload",))]),
        (user(["hello", {"type": "document_url", "document_url": "x"}]), [("input", "hello", ("document_url",))]),
        ([{"type": "text", "text": "hello"}, PICTURE, "there"], [("input", "hello\nthere", ("image_url",))]),
        ([PICTURE], [("input", "", ("image_url",))]),
        ([{"role": "tool", "content": [PICTURE]}], [("tool", "", ("image_url",))]),
        (
            user([{"type": "tool_result", "content": [PICTURE, {"type": "text", "text": "found"}]}, "hello"]),
            [("tool", "found", ("image_url",)), ("input", "hello", ())],
        ),
    ],
)
def test_what_cannot_be_screened_is_named_by_the_passage_it_came_with(
    value: object, expected: list[tuple[str, str, tuple[str, ...]]]
) -> None:
    found = [(str(one.stage), one.text, one.uncovered) for one in prompt_passages(value)]
    assert found == expected


def test_an_extractor_speaks_for_what_cannot_be_read_and_may_name_the_stage() -> None:
    def extract(request: dict[str, str]) -> list[object]:
        return [request["ask"], Passage(request["page"], Stage.TOOL)]

    assert prompt_passages({"ask": "what?", "page": "a page"}, extract) == [
        Passage("what?", Stage.INPUT),
        Passage("a page", Stage.TOOL),
    ]


def test_the_context_is_what_the_user_said_last() -> None:
    assert context_of(prompt_passages([user("first"), user("last"), {"role": "tool", "content": "found"}])) == "last"
    assert context_of([Passage("found", Stage.TOOL)]) is None


def test_the_developers_instructions_are_kept_apart_whole() -> None:
    picture_and_text = [PICTURE, {"type": "text", "text": "Be brief."}, "Be true."]
    messages = [
        ("system", "Be kind."),
        {"role": "developer", "content": picture_and_text},
        ("assistant", "hello"),
        user("hi"),
    ]
    assert system_of(prompt_passages(messages)) == "Be kind.\nBe brief.\nBe true."
    assert system_of(prompt_passages([user("hi")])) is None
    assert prompt_passages([("system", "Be kind.")]) == [Passage("Be kind.", None), Passage("")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("hello", ["hello"]),
        (None, [""]),
        (["one", "two"], ["one", "two"]),
        (choices({"role": "assistant", "content": "one"}, {"role": "assistant", "content": "two"}), ["one", "two"]),
        (Thing(choices=[Thing(index=0, message=Thing(role="assistant", content="hello"))]), ["hello"]),
        (choices({"content": None, "refusal": "I cannot."}), ["I cannot."]),
        (choices({"content": "hello", "reasoning_content": "a thought"}), ["hello", "a thought"]),
        (choices({"content": "hello", "reasoning": [{"text": "a thought"}]}), ["hello", "a thought"]),
        (choices({"content": "hello", "thinking": {"text": "a thought"}}), ["hello", "a thought"]),
        (choices({"content": None, "tool_calls": [{"function": {"arguments": "", "input": "x"}}]}), ["x"]),
        (
            {"object": "response", "output": [{"type": "mcp_call", "arguments": '{"a": "x"}', "output": "found"}]},
            ["found", "x"],
        ),
        ({"object": "text_completion", "choices": [{"index": 0, "text": "hello"}]}, ["hello"]),
        (
            choices(
                {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": '{"a": ["x", 1], "b": "y"}'}}]}
            ),
            ["x\ny"],
        ),
        (choices({"content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}), [""]),
        (choices({"content": None, "function_call": {"name": "f", "arguments": '{"a": "x", "a": "y"}'}}), ["x\ny"]),
        (choices({"content": None, "tool_calls": [{"custom": {"input": "not json"}}]}), ["not json"]),
        ([{"type": "function_call", "name": "f", "arguments": '{"a": "x"}'}], ["x"]),
        ([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "a thought"}]}], ["a thought"]),
        ({"type": "tool_use", "name": "f", "input": {"a": "x"}}, ["x"]),
        ({"role": "assistant", "content": None}, [""]),
        ({"role": "assistant", "content": [{"type": "text", "annotations": [{"title": "A page"}], "index": 2}]}, [""]),
        (Thing(output_text="hello"), ["hello"]),
        (
            {
                "object": "response",
                "output": [
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "a thought"}]},
                    {"type": "web_search_call", "status": "completed"},
                    {"type": "function_call", "name": "f", "arguments": '{"a": "x"}'},
                    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]},
                ],
            },
            ["a thought", "hello", "x"],
        ),
        (
            {
                "object": "response",
                "output": [
                    {
                        "type": "web_search_call",
                        "action": {"type": "search", "query": "one", "sources": [{"url": "u"}]},
                    },
                    {"type": "file_search_call", "queries": ["two"], "results": [{"text": "a page", "score": 0.5}]},
                    {
                        "type": "mcp_list_tools",
                        "server_label": "s",
                        "tools": [{"name": "f", "description": "Does it."}],
                    },
                    {"type": "function_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "got"}]},
                ],
            },
            ["one", "two\na page", "Does it.", "got"],
        ),
        (
            {
                "type": "message",
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "a thought"},
                    {"type": "text", "text": "hel"},
                    {"type": "text", "text": "lo"},
                    {"type": "tool_use", "name": "f", "input": {"a": "x"}},
                ],
            },
            ["a thought", "hello", "x"],
        ),
        ({"model": "m", "message": {"role": "assistant", "content": "hello"}, "done": True}, ["hello"]),
        (Thing(type="ai", content="hello", tool_calls=[{"name": "f", "args": {"a": "x"}}]), ["hello", "x"]),
        (Thing(generations=[[Thing(text="one", generation_info=None)]]), ["one"]),
        (Thing(message=Thing(type="ai", content="two"), text="two", generation_info=None), ["two"]),
        (
            {"choices": [{"message": {"content": "one"}, "delta": {"content": "two"}, "text": "three"}]},
            ["onetwo", "three"],
        ),
        ({"choices": [{"index": 0, "delta": None, "finish_reason": "stop", "note": "two words"}]}, ["two words"]),
    ],
)
def test_responses_are_read_by_shape(value: object, expected: list[str]) -> None:
    assert answer_of(value) == expected


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (b"hello", "builtins.bytes"),
        (7, "builtins.int"),
        ({"answer": PRIVATE}, "builtins.dict"),
        ({"content": PRIVATE, "debug": PRIVATE}, "builtins.dict"),
        (Thing(answer=PRIVATE), "types.SimpleNamespace"),
        (choices({"role": "assistant", "content": 7}), "builtins.int"),
        (choices({"role": "assistant", "content": None, "audio": {"data": "AAAA"}}), "audio"),
        ({"choices": [{"index": 0}]}, "builtins.dict"),
        ({"choices": [{"index": 0, "message": {"content": "hello"}, "text": {"said": PRIVATE}}]}, "builtins.dict"),
        ({"role": "model", "parts": [{"poem": PRIVATE}]}, "builtins.dict"),
        (choices({"role": "assistant", "text": PRIVATE}), "builtins.dict"),
        ({"type": "computer_call_output", "output": PRIVATE}, "builtins.dict"),
        ({"type": "function_call_output", "output": [PICTURE]}, "'image_url'"),
        ({"role": "assistant", "content": [PICTURE]}, "'image_url'"),
        ({"role": "assistant", "content": [{"type": "text", "annotations": [], "value": PRIVATE}]}, "'text'"),
        ({"object": "response", "output": [{"type": "image_generation_call", "result": "AAAA"}]}, "'image_generation_"),
    ],
)
def test_a_response_that_cannot_be_read_is_refused_with_its_type_and_the_way_out(value: object, named: str) -> None:
    with pytest.raises(InputTypeError) as caught:
        answer_of(value)
    assert named in str(caught.value)
    assert "extract_response=" in str(caught.value)
    assert PRIVATE not in str(caught.value)


def itself() -> list[object]:
    """Return a list that is in itself."""
    lines: list[object] = ["a line"]
    lines.append(lines)
    return lines


def laughing(levels: int) -> list[object]:
    """Return lists that say the same line 10 to the power of ``levels`` times, and take no room."""
    lines: list[object] = ["a line"]
    for _ in range(levels):
        lines = [lines for _ in range(10)]
    return lines


def deep(levels: int) -> list[object]:
    lines: list[object] = ["a line"]
    for _ in range(levels):
        lines = [lines]
    return lines


@pytest.mark.parametrize("read", [prompt_of, answer_of])
@pytest.mark.parametrize("value", [itself(), laughing(12), deep(100_000)], ids=["itself", "laughing", "deep"])
def test_lists_without_an_end_are_refused(value: object, read: Callable[[object], object]) -> None:
    with pytest.raises(InputTypeError, match="nested too deep, or hold one another too often; give extract_"):
        read(value)


def test_a_list_may_come_several_times_and_is_read_each_time() -> None:
    answer = ResponseText()
    answer.add([laughing(1), ["and another"], laughing(1)])
    assert [piece.text for piece in answer.pieces] == ["a line"] * 10 + ["and another"] + ["a line"] * 10


def test_what_only_seems_to_have_messages_is_refused() -> None:
    with pytest.raises(InputTypeError, match="MagicMock"):
        prompt_passages(MagicMock())


def test_chunks_are_joined_before_they_are_read() -> None:
    assert answer_of("hel", "lo") == ["hello"]
    assert answer_of(delta(content="hel"), delta(1, content="bye"), delta(content="lo"), delta()) == ["hello", "bye"]
    pieces = ('{"a": "x', " and y", '"}')
    calls = [delta(tool_calls=[{"index": 0, "function": {"arguments": piece}}]) for piece in pieces]
    assert answer_of(*calls) == ["x and y"]


def test_an_extractor_reads_every_chunk() -> None:
    response = ResponseText(lambda chunk: chunk[0])
    response.add(("hel", 1))
    response.add(("lo", 2))
    assert response.texts() == ["hello"]


class Lazy(Mapping[str, object]):
    """Makes its values when they are asked for, as records of databases do."""

    def __init__(self, depth: int) -> None:
        self._depth = depth

    def __getitem__(self, key: str) -> object:
        return Lazy(self._depth - 1) if self._depth else [key]

    def __iter__(self) -> Iterator[str]:
        return iter("ab")

    def __len__(self) -> int:
        return 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("found", "found"),
        (None, ""),
        (7, ""),
        ({"a": ["x", {"b": "y"}], "n": 1.5}, "x\ny"),
        (Thing(type="tool", content="found"), "found"),
        (
            {"name": 1, "Do as I say.": [{"and_then_do_as_i_say_once_more": 1}]},
            "Do as I say.\nand_then_do_as_i_say_once_more",
        ),
        ({"type": "tool", "content": "found", "note": "beside"}, "tool\nfound\nbeside"),
        (Thing(page_content="a page", metadata={}), "a page"),
        (Thing(page_content="a page", metadata={"title": "its title"}), "a page\nits title"),
        (ValueError("found"), "found"),
        (itself(), "a line"),
        (Lazy(3), "\n".join("ab" * 8)),
    ],
)
def test_tool_results_of_any_type_are_read_as_data(value: object, expected: str) -> None:
    assert tool_passages(value) == [Passage(expected, Stage.TOOL)]


def test_a_picture_in_a_tool_message_is_named() -> None:
    assert tool_passages(Thing(type="tool", content=[PICTURE])) == [Passage("", Stage.TOOL, ("image_url",))]


json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_data)
def test_no_words_in_the_arguments_of_a_tool_call_are_lost(data: object) -> None:
    def strings(value: object) -> Sequence[str]:
        if isinstance(value, dict):
            return [
                text
                for key, item in value.items()
                for text in ([] if re.fullmatch(r"[A-Za-z0-9_.$-]{1,24}", key) else [key]) + list(strings(item))
            ]
        if isinstance(value, list):
            return [text for item in value for text in strings(item)]
        return [value] if isinstance(value, str) else []

    call = {"function": {"name": "f", "arguments": json.dumps(data)}}
    text, *alone = answer_of(choices({"content": None, "tool_calls": [call]}))
    assert all(set(one.split("\n")) <= set(text.split("\n")) for one in alone)  # read once more without identifiers
    reached = 0
    for words in strings(data):  # names of fields may follow in a last line
        reached = text.index(words, reached) + len(words)


@given(st.text(), st.data())
def test_any_cut_into_chunks_reads_as_the_whole(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    chunks = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert answer_of(*(delta(content=chunk) for chunk in chunks)) == [text]


def test_the_texts_of_a_growing_answer_are_those_of_the_whole_so_far() -> None:
    chunks: list[dict[str, object]] = [
        {"role": "assistant", "content": "one ", "note": "two words"},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": None, "reasoning_content": "why "},
        {"role": "assistant", "content": "two", "tool_calls": [{"index": 0, "function": {"arguments": '{"a": "x'}}]},
        {"role": "assistant", "content": None, "tool_calls": [{"index": 0, "function": {"arguments": ' y"}'}}]},
        {"type": "response.output_text.delta", "item_id": "m", "content_index": 0, "delta": "thr"},
        {"type": "response.output_text.delta", "item_id": "m", "content_index": 1, "delta": "ee"},
        {"type": "response.output_text.done", "item_id": "m", "content_index": 1, "text": "ee and more"},
        {"role": "assistant", "content": "", "note": " and two more"},
    ]
    growing, whole = GrowingText(), ResponseText()
    known: dict[object, str] = {}
    for chunk in chunks:
        whole.add(chunk)
        before = known.copy()
        known |= {name: text for name, text, _ in growing.add(chunk)}
        assert sorted({text for text in known.values() if text}) == sorted(whole.texts())
        assert len(before) < len(known) or before != known  # each of them adds something


def test_how_much_longer_a_text_is_is_told_of_each_chunk() -> None:
    growing = GrowingText()
    told = [growing.add(delta(content=words)) for words in ("one ", "", "two")]
    assert [[one[1:] for one in found] for found in told] == [[("one ", 4)], [("one ", 0)], [("one two", 3)]]


@pytest.mark.parametrize(
    "part",
    [
        *({"type": "text-plain", "text": "a page", **more} for more in ({"note": "do it"}, {"title": ["do it"]})),
        *(
            {"type": "document", "source": {"type": "text", "data": "a page"}, name: words}
            for name in ("title", "context", "text")
            for words in ("do it", ["do it"])
        ),
    ],
)
def test_all_that_is_said_about_a_document_is_read_with_it(part: dict[str, object]) -> None:
    (passage,) = prompt_passages([{"role": "user", "content": [part]}])
    assert sorted(passage.text.split("\n")) == ["a page", "do it"]
    assert (passage.stage, passage.uncovered) == (Stage.TOOL, ())
