"""Finds text that is invisible to a reader but not to a model, and decodes it if it spells something."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from guardsdk.text.lazy import lazy_pattern
from guardsdk.text.readable import readable

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

_NEAR = (
    "\u200b-\u200f\u2060-\u2065\u206a-\u206f\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\ufdd0-\ufdef\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
)
"""With selectors and tags: Default_Ignorable_Code_Point of Unicode 16, annotation anchors and noncharacters.

Khmer and Mongolian use some of them, never many in a row and never in Latin words. Noncharacters beyond the first
65,536 are left out: their sixteen ranges would make every search several times slower.
"""
_ZERO = f"{_NEAR}\U000e0080-\U000e00ff\U000e01f0-\U000e0fff"
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
INVISIBLE: Final = f"{_NEAR}\ufe00-\ufe0f\u00ad\u061c\u202a-\u202e\u2066-\u2069\U000e0000-\U000e0fff"
"""Characters without a visible shape, for use inside a character class of a regular expression."""
_LONGEST_ZERO_RUN = 7
"""Invisible characters in a row that ordinary text may hold; eight of two kinds are a byte."""
_SCATTERED = 8
_SCATTERED_SHARE = 0.05
"""Invisible characters inside Latin words are deliberate from this number and this share of the text on."""
_ANY = lazy_pattern(f"[{INVISIBLE}]")
_CHANNEL = lazy_pattern(
    # A flag such as that of Wales is a black flag, a region in tag letters and an end tag; it says what it shows.
    "(?P<flag>\U0001f3f4(?:\U000e0067\U000e0062|\U000e0075\U000e0073|\U000e0063\U000e0061)"
    "[\U000e0061-\U000e007a]{2,3}\U000e007f)"
    "|(?P<tags>[\U000e0000-\U000e007f]+)"
    f"|(?P<selectors>[{_SELECTORS}]{{2,}})"
    f"|(?P<zero>[{_ZERO}]{{{_LONGEST_ZERO_RUN + 1},}})"
)
_FORCED = lazy_pattern("[\u202b\u202d\u202e\u2067]")
"""The marks that turn what follows, up to a closing mark or the end of the line. None is part of a channel above."""
_FORCED_RUN = lazy_pattern("[\u202b\u202d\u202e\u2067][^\u202c\u2069\n\u2029]*[\u202c\u2069]?")
_SCATTER = lazy_pattern(f"(?<=[A-Za-z])(?:[{_SELECTORS}]|[{_ZERO}]{{1,{_LONGEST_ZERO_RUN}}})(?=[A-Za-z])")
_LEFT_TO_RIGHT = lazy_pattern("[A-Za-z\u00c0-\u024f\u0370-\u052f]")
_RIGHT_TO_LEFT = lazy_pattern("[\u0590-\u061b\u061d-\u08ff\ufb1d-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc]")
"""Without characters that nobody sees: they would make any text look as if it were written in both directions."""
_TAGS = 0xE0000
_SELECTORS_FROM, _MORE_SELECTORS_FROM = 0xFE00, 0xE0100
_FEW_SELECTORS = 16
_BYTE = 8
_RUN_OF_SELECTORS = 3
"""Fewest selectors that hide something: one follows its character, two may stand together by accident."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """One hidden passage."""

    start: int
    end: int
    channel: str
    """The channel: ``tags``, ``selectors``, ``zero_width``, ``bidi`` or ``scattered``."""
    message: str | None = field(repr=False)
    """The decoded message; ``None`` if nothing readable came out."""


def hidden(text: str) -> list[Hidden]:
    """Return the hidden passages of ``text``, in order of their start.

    They are apart from each other, but for a ``scattered`` one, which spans from the first to the last scattered
    character; a ``bidi`` one says what is hidden inside it as well. What ordinary text uses does not count: one
    selector after an emoji, joiners between letters or emoji, marks and embeddings around words of the other direction,
    flags made of tag letters, a phone number wrapped to keep its order.
    """
    if text.isascii() or not _ANY().search(text):
        return []
    written = [passage for match in _CHANNEL().finditer(text) if (passage := _read(match)) is not None]
    found: list[Hidden] = []
    done = 0
    for start, end in _turned(text):
        first, after = (bisect_left(written, at, key=_start) for at in (start, end))
        found += [*written[done:first], _bidi(text, start, end, written[first:after])]
        done = after
    found += written[done:]
    return sorted([*found, *_scattered(text, found)], key=_start)


def _start(passage: Hidden) -> int:
    return passage.start


def _read(match: re.Match[str]) -> Hidden | None:
    kind, run = match.lastgroup, match.group()
    if kind == "tags":
        # A lone tag may be what is left of a flag that was cut off.
        spelled = "".join(chr(ord(mark) - _TAGS) for mark in run).strip("\0\x01\x7f")
        return Hidden(*match.span(), "tags", spelled) if spelled else None
    if kind == "selectors":
        if len(run) < _RUN_OF_SELECTORS:
            return None
        return Hidden(*match.span(), "selectors", readable(bytes(map(_byte, run))))
    if kind == "zero":
        return Hidden(*match.span(), "zero_width", _bits(run))
    return None


def _byte(selector: str) -> int:
    code = ord(selector)
    return code - _SELECTORS_FROM if code < _MORE_SELECTORS_FROM else code - _MORE_SELECTORS_FROM + _FEW_SELECTORS


def _bits(run: str) -> str | None:
    """Read the two commonest characters of ``run`` as the bits of a text; others part the bytes and are skipped."""
    kinds = [kind for kind, _ in Counter(run).most_common(2)]
    for zero, one in (kinds, kinds[::-1]) if len(kinds) > 1 else ():
        digits = "".join("0" if mark == zero else "1" for mark in run if mark in (zero, one))
        if len(digits) % _BYTE == 0:
            spelled = readable(int(digits, 2).to_bytes(len(digits) // _BYTE, "big"))
            if spelled is not None:
                return spelled
    return None


def _turned(text: str) -> Iterator[tuple[int, int]]:
    """Yield the ranges of ``text`` whose forced direction hides something: it turns letters against their own.

    Of marks within each other, the first that does so begins the range. Every character is looked at once.
    """
    for match in _FORCED_RUN().finditer(text):
        begin, end = match.span()
        stop, first = end, None
        leftward = rightward = False
        for at in reversed([mark.start() for mark in _FORCED().finditer(text, begin, end)]):
            rightward = rightward or _LEFT_TO_RIGHT().search(text, at, stop) is not None
            leftward = leftward or _RIGHT_TO_LEFT().search(text, at, stop) is not None
            stop = at
            if leftward if text[at] == "\u202d" else rightward and (text[at] == "\u202e" or not leftward):
                first = at
        if first is not None:
            yield first, end


def _bidi(text: str, start: int, end: int, inside: list[Hidden]) -> Hidden:
    """Return the passage of a forced direction: its letters as they are shown, then what is hidden ``inside`` it."""
    done, parts = start + 1, []
    for one in inside:
        parts.append(text[done : one.start])
        done = one.end
    letters = "".join([*parts, text[done:end]]).rstrip("\u202c\u2069")
    shown = letters if text[start] in "\u202b\u2067" else letters[::-1]
    return Hidden(start, end, "bidi", " ".join([shown, *(one.message for one in inside if one.message is not None)]))


def _scattered(text: str, found: list[Hidden]) -> Iterator[Hidden]:
    """Yield the invisible characters strewn between Latin letters, where they are too many to be an accident."""
    taken = {passage.start for passage in found}
    marks = [match.span() for match in _SCATTER().finditer(text) if match.start() not in taken]
    if len(marks) >= max(_SCATTERED, _SCATTERED_SHARE * len(text)):
        yield Hidden(marks[0][0], marks[-1][1], "scattered", None)
