"""Chunks of a streamed response: the strings in them, and copies with other strings in their place."""

from __future__ import annotations

import copy
from collections.abc import MutableMapping, MutableSequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from guardsdk.errors import InputTypeError
from guardsdk.extract.responses import ResponseText
from guardsdk.extract.shapes import field, has

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardsdk.extract.pieces import Piece

_REPEATING = (
    (None, "logprobs"),
    (None, "logprobs_result"),
    (None, "logprobsResult"),
    ("grounding_metadata", "grounding_supports"),
    ("groundingMetadata", "groundingSupports"),
)
"""What says the words of a chunk, a choice or a candidate once more, with what it is a field of where not its own."""


def read(chunk: object, extractor: Callable[[Any], object] | None, *, data: bool = False) -> ResponseText:
    """Return every string in ``chunk``, in order; ``InputTypeError`` where it cannot be read as text.

    ``data``: whether data of the host's is read too, which is for what does not go on in a next chunk.
    """
    response = ResponseText(extractor, data=data)
    response.add(chunk)
    return response


def pieces_of(chunk: object, extractor: Callable[[Any], object] | None) -> list[Piece]:
    """Return the pieces of what ``read`` returns; raises as it does."""
    return read(chunk, extractor).pieces


def still(chunk: Any) -> Any:  # noqa: ANN401  of the type of the chunk
    """Return ``chunk`` as it is now, whatever its source does with it later.

    A ``chunk`` event of OpenAI's package holds the completion so far, one object for all events, to which the package
    adds what nobody has screened yet. The event is then a copy with one of its own. Raises ``InputTypeError`` where it
    cannot be copied.
    """
    snapshot = field(chunk, "snapshot") if field(chunk, "type") == "chunk" else None
    if snapshot is None:
        return chunk
    with suppress(Exception):  # an object of somebody else's may refuse in any way
        memo: dict[int, Any] = {}
        for choice in field(snapshot, "choices") or ():
            for name in ("content", "refusal"):  # the lists grow, the tokens in them stay as they are
                if isinstance(tokens := field(field(choice, "logprobs"), name), list):
                    memo[id(tokens)] = list(tokens)
        copied = copy.copy(chunk)
        _set(copied, "snapshot", copy.deepcopy(snapshot, memo))
        return copied
    raise _uncopied(chunk)


def with_texts(chunk: Any, texts: Sequence[str], extractor: Callable[[Any], object] | None) -> Any:  # noqa: ANN401  of the type of the chunk
    """Return a copy of ``chunk`` whose strings, in the order of ``pieces_of``, are ``texts``.

    What repeats those words elsewhere in the chunk (token probabilities, the text beside a message) goes with them.
    ``chunk`` stays as it was. Raises ``InputTypeError`` where the copy would not read as asked: better no chunk than
    one with its old words.
    """
    if isinstance(chunk, str) and extractor is None:
        return texts[0]
    copied = chunk
    with suppress(Exception):  # an object of somebody else's may refuse in any way; what matters is read below
        copied = copy.deepcopy(chunk)
        calls = False
        wanted = list(texts)
        for place, (piece, text) in enumerate(zip(pieces_of(copied, extractor), texts, strict=True)):
            if piece.text != text:
                wanted[place] = "" if piece.tokens else text
                _set(piece.holder, piece.name, [] if piece.tokens else text)
                _silence(piece.holder)
                calls = calls or piece.arguments
        for part in (copied, *(one for name in ("chunk", "snapshot") if has(one := field(copied, name), "choices"))):
            _forget(part, calls=calls)
        if [piece.text for piece in pieces_of(copied, extractor)] == wanted:
            return copied
    raise _uncopied(chunk)


def _uncopied(chunk: object) -> InputTypeError:
    kind = f"{type(chunk).__module__}.{type(chunk).__qualname__}"
    return InputTypeError(f"{kind} cannot be copied with other words in it; stream strings, or chunks of a known shape")


def _set(holder: object, name: str | int, text: object) -> None:
    if isinstance(holder, MutableMapping | MutableSequence):
        holder[name] = text  # type: ignore[index]  # a name of a mapping, a place in a list
    else:
        setattr(holder, str(name), text)


def _silence(holder: object) -> None:
    """Drop what says a string once more beside it: its tokens with their probabilities, what was made of it."""
    for name in ("logprobs", "parsed", "parsed_arguments"):
        if (said := field(holder, name)) is not None:
            _set(holder, name, [] if isinstance(said, list) else None)


def _forget(chunk: object, *, calls: bool) -> None:
    """Drop what says the old words again, beside the strings that were changed; ``calls``: whether one is a call's."""
    parts = [chunk, *(field(chunk, "choices") or ()), *(field(chunk, "candidates") or ()), field(chunk, "message")]
    for part in parts:
        message = field(part, "message")
        for holder, name in _REPEATING:
            inside = part if holder is None else field(part, holder)
            if has(inside, name) and field(inside, name) is not None:
                _set(inside, name, None)  # what providers give where nobody asked for it
        if isinstance(field(part, "text"), str) and isinstance(content := field(message, "content"), str):
            _set(part, "text", content)
        for name in ("response_metadata", "generation_info"):
            about = field(part, name)
            if isinstance(about, MutableMapping):
                about.pop("logprobs", None)
        if calls and field(part, "tool_call_chunks"):
            _parse_again(part)


def _parse_again(message: object) -> None:
    """Let a LangChain chunk tell its calls by its changed pieces, and not as the provider told them."""
    for name in ("tool_calls", "invalid_tool_calls"):
        if has(message, name):
            _set(message, name, [])
    if isinstance(extra := field(message, "additional_kwargs"), MutableMapping):
        extra.pop("tool_calls", None)
    if callable(parse := getattr(message, "init_tool_calls", None)):
        parse()
