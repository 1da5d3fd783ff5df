"""Runs several screens on the same texts and combines their readings.

Every value from a screen is validated, so that a bug in a screen cannot make a text look harmless.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import partial
from operator import index
from typing import TYPE_CHECKING, NamedTuple

from guardsdk.errors import GuardError
from guardsdk.limits import UNLIMITED, Limits
from guardsdk.screens.base import Reading, named, reading_of
from guardsdk.screens.usable import flawless, share, usable, usable_spans
from guardsdk.verdict import Stage, joint_tier

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from guardsdk.screens.base import OperatingPoints, ReadWithin, Screen, Spans
    from guardsdk.surroundings import Surroundings
    from guardsdk.verdict import Tier

    Enough = Callable[[Mapping[str, float]], bool]
    """Given the scores of a text so far, whether its decision can no longer change."""


class JointReading:
    """The readings of all screens for one text. Each label comes from exactly one screen."""

    __slots__ = ("_taken", "coverage", "embedding", "layers", "problems", "scores", "settled", "tier", "views")

    def __init__(self) -> None:
        """Start empty."""
        self.scores: dict[str, float] = {}
        self.coverage: float | None = None
        """The lowest of all screens, 0 for one that did not answer; ``None`` if none answered."""
        self.settled = False
        """Whether a screen skipped the rest because the decision was settled."""
        self.problems: list[str] = []
        """One line per problem: the screen's name, then the error's class and, for our own errors, its message, or what
        was unusable."""
        self.layers: list[str] = []
        """The screens with a problem."""
        self.views: dict[str, str] = {}
        """Label to the view that carried its score, if that was not the text as is."""
        self.embedding: NDArray[np.float32] | None = None
        """From the last screen that returned one."""
        self.tier: Tier | None = None
        """``full`` if any screen said so."""
        self._taken: list[tuple[str, Reading]] = []
        """Each screen that answered, with its reading."""

    def spans(self, label: str, length: int) -> Spans:
        """Return the passages of a text of ``length`` characters that carried the score of ``label``.

        If the screen fails or returns invalid spans, the result is the whole text, and a problem is noted.
        """
        name, reading = next(one for one in reversed(self._taken) if label in one[1].scores)
        try:
            found = tuple((index(start), index(end)) for start, end in reading.spans(label))  # some may be numpy's
        except Exception as error:  # noqa: BLE001  the score stands even if its place is unknown
            self.fail(name, named(error))
        else:
            if usable_spans(found, length):
                return found
            self.fail(name, f"no usable passage for {label}")
        return ((0, length),)

    def add(self, name: str, reading: Reading) -> None:
        """Add the reading of the screen ``name``."""
        self.scores.update(reading.scores)
        if reading.views:
            self.views.update(reading.views)
        self._taken.append((name, reading))
        if self.coverage is None or reading.coverage < self.coverage:
            self.coverage = reading.coverage
        if reading.settled:
            self.settled = True
        if reading.embedding is not None:
            self.embedding = reading.embedding
        if reading.tier is not None:
            self.tier = joint_tier(self.tier, reading.tier)

    def fail(self, name: str, problem: str) -> None:
        """Note a problem of the screen ``name``."""
        self.problems.append(f"{name}: {problem}")
        if name not in self.layers:
            self.layers.append(name)


class _Asked(NamedTuple):
    """One screen on one stage."""

    name: str
    labels: list[str]
    read: ReadWithin


class Panel:
    """Several screens run on the same texts; one that fails does not affect the others."""

    def __init__(self, screens: Sequence[Screen]) -> None:
        """Take the screens in the order in which they run, fast ones first.

        Raises ``GuardError`` where two share a name or score the same label on the same stage: one result would
        overwrite the other, and which one would depend on their order. So do a stage that is none and a threshold that
        no score could be held against.
        """
        self.screens = tuple(screens)
        self.early_exit: frozenset[Stage] = frozenset()
        self._points = tuple(map(_points_of, self.screens))
        """Of each screen; asked once, so that a screen that would say something else later is held to it."""
        self.operating_points: OperatingPoints = {}
        owners: dict[tuple[str, Stage], str] = {}
        names: set[str] = set()
        for screen, own in zip(self.screens, self._points, strict=True):
            if screen.name in names:
                msg = f"two screens are named {screen.name!r}; give each a name of its own"
                raise GuardError(msg)
            names.add(screen.name)
            for key, points in own.items():
                if key in owners:
                    msg = f"screens {owners[key]!r} and {screen.name!r} both score {key[0]!r} on {key[1].value}"
                    raise GuardError(msg)
                owners[key] = screen.name
                self.operating_points[key] = points
        self._asked = {stage: self._asked_on(stage, self.operating_points) for stage in Stage}

    def _asked_on(self, stage: Stage, wanted: Container[tuple[str, Stage]]) -> list[_Asked]:
        """Return the screens that score anything ``wanted`` on ``stage``, each with all its labels there."""
        labels = [[label for label, at in points if at is stage] for points in self._points]
        return [
            _Asked(screen.name, own, reading_of(screen))
            for screen, own in zip(self.screens, labels, strict=True)
            if any((label, stage) in wanted for label in own)
        ]

    def serving(self, wanted: Container[tuple[str, Stage]], *, early_exit: frozenset[Stage] = frozenset()) -> Panel:
        """Return a panel that runs a screen only on the stages where one of its labels is ``wanted``.

        On the stages of ``early_exit``, the lower layers of a model alone may clear a text.
        """
        panel = copy(self)
        panel.early_exit = early_exit
        panel._asked = {stage: self._asked_on(stage, wanted) for stage in Stage}  # noqa: SLF001  its own class
        return panel

    def read(
        self,
        texts: Sequence[str],
        stage: Stage,
        around: Sequence[Surroundings],
        limits: Limits = UNLIMITED,
        enough: Enough | None = None,
    ) -> list[JointReading]:
        """Return one joint reading per text, in order. Raises nothing: failures are listed in ``problems``.

        A screen that has not started by the deadline is skipped, which is a problem. One that can stop half-way may do
        so once the scores of a text, including those of earlier screens, are ``enough``.
        """
        joint = [JointReading() for _ in texts]
        settled = None if enough is None else partial(_so_far, enough, joint)
        within = Limits(limits.ends_at, settled, limits.most_waiting, stage in self.early_exit)
        missed: set[int] = set()
        for asked in self._asked[stage]:
            answers = _ask(asked.read, texts, stage, around, within)
            for place, part in enumerate(answers):
                whole = joint[place]
                if type(part) is Reading and flawless(part, asked.labels):
                    whole.add(asked.name, part)
                elif not _take(whole, asked.name, part, asked.labels):
                    missed.add(place)
        for place in missed:
            if joint[place].coverage is not None:
                joint[place].coverage = 0.0
        return joint


def _points_of(screen: Screen) -> OperatingPoints:
    """Return what ``screen`` scores. A stage may be given by its name, ``"input"``.

    Raises ``GuardError`` where it is none or a name is no text; and where a threshold is no number from 0 to 1: no
    score would reach a percentage or NaN, and the principle would never fire.
    """
    try:
        given = {(label, Stage(at)): dict(points) for (label, at), points in dict(screen.operating_points).items()}
        named = all(isinstance(word, str) for (label, _), points in given.items() for word in (label, *points))
    except (TypeError, ValueError):
        named = False
    if not named:
        what = f"for a label and a stage ({', '.join(Stage)}): thresholds by name"
        msg = f"the operating points of screen {screen.name!r} are each {what}"
        raise GuardError(msg)
    for (label, at), points in given.items():
        for name, number in points.items():
            if (threshold := share(number)) is None:
                where = f"threshold {name!r} of label {label!r} on {at.value}"
                msg = f"screen {screen.name!r}: {where} is no number from 0 to 1, as scores are"
                raise GuardError(msg)
            points[name] = threshold
    return given


@dataclass(frozen=True, slots=True)
class _Problem:
    """Our own message in place of a reading; distinct from a string returned by a screen."""

    words: str


def _so_far(enough: Enough, joint: Sequence[JointReading], place: int, scores: Mapping[str, float]) -> bool:
    """Whether ``scores`` of the text at ``place``, with those of earlier screens, are ``enough``."""
    return enough({**joint[place].scores, **scores})


def _take(whole: JointReading, name: str, part: object, labels: Sequence[str]) -> bool:
    """Add the reading of the screen ``name``, or the problem in its place; return whether it answered."""
    if isinstance(part, _Problem):
        whole.fail(name, part.words)
        return False
    try:
        reading, problems = usable(part, labels)  # type: ignore[arg-type]  # whatever the screen returned
    except Exception as error:  # noqa: BLE001  an invalid reading may raise anything
        whole.fail(name, f"an answer that is no reading: {type(error).__qualname__}")
        return False
    if reading.problems or problems:
        for layer, problem in (*reading.problems, *((name, problem) for problem in problems)):
            whole.fail(layer, problem)
    if reading.scores:
        whole.add(name, reading)
    return bool(reading.scores)


def _ask(
    read: ReadWithin, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings], limits: Limits
) -> list[Reading | _Problem]:
    """Return a reading per text, or the problem that took its place.

    If a batch fails, it is retried text by text, so that one text that cannot be scored does not fail the others.
    """
    if limits.ends_at is not None and limits.passed:
        return [_Problem("not run, the deadline had passed")] * len(texts)
    readings: list[Reading] = []
    try:
        readings = read([*texts], stage, [*around], limits)  # copies: a screen might modify its list
        if len(readings) == len(texts):
            return list(readings)
        problem = f"{len(readings)} readings for {len(texts)} texts"
    except Exception as error:  # noqa: BLE001  a bug in a screen fails the check, and a failed check does not pass
        problem = named(error)
        if not hasattr(readings, "__len__"):  # a generator, the coroutine of an async function, nothing at all
            problem = f"{type(readings).__name__} in place of a list of readings"
    if len(texts) == 1:
        return [_Problem(problem)]
    return [
        _ask(read, (text,), stage, (beside,), limits.alone(place))[0]
        for place, (text, beside) in enumerate(zip(texts, around, strict=True))
    ]
