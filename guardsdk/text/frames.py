"""Words that stand one by one in frames: cells of a table, values of JSON, lines of code, links, counted words.

A person reads through the frames; a classifier sees little else.
"""

from __future__ import annotations

import re
from bisect import bisect
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from guardsdk.text.lazy import lazy_pattern
from guardsdk.text.sentences import FEWEST, LETTER, LONGEST_PASSAGE, MOST_WORDS, is_short, reads_on
from guardsdk.text.undo import Undone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LONGEST_FRAME = 400
"""Characters of the longest frame, which is everything between two passages."""
_TAG = r"<(?:/?[A-Za-z][A-Za-z0-9:-]{0,15}+(?:[\s/][^<>]{0,300}+)?|!--[^<>]{0,300}+)>"
_TAGS = lazy_pattern(rf"{_TAG}(?:\s*+{_TAG}){{0,30}}+")
_KEY = r"""["'][\w .-]{1,40}["']\s*+:"""
_JSON = lazy_pattern(
    rf"""[\[{{](?:\s{{0,40}}+[\[{{]){{0,3}}+(?:\s*+{_KEY})?+\s*+["']"""  # opens
    r"""|["'](?=\s{0,40}[,}\]])(?:"""  # between two, or closes
    rf"""(?:\s*+[,\[\]{{}}]|\s*+{_KEY}|\s*+(?:-?[0-9][0-9.]*+|true|false|null)(?![\w"']))++(?:\s*+["']|(?<=[\]}}])))"""
)
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:[.,][0-9]{1,3})?(?![0-9:])"
_DATE = r"(?:[0-9]{4}([-/.])[0-9]{2}\1[0-9]{2}|[0-9]{1,2}([./])[0-9]{1,2}\2[0-9]{2,4})(?![0-9])"
_TIMES = lazy_pattern(
    rf"(?<![\w.:/-])(?:[0-9]{{1,5}}[ \t]{{0,3}}\r?\n[ \t]{{0,3}})?[\[(]?"
    rf"(?:{_DATE}(?:[T ,]{{1,2}}{_CLOCK}Z?)?|{_CLOCK}(?:[ \t]{{0,3}}-->[ \t]{{0,3}}{_CLOCK})?)[\])]?"
)
_NUMBERS = lazy_pattern(
    r"(?<![0-9.,:/=+*<>(-])(?<![^A-Za-z][A-Za-z])[(\[#]?([0-9]{1,4})(?![0-9]|[-/.,:][0-9])[.):\],;]{0,2}"
)
"""Numbers that count the words, including digits glued to a word; see ``_running``."""
_SYMBOLS = lazy_pattern(r"[\s\d-]{0,40}+[^\w\s.,:!?'\u2019-][\W\d_]{0,80}+(?=[^\W\d_])")
"""A separator of words that has no letters; punctuation alone does not count."""
_COMMAS = lazy_pattern(r",(?=\S)|\r?\n")
"""Commas that part the cells of a row, and the ends of rows; in prose, a space follows a comma."""
_ENCLOSED = lazy_pattern(
    r"""(?:(?<!\w)(?:"(?P<double>[^"\n]{1,80}+)"|'(?P<single>[^'\n]{1,80}+)'|`(?P<back>[^`\n]{1,80}+)`"""
    r"""|\[(?P<link>[^\[\]\n]{1,80}+)\](?:\([^()\s]{0,200}+\)|\[[^\[\]\n]{0,40}+\]))|\{(?P<brace>[^{}\n]{1,80}+)\})(?!\w)"""
)
"""Strings of any programming language, code in prose, links, and arguments of TeX commands."""
_LINE = re.compile(rf"(?<![^\n])[^\n]{{1,{LONGEST_PASSAGE}}}(?![^\n])")
_CELL = re.compile(r"[^\s,;|]+")
_MOST_CELLS = 8
_DIGIT = re.compile("[0-9]")
_LINE_ENDS = re.compile(r"[ \t]*[\r\n]\s*")
_CODE = re.compile(r"[={}\[\]()<>\\|+*;]|[a-z]_[a-z]")
"""Signs of programs and formulas; words that are counted stand in prose."""
_COUNTED: Final = dict.fromkeys(map(ord, "0123456789. \t\r\n"))
"""Characters that may differ between two frames of a kind: those of numbers, and white space."""
_SOME_DIGITS = re.compile(rf"(?:[0-9][^0-9]*+){{{FEWEST - 1}}}")
_SYMBOLIC: Final = frozenset('"#$%&()*+/;<=>@[\\]^`{|}~')
"""Symbols of ASCII."""
_HALVES: Final = frozenset({'"', "`", "``", "*", "**", "~~", "||", "$", "\u201c", "\u201d"})
"""Marks that open and close alike: prose has them around a word here and there."""
_SIGNS: Final = {'"': 2, "'": 2, "`": 2, "](": 1, "][": 1, "{": 1}
"""Signs of what ``_ENCLOSED`` finds, and how many of each stand around one passage."""


