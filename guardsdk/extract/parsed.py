"""What libraries make of JSON in an answer and keep beside it, made anew where the JSON was changed.

JSON spells values in its own way: one that was found there may not be found in what was made of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from guardsdk.extract.shapes import field, is_list

_SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "parsed": ("content", "text", "candidates"),
    "parsed_arguments": ("arguments",),
    "parsed_output": ("text",),
}
"""What the packages of OpenAI, Google and Anthropic make, and of what beside it."""
_EXTRA: Final = "additional_kwargs"
"""Where LangChain puts what OpenAI's made of the content."""


def parsed_again(fields: Mapping[Any, Any], changed: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return what was parsed from the ``changed`` ones of the ``fields``, parsed anew; none where that fails."""
    found: dict[Any, Any] = {}
    for name, sources in _SOURCES.items():
        if fields.get(name) is not None and (written := _written(fields, changed, sources)) is not None:
            found[name] = _made(written, fields[name])
    extra = changed.get(_EXTRA, fields.get(_EXTRA))
    if isinstance(extra, Mapping) and extra.get("parsed") is not None:
        written = _written(fields, changed, ("content",))
        if written is not None:
            found[_EXTRA] = {**extra, "parsed": _made(written, fields[_EXTRA]["parsed"])}
    return found


def _written(fields: Mapping[Any, Any], changed: Mapping[Any, Any], sources: tuple[str, ...]) -> str | None:
    """Return the first of the ``sources`` that has words, where they are others than before; else none."""
    for name in sources:
        if (before := _words(fields.get(name))) is not None:
            after = _words(changed.get(name, fields[name]))
            return None if after == before else after
    return None


def _words(source: object) -> str | None:
    """Return the words of a text, of a list of parts, or of Google's first candidate; none where there are none."""
    if isinstance(source, str):
        return source
    if not is_list(source) or not source:
        return None
    if (content := field(source[0], "content")) is not None and is_list(parts := field(content, "parts")):
        source = parts
    said = [one if isinstance(one, str) else field(one, "text") for one in source if field(one, "thought") is not True]
    return "".join(text for text in said if isinstance(text, str))


def _made(written: str, like: object) -> object:
    """Return what ``written`` says as an object ``like`` the one before; none where it cannot be one."""
    with suppress(Exception):  # a value that was cut out may not be one that the model takes
        if isinstance(like, list):
            return [_model(json.dumps(data), like[0]) for data in json.loads(written)]
        return _model(written, like)
    return None


def _model(written: str, like: object) -> Any:  # noqa: ANN401  of the type of the model
    return getattr(type(like), "model_validate_json", json.loads)(written)
