"""Answers that recite the developer's instructions, word for word or nearly so."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from guardsdk.limits import UNLIMITED
from guardsdk.screens.base import LimitedScreen, Reading
from guardsdk.text.alphabets import ATBASH, ROT13
from guardsdk.text.escapes import unquoted
from guardsdk.text.lazy import lazy_pattern
from guardsdk.text.normal import normal
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from guardsdk.limits import Limits
    from guardsdk.screens.base import OperatingPoints
    from guardsdk.surroundings import Surroundings

    _Index = Mapping[int, Sequence[int]]

LABEL: Final = "prompt_leak"
SHINGLE: Final = 4
"""Words in a row that have to be the same before anything counts."""
FULL_RUN: Final = 32
"""A run of that many words of the instructions scores 1; one of half as many reaches the default threshold of 0.5."""
FEWEST: Final = 12
"""Words of the instructions an answer has to hold before their share counts: short instructions never do."""
_COUNTED: Final = 8
"""Words a run has to have before it counts towards the share: names and set phrases are shorter."""
_GAP: Final = 3
"""Words that may be changed, added or left out between two parts of one run."""
_PLACES: Final = 8
"""Places of the instructions that one shingle is looked for at: a shingle that is everywhere says nothing."""
_LOOK: Final = 128
"""Words between two looks at the deadline: a tenth of a second at most."""
_REMEMBERED: Final = 64
"""System texts remembered: an application has a few, and each answer comes with one of them."""
_UNSPACED: Final = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f"
_JAMO: Final = "[\u1100-\u115f][\u1160-\u11a7][\u11a8-\u11ff]?"
"""A Korean syllable in its parts."""
_LETTERS: Final = f"[^\\W_{_UNSPACED}\u1100-\u11ff]+"
_MARKS: Final = (
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670\u093c\u09bc\u0a3c\u1dc0-\u1dff]"
)
"""Marks that some write as characters of their own and others as one with the letter: accents, points, nuktas."""
# No more marks in a row than anybody writes: to compose many takes time that grows with the square of their number.
_WORD: Final = lazy_pattern(
    f"[{_UNSPACED}][\u3099\u309a]?|{_JAMO}|[\u1100-\u11ff]"
    f"|{_LETTERS}(?:(?:{_MARKS}{{1,8}}|\u00ad){_LETTERS})*{_MARKS}{{0,8}}"
)
"""A word with its marks and soft hyphens, or one character of the scripts that write without spaces."""
_DRESS: Final = lazy_pattern(f"{_MARKS}|\u00ad")
"""What the letters of a word may carry that says nothing else, once they are one character with their accents."""
_STEP: Final = SHINGLE
"""Of instructions that are turned one shingle in so many is kept: a run is a few words shorter, and memory holds."""
_TURNS: Final[tuple[tuple[Callable[[list[str]], list[str]], int], ...]] = (
    (lambda words: words, 1),
    (lambda words: words[::-1], _STEP),
    (lambda words: [word[::-1] for word in words], _STEP),
    (lambda words: [word[::-1] for word in reversed(words)], _STEP),
    (lambda words: [word.translate(ROT13) for word in words], _STEP),
    (lambda words: [word.translate(ATBASH) for word in words], _STEP),
)
"""Ways to recite: as it is, the words in reverse order, each word backwards, both, in rot13, in the mirrored alphabet.

