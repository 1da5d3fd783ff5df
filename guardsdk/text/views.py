"""Other readings of a text: what it says once disguises, encodings and ciphers are undone, and in English.

Each step looks for one family of them and says which passages to replace with what. A step that finds something gives
a view and hands its result to the next one, twice round, so that what was packed twice is unpacked twice. What is then
in another language is glossed. Ordinary English passes every step untouched and has no view.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from guardsdk.errors import GuardError
from guardsdk.limits import UNLIMITED
from guardsdk.text.blobs import unpacked
from guardsdk.text.ciphers import deciphered
from guardsdk.text.english import all_english
from guardsdk.text.escapes import unescaped
from guardsdk.text.fold import unfolded
from guardsdk.text.spelling import rejoined, unleeted, unspaced
from guardsdk.text.undo import GLOSS, Layer, Undone, undo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from guardsdk.limits import Limits

    Step = Callable[[str], list[Undone]]
    """Finds what one family of disguises hides in a text; nothing in ordinary text."""

ORDINARY: Final = re.compile(r"(?:(?:[AaI] )?[A-Za-z]{2,11}(?:'[a-z]{1,2})?[,.;:?!]{0,2}(?:[ \n]|$))*")
"""English as most of it is written. It has nothing to undo but ciphers and words torn apart: no digit or rare sign, no
character beyond ASCII, no run long enough to be packed, no two single letters in a row."""


def framed(text: str) -> list[Undone]:
    """Return the edits that replace frames around words by spaces; see ``guardsdk.text.frames``."""
    from guardsdk.text.frames import framed as found  # noqa: PLC0415  ordinary text needs none of it

    return found(text)


def read_down(text: str) -> list[Undone]:
    """Return the edits that append to records what one of their fields says; see ``guardsdk.text.fields``."""
    if text.count(":") + text.count("=") < _FEWEST_FIELDS:
        return []
    from guardsdk.text.fields import read_down as found  # noqa: PLC0415  most texts are no records

    return found(text)


STEPS: Final[tuple[Step, ...]] = (
    unfolded,
    unescaped,
    framed,
    read_down,
    unpacked,
    unspaced,
    unleeted,
    deciphered,
)
_FEWEST_FIELDS: Final = 2
"""Signs between names and values: a text with fewer has too few of them to say a sentence."""
ROUNDS: Final = 2
"""How often all steps are run: enough for an encoding and one nested in it, in any order."""
GROWTH: Final = 2.0
_SMALL = 1_000
"""A rewritten text may have ``GROWTH`` times the characters of the text, or ``_SMALL`` where that is more. No step
makes a text that much longer, so only a fault gets there."""
GLOSS_GROWTH: Final = 12.0
"""The same for a gloss, in relation to what is glossed: a Chinese character may be an English word."""
MARGIN: Final = 400
"""Characters kept around a changed passage: the model judges it by what surrounds it."""
_SHARE_SHOWN = 0.75
"""A view that would show more than this share of the text shows all of it."""


class ViewError(GuardError):
    """A text could not be decoded within the limits."""


@dataclass(frozen=True, slots=True)
class View:
    """Another reading of a text, or of the parts of it that changed."""

    name: str
    """What was undone, outermost first, such as ``base64+rot13``."""
    text: str = field(repr=False)
    _layers: tuple[Layer, ...] = field(repr=False)

    @property
    def gloss(self) -> bool:
        """Whether some of its words are glosses instead of words of the text."""
        return GLOSS in self.name

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Return the range of the original text that the range ``start <= end`` of this one came from.

        Both ends are monotonic in those of the argument, and a range with characters in it never becomes empty.
        """
        for layer in reversed(self._layers):
            start, end = layer.back(start, end)
        return start, end


def glossed(text: str) -> list[Undone]:
    """Return the edits that put English glosses in place of other languages; see ``guardsdk.text.gloss``."""
    if all_english(text):
        return []
    from guardsdk.text.gloss import glossed as found  # noqa: PLC0415  a text in English needs no lexicon

    return found(text)


def decoded_of(text: str, limits: Limits = UNLIMITED) -> tuple[View, ...]:
    """Return the views of ``text`` without a gloss, to search by characters; raises as ``views_of`` does."""
    return views_of(text, limits, gloss=_nothing)


def _nothing(_: str) -> list[Undone]:
    return []


def views_of(
    text: str, limits: Limits = UNLIMITED, *, steps: Sequence[Step] = STEPS, gloss: Step = glossed
) -> tuple[View, ...]:
    """Return the views of ``text``: none for ordinary English, at most one per step and round and a gloss.

    Time is linear in the length of ``text``. Raises ``ViewError`` if a view outgrows the limit or the time is up
    before a step.
    """
    if steps is STEPS and ORDINARY.fullmatch(text) and not (deciphered(text) or rejoined(text) or gloss(text)):
        return ()
    found: dict[str, View] = {}
    layers: tuple[Layer, ...] = ()
    current = text
    most = max(GROWTH * len(text), _SMALL)
    for _ in range(ROUNDS):
        before = current
        for step in steps:
            current, layers = _stepped(step, current, layers, found, most, limits)
        if current == before:
            break
    _stepped(gloss, current, layers, found, max(GLOSS_GROWTH * len(current), _SMALL), limits)
    found.pop(text, None)
    return tuple(found.values())


def _stepped(  # noqa: PLR0917  what a step changes, and what it must keep to
    step: Step, text: str, layers: tuple[Layer, ...], found: dict[str, View], most: float, limits: Limits
) -> tuple[str, tuple[Layer, ...]]:
    """Return what ``step`` makes of ``text`` and ``layers`` with its own added, and add its view to ``found``."""
    if limits.ends_at is not None and limits.passed:
        msg = "the deadline passed before everything was decoded"
        raise ViewError(msg)
    edits = step(text)
    if not edits:
        return text, layers
    changed, layer = undo(text, edits)
    if len(changed) > most:
        msg = f"a decoded text has {len(changed)} characters, more than {most:.0f}"
        raise ViewError(msg)
    shown, crop = _cropped(changed, layer)
    found.setdefault(shown, View(_name(edits, layers), shown, (*layers, layer, crop)))
    return changed, (*layers, layer)


def _name(edits: Sequence[Undone], layers: tuple[Layer, ...]) -> str:
    """Return the kinds of ``edits``, preceded by those of the earlier edits whose results they touch."""
    start, end = edits[0].start, edits[-1].end
    outer: list[str] = []
    for layer in reversed(layers):
        outer = layer.kinds(start, end) + outer
        start, end = layer.back(start, end)
    return "+".join([*outer, *dict.fromkeys(edit.kind for edit in edits)])


def _cropped(text: str, layer: Layer) -> tuple[str, Layer]:
    """Cut away what is far from every passage that ``layer`` changed; return the rest and the way back."""
    kept: list[list[int]] = []
    for start, end in layer.changed():
        if kept and start - MARGIN <= kept[-1][1]:
            kept[-1][1] = end + MARGIN
        else:
            kept.append([max(0, start - MARGIN), end + MARGIN])
    if sum(end - start for start, end in kept) > _SHARE_SHOWN * len(text):
        return text, Layer([], [], [])
    return undo(text, _gaps(kept, len(text)))


def _gaps(kept: Sequence[Sequence[int]], length: int) -> Iterator[Undone]:
    done = 0
    for start, end in kept:
        if start > done:
            yield Undone(done, start, "\n" if done else "", "cut")
        done = min(end, length)
    if done < length:
        yield Undone(done, length, "", "cut")
