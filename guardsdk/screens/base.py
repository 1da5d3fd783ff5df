"""What a screen is, and what it says of a text."""

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
    """How a screen reads: as ``LimitedScreen.read_within`` does."""

OperatingPoints = dict[tuple[str, Stage], dict[str, float]]
"""Label and stage to the thresholds offered there: ``"default"`` and false-positive rates such as ``"0.001"``."""

Spans = tuple[tuple[int, int], ...]
"""Start and end of passages in characters of the text: at least one, in order, apart from each other."""


@dataclass(slots=True)
class Reading:
    """What one screen saw in one text."""

    scores: Mapping[str, float]
    """Label to calibrated probability, for the labels of the text's stage."""
    coverage: float
    """Share of the text's characters that was scored, 0 to 1."""
    spans: Callable[[str], Spans]
    """For a label, the passages that carried its score."""
    settled: bool = False
    """Whether the rest was left out because the decision was settled."""
    late: bool = False
    """Whether the rest was left out because the time was up."""
    views: Mapping[str, str] = field(default_factory=dict)
    """Label to the name of the view of the text that carried its score, where it does not stand in the open."""
    problems: tuple[tuple[str, str], ...] = ()
    """Layers within the screen that failed, each with what went wrong: the rest was read, the check is degraded."""
    embedding: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    """[H], unit length: what the text as it stands is about, the mean over its windows; none where nobody tells."""
    tier: Tier | None = None
    """Which part of the model answered; none for a screen that is no model in two parts."""


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


class LimitedScreen(Screen, Protocol):
    """A screen that can stop part of the way; one that cannot has to be quick at any length."""

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        """Read as ``read_within`` does, to the end."""
        return self.read_within(texts, stage, around, UNLIMITED)

    def read_within(
        self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings], limits: Limits
    ) -> list[Reading]:
        """Read as ``read`` does, as far as ``limits`` let it; what was left out is told by each reading."""
        ...


def reading_of(screen: Screen) -> ReadWithin:
    """Return how ``screen`` reads within limits: one that cannot stop part of the way reads to the end."""
    # Looked up by name, and once: to ask whether a screen is a ``LimitedScreen`` costs more than most screens do.
    limited: ReadWithin | None = getattr(screen, "read_within", None)
    return limited or (lambda texts, stage, around, _: screen.read(texts, stage, around))


def named(error: Exception) -> str:
    """Name ``error``; the message of another library is left out: it may quote the text."""
    kind = type(error).__qualname__
    return f"{kind}: {error}" if isinstance(error, GuardError) else kind
