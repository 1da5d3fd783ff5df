"""The words in what a provider's own tools gave, and in what was looked for with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from guardsdk.extract.shapes import field, fields_of, is_list
from guardsdk.extract.words import leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

GIVEN: Final = ("content", "output")
"""Where the result of a tool that the provider ran is: Anthropic's, and LangChain's for all of them."""
SEARCHED: Final = ("action", "queries", "results")
"""Where a search of the Responses API has what it was for, and what it found."""
_NO_WORDS: Final = ("sources", "type")
"""Of the action of a search: the addresses of its pages."""


def given(part: object) -> Iterator[str]:
    """Yield the words in the result of a tool, without what only the provider can read."""
    for content in (field(part, name) for name in GIVEN):
        for item in content if is_list(content) else (content,):
            held = item if isinstance(item, str) else fields_of(item)
            yield from leaves(
                held if isinstance(held, str) else {key: one for key, one in held.items() if not _is_sealed(key)}
            )


def searched(part: object) -> Iterator[str]:
    """Yield the words of a search, the model's and those of the documents that were found."""
    action, *others = (field(part, name) for name in SEARCHED)
    if action is not None:
        yield from leaves({key: one for key, one in fields_of(action).items() if key not in _NO_WORDS})
    yield from leaves(others)


def _is_sealed(name: object) -> bool:
    return isinstance(name, str) and name.startswith("encrypted_")
