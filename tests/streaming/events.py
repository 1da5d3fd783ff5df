"""Streams of the OpenAI Responses API and of Anthropic Messages, as their Python packages give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic.types as at
from anthropic.lib.streaming import InputJsonEvent, ParsedContentBlockStopEvent, ParsedMessageStopEvent, TextEvent
from openai.types import responses as rt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel


def response(*items: Any, status: str = "completed") -> rt.Response:
    """A response as it is when it is whole, with what the caller sent in it too."""
    return rt.Response.model_validate(
        {
            "id": "resp_1",
            "object": "response",
            "created_at": 0,
            "model": "m",
            "status": status,
            "instructions": "Say nothing of what is forbidden.",
            "output": [item.model_dump() for item in items],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        }
    )


def message(text: str) -> rt.ResponseOutputMessage:
    part = rt.ResponseOutputText(type="output_text", text=text, annotations=[], logprobs=[])
    return rt.ResponseOutputMessage(id="m1", type="message", role="assistant", status="completed", content=[part])


def function_call(arguments: str) -> rt.ResponseFunctionToolCall:
    return rt.ResponseFunctionToolCall(type="function_call", call_id="c1", name="send", arguments=arguments)


def reasoning(*texts: str) -> rt.ResponseReasoningItem:
    summary = [{"type": "summary_text", "text": text} for text in texts]
    return rt.ResponseReasoningItem.model_validate({"id": "r1", "type": "reasoning", "summary": summary})


def token(text: str) -> dict[str, Any]:
    return {"token": text, "logprob": -0.1, "top_logprobs": []}


def said(pieces: Sequence[str], at: int = 0) -> list[Any]:
    """The events of one message of one part."""
    where: dict[str, Any] = {"item_id": "m1", "output_index": at, "content_index": 0, "sequence_number": 0}
    whole = "".join(pieces)
    empty = message("").content[0]
    return [
        rt.ResponseOutputItemAddedEvent(
            type="response.output_item.added",
            item=message("").model_copy(update={"content": []}),
            output_index=at,
            sequence_number=0,
        ),
        rt.ResponseContentPartAddedEvent(type="response.content_part.added", part=empty, **where),
        *(
            rt.ResponseTextDeltaEvent.model_validate(
                {"type": "response.output_text.delta", "delta": piece, "logprobs": [token(piece)], **where}
            )
            for piece in pieces
        ),
        rt.ResponseTextDoneEvent.model_validate(
            {"type": "response.output_text.done", "text": whole, "logprobs": [token(p) for p in pieces], **where}
        ),
        rt.ResponseContentPartDoneEvent(type="response.content_part.done", part=message(whole).content[0], **where),
        rt.ResponseOutputItemDoneEvent(
            type="response.output_item.done", item=message(whole), output_index=at, sequence_number=0
        ),
    ]


def called(pieces: Sequence[str], at: int = 0) -> list[Any]:
    """The events of one call of a function."""
    where: dict[str, Any] = {"item_id": "f1", "output_index": at, "sequence_number": 0}
    whole = "".join(pieces)
    return [
        rt.ResponseOutputItemAddedEvent(
            type="response.output_item.added", item=function_call(""), output_index=at, sequence_number=0
        ),
        *(
            rt.ResponseFunctionCallArgumentsDeltaEvent(
                type="response.function_call_arguments.delta", delta=piece, **where
            )
            for piece in pieces
        ),
        rt.ResponseFunctionCallArgumentsDoneEvent.model_validate(
            {"type": "response.function_call_arguments.done", "arguments": whole, "name": "send", **where}
        ),
        rt.ResponseOutputItemDoneEvent(
            type="response.output_item.done", item=function_call(whole), output_index=at, sequence_number=0
        ),
    ]


def thought(*summaries: Sequence[str], at: int = 0) -> list[Any]:
    """The events of a reasoning item with its summary in parts."""
    found: list[Any] = []
    for index, pieces in enumerate(summaries):
        where: dict[str, Any] = {"item_id": "r1", "output_index": at, "summary_index": index, "sequence_number": 0}
        whole = "".join(pieces)
        part: dict[str, Any] = {"type": "summary_text", "text": whole}
        found += [
            *(
                rt.ResponseReasoningSummaryTextDeltaEvent(
                    type="response.reasoning_summary_text.delta", delta=piece, **where
                )
                for piece in pieces
            ),
            rt.ResponseReasoningSummaryTextDoneEvent(type="response.reasoning_summary_text.done", text=whole, **where),
            rt.ResponseReasoningSummaryPartDoneEvent.model_validate(
                {"type": "response.reasoning_summary_part.done", "part": part, **where}
            ),
        ]
    item = reasoning(*("".join(pieces) for pieces in summaries))
    return [
        *found,
        rt.ResponseOutputItemDoneEvent(type="response.output_item.done", item=item, output_index=at, sequence_number=0),
    ]


def responses(events: Sequence[Any], *items: Any) -> list[Any]:
    """A stream of the Responses API around ``events``, which come to ``items``."""
    return [
        rt.ResponseCreatedEvent(type="response.created", response=response(status="in_progress"), sequence_number=0),
        *events,
        rt.ResponseCompletedEvent(type="response.completed", response=response(*items), sequence_number=0),
    ]


def claude(*blocks: Any) -> at.Message:
    return at.Message.model_validate(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [block.model_dump() for block in blocks],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
    )


def block(index: int, start: BaseModel, deltas: Sequence[dict[str, Any]]) -> list[Any]:
    """The events of one block of a message."""
    return [
        at.RawContentBlockStartEvent.model_validate(
            {"type": "content_block_start", "index": index, "content_block": start.model_dump()}
        ),
        *(
            at.RawContentBlockDeltaEvent.model_validate({"type": "content_block_delta", "index": index, "delta": delta})
            for delta in deltas
        ),
        at.RawContentBlockStopEvent(type="content_block_stop", index=index),
    ]


def text_block(pieces: Sequence[str], index: int = 0) -> list[Any]:
    return block(index, at.TextBlock(type="text", text=""), [{"type": "text_delta", "text": one} for one in pieces])


def tool_block(pieces: Sequence[str], index: int = 0) -> list[Any]:
    start = at.ToolUseBlock(type="tool_use", id="toolu_1", name="send", input={})
    return block(index, start, [{"type": "input_json_delta", "partial_json": one} for one in pieces])


def thinking_block(pieces: Sequence[str], index: int = 0) -> list[Any]:
    start = at.ThinkingBlock(type="thinking", thinking="", signature="")
    deltas = [{"type": "thinking_delta", "thinking": one} for one in pieces]
    return block(index, start, [*deltas, {"type": "signature_delta", "signature": "EqQBCg=="}])


def messages(events: Sequence[Any]) -> list[Any]:
    """A stream of Messages around ``events``."""
    end: dict[str, Any] = {"delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 2}}
    return [
        at.RawMessageStartEvent(type="message_start", message=claude()),
        *events,
        at.RawMessageDeltaEvent.model_validate({"type": "message_delta", **end}),
        at.RawMessageStopEvent(type="message_stop"),
    ]


def followed(pieces: Sequence[str], arguments: str, data: dict[str, Any]) -> list[Any]:
    """A text and a call as ``client.messages.stream`` of the package gives them, with all of it so far each time."""
    texts = text_block(pieces)
    calls = tool_block([arguments], 1)
    whole = claude(
        at.TextBlock(type="text", text="".join(pieces)),
        at.ToolUseBlock(type="tool_use", id="toolu_1", name="send", input=data),
    )
    events: list[Any] = [at.RawMessageStartEvent(type="message_start", message=claude()), texts[0]]
    for count, piece in enumerate(pieces, 1):
        so_far = "".join(pieces[:count])
        events += [texts[count], TextEvent(type="text", text=piece, snapshot=so_far)]
    done = {"type": "content_block_stop"}
    return [
        *events,
        ParsedContentBlockStopEvent.model_validate(
            {**done, "index": 0, "content_block": whole.content[0].model_dump()}
        ),
        *calls[:2],
        InputJsonEvent(type="input_json", partial_json=arguments, snapshot=data),
        ParsedContentBlockStopEvent.model_validate(
            {**done, "index": 1, "content_block": whole.content[1].model_dump()}
        ),
        ParsedMessageStopEvent.model_validate({"type": "message_stop", "message": whole.model_dump()}),
    ]
