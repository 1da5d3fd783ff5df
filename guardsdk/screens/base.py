"""The interface of a screen, and its result for one text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from guardsdk.errors import GuardError
from guardsdk.limits import UNLIMITED
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from guardsdk.limits import Limits
    from guardsdk.surroundings import Surroundings
    from guardsdk.verdict import Tier

    ReadWithin = Callable[[Sequence[str], Stage, Sequence[Surroundings], Limits], "list[Reading]"]
    """The reading function of a screen, as ``LimitedScreen.read_within``."""

OperatingPoints = dict[tuple[str, Stage], dict[str, float]]
"""Label and stage to the thresholds offered: ``"default"`` and false-positive rates such as ``"0.001"``."""

Spans = tuple[tuple[int, int], ...]
"""Start and end of passages as character offsets: at least one, in order, not overlapping."""


@dataclass(slots=True)
class Reading:
    """The result of one screen for one text."""

    scores: Mapping[str, float]
    """Label to calibrated probability, for the labels of the text's stage."""
    coverage: float
    """Share of the text's characters that was scored, 0 to 1."""
    spans: Callable[[str], Spans]
    """Returns, for a label, the passages that carried its score."""
    settled: bool = False
    """Whether the rest was skipped because the decision was settled."""
    late: bool = False
    """Whether the rest was skipped because the deadline passed."""
    views: Mapping[str, str] = field(default_factory=dict)
    """Label to the name of the view that carried its score, if that was not the text as is."""
    problems: tuple[tuple[str, str], ...] = ()
    """Layers within the screen that failed, each with what went wrong. The rest was read, and the check is degraded."""
    embedding: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    """[H], unit length: the mean embedding of the original text's windows; ``None`` if the screen has no embeddings."""
    tier: Tier | None = None
    """Which part of the model answered; ``None`` for a screen without such a model."""


class Screen(Protocol):
    """Anything that scores texts."""

    @property
    def name(self) -> str:
        """Its name in error messages; unique among the screens of one guard."""
        ...

    @property
    def operating_points(self) -> OperatingPoints:
        """Every label and stage the screen scores, with the thresholds it offers."""
        ...

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        """Return one reading per text, in order; raise a ``GuardError`` if that fails. Called from many threads."""
        ...


class LimitedScreen(Screen, Protocol):
    """A screen that can stop half-way. Any other screen must be fast on texts of any length."""

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        """Read as ``read_within`` does, to the end."""
        return self.read_within(texts, stage, around, UNLIMITED)

    def read_within(
        self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings], limits: Limits
    ) -> list[Reading]:
        """Read as ``read`` does, within ``limits``; each reading says whether part of its text was skipped."""
        ...


def reading_of(screen: Screen) -> ReadWithin:
    """Return the function that reads with ``screen`` within limits; a screen that cannot stop reads to the end."""
    # Looked up once and by name: testing for a ``LimitedScreen`` costs more than most screens do.
    limited: ReadWithin | None = getattr(screen, "read_within", None)
    return limited or (lambda texts, stage, around, _: screen.read(texts, stage, around))


def outranks(score: float, other: float) -> bool:
    """Return whether ``score`` counts in place of ``other``: what is no probability does, to be rejected."""
    return 0.0 <= other < score or not 0.0 <= score <= 1.0


def named(error: Exception) -> str:
    """Describe ``error``, without the message of another library, which may quote the text."""
    kind = type(error).__qualname__
    return f"{kind}: {error}" if isinstance(error, GuardError) else kind
