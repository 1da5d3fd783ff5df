"""The newest texts of the actors seen last, for as long as the process lasts: nothing here is saved or shared."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final, NamedTuple

from guardsdk.monitor.approach import LATELY, Step

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from guardsdk.monitor.sketch import Sketchers

ACTORS: Final = 512
"""Actors whose newest texts are held; ten embeddings of each take 15 kB."""


class Late(NamedTuple):
    """One text."""

    time_s: float
    closeness: float
    """Log-odds of its score over the threshold's."""
    embedding: NDArray[np.float32]
    model: str
    """Digest of the model that gave both."""


class Lately:
    """Holds the newest texts of a few actors by their embeddings. Not thread-safe: the monitor calls it under its lock.

    Most are never compared with anything: that takes as long as the rest of a check, and is left to when it matters.
    """

    def __init__(self) -> None:
        """Hold nothing."""
        self._texts: OrderedDict[str, deque[Late]] = OrderedDict()
        self._counted_s: dict[str, float] = {}
        """When a text of an actor was last taken for a sample of what everybody sends."""

    def note(self, pseudonym: str, text: Late) -> None:
        """Hold one more text of an actor."""
        texts = self._texts.get(pseudonym)
        if texts is None:
            texts = self._texts[pseudonym] = deque(maxlen=LATELY)
            if len(self._texts) > ACTORS:
                gone, _ = self._texts.popitem(last=False)
                self._counted_s.pop(gone, None)
        else:
            self._texts.move_to_end(pseudonym)
        texts.append(text)

    def count(self, pseudonym: str, since_s: float) -> bool:
        """Whether an actor's newest text is to be a sample of what everybody sends; if so, no other until much later.

        There must be one before it to be a variant of, and none of the same actor's that was taken from ``since_s`` on:
        or whoever sends one text a thousand times would have everybody look like that.
        """
        times = [text.time_s for text in self._since(pseudonym, since_s)]
        if not times[1:] or self._counted_s.get(pseudonym, since_s - 1.0) >= since_s:
            return False
        self._counted_s[pseudonym] = times[-1]
        return True

    def sketch(self, pseudonym: str | None, sketchers: Sketchers) -> bytes | None:
        """Return the sketch of an actor's newest text, or none."""
        texts = None if pseudonym is None else self._texts.get(pseudonym)
        return sketchers.of(texts[-1].model).sketch(texts[-1].embedding) if texts else None

    def _since(self, pseudonym: str, since_s: float) -> list[Late]:
        """Return an actor's texts from ``since_s`` on, the oldest first; only those that compare with the newest."""
        texts = self._texts.get(pseudonym)
        if not texts:
            return []
        return [text for text in texts if text.time_s >= since_s and text.model == texts[-1].model]

    def steps(self, pseudonym: str, since_s: float, sketchers: Sketchers, least: float) -> list[Step]:
        """Return an actor's texts from ``since_s`` on, the oldest first; ``least`` is how like variants are."""
        texts = self._since(pseudonym, since_s)
        found = sketchers.of(texts[-1].model).likest([text.embedding for text in texts]) if texts else None
        if found is None:
            return [Step(text.closeness, None) for text in texts]
        return [Step(text.closeness, like >= least) for text, like in zip(texts, found, strict=True)]

    def begin_anew(self, pseudonym: str) -> None:
        """Hold only the newest text of an actor, of whom the rest was told."""
        texts = self._texts.get(pseudonym)
        while texts is not None and len(texts) > 1:
            texts.popleft()

    def forget(self, pseudonym: str) -> None:
        """Hold nothing of an actor."""
        self._texts.pop(pseudonym, None)
        self._counted_s.pop(pseudonym, None)
