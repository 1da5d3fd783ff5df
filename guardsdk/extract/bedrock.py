"""Messages, answers and stream events of Amazon Bedrock's Converse API, which ``boto3`` represents as mappings.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html

The kind of a block is not stated: it is given by which of many fields the block has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from guardsdk.extract.pieces import BESIDE, Inside, Piece, aside
from guardsdk.extract.shapes import field, is_list, kind_of, string, unreadable
from guardsdk.extract.words import beside, is_code, leaves, strings_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    _Block = dict[str, object]

_OPTION: Final = "extract_response"
_PLAIN: Final = ("csv", "html", "md", "txt")
"""Document formats that are text."""
_ABOUT: Final = ("ResponseMetadata", "metrics", "performanceConfig", "serviceTier", "stopReason", "trace", "usage")
"""Metadata of an answer; ``trace`` is that of Bedrock's own guardrails, and repeats the answer's text."""
_LONG: Final = ("ResponseMetadata", "trace")
"""The metadata that contains text."""
_INDEX: Final = "contentBlockIndex"
_EVENTS: Final[Mapping[str, frozenset[str]]] = {
    "contentBlockDelta": frozenset({_INDEX, "delta"}),
    "contentBlockStart": frozenset({_INDEX, "start"}),
    "contentBlockStop": frozenset({_INDEX}),
    "messageStart": frozenset({"role"}),
    "messageStop": frozenset({"additionalModelResponseFields", "stopReason"}),
    "metadata": frozenset({"metrics", "performanceConfig", "serviceTier", "trace", "usage"}),
}
"""The fields of every event. An event with others is not one of these, and may have text in an unknown place."""
_ERROR: Final = frozenset({"message", "originalMessage", "originalStatusCode"})
_DELTAS: Final = frozenset({"citation", "image", "reasoningContent", "text", "toolResult", "toolUse"})


def _nothing(block: object) -> str:
    return beside(block)


def _said(text: object) -> _Block:
    return {"type": "text", "text": text}


def _noted(part: _Block, block: object, *read: str) -> _Block:
    """Return ``part`` extended by the fields of ``block`` other than those already ``read``."""
    words = beside(block, *read)
    return {**part, "note": words} if words else part


def _quoted(block: object) -> _Block:
    words = beside(block, "content", "citations")
    return _said("\n".join([_joined(field(block, "content")), *([words] if words else ())]))


def _thoughts(block: object) -> _Block | str:
    text = field(said := field(block, "reasoningText"), "text")
    if not isinstance(text, str):
        return beside(block, "redactedContent")
    around = [words for words in (beside(block, "reasoningText", "redactedContent"), beside(said, "text")) if words]
    return {"type": "thinking", "thinking": "\n".join([text, *around])}


def _document(block: object) -> _Block:
    """Return a file with its name, which the model is shown, and its text if it has one."""
    source = field(block, "source")
    inside, data = field(source, "content"), field(source, "bytes")
    text = field(source, "text") if inside is None else _joined(inside)
    if text is None and isinstance(data, bytes) and field(block, "format") in _PLAIN:
        text = data.decode(errors="replace")
    read = {"source": {"type": "text", "data": text}} if isinstance(text, str) else {}
    return {"type": "document", "title": field(block, "name"), "context": field(block, "context"), **read}


def _called(block: object) -> _Block:
    part: _Block = {"type": "tool_use", "name": field(block, "name"), "input": field(block, "input")}
    return _noted(part, block, "name", "input")


def _result(block: object) -> _Block:
    content = field(block, "content")
    inside = _translated(content if is_list(content) else leaves(content))
    shown = [string(one, "text", _OPTION) if kind_of(one) == "text" else one for one in inside]
    return _noted({"type": "tool_result", "content": shown}, block, "content")


def _found(block: object) -> _Block:
    about = {name: field(block, name) for name in ("title", "source")}
    part: _Block = {"type": "search_result", **about, "content": [_said(_joined(field(block, "content")))]}
    return _noted(part, block, "title", "source", "content", "citations")


def _guarded(block: object) -> _Block:
    """Return the content marked for Bedrock's own guardrails."""
    picture = field(block, "image") is not None
    return {"type": "image"} if picture else _said(string(field(block, "text"), "text", _OPTION))


