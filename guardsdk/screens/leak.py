"""Answers that recite the developer's instructions, word for word or nearly so."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple

from guardsdk.screens.base import Reading
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.screens.base import OperatingPoints
    from guardsdk.surroundings import Surroundings

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
_WORD: Final = re.compile(
    "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]|[^\\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]+"
)
"""A word, or one character of the scripts that write without spaces."""


class _Word(NamedTuple):
    text: str
    start: int
    end: int


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


class LeakScreen:
    """Scores ``prompt_leak`` on the output stage; 0 where the system text is not known.

    The score is the larger of two measures: the words of the longest run over ``FULL_RUN``, and, where at least
    ``FEWEST`` words were found in runs of eight or more, the share of the instructions they make up. A run is a row of
    words that the answer and the instructions have in common, but for gaps of up to three words; case, punctuation,
    layout and the form of letters do not matter. Words the user's own prompt has in the same order are no leak.
    """

    name: Final = LABEL

    @property
    def operating_points(self) -> OperatingPoints:
        """One label on the output stage."""
        return {(LABEL, Stage.OUTPUT): {"default": 0.5}}

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        """Return one reading per text, in order."""
        del stage
        known: dict[tuple[str | None, str | None], Instructions] = {}
        readings = []
        for text, beside in zip(texts, around, strict=True):
            key = (beside.system, beside.prompt)
            if key not in known:
                known[key] = Instructions(beside.system or "", beside.prompt or "")
            readings.append(_reading(known[key].leak(text)))
        return readings


def _reading(leak: Leak) -> Reading:
    return Reading({LABEL: leak.score}, coverage=1.0, spans=lambda _: leak.spans)


class Instructions:
    """A system text, ready to be looked for."""

    def __init__(self, system: str, prompt: str = "") -> None:
        """Index ``system`` without what ``prompt`` says as well."""
        words = [word.text for word in _words(system)]
        self._count = len(words)
        self._places: dict[tuple[str, ...], list[int]] = {}
        if self._count < FEWEST:
            return
        told = set(_shingles([word.text for word in _words(prompt)]))
        for place, shingle in enumerate(_shingles(words)):
            if shingle not in told:
                self._places.setdefault(shingle, []).append(place)

    def leak(self, text: str) -> Leak:
        """Return how much of the instructions ``text`` holds, and where."""
        if not self._places:
            return Leak(0.0, ((0, len(text)),))
        words = _words(text)
        runs = self._runs([word.text for word in words])
        if not runs:
            return Leak(0.0, ((0, len(text)),))
        longest = max(run.same for run in runs)
        total = sum(run.same for run in runs if run.same >= _COUNTED)
        share = total / self._count if total >= FEWEST else 0.0
        least = min(longest, _COUNTED)
        spans = tuple((words[run.first].start, words[run.end - 1].end) for run in runs if run.same >= least)
        return Leak(min(1.0, max(longest / FULL_RUN, share)), spans)

    def _runs(self, words: list[str]) -> list[_Run]:
        """Return the runs of ``words``, in order and apart from each other. Linear in the number of words."""
        done: list[_Run] = []
        open_runs: list[_Run] = []
        for at, shingle in enumerate(_shingles(words)):
            if not (places := self._places.get(shingle, ())[:_PLACES]):
                continue
            open_runs = [run for run in open_runs if at <= run.end + _GAP] or _closed(open_runs, done)
            grown = [_grown(open_runs, at, place) for place in places]
            open_runs = sorted([*open_runs, *grown], key=lambda run: -run.same)[: 2 * _PLACES]
        _closed(open_runs, done)
        return done


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


def _words(text: str) -> list[_Word]:
    return [
        _Word(unicodedata.normalize("NFKC", match.group()).casefold(), match.start(), match.end())
        for match in _WORD.finditer(text)
    ]


def _shingles(words: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip(*(words[skip:] for skip in range(SHINGLE)), strict=False))
