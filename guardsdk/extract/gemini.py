"""Contents, parts and responses of Google's Gen AI package, as objects or as the mappings that are sent.

    https://googleapis.github.io/python-genai/
    https://ai.google.dev/api/generate-content

The kind of a part is not stated: it is given by which of many fields the part has. Mappings may use the field names of
Python or of JSON.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from guardsdk.extract.data import refuse_files
from guardsdk.extract.pieces import BESIDE, WORDS, Channel, Inside, Piece, aside, words_alone
from guardsdk.extract.shapes import UnreadableError, field, has, holds_fields, index_of, is_list
from guardsdk.extract.words import beside, is_code, leaves
from guardsdk.parts.given import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CALLS: Final = ("function_call", "tool_call")
_GIVEN: Final = ("function_response", "tool_response")
_FILES: Final = ("inline_data", "file_data")
_RUN: Final = {"executable_code": "code", "code_execution_result": "output", "audio_transcription": "text"}
_READ: Final = ("text", *_CALLS, *_GIVEN, *_FILES, *_RUN)
_HOLDERS: Final = (*_CALLS, *_GIVEN, *_FILES, *_RUN)
"""Fields that hold an object; with a string there, the value is not one of Google's."""
_FIELDS: Final = frozenset(
    {
        *_READ,
        "audio_metadata",
        "document_metadata",
        "media_processing",
        "media_resolution",
        "part_metadata",
        "speech_metadata",
        "spreadsheet_metadata",
        "thought",
        "thought_signature",
        "video_metadata",
    }
)
_PART: Final = ("text", "function_call", "inline_data")
"""Attributes that identify a part; objects of other libraries do not have all of these."""
_HELD: Final = ("args", "partial_args", "response", "parts", "data", "mime_type")
"""Fields of a call, a result or a file that are read by name, or never contain text."""
_FILE: Final = ("uri", "mime_type", "download_uri")
"""Attributes that identify an uploaded file."""
_SEARCH: Final = "grounding_metadata"
_ABOUT: Final = ("candidates", "prompt_feedback", "usage_metadata", "model_version", "response_id")
"""Attributes of a response, some of which an empty one may lack."""
_RECORDS: Final = ("automatic_function_calling_history", "sdk_http_response")
"""What was exchanged before the answer, and transport details."""
_REPEATED: Final = ("grounding_supports", "search_entry_point", "logprobs_result", "safety_ratings")
"""Fields that repeat the answer or are not part of it: the rendered search page, safety ratings."""
_MEDIA: Final = ("image", "audio", "video")
_CODED: Final = ("language", "outcome", "scheduling", "tool_type")
"""Fields with one of Google's code words, as long as they look like one."""


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])[A-Z]", lambda found: f"_{found[0].lower()}", name)


def _own(value: object, name: str) -> Any:  # noqa: ANN401  a field of another library's object
    """Return a field by its Python name; for a mapping, also by its JSON name."""
    found = field(value, name)
    return value.get(_camel(name)) if found is None and isinstance(value, Mapping) else found


def _both(*names: str) -> tuple[str, ...]:
    return (*names, *map(_camel, names))


def is_part(value: object) -> bool:
    """Whether ``value`` is a part: an object with a part's fields, or a mapping that has no others."""
    if not isinstance(value, Mapping):
        return all(hasattr(value, name) for name in _PART)
    names = {_snake(name) if isinstance(name, str) else "" for name in value}
    plain = isinstance(value.get("text", ""), str) and isinstance(value.get("thought", False), bool)
    if not plain or not names <= _FIELDS or names.isdisjoint(_READ):
        return False
    return all(holds_fields(held) for name in _HOLDERS if (held := _own(value, name)) is not None)


def is_content(value: object) -> bool:
    """Whether ``value`` is a content: a list of parts, and optionally a role."""
    parts, role = field(value, "parts"), field(value, "role")
    if has(value, "content") or not has(value, "parts") or not (role is None or isinstance(role, str)):
        return False
    return all(map(is_part, parts)) and (bool(parts) or role is not None) if is_list(parts) else parts is None


