"""Who is remembered and what of them: a few numbers and sketches per actor, packed, under a pseudonym."""

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
"""Log-odds below every score."""

# The highest score is kept exactly: the same score again is no higher one.
_HEAD: Final = struct.Struct("<dddIdffffff?")
_TEXT: Final = struct.Struct(f"<Bd{BYTES}s")
_TOLD: Final = struct.Struct("<d")
"""The first of these: ``told_s``."""
_RETURNED: Final = _HEAD.size - 1
"""Where the last of these stands: ``returned``."""
DIGITS: Final = 16
"""Hexadecimal digits of a pseudonym that an actor is kept under."""
_MOST_ASKED: Final = 2**32 - 1
_KINDS: Final = ("held", "refused")
_MOST: Final = {"held": 3, "refused": 4}
"""Sketches kept of each kind; the newest stay."""


@dataclass(slots=True)
class Text:
    """A text of an actor, by its sketch."""

    kind: str
    """``held``: it was blocked; ``refused``: the model refused it."""
    time_s: float
    sketch: bytes


@dataclass(slots=True)
class Actor:
    """What is remembered of one actor. Times are seconds since the epoch."""

    told_s: float = 0.0
    """The newest text that left a trace."""
    seen_s: float = 0.0
    """The newest text on stage input."""
    limited_until_s: float = 0.0
    """Until when enforcement lasts."""
    asked: int = 0
    """Texts on stage input since the actor's scores were last looked at anew."""
    highest: float = NO_SCORE
    """The score of these closest to its threshold, or farthest beyond: log-odds over the threshold's."""
    checks: float = 0.0
    """Texts on stage input, fading."""
    climbing: float = 0.0
    """Evidence that the scores climb: a logarithm."""
    blocked: float = 0.0
    """Evidence that more is blocked than of others: a logarithm."""
    blocks: float = 0.0
    """Blocked texts, fading."""
    near: float = 0.0
    """Evidence that more is policy-adjacent than of others: a logarithm."""
    adjacent: float = 0.0
    """Policy-adjacent texts, fading."""
    returned: bool = False
    """Whether the newest text asks again for what the model had refused."""
    texts: list[Text] = field(default_factory=list)

    def remember(self, kind: str, time_s: float, sketch: bytes) -> None:
        """Keep a text, and of its kind no more than the newest few."""
        self.texts.append(Text(kind, time_s, sketch))
        same = [text for text in self.texts if text.kind == kind]
        if len(same) > _MOST[kind]:
            self.texts.remove(min(same, key=lambda text: text.time_s))

    def of(self, kind: str) -> list[Text]:
        """Return the texts of ``kind``."""
        return [text for text in self.texts if text.kind == kind]

    def packed(self) -> bytes:
        """Return 61 bytes and 41 for every text."""
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
        """Return what ``packed`` was made of. Raises ``ValueError`` where ``data`` is something else."""
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
        """Raise ``ValueError`` where a figure is not finite: no rule would ever speak of such an actor again."""
        numbers = (getattr(self, name) for name in _FIGURES)
        if not all(map(math.isfinite, (*numbers, *(text.time_s for text in self.texts)))):
            msg = "a figure of an actor is no number"
            raise ValueError(msg)

    def merge(self, other: Actor, window_s: float) -> None:
        """Add what another process knows of the same actor: counts and evidence add up, the newest texts stay."""
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
    """Return what is left of a count after ``seconds``."""
    return math.exp(-max(seconds, 0.0) / window_s)


class Actors:
    """The actors of one process: no more than so many, and each for so long. Not thread-safe.

    They lie in the order in which they were last seen, so those that are over and those to go first are at the front.
    """

    def __init__(self, most: int, ttl_s: float, now: Callable[[], float]) -> None:
        """Hold at most ``most`` (least recently seen go first), each for ``ttl_s`` of the clock ``now`` in seconds."""
        # Keyed with 64 bits of the pseudonym, which takes a third of the memory of its hexadecimal digits. Of 100,000
        # actors two share a key with probability 3e-10. With cachetools' TTLCache this would be most of what a check
        # costs, and twice the memory.
        self._packed: OrderedDict[int, bytes] = OrderedDict()
        self._parents: OrderedDict[int, bytes] = OrderedDict()
        """In a forked child those of its parent, for who is limited."""
        self._most = most
        self._ttl_s = ttl_s
        self.now = now

    def get(self, pseudonym: str) -> Actor:
        """Return what is remembered, or a new actor."""
        key = int(pseudonym[:DIGITS], 16)
        data = self._packed.get(key)
        if data is not None:
            # Most have no texts: at once, for this is asked with every text.
            actor = Actor(*_HEAD.unpack(data)) if len(data) == _HEAD.size else Actor.unpacked(data)
            if self.now() - actor.told_s < self._ttl_s:
                return actor
        if key in self._parents:
            return Actor(limited_until_s=Actor.unpacked(self._parents[key]).limited_until_s)
        return Actor()

    def returned(self, pseudonym: str) -> bool:
        """Whether ``get`` may return an actor who ``returned``: asked of every answer, and answered sooner."""
        data = self._packed.get(int(pseudonym[:DIGITS], 16))
        return data is not None and data[_RETURNED] != 0

    def put(self, pseudonym: str, actor: Actor) -> bool:
        """Remember ``actor``; true, as nobody else can have changed it since ``get``."""
        packed, key = self._packed, int(pseudonym[:DIGITS], 16)
        before = len(packed)
        packed[key] = actor.packed()
        packed.move_to_end(key)
        if len(packed) > before:  # somebody new: the time to see who may go
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
        """Remember nothing."""
        for packed in (self._packed, self._parents):
            packed.pop(int(pseudonym[:DIGITS], 16), None)

    def renew(self, now: Callable[[], float]) -> None:
        """In a forked child: begin with nobody, by the clock ``now``, but for until when the parent's are limited."""
        self._parents, self._packed = self._packed or self._parents, OrderedDict()
        self.now = now

    def __len__(self) -> int:
        """Return how many are remembered."""
        self._drop_old()
        return len(self._packed)

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Yield the first 16 hexadecimal digits of each pseudonym with the packed actor."""
        self._drop_old()
        for key, data in list(self._packed.items()):
            yield f"{key:0{DIGITS}x}", data

    def say(self) -> None:
        """Log what went wrong. Here nothing can; called without the monitor's lock, for a handler may check again."""

    def merge(self, pseudonym: str, other: Actor, window_s: float) -> None:
        """Add what another process knows of an actor."""
        done = False
        while not done:  # more than once only where replicas share actors and another one was quicker
            known = self.get(pseudonym)
            known.merge(other, window_s)
            done = self.put(pseudonym, known)
