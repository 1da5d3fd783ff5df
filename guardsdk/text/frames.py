"""Words that stand one by one in frames: cells of a table, values of JSON, cues of subtitles, counted words.

Whoever reads the text reads through the frames; a classifier sees little but the frames.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from guardsdk.text.english import known_share, words_of
from guardsdk.text.late import late
from guardsdk.text.undo import Undone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FEWEST = 4
"""Passages in a row that are set apart: fewer are so by accident."""
_MOST_WORDS = 3
"""Words of such a passage. Where more stand together, the text is read as it is."""
_LONGEST_PASSAGE = 80
_LONGEST_FRAME = 400
"""Characters, with all that stands between two passages."""
_GLUE_EVERY = 5
"""A sentence has at least one word that only joins others for so many; headings and names have next to none."""
_MOST_GLUE = 0.75
"""Share of such words in a sentence; a list of the commonest words has more."""
_ENGLISH = 0.5
"""Share of letters in known words that the passages must have together."""
_GLUE: Final = frozenset(
    "a all an and any are as at be because before but by can do does for from has have how if into is it its me my not "  # noqa: SIM905
    "now of or so than that the their them then there these they this those to was what when which who will with "
    "without would you your".split()
)

_TAG = r"<(?:/?[A-Za-z][A-Za-z0-9:-]{0,15}+(?:[\s/][^<>]{0,300}+)?|!--[^<>]{0,300}+)>"
_TAGS = late(rf"{_TAG}(?:\s*+{_TAG}){{0,30}}+")
_KEY = r"""["'][\w .-]{1,40}["']\s*+:"""
_JSON = late(
    rf"""[\[{{](?:\s{{0,40}}+[\[{{]){{0,3}}+(?:\s*+{_KEY})?+\s*+["']"""  # opens
    r"""|["'](?=\s{0,40}[,}\]])(?:"""  # between two, or closes
    rf"""(?:\s*+[,\[\]{{}}]|\s*+{_KEY}|\s*+(?:-?[0-9][0-9.]*+|true|false|null)(?![\w"']))++(?:\s*+["']|(?<=[\]}}])))"""
)
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:[.,][0-9]{1,3})?(?![0-9:])"
_DATE = r"(?:[0-9]{4}([-/.])[0-9]{2}\1[0-9]{2}|[0-9]{1,2}([./])[0-9]{1,2}\2[0-9]{2,4})(?![0-9])"
_TIMES = late(
    rf"(?<![\w.:/-])(?:[0-9]{{1,5}}[ \t]{{0,3}}\r?\n[ \t]{{0,3}})?[\[(]?"
    rf"(?:{_DATE}(?:[T ,]{{1,2}}{_CLOCK}Z?)?|{_CLOCK}(?:[ \t]{{0,3}}-->[ \t]{{0,3}}{_CLOCK})?)[\])]?"
)
_NUMBERS = late(r"(?<![0-9.,:/=+*<>(-])(?<![^A-Za-z][A-Za-z])[(\[#]?([0-9]{1,4})(?![0-9]|[-/.,:][0-9])[.):\],;]{0,2}")
"""Also a digit glued to a word; they must run on."""
_ITEM = re.compile(r"[A-Z][\w']*\s+[a-z]")
"""What begins as a sentence does: where most passages do, they are items of a list and not parts of one sentence."""
_CODE = re.compile(r"[={}\[\]()<>\\|+*;]|[a-z]_[a-z]")
"""What programs and formulas have, where counted words stand in prose."""
_LETTER = re.compile(r"[^\W\d_]")
_DIGITS = re.compile("[0-9.]+")
_SOME_DIGITS = re.compile(rf"(?:[0-9][^0-9]*+){{{_FEWEST - 1}}}")


class _Passage(NamedTuple):
    opens: int
    """Where the frame before it starts, as far as there is one."""
    start: int
    end: int
    closes: int
    """Where the frame after it ends."""


class _Kind(NamedTuple):
    sign: str
    """A character that every frame of the kind has, or any digit: a text without enough of them is not searched."""
    frame: Callable[[], re.Pattern[str]]
    """One frame; time is linear in the text."""
    same: Callable[[str, str], bool]
    """Whether two frames that follow each other are of one make."""
    wide: bool = True
    """Whether what has no letters belongs to the frame, as a number in the cell before."""


