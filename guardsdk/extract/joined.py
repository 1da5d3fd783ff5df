"""What several turns say together: an order split over them is in none of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from guardsdk.verdict import Stage, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.extract.prompts import Passage
    from guardsdk.verdict import Finding, Verdict

_MOST = 2_000
"""Characters of a joined text: two or three windows, however long the conversation is."""
_EACH = 500
"""Characters a turn has a share of, half from its start and half from its end where it is longer: what continues from
one turn to the next is at those two places."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a passage and where it stands in a joined text."""

    passage: int
    """Index of the passage."""
    start: int
    """In characters of the passage."""
    at: int
    """In characters of the joined text."""
    length: int


@dataclass(frozen=True, slots=True)
class Joined:
    """The ends of several turns as one text."""

    text: str
    pieces: tuple[Piece, ...]

    def passages_of(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """Return index, start and end in each passage that the range of the joined text lies in."""
        found = []
        for piece in self.pieces:
            first, last = max(start, piece.at), min(end, piece.at + piece.length)
            if first < last:
                shift = piece.start - piece.at
                found.append((piece.passage, first + shift, last + shift))
        return found

    def adds(self, verdict: Verdict) -> bool:
        """Whether ``verdict`` on the joined text says more than those on the turns by themselves.

        It does where what decided lies in two turns at once, or where not everything was checked. A passage inside one
        turn was judged there, by itself, and found to be below the line.
        """
        strongest = max((finding.action.strength for finding in verdict.findings), default=0)
        return verdict.status is not Status.COMPLETE or any(
            self._crosses(finding) for finding in verdict.findings if finding.action.strength == strongest
        )

    def _crosses(self, finding: Finding) -> bool:
        return any(len({index for index, _, _ in self.passages_of(*span)}) > 1 for span in finding.spans)


def joined(passages: Sequence[Passage]) -> Joined | None:
    """Return the last user turns of ``passages`` as one text of bounded length; none where there are not two.

    Newer turns go before older ones, and stand after them.
    """
    room = _MOST
    stretches: list[tuple[int, int, int]] = []
    turns = 0
    for index in range(len(passages) - 1, -1, -1):
        passage = passages[index]
        if passage.stage is not Stage.INPUT or not passage.text or passage.text.isspace():
            continue
        share = min(_EACH, room)
        length = len(passage.text)
        turns += 1
        if length <= share:
            stretches.append((index, 0, length))
        else:
            head = share // 2
            stretches += [(index, length - (share - head), length), (index, 0, head)]
        room -= min(length, share) + 2  # the line breaks
        if room < _EACH:
            break
    if turns <= 1:  # one turn is a text by itself
        return None
    return _put([passage.text for passage in passages], stretches[::-1], "\n")


def run_on(items: Sequence[str]) -> Joined | None:
    """Return the items of an answer that is a list as one text, each as far as its share goes; none for a single one.

    Where any of them meet at white space they are taken for pieces of one text, and follow on each other.
    """
    if len(items) <= 1:  # one item is a text by itself
        return None
    stretches = []
    for index, item in enumerate(items):
        half = _EACH // 2
        whole = len(item) <= _EACH
        stretches += [(index, 0, len(item))] if whole else [(index, 0, half), (index, len(item) - half, len(item))]
    flowing = any(one[-1:].isspace() or other[:1].isspace() for one, other in pairwise(items))
    return _put(items, stretches, "" if flowing else "\n")


def _put(texts: Sequence[str], stretches: Sequence[tuple[int, int, int]], between: str) -> Joined:
    """Return the ``stretches`` (index of the text, start and end in it) one after the other."""
    pieces: list[Piece] = []
    parts: list[str] = []
    at = 0
    for index, start, end in stretches:
        if parts and between:
            parts.append(between)
            at += len(between)
        pieces.append(Piece(index, start, at, end - start))
        parts.append(texts[index][start:end])
        at += end - start
    return Joined("".join(parts), tuple(pieces))
