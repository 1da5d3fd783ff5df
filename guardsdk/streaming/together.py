"""What the places of chunks that are lists say together: a text of its own, from which nothing goes out."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from guardsdk.streaming.channel import Channel
from guardsdk.verdict import Status

if TYPE_CHECKING:
    from guardsdk.streaming.channel import Window
    from guardsdk.text.segments import Pace
    from guardsdk.verdict import Verdict


class Together(Channel):
    """The strings of all places in the order they came in. As long as there is one place, that one speaks for itself.

    Where two of them meet at white space they are taken for pieces of one text, else for lines, as in a list that is
    returned (``extract.joined.run_on``).
    """

    def __init__(self, pace: Pace) -> None:
        """Begin empty."""
        super().__init__(pace)
        self._starts: list[int] = []
        self._owners: list[Channel] = []
        self._flows = False
        self._last = ""

    def add(self, piece: str, owner: Channel) -> None:
        """Take in the next string, one of the place whose text is ``owner``."""
        if not piece:
            return
        if not self._owners or self._owners[-1] is not owner:
            self._flows = self._flows or self._last.isspace() or piece[0].isspace()
            if self._owners and not self._flows:
                self.feed("\n")
            self._starts.append(self.length)
            self._owners.append(owner)
        self.feed(piece)
        self._last = piece[-1]
        if len(self._owners) == 1:
            self._ends.clear()
            self.advance(self.length, ())

    def adds(self, window: Window, verdict: Verdict) -> bool:
        """Whether ``verdict`` says more than those on the places by themselves.

        It does where what decided lies in two of them at once, or where not everything was checked.
        """
        strongest = max((finding.action.strength for finding in verdict.findings), default=0)
        return verdict.status is not Status.COMPLETE or any(
            self._crosses(window.start + start, window.start + end)
            for finding in verdict.findings
            if finding.action.strength == strongest
            for start, end in finding.spans
        )

    def _crosses(self, start: int, end: int) -> bool:
        first, last = bisect_right(self._starts, start), bisect_right(self._starts, end - 1)
        return any(owner is not self._owners[max(first, 1) - 1] for owner in self._owners[max(first, 1) : last])
