"""Values that libraries parse from JSON in an answer and keep next to it; parsed again if the JSON was changed.

JSON has its own spelling of values, so a value found there may not be found in the parsed result.
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
"""What the packages of OpenAI, Google and Anthropic parse, and the field it is parsed from."""
_EXTRA: Final = "additional_kwargs"
"""Where LangChain puts what OpenAI's package parsed from the content."""


def parsed_again(fields: Mapping[Any, Any], changed: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return what was parsed from the ``changed`` ones of ``fields``, parsed again; ``None`` if that fails."""
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
    """Return the first of ``sources`` that has text, if it has changed; else ``None``."""
    for name in sources:
        if (before := _words(fields.get(name))) is not None:
            after = _words(changed.get(name, fields[name]))
            return None if after == before else after
    return None


def _words(source: object) -> str | None:
    """Return the text of a string, of a list of parts, or of Google's first candidate; ``None`` if there is none."""
    if isinstance(source, str):
        return source
    if not is_list(source) or not source:
        return None
    if (content := field(source[0], "content")) is not None and is_list(parts := field(content, "parts")):
        source = parts
    said = [one if isinstance(one, str) else field(one, "text") for one in source if field(one, "thought") is not True]
    return "".join(text for text in said if isinstance(text, str))


def _made(written: str, like: object) -> object:
    """Return ``written`` as an object of the type of ``like``; ``None`` if that fails."""
    with suppress(Exception):  # the model may not accept a redacted value
        if isinstance(like, list):
            return [_model(json.dumps(data), like[0]) for data in json.loads(written)]
        return _model(written, like)
    return None


def _model(written: str, like: object) -> Any:  # noqa: ANN401  of the model's type
    return getattr(type(like), "model_validate_json", json.loads)(written)