def message_of(value: object) -> object:
    """Return a content, a part or an uploaded file as a message; any other ``value`` unchanged.

    The parts of a content keep their indices. Raises ``InputTypeError`` for a tool result that can be read only once.
    """
    if is_content(value):
        return {
            "role": field(value, "role") or "user",
            "content": [_part_of(part) for part in field(value, "parts") or ()],
        }
    if field(value, "role") is None and is_part(value):
        return {"role": "user", "content": [_part_of(value)]}
    if not isinstance(value, Mapping) and all(hasattr(value, name) for name in _FILE):
        return {"role": "user", "content": [{"type": "file"}]}
    return value


def _part_of(part: object) -> dict[str, object]:
    """Return a part as the part of a message."""
    holders = {name: holder for name in _HOLDERS if (holder := _own(part, name)) is not None}
    called = [_arguments(holder) for name, holder in holders.items() if name in _CALLS]
    run = [field(holder, _RUN[name]) for name, holder in holders.items() if name in _RUN]
    around = [beside(holder, *_both(*_HELD, *_RUN.values())) for holder in holders.values()]
    # Of what should be a string and is data, the strings inside are read, as of a call's arguments.
    said = [*leaves(field(part, "text")), *called, *leaves(run), *around, beside(part, *_both(*_READ, *_REPEATED))]
    text = "\n".join(one for one in said if one)
    if files := [holder for name, holder in holders.items() if name in _FILES]:
        return _file(files[0], text)
    if given := [holder for name, holder in holders.items() if name in _GIVEN]:
        shown = {"type": "text", "text": "\n".join([*leaves(_own(given[0], "response")), *([text] if text else ())])}
        return {"type": "tool_result", "content": [shown, *({"type": "file"} for _ in _own(given[0], "parts") or ())]}
    return {"type": "text", "text": text}


def _file(data: object, beside_it: str) -> dict[str, object]:
    """Return a file as the part of a message: its text if it has one, else the kind of file."""
    about = {"context": beside_it} if beside_it else {}
    mime = str(_own(data, "mime_type") or "")
    if mime.startswith("text/") and (text := _text(field(data, "data"))) is not None:
        return {"type": "document", "source": {"type": "text", "data": text}, **about}
    kind = mime.partition("/")[0]
    return {"type": kind if kind in _MEDIA else "file", **about}


def _text(data: object) -> str | None:
    try:
        return (base64.b64decode(data, validate=True) if isinstance(data, str) else bytes(data)).decode()  # type: ignore[call-overload]  # whatever it is
    except (TypeError, ValueError, binascii.Error):
        return None


def told(value: object) -> Sequence[Piece | Inside] | None:
    """Return the text of a response or a chunk of one, or of a content or part, in order; ``None`` for anything else.

    Raises ``InputTypeError`` if there is an image, audio or a file among the parts.
    """
    if _is_response(value):
        return [*_answers(value), *_aside((), value, "candidates", *_RECORDS)]
    if is_content(value):
        return [*_said(field(value, "parts") or (), ()), *_aside((), value, "parts")]
    return list(_said([value], ())) if is_part(value) else None


def _is_response(value: object) -> bool:
    candidates = field(value, "candidates")
    if is_list(candidates) and candidates:
        return all(map(_is_candidate, candidates))
    # The last chunk of a stream has only figures, and one that was refused at once only its reason.
    return not candidates and sum(any(has(value, one) for one in _both(name)) for name in _ABOUT) > 1


def _is_candidate(value: object) -> bool:
    content = field(value, "content")
    return is_content(content) if content is not None else any(has(value, name) for name in _both("finish_reason"))


def _answers(value: object) -> Iterator[Piece]:
    for position, candidate in enumerate(field(value, "candidates") or ()):
        channel: Channel = (index_of(candidate, position),)
        yield from _said(field(field(candidate, "content"), "parts") or (), channel)
        yield from _aside(channel, candidate, "content", _SEARCH)
        yield from _aside(channel, field(candidate, "content") or {}, "parts")
        if (found := _own(candidate, _SEARCH)) is not None:
            yield from _around((*channel, "search"), found)


