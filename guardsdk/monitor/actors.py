"""Stores what is known of each actor: a few numbers and sketches, packed, under a pseudonym."""

from __future__ import annotations

import math
import struct
from collections import OrderedDict
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final

from guardsdk.monitor.sketch import BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NO_SCORE: Final = -99.0
"""A log-odds value below every score."""

# The highest score is stored in full precision, so that the same score again does not count as higher.
_HEAD: Final = struct.Struct("<dddIdffffff?")
_TEXT: Final = struct.Struct(f"<Bd{BYTES}s")
_TOLD: Final = struct.Struct("<d")
"""Format of the first field, ``told_s``."""
_RETURNED: Final = _HEAD.size - 1
"""Offset of the last field, ``returned``."""
DIGITS: Final = 16
"""Hexadecimal digits of the pseudonyms that actors are stored under."""
_MOST_ASKED: Final = 2**32 - 1
_KINDS: Final = ("held", "refused")
_MOST: Final = {"held": 3, "refused": 4}
"""The most sketches kept of each kind; the newest are kept."""


@dataclass(slots=True)
class Text:
    """A text of an actor, as its sketch."""

    kind: str
    """``held``: it was blocked; ``refused``: the model refused to answer it."""
    time_s: float
    sketch: bytes


@dataclass(slots=True)
class Actor:
    """What is known of one actor. Times are seconds since the epoch."""

    told_s: float = 0.0
    """Time of the newest text that left a trace."""
    seen_s: float = 0.0
    """Time of the newest text on stage input."""
    limited_until_s: float = 0.0
    """When enforcement ends."""
    asked: int = 0
    """The number of texts on stage input since the scores were last evaluated afresh."""
    highest: float = NO_SCORE
    """The score of these closest to its threshold, or furthest beyond: the difference in log-odds."""
    checks: float = 0.0
    """The decaying number of texts on stage input."""
    climbing: float = 0.0
    """Log evidence that the scores climb."""
    blocked: float = 0.0
    """Log evidence that a larger share is blocked than of other actors' texts."""
    blocks: float = 0.0
    """The decaying number of blocked texts."""
    near: float = 0.0
    """Log evidence that a larger share is policy-adjacent than of other actors' texts."""
    adjacent: float = 0.0
    """The decaying number of policy-adjacent texts."""
    returned: bool = False
    """Whether the newest text asks again for something the model refused."""
    texts: list[Text] = field(default_factory=list)

    def remember(self, kind: str, time_s: float, sketch: bytes) -> None:
        """Store a text, keeping only the newest few of its kind."""
        self.texts.append(Text(kind, time_s, sketch))
        same = [text for text in self.texts if text.kind == kind]
        if len(same) > _MOST[kind]:
            self.texts.remove(min(same, key=lambda text: text.time_s))

    def of(self, kind: str) -> list[Text]:
        """Return the texts of ``kind``."""
        return [text for text in self.texts if text.kind == kind]

    def packed(self) -> bytes:
        """Return 61 bytes plus 41 per text."""
        head = _HEAD.pack(
            self.told_s,
            self.seen_s,
            self.limited_until_s,
            min(_MOST_ASKED, self.asked),
            self.highest,
            self.checks,
            self.climbing,
            self.blocked,
            self.blocks,
            self.near,
            self.adjacent,
            self.returned,
        )
        if not self.texts:
            return head
        return head + b"".join(_TEXT.pack(_KINDS.index(text.kind), text.time_s, text.sketch) for text in self.texts)

    @classmethod
    def unpacked(cls, data: bytes) -> Actor:
        """Return the actor that ``packed`` encoded. Raises ``ValueError`` if ``data`` is not valid."""
        if len(data) < _HEAD.size or (len(data) - _HEAD.size) % _TEXT.size:
            msg = f"{len(data)} bytes are no actor"
            raise ValueError(msg)
        actor = cls(*_HEAD.unpack_from(data))
        actor.texts = [
            Text(_KINDS[kind % len(_KINDS)], time_s, sketch)
            for kind, time_s, sketch in _TEXT.iter_unpack(data[_HEAD.size :])
        ]
        return actor

    def require_numbers(self) -> None:
        """Raise ``ValueError`` if a number is not finite: no rule would ever apply to such an actor again."""
        numbers = (getattr(self, name) for name in _FIGURES)
        if not all(map(math.isfinite, (*numbers, *(text.time_s for text in self.texts)))):
            msg = "a figure of an actor is no number"
            raise ValueError(msg)

    def merge(self, other: Actor, window_s: float) -> None:
        """Add another process's record of the same actor: counts and evidence add up, the newest texts are kept."""
        later, earlier = (self, other) if self.seen_s >= other.seen_s else (other, self)
        left = fading(later.seen_s - earlier.seen_s, window_s)
        self.checks = later.checks + earlier.checks * left
        self.blocks = later.blocks + earlier.blocks * left
        self.adjacent = later.adjacent + earlier.adjacent * left
        self.asked += other.asked
        self.highest = max(self.highest, other.highest)
        self.climbing += other.climbing
        self.blocked += other.blocked
        self.near += other.near
        self.returned = later.returned
        self.limited_until_s = max(self.limited_until_s, other.limited_until_s)
        self.seen_s = later.seen_s
        self.told_s = max(self.told_s, other.told_s)
        for text in other.texts:
            self.remember(text.kind, text.time_s, text.sketch)