class _Passage(NamedTuple):
    opens: int
    """Start of the frame before it; ``start`` if there is none."""
    start: int
    end: int
    closes: int
    """End of the frame after it; ``end`` if there is none."""


class _Frames(NamedTuple):
    frame: Callable[[], re.Pattern[str]]
    """Returns the pattern of one frame; it takes time linear in the text."""
    same: Callable[[str, str], bool]
    """Whether two consecutive frames are of the same kind."""
    wide: bool = True
    """Whether text without letters belongs to the frame, such as a number in the cell before."""
    edges: str | None = None
    """Characters stripped from the passages; white space if ``None``."""
    fewest: int = FEWEST
    """Passages in a row."""
    most_words: int = MOST_WORDS
    """Most words of a passage."""


def _alike(first: str, second: str) -> bool:
    """Whether two frames have the same keys and marks, numbers aside: those of a record differ."""
    return without_numbers(first) == without_numbers(second)


def without_numbers(frame: str) -> str:
    """Return ``frame`` without what may differ between two of a kind: numbers and spaces."""
    return frame.translate(_COUNTED)


def _running(first: str, second: str) -> bool:
    """Whether the number ``second`` is one more than ``first``."""
    return int(_inner(second)) - int(_inner(first)) == 1


def _inner(number: str) -> str:
    return number.strip("([#.):],;")


def _shaped(first: str, second: str) -> bool:
    """Whether two frames of tags both open, both close, or both do either: around a stressed word they alternate."""
    return _turns(first) == _turns(second)


def _turns(frame: str) -> tuple[bool, bool]:
    return frame.startswith("</"), not frame.startswith("</", frame.rindex("<"))


def _has(sign: str) -> Callable[[str], bool]:
    return lambda text: text.count(sign) >= FEWEST - 1


def _enclosing(text: str) -> bool:
    return any(text.count(sign) >= FEWEST * times for sign, times in _SIGNS.items())


def _symbolic(text: str) -> bool:
    """Whether the same symbols, numbers aside, stand between words of ``text`` often enough in a row."""
    if text.isascii() and (_SYMBOLIC.isdisjoint(text) or max(map(text.count, _SYMBOLIC)) < FEWEST - 1):
        return False
    found = list(map(without_numbers, _SYMBOLS().findall(text)))
    return any(
        one == two == three and one not in _HALVES for one, two, three in zip(found, found[1:], found[2:], strict=False)
    )


def _in_cells(text: str) -> bool:
    return text.count(",") - text.count(", ") - text.count(",\n") >= FEWEST - 1


def _same_row(first: str, second: str) -> bool:
    return first == second == ","


def _between(first: str, second: str) -> bool:
    """Whether two frames of symbols are alike and are not the two sides of one word."""
    return without_numbers(first) not in _HALVES and _alike(first, second)


def framed(text: str) -> list[Undone]:
    """Return the edits that replace the frames around words by spaces, where several words in a row have one.

    Only where the words then read as a sentence: menus, tables and records are left as they are. Raises
    ``LexiconError`` if a lexicon cannot be read.
    """
    found: list[Undone] = []
    for some, find in _KINDS:
        if some(text):
            found += find(text)
    edits: list[Undone] = []
    for edit in found:  # the first of the kinds that find the same words
        at = bisect(edits, edit)
        if not (at and edits[at - 1].end > edit.start) and not (at < len(edits) and edits[at].start < edit.end):
            edits.insert(at, edit)
    return edits


def _opened(text: str, kind: _Frames) -> Iterator[Undone]:
    """Yield the edits for the frames of ``kind`` that stand around the words of a sentence."""
    edges = [(match.start(), match.end(), match.group()) for match in kind.frame().finditer(text)]
    if len(edges) < FEWEST - 1:
        return
    run: list[_Passage] = []
    at, last = 0, (0, 0, edges[0][2])
    for edge in (*edges, (len(text), len(text), "")):
        passage = text[at : edge[0]].strip(kind.edges)
        if is_short(passage, kind.most_words) and (kind.wide or not _CODE.search(passage)):
            begin = text.index(passage, at)
            end = begin + len(passage)
            if run and begin - run[-1].end > _LONGEST_FRAME:
                yield from _joined(text, run, kind.fewest)
                run = []
            run.append(_Passage(last[0] if last[1] else begin, begin, end, edge[1] if kind.wide else end))
        elif passage and not (kind.wide and not LETTER.search(passage)):
            # The first and last words may be set apart from the text around them by line ends alone.
            lines = [] if kind.wide else _LINE_ENDS.split(passage)
            start = text.index(passage, at)
            if run and lines[1:] and is_short(lines[0]):
                run.append(_Passage(start, start, start + len(lines[0]), start + len(lines[0])))
            yield from _joined(text, run, kind.fewest)
            end = start + len(passage)
            begin = end - len(lines[-1]) if lines[1:] and is_short(lines[-1]) else end
            run = [_Passage(begin, begin, end, end)] if begin < end else []
        if edge[2] and not kind.same(last[2], edge[2]):
            yield from _joined(text, run, kind.fewest)
            run = run[-1:]
        at, last = edge[1], edge
    yield from _joined(text, run, kind.fewest)


