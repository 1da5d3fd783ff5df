"""The joint text of several texts of a stream: a channel that is checked and never released."""

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
    """The strings of all items in order of arrival. While there is only one item, its own channel is enough.

    Two items that meet at white space are joined as parts of one text, otherwise as lines, as in a returned list
    (``extract.together.items_together``).
    """

    def __init__(self, pace: Pace) -> None:
        """Start empty."""
        super().__init__(pace)
        self._starts: list[int] = []
        self._owners: list[Channel] = []
        self._flows = False
        self._last = ""

    def add(self, piece: str, owner: Channel) -> None:
        """Add the next string, from the item whose text is ``owner``."""
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
        """Whether ``verdict`` says more than the verdicts on the items; see ``says_more``."""
        return says_more(verdict, lambda start, end: self._crosses(window.start + start, window.start + end))

    def _crosses(self, start: int, end: int) -> bool:
        first, last = bisect_right(self._starts, start), bisect_right(self._starts, end - 1)
        return any(owner is not self._owners[max(first, 1) - 1] for owner in self._owners[max(first, 1) : last])
