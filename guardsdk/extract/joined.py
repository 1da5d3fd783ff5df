"""What several turns say together: an order split over them is in none of them."""

from __future__ import annotations

from dataclasses import dataclass
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
    if turns < 2:  # noqa: PLR2004  one turn is a text by itself
        return None
    pieces: list[Piece] = []
    text = ""
    for index, start, end in reversed(stretches):
        text += "\n" if text else ""
        pieces.append(Piece(index, start, len(text), end - start))
        text += passages[index].text[start:end]
    return Joined(text, tuple(pieces))