The text defence undoes some of these as well, where what comes of it reads as English; instructions need not."""


class _Run(NamedTuple):
    """Words of the answer that stand in the instructions in the same order."""

    first: int
    end: int
    last_place: int
    """Where the run ends in the instructions."""
    same: int
    """Words that are the same; those in the gaps are not counted."""


class Leak(NamedTuple):
    """How much of the instructions an answer holds."""

    score: float
    spans: tuple[tuple[int, int], ...]
    read: float = 1.0
    """Share of the answer that was read before the time was up."""


class LeakScreen(LimitedScreen):
    """Scores ``prompt_leak`` on the output stage; 0 where the system text is not known.

    The score is the larger of two measures: the words of the longest run over ``FULL_RUN``, and, where at least
    ``FEWEST`` words were found in runs of eight or more, the share of the instructions they make up. A run is a row of
    words that the answer and the instructions have in common, but for gaps of up to three words; case, punctuation,
    layout and the form of letters do not matter, nor how the letters are parted into words, nor whether words or their
    letters are in reverse order, in rot13 or in the mirrored alphabet. Words the user's own prompt has in the same
    order are no leak.
    """

    name: Final = LABEL

    @property
    def operating_points(self) -> OperatingPoints:
        """One label on the output stage."""
        return {(LABEL, Stage.OUTPUT): {"default": 0.5}}

    def __init__(self) -> None:
        """Remember the system texts seen last, as numbers."""
        self._known: dict[bytes, Instructions] = {}

    def read_within(
        self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings], limits: Limits
    ) -> list[Reading]:
        """Return one reading per text, in order, as far as it came until the time was up."""
        del stage
        return [
            _reading(self._instructions(beside.system or "").leak(text, beside.prompt or "", limits))
            for text, beside in zip(texts, around, strict=True)
        ]

    def _instructions(self, system: str) -> Instructions:
        key = hashlib.blake2b(system.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        found = self._known.get(key)
        if found is None:
            found = Instructions(system)
            for oldest in list(self._known)[: len(self._known) - _REMEMBERED + 1]:
                self._known.pop(oldest, None)
            self._known[key] = found
        return found


def _reading(leak: Leak) -> Reading:
    scores = {LABEL: leak.score} if leak.read else {}
    return Reading(scores, coverage=leak.read, spans=lambda _: leak.spans, late=leak.read < 1.0)


class Instructions:
    """A system text, ready to be looked for. It is held as hashes of its shingles, which say nothing of its words."""

    def __init__(self, system: str) -> None:
        """Index ``system``, as it is and turned in every way."""
        from guardsdk.screens.letters import Letters  # noqa: PLC0415  most checks come without a system text

        words = _words(unquoted(system)[0])
        self._count = len(words)
        self._turned = [_places_of(turn(words), step) for turn, step in _TURNS] if self._count >= FEWEST else []
        self._letters = Letters(words if self._turned else ())

    def leak(self, text: str, prompt: str = "", limits: Limits = UNLIMITED) -> Leak:
        """Return how much of the instructions ``text`` holds, and where, but for what ``prompt`` says as well.

        As far as ``limits`` let it.
        """
        nothing = Leak(0.0, ((0, len(text)),))
        if not self._turned:
            return nothing
        said, layer = unquoted(text)
        words = _words(said)
        asked = cache(lambda: _words(unquoted(prompt)[0]))  # most answers share nothing with their instructions
        shingles = _shingles(words)
        read, found = len(shingles), []
        for way, index in enumerate(self._turned):
            if not index.keys().isdisjoint(shingles):
                told = frozenset(_shingles(_TURNS[way][0](asked())))
                runs, end = _runs(index, [0 if one in told else one for one in shingles], limits)
                read = min(read, end)
                found.append(runs)
        if read == len(shingles):  # else the reading says that the time was up; past it, this is soon done
            found.append([_Run(one.first, one.end, 0, one.same) for one in self._letters.shared(words, asked)])
        if not any(found) and read == len(shingles):
            return nothing
        places = [match.span() for match in _WORD().finditer(said)]
        score, runs = max(((self._score(runs), runs) for runs in found), key=lambda one: one[0])
        least = min(max((run.same for run in runs), default=0), _COUNTED)
        spans = tuple(layer.back(places[run.first][0], places[run.end - 1][1]) for run in runs if run.same >= least)
        share = 1.0
        if read < len(shingles):
            share = layer.back(*places[read - 1])[1] / len(text) if read else 0.0
        return Leak(score, spans or nothing.spans, share)

    def _score(self, runs: Sequence[_Run]) -> float:
        longest = max((run.same for run in runs), default=0)
        total = sum(run.same for run in runs if run.same >= _COUNTED)
        return min(1.0, max(longest / FULL_RUN, total / self._count if total >= FEWEST else 0.0))


def _places_of(words: Sequence[str], step: int) -> _Index:
    """Return where each shingle of ``words`` that is one of so many stands, as far as that is remembered."""
    index: dict[int, list[int]] = {}
    for place, shingle in enumerate(_shingles(words)):
        if place % step == 0 and len(places := index.setdefault(shingle, [])) < _PLACES:
            places.append(place)
    return index


def _runs(index: _Index, shingles: Sequence[int], limits: Limits) -> tuple[list[_Run], int]:
    """Return the runs in ``shingles``, in order and apart from each other, and the shingle it came to in time.

    Linear in their number.
    """
    done: list[_Run] = []
    open_runs: list[_Run] = []
    end = len(shingles)
    for at, shingle in enumerate(shingles):
        if at % _LOOK == 0 and limits.passed:
            end = at
            break
        if (places := index.get(shingle)) is None:
            continue
        open_runs = [run for run in open_runs if at <= run.end + _GAP] or _closed(open_runs, done)
        grown = [_grown(open_runs, at, place) for place in places]
        open_runs = sorted([*open_runs, *grown], key=lambda run: -run.same)[: 2 * _PLACES]
    _closed(open_runs, done)
    return done, end


def _grown(runs: list[_Run], at: int, place: int) -> _Run:
    """Return the longest run that ends with the shingle ``at`` in the answer and ``place`` in the instructions."""
    best = _Run(at, at + SHINGLE, place + SHINGLE, SHINGLE)
    for run in runs:
        new = at + SHINGLE - run.end
        ahead = place + SHINGLE - run.last_place
        if new < 1 or ahead < 1 or new > SHINGLE + _GAP or ahead > SHINGLE + _GAP:
            continue
        same = run.same + min(new, ahead, SHINGLE)
        if same > best.same:
            best = _Run(run.first, at + SHINGLE, place + SHINGLE, same)
    return best


def _closed(runs: list[_Run], done: list[_Run]) -> list[_Run]:
    """Put the longest of ``runs`` to those that are ``done``; return an empty list to go on with."""
    if runs:
        done.append(max(runs, key=lambda run: run.same))
    return []


def _words(text: str) -> list[str]:
    """Return the words of ``text``, each in one form for all its letters' forms."""
    if text.isascii():
        return _WORD().findall(text.lower())
    words = (normal("NFKC", word).casefold() for word in _WORD().findall(text))
    return [word if word.isascii() else _DRESS().sub("", word) for word in words]


def _shingles(words: Sequence[str]) -> list[int]:
    return list(map(hash, zip(*(words[skip:] for skip in range(SHINGLE)), strict=False)))