_BLOCKS: Final[Mapping[str, Callable[[Any], _Block | str]]] = {
    "audio": lambda _: {"type": "audio"},
    "cachePoint": _nothing,
    "citationsContent": _quoted,
    "document": _document,
    "guardContent": _guarded,
    "image": lambda _: {"type": "image"},
    "json": lambda data: _said("\n".join(leaves(data))),
    "reasoningContent": _thoughts,
    "searchResult": _found,
    "text": _said,
    "toolAddition": _nothing,
    "toolRemoval": _nothing,
    "toolResult": _result,
    "toolUse": _called,
    "video": lambda _: {"type": "video"},
}
"""Converts each kind of block to a part of a message."""


def _joined(blocks: object) -> str:
    texts: list[str] = []
    for one in blocks if is_list(blocks) else (blocks,):
        text = field(one, "text")
        texts += [text] if isinstance(text, str) else leaves(one)
    return "\n".join(texts)


def _is_block(value: object) -> bool:
    """Whether ``value`` is a block with the content its kind requires."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return False
    name, inside = next(iter(value.items()))
    return name in _BLOCKS and (name == "json" or isinstance(inside, str if name == "text" else Mapping))


def _translated(blocks: Sequence[Any]) -> list[object]:
    """Return ``blocks`` as parts of a message, at the same indices; unknown kinds unchanged."""
    return [_BLOCKS[next(iter(one))](next(iter(one.values()))) if _is_block(one) else one for one in blocks]


def message_of(value: object) -> object:
    """Convert a Bedrock message to the form of other providers, block by block; return others unchanged."""
    content = field(value, "content") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not is_list(content) or not content or not all(map(_is_block, content)):
        return value
    return {**value, "content": _translated(content)}


def told(value: object) -> Sequence[Piece | Inside] | None:
    """Return the text of an answer or of an event of its stream; ``None`` for anything else.

    Raises ``InputTypeError`` if it contains an image or audio.
    """
    if not isinstance(value, Mapping):
        return None
    message = field(field(value, "output"), "message")
    if isinstance(message, Mapping) and field(message, "role") == "assistant" and is_list(field(message, "content")):
        given = [_as_given(part) for part in _translated(field(message, "content"))]
        said = Inside({**message, "content": given}, whole=False)
        return [said, *aside((0,), field(value, "output"), "message"), *_around(value, "output")]
    return _event(*next(iter(value.items()))) if len(value) == 1 else None


def _around(holder: Mapping[Any, Any], *read: str) -> Iterator[Piece]:
    """Yield the text of ``holder`` outside the fields ``read`` and those known to hold only figures and codes."""
    yield from aside((0,), holder, *read, *_ABOUT)
    for name in _ABOUT:
        about = holder.get(name)
        if about is None or (name in _LONG and isinstance(about, Mapping)):
            continue
        if not all(map(is_code, said := [text for _, text in strings_beside({"about": [about]})])):
            yield Piece((0, BESIDE, name), "\n".join(said), None, "")


def _event(name: object, event: object) -> Sequence[Piece] | None:
    if not isinstance(event, Mapping):
        return None
    if event.keys() <= _EVENTS.get(str(name), frozenset()):
        return list(_delta(event) if name == "contentBlockDelta" else _around(event))
    if str(name).endswith("Exception") and event.keys() <= _ERROR:
        return [Piece((0, BESIDE), "\n".join(leaves(event)), None, "")]
    return None


def _as_given(part: object) -> object:
    """Return a part of an answer; tool parts there are of tools that the provider ran itself."""
    return {**part, "type": "server_tool_result"} if isinstance(part, dict) and kind_of(part) == "tool_result" else part


def _delta(event: object) -> Iterator[Piece]:
    index, delta = field(event, _INDEX), field(event, "delta")
    if not isinstance(delta, Mapping) or not delta.keys() <= _DELTAS or "image" in delta:
        raise unreadable(event, _OPTION)
    if "text" in delta:
        yield Piece((0, "content"), string(delta, "text", _OPTION), delta, "text")
    if (call := delta.get("toolUse")) is not None:
        where = (0, "part", index)
        yield Piece(where, string(call, "input", _OPTION), call, "input", arguments=True, call=True)
    if call is not None:
        yield from aside((0, "part", index), call, "input")
    if (thought := delta.get("reasoningContent")) is not None:
        if not isinstance(thought, Mapping):
            raise unreadable(event, _OPTION)
        if isinstance(text := thought.get("text"), str):
            yield Piece((0, "thinking"), text, thought, "text")
        yield from aside((0, "part", index), thought, "redactedContent", *(("text",) if isinstance(text, str) else ()))
    if (given := delta.get("toolResult")) is not None:
        yield Piece((0, "result", index), "\n".join(leaves(given)), None, "")
