"""Chunks of a streamed response: their strings, and copies with other strings in their place."""

from __future__ import annotations

import copy
from collections.abc import MutableMapping, MutableSequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from guardsdk.errors import InputTypeError
from guardsdk.extract.pieces import WORDS
from guardsdk.extract.responses import ResponseText
from guardsdk.extract.rewrite import rewrite
from guardsdk.extract.shapes import field, fields_of, has, is_list
from guardsdk.extract.words import is_code
from guardsdk.text.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from guardsdk.extract.pieces import Channel, Piece
    from guardsdk.extract.rewrite import Find
    from guardsdk.text.redact import Edit

_REPEATING = (
    (None, "logprobs"),
    (None, "logprobs_result"),
    (None, "logprobsResult"),
    ("grounding_metadata", "grounding_supports"),
    ("groundingMetadata", "groundingSupports"),
)
"""Fields that repeat the text of a chunk, a choice or a candidate, with the holder they belong to."""
_ABOUT: Final = ("response_metadata", "generation_info", "additional_kwargs")
"""Fields in which LangChain keeps more of it."""
_SOURCES: Final = ("content", "text", "snapshot")
"""Fields that something next to them is parsed from. If they change, the parsed value is dropped."""
_TOKENS: Final = ("content", "refusal", "tokens", "chosen_candidates", "chosenCandidates")
"""Fields in which providers list the tokens of a text."""


def read(chunk: object, extractor: Callable[[Any], object] | None, *, data: bool = False) -> ResponseText:
    """Return every string in ``chunk``, in order. Raises ``InputTypeError`` if it cannot be read as text.

    ``data``: whether the host's own data structures are read too, for values that are not continued by a next chunk.
    """
    response = ResponseText(extractor, data=data)
    response.add(chunk)
    return response


def pieces_of(chunk: object, extractor: Callable[[Any], object] | None) -> list[Piece]:
    """Return the pieces of the result of ``read``; raises as it does."""
    return read(chunk, extractor).pieces


def still(chunk: Any) -> Any:  # noqa: ANN401  of the type of the chunk
    """Return a snapshot of ``chunk`` that its source will not modify.

    A ``chunk`` event of OpenAI's package contains the completion so far, one object shared by all events, to which the
    package adds text that has not been screened yet. The event is then copied with a completion of its own. Raises
    ``InputTypeError`` if it cannot be copied.
    """
    snapshot = field(chunk, "snapshot") if field(chunk, "type") == "chunk" else None
    if snapshot is None:
        return chunk
    with suppress(Exception):  # an object of another library may raise anything
        memo: dict[int, Any] = {}
        for choice in field(snapshot, "choices") or ():
            for name in ("content", "refusal"):  # the lists grow, the tokens in them do not change
                if isinstance(tokens := field(field(choice, "logprobs"), name), list):
                    memo[id(tokens)] = list(tokens)
        copied = copy.copy(chunk)
        _set(copied, "snapshot", copy.deepcopy(snapshot, memo))
        return copied
    raise _uncopied(chunk)


def with_texts(
    chunk: Any,  # noqa: ANN401  of the type of the chunk
    texts: Sequence[str],
    extractor: Callable[[Any], object] | None,
    find: Find,
    *,
    repeats: bool,
    data: bool,
) -> Any:  # noqa: ANN401  of the type of the chunk
    """Return a copy of ``chunk`` whose strings, in the order of ``pieces_of``, are ``texts``.

    Strings assembled from several, and those that are not read, are edited as ``find`` says. Whatever repeats the old
    text elsewhere in the chunk (token probabilities, the text next to a message) is dropped. ``chunk`` itself is not
    changed. Raises ``InputTypeError`` if the copy would not have the requested text, as no chunk is better than one
    with its old text. ``repeats`` is as in ``without``, ``data`` as in ``read``.
    """
    if isinstance(chunk, str) and extractor is None:
        return texts[0]
    with suppress(Exception):  # an object of another library may raise anything; the result is verified below
        said = list(zip(read(chunk, extractor, data=data).pieces, texts, strict=True))
        copied = copy.deepcopy(rewrite(chunk, _beside(said, find)))
        calls = False
        wanted = []
        own = [(piece, text) for piece, text in said if piece.holder is not None]
        pieces = [piece for piece in read(copied, extractor, data=data).pieces if piece.holder is not None]
        for piece, (before, text) in zip(pieces, own, strict=True):
            wanted.append(text)
            if before.text != text or piece.text != text:
                wanted[-1] = "" if piece.tokens else text
                _set(piece.holder, piece.name, [] if piece.tokens else text)
                _silence(piece.holder)
                calls = calls or piece.arguments
        for part in (copied, *(one for name in ("chunk", "snapshot") if has(one := field(copied, name), "choices"))):
            _forget(part, calls=calls)
        for holder, name in list(_repeated(copied, wanted)) if repeats else ():
            _set(holder, name, None)
        if _reads_as(read(copied, extractor, data=data).pieces, wanted, _lines(said, find)):
            return copied
    raise _uncopied(chunk)