def _alike(first: str, second: str) -> bool:
    """Whether two frames of JSON have the same keys, but for a number in them: those of a record differ."""
    return _bare(first) == _bare(second)


def _bare(frame: str) -> str:
    return "".join(_DIGITS.sub("", frame).split())


def _running(first: str, second: str) -> bool:
    """Whether a number is the one after the other."""
    return int(_inner(second)) - int(_inner(first)) == 1


def _inner(number: str) -> str:
    return number.strip("([#.):],;")


def _shaped(first: str, second: str) -> bool:
    """Whether two frames of tags open, close or do both: those of a stressed word in prose take turns."""
    return _turns(first) == _turns(second)


def _turns(frame: str) -> tuple[bool, bool]:
    return frame.startswith("</"), not frame.startswith("</", frame.rindex("<"))


_KINDS: Final = (
    _Kind("<", _TAGS, _shaped),
    _Kind(",", _JSON, _alike),
    _Kind("0-9", _TIMES, lambda _, __: True),
    _Kind("0-9", _NUMBERS, _running, wide=False),
)


def framed(text: str) -> list[Undone]:
    """Return the edits that put a space in place of the frames around words, where several in a row have one.

    Only where the words then read as an English sentence: menus, tables and records are left as they are.
    """
    found: list[Undone] = []
    for kind in _KINDS:
        if text.count(kind.sign) >= _FEWEST - 1 if len(kind.sign) == 1 else _SOME_DIGITS.search(text):
            found += _opened(text, kind)
    edits: list[Undone] = []
    for edit in sorted(found):  # two kinds may find the same words
        if not edits or edit.start >= edits[-1].end:
            edits.append(edit)
    return edits


def _opened(text: str, kind: _Kind) -> Iterator[Undone]:
    """Yield the edits for the frames of ``kind`` that stand around the words of a sentence."""
    edges = [(match.start(), match.end(), match.group()) for match in kind.frame().finditer(text)]
    if len(edges) < _FEWEST - 1:
        return
    run: list[_Passage] = []
    at, last = 0, (0, 0, edges[0][2])
    for edge in (*edges, (len(text), len(text), "")):
        passage = text[at : edge[0]].strip()
        if _short(passage) and (kind.wide or not _CODE.search(passage)):
            begin = text.index(passage, at)
            end = begin + len(passage)
            if run and begin - run[-1].end > _LONGEST_FRAME:
                yield from _joined(text, run)
                run = []
            run.append(_Passage(last[0] if last[1] else begin, begin, end, edge[1] if kind.wide else end))
        elif passage and not (kind.wide and not _LETTER.search(passage)):
            yield from _joined(text, run)
            run = []
        if edge[2] and not kind.same(last[2], edge[2]):
            yield from _joined(text, run)
            run = run[-1:]
        at, last = edge[1], edge
    yield from _joined(text, run)


def _short(passage: str) -> bool:
    """Whether ``passage`` is some words, and few."""
    if not 0 < len(passage) <= _LONGEST_PASSAGE:
        return False
    return len(passage.split()) <= _MOST_WORDS and _LETTER.search(passage) is not None


def _joined(text: str, run: list[_Passage]) -> Iterator[Undone]:
    """Yield an edit for each frame of the passages of ``run``, where they are enough and read as a sentence."""
    if len(run) < _FEWEST:
        return
    passages = [text[one.start : one.end] for one in run]
    words = words_of(" ".join(passages))
    glue = sum(map(_GLUE.__contains__, words))
    joins = len(words) <= glue * _GLUE_EVERY and glue <= _MOST_GLUE * len(words)
    if joins and known_share(words) >= _ENGLISH and 2 * len([one for one in passages if _ITEM.match(one)]) <= len(run):
        first, last = run[0], run[-1]
        if first.opens < first.start:
            yield Undone(first.opens, first.start, "\n" if first.opens else "", "framed")
        for one, after in pairwise(run):
            yield Undone(one.end, after.start, " ", "framed")
        if last.end < last.closes:
            yield Undone(last.end, last.closes, "\n" if last.closes < len(text) else "", "framed")
