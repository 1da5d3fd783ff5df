"""Finds answers that recite the developer's instructions, word for word or nearly so."""

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
"""The least number of consecutive equal words that counts."""
FULL_RUN: Final = 32
"""A run of that many words of the instructions scores 1; one of half as many reaches the default threshold of 0.5."""
FEWEST: Final = 12
"""Words of the instructions an answer must contain before their share counts; short instructions never do."""
_COUNTED: Final = 8
"""Words a run needs before it counts towards the share: names and set phrases are shorter."""
_GAP: Final = 3
"""Words that may be changed, added or omitted between two parts of one run."""
_PLACES: Final = 8
"""Occurrences of one shingle in the instructions that are tried: a more frequent shingle says nothing."""
_LOOK: Final = 128
"""Words between two looks at the clock: a tenth of a second at most."""
_REMEMBERED: Final = 64
"""System prompts cached: an application has a few, and each answer comes with one of them."""
_UNSPACED: Final = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f"
_JAMO: Final = "[\u1100-\u115f][\u1160-\u11a7][\u11a8-\u11ff]?"
"""A Korean syllable in decomposed form."""
_LETTERS: Final = f"[^\\W_{_UNSPACED}\u1100-\u11ff]+"
_MARKS: Final = (
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670\u093c\u09bc\u0a3c\u1dc0-\u1dff]"
)
"""Marks that are written either as separate characters or composed with the letter: accents, points, nuktas."""
# At most as many marks in a row as occur in real text, as composing takes quadratic time in their number.
_WORD: Final = lazy_pattern(
    f"[{_UNSPACED}][\u3099\u309a]?|{_JAMO}|[\u1100-\u11ff]"
    f"|{_LETTERS}(?:(?:{_MARKS}{{1,8}}|\u00ad){_LETTERS})*{_MARKS}{{0,8}}"
)
"""A word with its marks and soft hyphens, or one character of a script without spaces."""
_DRESS: Final = lazy_pattern(f"{_MARKS}|\u00ad")
"""Marks on the letters of a word that carry no meaning, once accented letters are composed."""
_STEP: Final = SHINGLE
"""For transformed instructions, one in so many shingles is kept. This saves memory and shortens runs by a few words."""
_TURNS: Final[tuple[tuple[Callable[[list[str]], list[str]], int], ...]] = (
    (lambda words: words, 1),
    (lambda words: words[::-1], _STEP),
    (lambda words: [word[::-1] for word in words], _STEP),
    (lambda words: [word[::-1] for word in reversed(words)], _STEP),
    (lambda words: [word.translate(ROT13) for word in words], _STEP),
    (lambda words: [word.translate(ATBASH) for word in words], _STEP),
)
"""Ways to recite: as is, words in reverse order, each word reversed, both, in rot13, in atbash.

The text defence undoes some of these too, but only if the result reads as English; instructions need not.
"""


class _Run(NamedTuple):
    """Words of the answer that occur in the instructions in the same order."""

    first: int
    end: int
    last_place: int
    """Where the run ends in the instructions."""
    same: int
    """The number of equal words, without those in gaps."""


class Leak(NamedTuple):
    """How much of the instructions an answer contains."""

    score: float
    spans: tuple[tuple[int, int], ...]
    read: float = 1.0
    """Share of the answer that was read before the deadline."""


class LeakScreen(LimitedScreen):
    """Scores ``prompt_leak`` on the output stage; 0 if the system prompt is not known.

    The score is the larger of two measures: the words of the longest run divided by ``FULL_RUN``, and, if at least
    ``FEWEST`` words were found in runs of eight or more, the share of the instructions they make up. A run is a
    sequence of words common to answer and instructions, with gaps of up to three words. Case, punctuation, layout and
    letter forms are ignored, and so is how letters are split into words. Words or letters in reverse order, rot13 and
    atbash are found as well. Words that the user's own prompt has in the same order are no leak.
    """

    name: Final = LABEL

    @property
    def operating_points(self) -> OperatingPoints:
        """One label on the output stage."""
        return {(LABEL, Stage.OUTPUT): {"default": 0.5}}

    def __init__(self) -> None:
        """Cache the most recent system prompts, as hashes."""
        self._known: dict[bytes, Instructions] = {}

    def read_within(
        self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings], limits: Limits
    ) -> list[Reading]:
        """Return one reading per text, in order, each as far as it got before the deadline."""
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
    """An indexed system prompt, stored as hashes of its shingles, which do not reveal its words."""

    def __init__(self, system: str) -> None:
        """Index ``system``, as is and in every transformation."""
        from guardsdk.screens.letters import Letters  # noqa: PLC0415  most checks have no system prompt

        words = _words(unquoted(system)[0])
        self._count = len(words)
        self._turned = [_places_of(turn(words), step) for turn, step in _TURNS] if self._count >= FEWEST else []
        self._letters = Letters(words if self._turned else ())

    def leak(self, text: str, prompt: str = "", limits: Limits = UNLIMITED) -> Leak:
        """Return how much of the instructions ``text`` contains, and where, except for what ``prompt`` contains too.

        Stops at ``limits``.
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
        if read == len(shingles):  # otherwise out of time, which the reading says
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
    """Return the places of the shingles of ``words``, of every ``step``-th one, up to the limit per shingle."""
    index: dict[int, list[int]] = {}
    for place, shingle in enumerate(_shingles(words)):
        if place % step == 0 and len(places := index.setdefault(shingle, [])) < _PLACES:
            places.append(place)
    return index


def _runs(index: _Index, shingles: Sequence[int], limits: Limits) -> tuple[list[_Run], int]:
    """Return the runs in ``shingles``, in order and not overlapping, and the number of shingles read in time.

    Linear in the number of shingles.
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
    """Return the longest run that ends with shingle ``at`` of the answer and ``place`` in the instructions."""
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
    """Append the longest of ``runs`` to ``done``; return an empty list to continue with."""
    if runs:
        done.append(max(runs, key=lambda run: run.same))
    return []


def _words(text: str) -> list[str]:
    """Return the words of ``text``, with the forms of each letter unified."""
    if text.isascii():
        return _WORD().findall(text.lower())
    words = (normal("NFKC", word).casefold() for word in _WORD().findall(text))
    return [word if word.isascii() else _DRESS().sub("", word) for word in words]


def _shingles(words: Sequence[str]) -> list[int]:
    return list(map(hash, zip(*(words[skip:] for skip in range(SHINGLE)), strict=False)))
