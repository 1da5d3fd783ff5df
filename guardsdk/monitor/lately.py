"""The newest texts of the most recent actors, in memory only: nothing here is saved or shared."""

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
    """The difference in log-odds between its score and the threshold."""
    embedding: NDArray[np.float32]
    model: str
    """Digest of the model that computed both."""


class Lately:
    """Holds the embeddings of a few actors' newest texts. Not thread-safe: called under the monitor's lock.

    Most are never compared, as a comparison takes as long as the rest of a check and is only made when it matters.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._texts: OrderedDict[str, deque[Late]] = OrderedDict()
        self._counted_s: dict[str, float] = {}
        """When a text of each actor was last used as a sample of all traffic."""

    def note(self, pseudonym: str, text: Late) -> None:
        """Add a text of an actor."""
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
        """Whether an actor's newest text should be a sample of all traffic; if so, none of theirs is again for a while.

        There must be an earlier text that it could be a variant of, and no sample of the same actor since ``since_s``:
        otherwise an actor who sends one text a thousand times would make all traffic look like that.
        """
        times = [text.time_s for text in self._since(pseudonym, since_s)]
        if not times[1:] or self._counted_s.get(pseudonym, since_s - 1.0) >= since_s:
            return False
        self._counted_s[pseudonym] = times[-1]
        return True

    def sketch(self, pseudonym: str | None, sketchers: Sketchers) -> bytes | None:
        """Return the sketch of an actor's newest text, or ``None``."""
        texts = None if pseudonym is None else self._texts.get(pseudonym)
        return sketchers.of(texts[-1].model).sketch(texts[-1].embedding) if texts else None

    def _since(self, pseudonym: str, since_s: float) -> list[Late]:
        """Return an actor's texts since ``since_s``, the oldest first, that are comparable with the newest."""
        texts = self._texts.get(pseudonym)
        if not texts:
            return []
        return [text for text in texts if text.time_s >= since_s and text.model == texts[-1].model]

    def steps(self, pseudonym: str, since_s: float, sketchers: Sketchers, least: float) -> list[Step]:
        """Return an actor's texts since ``since_s``, the oldest first; ``least`` is the similarity of variants."""
        texts = self._since(pseudonym, since_s)
        found = sketchers.of(texts[-1].model).likest([text.embedding for text in texts]) if texts else None
        if found is None:
            return [Step(text.closeness, None) for text in texts]
        return [Step(text.closeness, like >= least) for text, like in zip(texts, found, strict=True)]

    def begin_anew(self, pseudonym: str) -> None:
        """Keep only the newest text of an actor, as the others have been reported."""
        texts = self._texts.get(pseudonym)
        while texts is not None and len(texts) > 1:
            texts.popleft()

    def forget(self, pseudonym: str) -> None:
        """Remove an actor's texts."""
        self._texts.pop(pseudonym, None)
        self._counted_s.pop(pseudonym, None)
