"""What a screen is, and how the readings of several screens are put side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from guardsdk.errors import GuardError
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from guardsdk.surroundings import Surroundings

OperatingPoints = dict[tuple[str, Stage], dict[str, float]]
"""Label and stage to the thresholds offered there: ``"default"`` and false-positive rates such as ``"0.001"``."""


Spans = tuple[tuple[int, int], ...]
"""Start and end of passages in characters of the text: at least one, in order, apart from each other."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one screen saw in one text."""

    scores: Mapping[str, float]
    """Label to calibrated probability, for the labels of the text's stage."""
    coverage: float
    """Share of the text's characters that was scored, 0 to 1."""
    spans: Callable[[str], Spans]
    """For a label, the passages that carried its score."""


class Screen(Protocol):
    """Something that scores texts."""

    @property
    def name(self) -> str:
        """What problems call it; distinct among the screens of one guard."""
        ...

    @property
    def operating_points(self) -> OperatingPoints:
        """Every label and stage the screen scores, with the thresholds it offers."""
        ...

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        """Return one reading per text, in order; raise a ``GuardError`` where it cannot. Called from many threads."""
        ...


@dataclass(slots=True)
class JointReading:
    """What all screens saw in one text. Each label comes from exactly one screen."""

    scores: dict[str, float] = field(default_factory=dict)
    coverage: float | None = None
    """The lowest of the screens that answered; none where no screen did."""
    problems: list[str] = field(default_factory=list)
    """One line per screen that failed: its name, the error's class and, for our own errors, its message."""
    _spans: dict[str, Callable[[str], Spans]] = field(default_factory=dict)

    def spans(self, label: str) -> Spans:
        """Return the passages that carried the score of ``label``."""
        return self._spans[label](label)

    def add(self, reading: Reading) -> None:
        """Take in what one screen saw."""
        self.scores.update(reading.scores)
        self._spans.update(dict.fromkeys(reading.scores, reading.spans))
        self.coverage = reading.coverage if self.coverage is None else min(self.coverage, reading.coverage)


class Panel:
    """Several screens asked about the same texts; one that fails takes nothing from the others."""

    def __init__(self, screens: Sequence[Screen]) -> None:
        """Take the screens as they are.

        Raises ``GuardError`` where two share a name or score the same label on the same stage: one result would
        overwrite the other, and which one would depend on their order.
        """
        self._screens = tuple(screens)
        self._idle: frozenset[tuple[str, Stage]] = frozenset()
        self.operating_points: OperatingPoints = {}
        owners: dict[tuple[str, Stage], str] = {}
        names: set[str] = set()
        for screen in self._screens:
            if screen.name in names:
                msg = f"two screens are named {screen.name!r}"
                raise GuardError(msg)
            names.add(screen.name)
            for key, points in screen.operating_points.items():
                if key in owners:
                    msg = f"screens {owners[key]!r} and {screen.name!r} both score {key[0]!r} on {key[1].value}"
                    raise GuardError(msg)
                owners[key] = screen.name
                self.operating_points[key] = points

    def serving(self, wanted: Container[tuple[str, Stage]]) -> Panel:
        """Return a panel that asks a screen only on the stages where one of its labels is ``wanted``."""
        panel = Panel(self._screens)
        panel._idle = frozenset(
            (screen.name, stage)
            for screen in self._screens
            for stage in Stage
            if not any(at is stage and (label, at) in wanted for label, at in screen.operating_points)
        )
        return panel

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[JointReading]:
        """Return one joint reading per text, in order. Raises nothing: what failed is listed in ``problems``."""
        joint = [JointReading() for _ in texts]
        for screen in self._screens:
            if (screen.name, stage) in self._idle:
                continue
            for whole, part in zip(joint, _ask(screen, texts, stage, around), strict=True):
                if isinstance(part, Reading):
                    whole.add(part)
                else:
                    whole.problems.append(part)
        return joint


def _ask(screen: Screen, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading | str]:
    """Return a reading per text, or the problem that took its place.

    A batch that fails is asked again text by text, so that one text nobody can score does not fail its neighbours.
    """
    try:
        readings = screen.read(texts, stage, around)
        if len(readings) == len(texts):
            return list(readings)
        problem = f"{screen.name}: {len(readings)} readings for {len(texts)} texts"
    except Exception as error:  # noqa: BLE001  a screen's bug is a failed check, and failed checks are held back
        problem = f"{screen.name}: {_named(error)}"
    if len(texts) == 1:
        return [problem]
    return [_ask(screen, (text,), stage, (beside,))[0] for text, beside in zip(texts, around, strict=True)]


def _named(error: Exception) -> str:
    """Name ``error``; a stranger's message is left out, because it may quote the text."""
    kind = type(error).__qualname__
    return f"{kind}: {error}" if isinstance(error, GuardError) else kind