_FIGURES: Final = tuple(one.name for one in fields(Actor) if one.name != "texts")


def fading(seconds: float, window_s: float) -> float:
    """Return the factor by which a count decays in ``seconds``."""
    return math.exp(-max(seconds, 0.0) / window_s)


class Actors:
    """The actors of one process, limited in number and age. Not thread-safe.

    They are ordered by when they were last seen, so that expired actors and those to drop first are at the front.
    """

    def __init__(self, most: int, ttl_s: float, now: Callable[[], float]) -> None:
        """Hold at most ``most`` (least recently seen go first), each for ``ttl_s`` of the clock ``now`` in seconds."""
        # Keyed with 64 bits of the pseudonym, which takes a third of the memory of its hexadecimal digits. Of 100,000
        # actors two share a key with probability 3e-10. With cachetools' TTLCache this would be most of the cost of a
        # check, and twice the memory.
        self._packed: OrderedDict[int, bytes] = OrderedDict()
        self._parents: OrderedDict[int, bytes] = OrderedDict()
        """In a forked child: the parent's actors, to know who is limited."""
        self._most = most
        self._ttl_s = ttl_s
        self.now = now

    def get(self, pseudonym: str) -> Actor:
        """Return what is known of the actor, or a new actor."""
        key = int(pseudonym[:DIGITS], 16)
        data = self._packed.get(key)
        if data is not None:
            # Most have no texts; this path is fast, as it runs for every text.
            actor = Actor(*_HEAD.unpack(data)) if len(data) == _HEAD.size else Actor.unpacked(data)
            if self.now() - actor.told_s < self._ttl_s:
                return actor
        if key in self._parents:
            return Actor(limited_until_s=Actor.unpacked(self._parents[key]).limited_until_s)
        return Actor()

    def returned(self, pseudonym: str) -> bool:
        """Whether ``get`` may return an actor who ``returned``: a faster test, made for every answer."""
        data = self._packed.get(int(pseudonym[:DIGITS], 16))
        return data is not None and data[_RETURNED] != 0

    def put(self, pseudonym: str, actor: Actor) -> bool:
        """Store ``actor``; always true here, as nobody else can have changed it since ``get``."""
        packed, key = self._packed, int(pseudonym[:DIGITS], 16)
        before = len(packed)
        packed[key] = actor.packed()
        packed.move_to_end(key)
        if len(packed) > before:  # a new actor: time to drop old ones
            if before >= self._most:
                packed.popitem(last=False)
            self._drop_old()
        return True

    def _drop_old(self) -> None:
        packed, oldest_s = self._packed, self.now() - self._ttl_s
        while packed:
            key = next(iter(packed))
            if _TOLD.unpack_from(packed[key])[0] > oldest_s:
                break
            del packed[key]

    def forget(self, pseudonym: str) -> None:
        """Remove the actor."""
        for packed in (self._packed, self._parents):
            packed.pop(int(pseudonym[:DIGITS], 16), None)

    def renew(self, now: Callable[[], float]) -> None:
        """In a forked child: start empty, with the clock ``now``, but keep when the parent's actors' limits end."""
        self._parents, self._packed = self._packed or self._parents, OrderedDict()
        self.now = now

    def __len__(self) -> int:
        """Return the number of actors."""
        self._drop_old()
        return len(self._packed)

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Yield the first 16 hexadecimal digits of each pseudonym with the packed actor."""
        self._drop_old()
        for key, data in list(self._packed.items()):
            yield f"{key:0{DIGITS}x}", data

    def say(self) -> None:
        """Log problems; there are none here. Called without the monitor's lock, as a log handler may check a text."""

    def merge(self, pseudonym: str, other: Actor, window_s: float) -> None:
        """Add another process's record of an actor."""
        done = False
        while not done:  # repeated only if replicas share actors and another one was faster
            known = self.get(pseudonym)
            known.merge(other, window_s)
            done = self.put(pseudonym, known)
