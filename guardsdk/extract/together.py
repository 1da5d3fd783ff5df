"""Reads several texts together, as one, to find an instruction that is split over them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from guardsdk.verdict import Stage, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from guardsdk.extract.prompts import Passage
    from guardsdk.verdict import Verdict

Range = tuple[int, int, int]
"""Index of a text, and start and end in it."""

_MOST = 2_000
"""The most characters of turns read together: two or three windows, however long the conversation."""
_EACH = 500
"""The share of each text in characters. Of a longer text, its first and last halves of a share are taken, where it may
continue from the text before or into the next."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of one of the texts, and its position in the joint text."""

    source: int
    """Index of the source text."""
    start: int
    """Offset in the source text."""
    at: int
    """Offset in the joint text."""
    length: int


@dataclass(frozen=True, slots=True)
class Together:
    """Several texts joined into one."""

    text: str = field(repr=False)
    stretches: tuple[Stretch, ...]
    whole: bool = False
    """Whether they are parts of one text that was split by position."""

    def sources_of(self, start: int, end: int) -> list[Range]:
        """Return the part of each source text that lies in characters ``start`` to ``end`` of the joint text."""
        found = []
        for stretch in self.stretches:
            first, last = max(start, stretch.at), min(end, stretch.at + stretch.length)
            if first < last:
                shift = stretch.start - stretch.at
                found.append((stretch.source, first + shift, last + shift))
        return found

    def adds(self, verdict: Verdict, alone: Iterable[Verdict]) -> bool:
        """Whether ``verdict`` on the joint text says more than those on the single texts; see ``says_more``.

        For parts of one text, also if it asks for a stronger action than ``alone``, wherever the finding is, as the
        surroundings of a passage can make the difference.
        """
        if self.whole and _strongest([verdict]) > _strongest(alone):
            return True
        return says_more(verdict, lambda start, end: len({index for index, _, _ in self.sources_of(start, end)}) > 1)


def says_more(verdict: Verdict, crosses: Callable[[int, int], bool]) -> bool:
    """Whether ``verdict`` on a joint text says more than those on its single texts.

    It does if the deciding finding spans two of them (``crosses`` tests a range), or if not everything was checked. A
    finding inside one text was judged there already, and was below the threshold.
    """
    strongest = _strongest([verdict])
    return verdict.status is not Status.COMPLETE or any(
        crosses(start, end)
        for finding in verdict.findings
        if finding.action.strength == strongest
        for start, end in finding.spans
    )


def _strongest(verdicts: Iterable[Verdict]) -> int:
    return max((finding.action.strength for verdict in verdicts for finding in verdict.findings), default=0)


def turns_together(passages: Sequence[Passage]) -> Together | None:
    """Return the last user turns of ``passages`` as one text of limited length; ``None`` if there are fewer than two.

    Newer turns have priority, and come last.
    """
    room = _MOST
    ranges: list[Range] = []
    turns = 0
    for index in range(len(passages) - 1, -1, -1):
        passage = passages[index]
        if passage.stage is not Stage.INPUT or not passage.text or passage.text.isspace():
            continue
        share = min(_EACH, room)
        turns += 1
        ranges = [*_ends(index, passage.text, share), *ranges]
        room -= min(len(passage.text), share) + 2  # the line breaks
        if room < _EACH:
            break
    if turns <= 1:  # a single turn is read by itself
        return None
    return _put([passage.text for passage in passages], ranges, "\n")


def items_together(items: Sequence[str]) -> Together | None:
    """Return the items of a list as one text, each up to its share; ``None`` for a single one.

    If any two of them meet at white space, they are joined as parts of one text; otherwise as separate lines.
    """
    if len(items) <= 1:  # a single item is read by itself
        return None
    ranges = [one for index, item in enumerate(items) for one in _ends(index, item, _EACH)]
    flowing = any(one[-1:].isspace() or other[:1].isspace() for one, other in pairwise(items))
    return _put(items, ranges, "" if flowing else "\n")


def wholes_together(passages: Sequence[Passage]) -> list[tuple[Together, list[int]]]:
    """Return each whole that spans several of ``passages`` as one text, with the indices of its passages."""
    parts: dict[int, list[int]] = {}
    for index, passage in enumerate(passages):
        if passage.whole is not None and passage.text and not passage.text.isspace():
            parts.setdefault(id(passage.whole), []).append(index)
    found = [(items_together([passages[index].text for index in of]), of) for of in parts.values()]
    return [(replace(together, whole=True), of) for together, of in found if together is not None]


def _ends(index: int, text: str, share: int) -> list[Range]:
    """Return all of ``text`` if it is no longer than its share, else its two ends."""
    if len(text) <= share:
        return [(index, 0, len(text))]
    head = share // 2
    return [(index, 0, head), (index, len(text) - (share - head), len(text))]


def _put(texts: Sequence[str], ranges: Sequence[Range], between: str) -> Together:
    """Return the ``ranges`` of ``texts`` joined with ``between``."""
    stretches: list[Stretch] = []
    at = 0
    for index, start, end in ranges:
        stretches.append(Stretch(index, start, at, end - start))
        at += end - start + len(between)
    return Together(between.join(texts[index][start:end] for index, start, end in ranges), tuple(stretches))
