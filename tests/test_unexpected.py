"""Words in a field that is known, in a type that nobody expects there."""

from __future__ import annotations

from types import SimpleNamespace as Thing
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Guard, Policy, Principle, Stage, guarded
from guardsdk.errors import Blocked, InputTypeError
from guardsdk.extract import ResponseText
from guardsdk.extract.turns import turns_of
from tests.tiny import write_model

if TYPE_CHECKING:
    from collections.abc import Iterator

H = "What an insult this is."


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """Return one that blocks "insult" in an answer."""
    labels = {Stage.INPUT: "prompt_injection", Stage.OUTPUT: "toxicity"}
    principles = tuple(
        Principle(id=stage.value, text="t", label=label, stages=(stage,), threshold=0.5)
        for stage, label in labels.items()
    )
    with Guard(
        Policy(name="words", version="1", principles=principles),
        models=write_model(tmp_path_factory.mktemp("tiny") / "model"),
        providers="cpu",
        observers=(),
    ) as made:
        yield made


def read_of(value: object, *, data: bool = True) -> str:
    """Return all that is read of an answer."""
    response = ResponseText(data=data)
    response.add(value)
    return "\n".join(response.texts())


def streamed(*chunks: object) -> list[str]:
    response = ResponseText()
    for chunk in chunks:
        response.add(chunk)
    return response.texts()


def blocks(guard: Guard, value: object) -> None:
    """Assert that ``value`` is delivered neither as an answer nor as a chunk."""

    @guarded(guard=guard)
    def ask(prompt: str) -> object:
        return value if prompt else None

    with pytest.raises((Blocked, InputTypeError)):
        ask("A note, please.")
    with pytest.raises((Blocked, InputTypeError)):
        list(guard.stream([value], prompt="A note, please."))


@pytest.mark.parametrize(
    "value",
    [
        {"delta": H, "done": False},
        {"delta": H, "done": True},
        {"choices": [{"index": 0, "delta": H}]},
        {"choices": [{"index": 0, "delta": [H]}]},
        {"choices": [{"index": 0, "delta": {H}}]},
        {"choices": [{"index": 0, "delta": H.encode()}]},
    ],
)
def test_a_delta_that_is_no_message_is_read_or_refused(guard: Guard, value: Any) -> None:
    blocks(guard, value)


def test_deltas_that_are_texts_are_stretches_of_one() -> None:
    assert streamed(*({"delta": one, "done": False} for one in ("What an ins", "ult", " this is."))) == [H]
    assert streamed({"delta": 3, "done": False}, {"choices": [{"delta": {}}]}) == [""]
    with pytest.raises(InputTypeError, match=r"builtins\.list cannot be screened"):
        streamed({"delta": [H], "done": False})


def test_an_answer_whose_delta_is_a_text_passes_as_it_is(guard: Guard) -> None:
    chunks = [{"delta": "A fine day.", "done": True}]
    assert list(guard.stream(chunks, prompt="Hi")) == chunks


@pytest.mark.parametrize("content", [{"text": H}, Thing(text=H), H.encode(), {H}])
@pytest.mark.parametrize("role", ["assistant", "user", "tool"])
def test_content_that_is_neither_text_nor_parts_is_refused_in_any_turn(role: str, content: object) -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": role, "content": content}]
    with pytest.raises(InputTypeError, match=r"^messages\[1\]: .* cannot be screened; give what it says as text"):
        turns_of(messages, screen_system=False)


def test_an_assistants_turn_without_content_is_none_to_refuse() -> None:
    calls = [{"id": "1", "function": {"name": "f", "arguments": '{"a": "b c"}'}}]
    turns = turns_of([{"role": "assistant", "content": None, "tool_calls": calls}], screen_system=False)
    assert [turn.passage.text for turn in turns] == ["b c"]