def _unwrapped(text: str) -> Iterator[Undone]:
    """Yield the edits for the text around and between enclosed words of a sentence, where it repeats."""
    run: list[_Passage] = []
    before = None
    for match in _ENCLOSED().finditer(text):
        start, end = match.span(match.lastgroup or 0)
        between = text[run[-1].closes : match.start()] if run else ""
        if run and (
            len(between) > LONGEST_PASSAGE
            or not is_short(text[start:end])
            or before not in {None, without_numbers(between)}
        ):
            yield from _joined(text, run)
            run, before, between = [], None, ""
        if not is_short(text[start:end]):
            continue
        if run:
            before = without_numbers(between)
            if len(run) == 1:
                run[0] = run[0]._replace(opens=_line_of(text, run[0].opens, between))
        run.append(_Passage(match.start(), start, end, match.end()))
    yield from _joined(text, run)


def _columns(text: str) -> Iterator[Undone]:
    """Yield the edits for the text beside the only columns of words in lines of the same shape, such as records."""
    lines = [(line.start(), line.end(), list(_CELL.finditer(line[0]))) for line in _LINE.finditer(text)]
    for count, group in groupby(lines, key=lambda line: len(line[2])):
        rows = list(group) if 1 < count <= _MOST_CELLS else []
        for several in (rows, rows[1:]):  # the first line may name the columns
            if said := _spoken([[cell.group() for cell in row] for *_, row in several]):
                yield from _joined(
                    text,
                    [
                        _Passage(start, start + row[said[0]].start(), start + row[said[-1]].end(), end)
                        for start, end, row in several
                    ],
                )
                break


def _spoken(rows: list[list[str]]) -> list[int]:
    """Return the adjacent columns of ``rows`` whose cells differ and are not all codes; none if rows are few."""
    if len(rows) < FEWEST:
        return []
    found = [
        at
        for at, cells in enumerate(zip(*rows, strict=True))
        if len(set(map(without_numbers, cells))) > 1 and not all(map(_DIGIT.search, cells))
    ]
    together = 0 < len(found) <= MOST_WORDS and found[-1] - found[0] < len(found) < len(rows[0])
    return found if together else []


def _line_of(text: str, start: int, between: str) -> int:
    """Return where the head of the line at ``start`` begins if the next line has the same one, else ``start``."""
    head = between[between.rfind("\n") + 1 :]
    begin = max(0, start - len(head))
    return begin if "\n" in between and without_numbers(text[begin:start]) == without_numbers(head) else start


def _joined(text: str, run: list[_Passage], fewest: int = FEWEST) -> Iterator[Undone]:
    """Yield an edit for each frame around the passages of ``run``, if they are enough and read as a sentence."""
    if reads_on([text[one.start : one.end] for one in run], fewest):
        first, last = run[0], run[-1]
        if first.opens < first.start:
            yield Undone(first.opens, first.start, "\n" if first.opens else "", "framed")
        for one, after in pairwise(run):
            yield Undone(one.end, after.start, " ", "framed")
        if last.end < last.closes:
            yield Undone(last.end, last.closes, "\n" if last.closes < len(text) else "", "framed")


_TAGGED: Final = _Frames(_TAGS, _shaped)
_STRESSED: Final = _Frames(_TAGS, lambda _, __: True, fewest=8, most_words=1)
"""Tags around every other word or so: in prose they are farther apart."""
_VALUES: Final = _Frames(_JSON, _alike)
_TIMED: Final = _Frames(_TIMES, lambda _, __: True)
_COUNTING: Final = _Frames(_NUMBERS, _running, wide=False)
_SIGNED: Final = _Frames(_SYMBOLS, _between, wide=False, edges=" \t\r\n" + "".join(_SYMBOLIC))
_CELLS: Final = _Frames(_COMMAS, _same_row, wide=False)
_KINDS: Final[tuple[tuple[Callable[[str], object], Callable[[str], Iterator[Undone]]], ...]] = (
    (_has("<"), lambda text: _opened(text, _TAGGED)),
    (_has("<"), lambda text: _opened(text, _STRESSED)),
    (_has(","), lambda text: _opened(text, _VALUES)),
    (_enclosing, _unwrapped),
    (_SOME_DIGITS.search, lambda text: _opened(text, _TIMED)),
    (_symbolic, lambda text: _opened(text, _SIGNED)),
    (_has("\n"), _columns),
    (_in_cells, lambda text: _opened(text, _CELLS)),
    (_SOME_DIGITS.search, lambda text: _opened(text, _COUNTING)),
)
"""Of each kind, a test whether a text may have enough frames, and what finds them; the surest first."""
