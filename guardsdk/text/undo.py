"""Applies edits to a text, and maps positions in the result back to the original."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


GLOSS: Final = "gloss-"
"""Prefix of the kind of a gloss; the language follows."""


class Undone(NamedTuple):
    """One passage of a text, and its replacement."""

    start: int
    end: int
    text: str
    kind: str
    """The kind of disguise, such as ``base64``."""
    aligned: bool = False
    """Whether character ``i`` of ``text`` stands for character ``i`` of the passage; both are then equally long."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The edits that turned one text into the next, as parallel lists in order of position."""

    _starts: list[int] = field(repr=False)
    """Where each replacement starts in the new text."""
    _sizes: list[int] = field(repr=False)
    """Its length there."""
    _edits: list[Undone] = field(repr=False)

    def back(self, start: int, end: int) -> tuple[int, int]:
        """Map the range ``start <= end`` of the new text to the range of the old text it came from.

        A position inside a replacement stands for the whole passage it replaced, unless the edit is aligned. Both
        ends of the result are monotonic in those of the argument, and a range with characters never becomes empty.
        """
        first, after = self._one(start)
        if end == start:
            return first, first
        last = self._one(end - 1)[1] if end - 1 > start else after
        return first, last

    def kinds(self, start: int, end: int) -> list[str]:
        """Return the kinds of the edits that the range of the new text touches, in order, each once."""
        first = max(bisect_right(self._starts, start) - 1, 0)
        found: dict[str, None] = {}
        for at in range(first, len(self._starts)):
            if self._starts[at] >= end:
                break
            if self._starts[at] + self._sizes[at] > start:
                found[self._edits[at].kind] = None
        return list(found)

    def changed(self) -> Iterator[tuple[int, int]]:
        """Yield the range of every replacement in the new text, in order."""
        for start, size in zip(self._starts, self._sizes, strict=True):
            yield start, start + size

    def _one(self, position: int) -> tuple[int, int]:
        """Return the range of the old text that one character of the new text came from."""
        at = bisect_right(self._starts, position) - 1
        if at < 0:
            return position, position + 1
        edit, inside = self._edits[at], position - self._starts[at]
        if inside >= self._sizes[at]:
            kept = edit.end + inside - self._sizes[at]
            return kept, kept + 1
        if edit.aligned:
            return edit.start + inside, edit.start + inside + 1
        return edit.start, edit.end


def undo(text: str, edits: Iterable[Undone]) -> tuple[str, Layer]:
    """Apply ``edits``, which must be in order and must not overlap; return the new text and the way back."""
    parts: list[str] = []
    starts: list[int] = []
    sizes: list[int] = []
    kept: list[Undone] = []
    done = length = 0
    for edit in edits:
        parts += (text[done : edit.start], edit.text)
        length += edit.start - done
        starts.append(length)
        sizes.append(len(edit.text))
        kept.append(edit)
        length += len(edit.text)
        done = edit.end
    parts.append(text[done:])
    return "".join(parts), Layer(starts, sizes, kept)