def without(chunk: Any, texts: Sequence[str], find: Find, *, repeats: bool) -> Any:  # noqa: ANN401  of the type of the chunk
    """Return ``chunk`` with the edits of ``find`` in every string except its ``texts``; the same object if none.

    ``repeats``: whether it may repeat what has been removed from earlier chunks. If so, values parsed from them and
    tokens that are not in its own ``texts`` are dropped.
    """
    kept = set(texts)
    with suppress(Exception):  # an object of another library may raise anything
        changed = rewrite(chunk, lambda string: [] if string in kept else find(string))
        if repeats and any(_repeated(changed, texts)):
            changed = copy.deepcopy(changed)
            for holder, name in list(_repeated(changed, texts)):
                _set(holder, name, None)
        return changed
    raise _uncopied(chunk)


def _beside(said: Sequence[tuple[Piece, str]], find: Find) -> Find:
    """Return the edits for strings that are not set individually; unchanged ones stay."""
    kept = {piece.text for piece, text in said if piece.text == text and not (piece.loose and is_code(text))}
    told: dict[str, str] = {}
    for piece, text in said:
        if piece.holder is None and piece.text != text:
            told[piece.text] = text
            lines, written = piece.text.split("\n"), text.split("\n")
            if len(lines) == len(written):  # a value split over chunks is not found in any of them
                told |= {line: other for line, other in zip(lines, written, strict=True) if line != other}

    def changes(string: str) -> list[Edit]:
        if string in told:
            return [(0, len(string), told[string])]
        return [] if string in kept else find(string)

    return changes


def _lines(said: Sequence[tuple[Piece, str]], find: Find) -> dict[Channel, set[str]]:
    """Return, by channel, the lines that may be read from what is assembled from several strings."""
    lines: dict[Channel, set[str]] = {}
    for piece, text in said:
        if piece.holder is None:
            lines.setdefault(piece.channel, {""}).update(text.split("\n"), redact(text, find(text)).split("\n"))
    return lines


def _reads_as(pieces: Sequence[Piece], wanted: Sequence[str], lines: Mapping[Channel, set[str]]) -> bool:
    """Whether ``pieces`` are the strings ``wanted``, and assembled ones have no other ``lines``."""
    others = [piece for piece in pieces if piece.holder is None and piece.channel[-1:] != (WORDS,)]  # read twice
    return [piece.text for piece in pieces if piece.holder is not None] == wanted and all(
        lines.get(piece.channel, set()).issuperset(piece.text.split("\n")) for piece in others
    )


def _uncopied(chunk: object) -> InputTypeError:
    kind = f"{type(chunk).__module__}.{type(chunk).__qualname__}"
    return InputTypeError(f"{kind} cannot be copied with other words in it; stream strings, or chunks of a known shape")


def _set(holder: object, name: str | int, text: object) -> None:
    if isinstance(holder, MutableMapping | MutableSequence):
        holder[name] = text  # type: ignore[index]  # a key of a mapping, or an index of a list
    else:
        setattr(holder, str(name), text)


def _silence(holder: object) -> None:
    """Drop what repeats a string next to it: its tokens with their probabilities, and values parsed from it."""
    for name in ("logprobs", "parsed", "parsed_arguments", "parsed_output"):
        if (said := field(holder, name)) is not None:
            _set(holder, name, [] if isinstance(said, list) else None)


def _parts(chunk: object) -> list[object]:
    return [chunk, *(field(chunk, "choices") or ()), *(field(chunk, "candidates") or ()), field(chunk, "message")]


def _repeated(chunk: object, texts: Sequence[str]) -> Iterator[tuple[object, str]]:
    """Yield, as holder and name, parsed values without a source, and tokens that are in none of the ``texts``."""
    parts = [one for part in _parts(chunk) for one in (part, field(part, "message")) if one is not None]
    for part in (*parts, *(field(part, name) for part in parts for name in _ABOUT)):
        fields = fields_of(part)  # without properties, as Google's assemble a text
        if fields.get("parsed") is not None and not any(isinstance(fields.get(one), str) for one in _SOURCES):
            yield part, "parsed"
        for holder, name in _REPEATING:
            if holder is None and (said := field(part, name)):
                tokens = _told(said)
                if not tokens or not any(tokens in text for text in texts):
                    yield part, name


def _told(tokens: object) -> str:
    """Return the text of a list of tokens, which may be nested."""
    lists = [tokens] if is_list(tokens) else [field(tokens, name) for name in _TOKENS]
    said = [one if isinstance(one, str) else field(one, "token") for tokens in lists for one in tokens or ()]
    return "".join(map(str, said))


def _forget(chunk: object, *, calls: bool) -> None:
    """Drop what repeats the old text of changed strings; ``calls``: whether one of them belongs to a tool call."""
    for part in _parts(chunk):
        message = field(part, "message")
        for holder, name in _REPEATING:
            inside = part if holder is None else field(part, holder)
            if has(inside, name) and field(inside, name) is not None:
                _set(inside, name, None)  # as providers do if it was not requested
        if isinstance(content := field(message, "content"), str) and has(part, "generation_info"):
            _set(part, "text", content)  # of a LangChain generation
        for name in ("response_metadata", "generation_info"):
            about = field(part, name)
            if isinstance(about, MutableMapping):
                about.pop("logprobs", None)
        if calls and field(part, "tool_call_chunks"):
            _parse_again(part)


def _parse_again(message: object) -> None:
    """Make a LangChain chunk derive its tool calls from the changed pieces, not from the provider's."""
    for name in ("tool_calls", "invalid_tool_calls"):
        if has(message, name):
            _set(message, name, [])
    if isinstance(extra := field(message, "additional_kwargs"), MutableMapping):
        extra.pop("tool_calls", None)
    if callable(parse := getattr(message, "init_tool_calls", None)):
        parse()
