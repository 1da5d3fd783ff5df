"""Several texts read together, as one: an order that is split over them is in none of them."""

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
"""Index of a text, start and end in it."""

_MOST = 2_000
"""Characters of the turns read together: two or three windows, however long the conversation is."""
_EACH = 500
"""Characters that each text has a share of. Of a longer one half of them are its first and half its last: what goes on
in the next text, or comes from the one before, stands there."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of one of the texts, and where it stands in what they say together."""

    source: int
    """Index of the text it is from."""
    start: int
    """In characters of that text."""
    at: int
    """In characters of the texts together."""
    length: int


@dataclass(frozen=True, slots=True)
class Together:
    """Several texts as one."""

    text: str = field(repr=False)
    stretches: tuple[Stretch, ...]
    whole: bool = False
    """Whether they are one text, and were parted by where they stand alone."""

    def sources_of(self, start: int, end: int) -> list[Range]:
        """Return the part of each of the texts that characters ``start`` to ``end`` of them together lie in."""
        found = []
        for stretch in self.stretches:
            first, last = max(start, stretch.at), min(end, stretch.at + stretch.length)
            if first < last:
                shift = stretch.start - stretch.at
                found.append((stretch.source, first + shift, last + shift))
        return found

    def adds(self, verdict: Verdict, alone: Iterable[Verdict]) -> bool:
        """Whether ``verdict``, on the texts together, says more than those on each by itself; see ``says_more``.

        Of a whole it does as well where something stronger follows than ``alone``, wherever that is found: what
        surrounds the passage makes it what it is.
        """
        if self.whole and _strongest([verdict]) > _strongest(alone):
            return True
        return says_more(verdict, lambda start, end: len({index for index, _, _ in self.sources_of(start, end)}) > 1)


def says_more(verdict: Verdict, crosses: Callable[[int, int], bool]) -> bool:
    """Whether ``verdict`` on several texts together says more than those on each of them.

    It does where what decided lies in two of them at once (``crosses`` tells of a range whether it does), or where not
    everything was checked. What lies inside one text was judged there already, and found to be below the threshold.
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
    """Return the last user turns of ``passages`` as one text of bounded length; none where there are not two.

    Newer turns go before older ones, and stand after them.
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
    if turns <= 1:  # one turn is a text by itself
        return None
    return _put([passage.text for passage in passages], ranges, "\n")


def items_together(items: Sequence[str]) -> Together | None:
    """Return the items of a list as one text, each as far as its share goes; none for a single one.

    Where any two of them meet at white space they are parts of one text, which follow on each other; else each has a
    line of its own.
    """
    if len(items) <= 1:  # one item is a text by itself
        return None
    ranges = [one for index, item in enumerate(items) for one in _ends(index, item, _EACH)]
    flowing = any(one[-1:].isspace() or other[:1].isspace() for one, other in pairwise(items))
    return _put(items, ranges, "" if flowing else "\n")


def wholes_together(passages: Sequence[Passage]) -> list[tuple[Together, list[int]]]:
    """Return what each whole of several of ``passages`` says as one text, and which of them it is put together of."""
    parts: dict[int, list[int]] = {}
    for index, passage in enumerate(passages):
        if passage.whole is not None and passage.text and not passage.text.isspace():
            parts.setdefault(id(passage.whole), []).append(index)
    found = [(items_together([passages[index].text for index in of]), of) for of in parts.values()]
    return [(replace(together, whole=True), of) for together, of in found if together is not None]


def _ends(index: int, text: str, share: int) -> list[Range]:
    """Return all of ``text`` where it is no longer than its share, else its two ends."""
    if len(text) <= share:
        return [(index, 0, len(text))]
    head = share // 2
    return [(index, 0, head), (index, len(text) - (share - head), len(text))]


def _put(texts: Sequence[str], ranges: Sequence[Range], between: str) -> Together:
    """Return the ``ranges`` of ``texts`` one after the other, with ``between`` between them."""
    stretches: list[Stretch] = []
    at = 0
    for index, start, end in ranges:
        stretches.append(Stretch(index, start, at, end - start))
        at += end - start + len(between)
    return Together(between.join(texts[index][start:end] for index, start, end in ranges), tuple(stretches))
