"""The text in results of a provider's own tools, and in searches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from guardsdk.extract.shapes import field, fields_of, holds_fields, is_list
from guardsdk.extract.words import leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

GIVEN: Final = ("content", "output")
"""Where the result of a provider-run tool is: Anthropic's, and LangChain's for all providers."""
SEARCHED: Final = ("action", "queries", "results")
"""Where a search of the Responses API has its query and its results."""
_NO_WORDS: Final = ("sources", "type")
"""In the action of a search: the addresses of its pages."""


_ECHOED: Final = frozenset(
    {
        *("background", "conversation", "input", "instructions", "max_output_tokens", "max_tool_calls", "model"),
        *("parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key", "prompt_cache_options"),
        *("prompt_cache_retention", "safety_identifier", "service_tier", "store", "tool_choice", "truncation", "user"),
    }
)
"""Fields in which a Responses API response repeats the request; not text of the model."""
_ABOUT: Final = (
    *("include", "metadata", "reasoning", "text", "tools"),
    *("billing", "content_filters", "incomplete_details", "moderation", "tool_usage", "usage"),
)
"""More of these, and metadata that is never a string: if one is a string, it is not an echo."""


def echoed(response: object) -> list[str]:
    """Return the fields of a whole response without text of the model."""
    fields = fields_of(response)
    return [*_ECHOED, *(name for name in _ABOUT if not isinstance(fields.get(name), str))]


def given(part: object) -> Iterator[str]:
    """Yield the text of a tool result, without what only the provider can read."""
    for content in (field(part, name) for name in GIVEN):
        for item in content if is_list(content) else (content,):
            whole = not holds_fields(item)
            yield from leaves(
                item if whole else {key: one for key, one in fields_of(item).items() if not _is_sealed(key)}
            )


def searched(part: object) -> Iterator[str]:
    """Yield the text of a search: the model's query and the documents found."""
    action, *others = (field(part, name) for name in SEARCHED)
    if holds_fields(action):
        yield from leaves({key: one for key, one in fields_of(action).items() if key not in _NO_WORDS})
    else:
        yield from leaves(action)
    yield from leaves(others)


def _is_sealed(name: object) -> bool:
    return isinstance(name, str) and name.startswith("encrypted_")
