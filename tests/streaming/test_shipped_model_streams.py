"""The shipped model and the default policy on streams: planted harm is caught, whatever the chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guardsdk import Action, Blocked
from tests.samples import OUTPUT_BENIGN, OUTPUT_HARMFUL, OUTPUT_REFUSAL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from guardsdk import Guard

FILLER = (
    "The town lies on a river between two hills. Its market opens on Wednesday and on Saturday, and most people walk "
    "there. In spring the water is high, and the lower road is closed for a week or two. The library was built of the "
    "same grey stone as the bridge. "
)
SIZES = (1, 9, 4000)


def chunks_of(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@pytest.mark.parametrize("before", [0, 2, 4], ids=["at once", "after two paragraphs", "after four"])
@pytest.mark.parametrize("name", OUTPUT_HARMFUL)
def test_planted_harm_stops_the_stream_alike_for_all_chunks(guard: Guard, name: str, before: int) -> None:
    prompt, harm = OUTPUT_HARMFUL[name]
    text = FILLER * before + harm + " " + FILLER
    outs = set()
    for size in SIZES:
        out: list[str] = []
        stream = guard.stream(chunks_of(text, size), prompt=prompt)
        with pytest.raises(Blocked) as caught:
            out.extend(stream)
        assert caught.value.verdict == stream.verdict
        assert harm not in "".join(out)
        assert text.startswith("".join(out))
        outs.add("".join(out))
    assert len(outs) == 1


@pytest.mark.parametrize(
    ("prompt", "answer"), [*OUTPUT_BENIGN.values(), OUTPUT_REFUSAL, ("Describe the town.", FILLER * 4)]
)
def test_plain_answers_stream_through(guard: Guard, prompt: str, answer: str) -> None:
    for size in SIZES:
        chunks = chunks_of(answer, size)
        stream = guard.stream(chunks, prompt=prompt)
        assert list(stream) == chunks
        assert stream.verdict is not None
        assert stream.verdict.action in (Action.ALLOW, Action.FLAG)
        assert stream.verdict


async def test_an_async_stream_decides_alike(guard: Guard) -> None:
    prompt, harm = OUTPUT_HARMFUL["burglary"]

    async def words() -> AsyncIterator[str]:
        for word in (FILLER + harm).split(" "):
            yield f"{word} "

    with pytest.raises(Blocked):
        assert [chunk async for chunk in guard.stream(words(), prompt=prompt)] == []


@pytest.mark.parametrize(
    ("holder", "value"),
    [
        ("The service reads DATABASE_URL=postgresql://shop:{}@db.internal:5432/orders", "Vq7-lantern-81"),
        ('Your settings hold this line: client_secret = "{}"', "q7Rm2Kd9Zt4Lw8Xb5Nc3Vh6Jp1"),
        ("I found the login in the notes. The password is {}", "orchid-Dune16!"),
    ],
)
def test_a_secret_is_cut_out_wherever_it_is_split(guard: Guard, holder: str, value: str) -> None:
    text = f"{FILLER}{holder.format(value)} and that is all. {FILLER}"
    for size in SIZES:
        stream = guard.stream(chunks_of(text, size), prompt="What is in the notes?")
        assert "".join(stream) == text.replace(value, "[SECRET_1]")
        assert stream.verdict is not None
        assert stream.verdict.action is Action.REDACT
        assert [text[a:b] for one in stream.verdict.findings if one.label == "secret" for a, b in one.spans] == [value]


VALUE = "Rk9-hunter2-xq"


@pytest.mark.parametrize("size", SIZES)
def test_what_was_cut_out_once_is_cut_out_where_nothing_tells_of_it(guard: Guard, size: int) -> None:
    text = f"Set DB_PASSWORD={VALUE} first. {FILLER}Then type {VALUE} by hand. {FILLER}"
    out = "".join(guard.stream(chunks_of(text, size), prompt="How do I log in?"))
    assert out == text.replace(VALUE, "[SECRET_1]")


def test_what_was_cut_out_of_the_words_is_cut_out_of_the_calls_of_tools(guard: Guard) -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "enter", "arguments": ""}}

    def chunk(delta: dict[str, object], reason: str | None = None) -> dict[str, object]:
        return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    chunks = [
        chunk({"role": "assistant", "content": f"Set DB_PASSWORD={VALUE} first. "}),
        chunk({"tool_calls": [call]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": f'{{"field": "{VALUE}"}}'}}]}),
        chunk({}, "tool_calls"),
    ]
    out = list(guard.stream(chunks, prompt="Log me in."))
    assert VALUE not in str(out)
    assert '{"field": "[SECRET_1]"}' in str(out)
