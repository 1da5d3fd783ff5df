"""What several texts of a stream say together: a channel of its own, from which nothing goes out."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from guardsdk.extract.together import says_more
from guardsdk.streaming.channel import Channel

if TYPE_CHECKING:
    from guardsdk.streaming.channel import Window
    from guardsdk.text.segments import Pace
    from guardsdk.verdict import Verdict


class TogetherChannel(Channel):
    """The strings of all places in the order they came in. While there is only one, its own channel is enough.

    Where two of them meet at white space they are taken for parts of one text, else for lines, as in a list that is
    returned (``extract.together.items_together``).
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
        """Whether ``verdict`` says more than those on the places by themselves; see ``says_more``."""
        return says_more(verdict, lambda start, end: self._crosses(window.start + start, window.start + end))

    def _crosses(self, start: int, end: int) -> bool:
        first, last = bisect_right(self._starts, start), bisect_right(self._starts, end - 1)
        return any(owner is not self._owners[max(first, 1) - 1] for owner in self._owners[max(first, 1) : last])
