"""Values that JSON spells otherwise: hidden from the model there too, and put back in as JSON has them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types
from langchain_core.messages import AIMessage
from pydantic import BaseModel

from guardsdk.decorator import guarded
from guardsdk.verdict import Stage
from tests.acting import guard_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINES = 'BEGIN "é"\nof it\nEND'
PROMPT = f"Keep this for me: {LINES}"
PLAIN, ASCII = json.dumps({"key": LINES}, ensure_ascii=False), json.dumps({"key": LINES})


class Kept(BaseModel):
    key: str


def hiding(*stages: Stage) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return guarded(guard=guard_of("redact", *stages, label="lines"))


def marker_in(prompt: object) -> str:
    found = re.search(r"\[LINES_1_[0-9A-F]{8}\]", str(prompt))
    assert found is not None
    return found[0]


def call(arguments: str) -> dict[str, Any]:
    function = {"name": "keep", "arguments": arguments}
    calls = [{"id": "c1", "type": "function", "function": function}]
    return {"role": "assistant", "content": None, "tool_calls": calls}


@pytest.mark.parametrize("written", [PLAIN, ASCII, json.dumps([LINES, 7])])
def test_a_value_of_the_prompt_is_hidden_where_an_earlier_call_spells_it_as_json(written: str) -> None:
    seen: list[Any] = []

    def ask(messages: list[Any]) -> str:
        seen.extend(messages)
        return "Kept."

    hiding(Stage.INPUT)(ask)(
        [{"role": "user", "content": PROMPT}, call(written), {"role": "user", "content": "Thanks"}]
    )
    marker = marker_in(seen[0])
    arguments = json.loads(seen[1]["tool_calls"][0]["function"]["arguments"])
    assert arguments in ({"key": marker}, [marker, 7])


def test_so_it_is_where_the_library_of_a_tool_spells_it_in_its_own_way() -> None:
    seen: list[Any] = []

    def ask(messages: list[Any]) -> str:
        seen.extend(messages)
        return "Kept."

    hiding(Stage.INPUT)(ask)([{"role": "user", "content": "It is BEGIN a/b END."}, call(r'{"key": "BEGIN a\/b END"}')])
    assert json.loads(seen[1]["tool_calls"][0]["function"]["arguments"]) == {"key": marker_in(seen[0])}


@pytest.mark.parametrize("prompt", [PROMPT, PLAIN, ASCII])
def test_a_value_of_the_prompt_is_put_back_into_json_as_it_spells_it(prompt: str) -> None:
    ask = hiding(Stage.INPUT)
    made = ask(lambda prompt: call(json.dumps({"key": marker_in(prompt)})))(prompt)
    assert json.loads(made["tool_calls"][0]["function"]["arguments"]) == {"key": LINES}
    said = ask(lambda prompt: f'{{"a": "{marker_in(prompt)}", "b": ["{marker_in(prompt)}"]}}')(prompt)
    assert json.loads(said) == {"a": LINES, "b": [LINES]}
    said = ask(lambda prompt: f'Kept:\n```json\n{{"a": "{marker_in(prompt)}"}}\n```\nThat is all.')(prompt)
    assert json.loads(said.split("```")[1].removeprefix("json")) == {"a": LINES}


@pytest.mark.parametrize("prompt", [PROMPT, PLAIN, ASCII])
@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ("Here it is: ", " as you asked."),
        ("Here it is:\n", "\nThat is all."),
        ('{"first": 1}\n', '\n{"last": 1}'),
        ("<tool_call>", "</tool_call>"),
        ("> ```json\n> ", "\n> ```"),
    ],
)
def test_so_it_is_wherever_json_stands_in_what_is_said(prompt: str, before: str, behind: str) -> None:
    ask = hiding(Stage.INPUT)
    said = ask(lambda prompt: f'{before}{{"key": "{marker_in(prompt)}"}}{behind}')(prompt)
    assert json.loads(said.removeprefix(before).removesuffix(behind)) == {"key": LINES}


@pytest.mark.parametrize("prompt", [PROMPT, PLAIN, ASCII])
def test_so_it_is_in_json_within_a_string_of_json(prompt: str) -> None:
    ask = hiding(Stage.INPUT)
    body = ask(lambda prompt: call(json.dumps({"body": json.dumps({"key": marker_in(prompt)})})))(prompt)
    arguments = json.loads(body["tool_calls"][0]["function"]["arguments"])
    assert json.loads(arguments["body"]) == {"key": LINES}


@pytest.mark.parametrize("prompt", [PROMPT, PLAIN, ASCII, "a\\b BEGIN \\n END"])
def test_a_value_comes_back_as_it_was_where_no_json_is(prompt: str) -> None:
    assert hiding(Stage.INPUT)(lambda prompt: prompt)(prompt) == prompt
    assert hiding(Stage.INPUT)(lambda prompt: [1, {"it": prompt}])(prompt) == [1, {"it": prompt}]


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_a_value_is_put_back_into_the_json_of_a_stream(size: int) -> None:
    @hiding(Stage.INPUT)
    def ask(prompt: str) -> Iterator[str]:
        said = json.dumps({"note": "This is kept. " * 40, "key": marker_in(prompt)})
        yield from (said[at : at + size] for at in range(0, len(said), size))

    assert json.loads("".join(ask(PROMPT)))["key"] == LINES


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_a_value_is_put_back_into_a_block_of_code_of_a_stream(size: int) -> None:
    @hiding(Stage.INPUT)
    def ask(prompt: str) -> Iterator[str]:
        said = f"{'This is kept. ' * 40}\n```json\n{json.dumps({'key': marker_in(prompt)})}\n```\nThat is all."
        yield from (said[at : at + size] for at in range(0, len(said), size))

    assert json.loads("".join(ask(PROMPT)).split("```")[1].removeprefix("json"))["key"] == LINES


def test_a_value_is_put_back_into_a_call_of_a_stream() -> None:
    @hiding(Stage.INPUT)
    def ask(prompt: str) -> Iterator[dict[str, Any]]:
        for piece in re.findall(".{1,9}", json.dumps({"key": marker_in(prompt)})):
            yield {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"toolUse": {"input": piece}}}}

    pieces = [event["contentBlockDelta"]["delta"]["toolUse"]["input"] for event in ask(PROMPT)]
    assert json.loads("".join(pieces)) == {"key": LINES}


def gemini(parsed: Any, text: str = PLAIN) -> types.GenerateContentResponse:
    parts = [types.Part(text="hm", thought=True), types.Part(text=text[:9]), types.Part(text=text[9:])]
    return types.GenerateContentResponse(
        candidates=[types.Candidate(content=types.Content(role="model", parts=parts))], parsed=parsed
    )


PARSED: dict[str, tuple[Any, Callable[[Any], Any], object]] = {
    "gemini": (gemini(Kept(key=LINES)), lambda answer: answer.parsed, Kept(key="[LINES_1]")),
    "gemini, as data": (
        gemini(None).model_copy(update={"parsed": {"key": LINES}}),
        lambda answer: answer.parsed,
        {"key": "[LINES_1]"},
    ),
    "gemini, a list": (
        gemini(None, f"[{PLAIN}]").model_copy(update={"parsed": [Kept(key=LINES)]}),  # as the package sets it
        lambda answer: answer.parsed,
        [Kept(key="[LINES_1]")],
    ),
    "langchain": (
        AIMessage(ASCII, additional_kwargs={"parsed": Kept(key=LINES)}),
        lambda answer: answer.additional_kwargs["parsed"],
        Kept(key="[LINES_1]"),
    ),
    "langchain, in parts": (
        AIMessage([{"type": "text", "text": ASCII}], additional_kwargs={"parsed": {"key": LINES}}),
        lambda answer: answer.additional_kwargs["parsed"],
        {"key": "[LINES_1]"},
    ),
    "langchain, spelled otherwise": (
        AIMessage(ASCII.replace("of", "\\u006ff"), additional_kwargs={"parsed": Kept(key=LINES)}),
        lambda answer: answer.additional_kwargs["parsed"],
        Kept(key="[LINES_1]"),
    ),
    "another than was written": (
        gemini(Kept(key="so it is"), f"{PLAIN} or so"),
        lambda answer: answer.parsed,
        None,
    ),
}


@pytest.mark.parametrize("name", PARSED)
def test_what_was_parsed_from_an_answer_has_other_words_where_the_answer_has(name: str) -> None:
    answer, parsed, expected = PARSED[name]
    before = answer.model_copy(deep=True)
    given = hiding(Stage.OUTPUT)(lambda prompt: answer if prompt else None)("Give me what I keep.")
    assert parsed(given) == expected
    assert "of it" not in repr(given)
    assert answer == before
