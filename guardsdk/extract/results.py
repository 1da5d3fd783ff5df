"""The words in what a provider's own tools gave, and in what was looked for with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from guardsdk.extract.shapes import field, fields_of, holds_fields, is_list
from guardsdk.extract.words import leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

GIVEN: Final = ("content", "output")
"""Where the result of a tool that the provider ran is: Anthropic's, and LangChain's for all of them."""
SEARCHED: Final = ("action", "queries", "results")
"""Where a search of the Responses API has what it was for, and what it found."""
_NO_WORDS: Final = ("sources", "type")
"""Of the action of a search: the addresses of its pages."""


_ECHOED: Final = frozenset(
    {
        *("background", "conversation", "input", "instructions", "max_output_tokens", "max_tool_calls", "model"),
        *("parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key", "prompt_cache_options"),
        *("prompt_cache_retention", "safety_identifier", "service_tier", "store", "tool_choice", "truncation", "user"),
    }
)
"""What a response of the Responses API says once more of what it was asked with: no words of the model's."""
_ABOUT: Final = (
    *("include", "metadata", "reasoning", "text", "tools"),
    *("billing", "content_filters", "incomplete_details", "moderation", "tool_usage", "usage"),
)
"""More of that, and what is said of a response in figures and codes: none is ever a string, and a string no echo."""


def echoed(response: object) -> list[str]:
    """Return the fields of a whole response that have no words of the model's."""
    fields = fields_of(response)
    return [*_ECHOED, *(name for name in _ABOUT if not isinstance(fields.get(name), str))]


def given(part: object) -> Iterator[str]:
    """Yield the words in the result of a tool, without what only the provider can read."""
    for content in (field(part, name) for name in GIVEN):
        for item in content if is_list(content) else (content,):
            whole = not holds_fields(item)
            yield from leaves(
                item if whole else {key: one for key, one in fields_of(item).items() if not _is_sealed(key)}
            )


def searched(part: object) -> Iterator[str]:
    """Yield the words of a search, the model's and those of the documents that were found."""
    action, *others = (field(part, name) for name in SEARCHED)
    if holds_fields(action):
        yield from leaves({key: one for key, one in fields_of(action).items() if key not in _NO_WORDS})
    else:
        yield from leaves(action)
    yield from leaves(others)


def _is_sealed(name: object) -> bool:
    return isinstance(name, str) and name.startswith("encrypted_")