def _said(parts: Sequence[object], channel: Channel) -> Iterator[Piece]:
    for position, part in enumerate(parts):
        for name in _FILES:
            if _own(part, name) is not None:
                what = f"a part with {name} cannot be screened"
                raise UnreadableError(what, "give extract_response= to say what to screen instead")
        if isinstance(text := field(part, "text"), str):
            yield Piece(
                (*channel, "thinking" if field(part, "thought") else "content"),
                text_of(text, "a response"),
                part,
                "text",
            )
        yield from _done(part, position, channel)
        read = _READ if text is None or isinstance(text, str) else _HOLDERS
        yield from _aside((*channel, position), part, *read)


def _done(part: object, position: int, channel: Channel) -> Iterator[Piece]:
    """Yield the tool calls in ``part``, and tool results."""
    for name in _CALLS:
        if (call := _own(part, name)) is not None:
            where = (*channel, "call", position)
            if words := "\n".join(texts := leaves(_own(call, "args"))):
                # A complete call is not continued by another one, even with the same name.
                yield Piece(where, words, None, "", call=True, place=object(), between="\n")
                if alone := words_alone(texts):
                    yield Piece((*where, WORDS), alone, None, "", place=object(), between="\n")
            yield from _stretches(_own(call, "partial_args"), where)
            yield from _around((*where, "about"), call, "args", "partial_args")
    for name in _GIVEN:
        if (given := _own(part, name)) is not None:
            yield from _result(given, (*channel, "result", position))
    for name, inside in _RUN.items():
        if (run := _own(part, name)) is None:
            continue
        where = (*channel, "call" if inside == "code" else "result", position)
        if isinstance(text := field(run, inside), str):
            yield Piece(where, text_of(text, "a response"), run, inside, call=inside == "code")
        yield from _around((*where, "about"), run, *((inside,) if isinstance(text, str) else ()))


def _result(given: object, where: Channel) -> Iterator[Piece]:
    """Yield a tool result, without the files in it."""
    refuse_files(texts := leaves(_own(given, "response")))
    yield Piece(where, "\n".join(texts), None, "")
    yield from _around((*where, "about"), given, "response", "parts")
    for one in _listed(_own(given, "parts")):
        yield from _around((*where, "parts"), one, *_FILES)
        for file in (_own(one, name) for name in _FILES):
            yield from _around((*where, "parts"), file, *_HELD)


def _stretches(parts: object, where: Channel) -> Iterator[Piece]:
    """Yield the pieces in which a call's strings arrive, each appended to what there is of the same string."""
    for part in _listed(parts):
        name = "stringValue" if has(part, "stringValue") else "string_value"
        if isinstance(text := field(part, name), str):
            place = _own(part, "json_path")
            yield Piece(where, text_of(text, "a response"), part, name, call=True, place=place, between="\n")
        yield from _around((*where, "about"), part, *((name,) if isinstance(text, str) else ()))


def _listed(value: object) -> Sequence[object]:
    """Return a value that should be a list as a list; empty for ``None``."""
    if value is None:
        return ()
    return value if is_list(value) else (value,)


def _arguments(call: object) -> str:
    return "\n".join(leaves([_own(call, "args"), _own(call, "partial_args")]))


def _around(channel: Channel, holder: object, *read: str) -> Iterator[Piece]:
    """Yield the text of a call, a result or code outside the fields ``read``; all of it if it has no fields."""
    if not holds_fields(holder):
        if text := "\n".join(leaves(holder)):
            yield Piece((*channel, BESIDE), text, None, "")
        return
    coded = [name for name in _CODED if isinstance(said := _own(holder, name), str) and is_code(said)]
    yield from _aside(channel, holder, *read, *coded)


def _aside(channel: Channel, value: object, *read: str) -> Iterator[Piece]:
    repeated = _both(*_REPEATED)
    if isinstance(value, Mapping):
        repeated = tuple(name for name in repeated if not isinstance(value.get(name), str))
    return aside(channel, value, *_both(*read), *repeated)
