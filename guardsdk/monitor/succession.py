"""The first scores of a model, held against those of the model before it, label by label.

A label of the new model begins with the old one's histogram as its past. While the new model's scores are distributed
like the old one's, their ranks among both are even whatever the distribution and however few there are, so that the
evidence (``drift``) is ``n`` on average after ``n`` scores, and reaches a limit ``c`` within a window of ``w`` with
probability ``w / c`` at most (Doob's inequality for submartingales): once in ``c / w`` changes of a model.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from guardsdk.monitor.drift import Series
from guardsdk.monitor.histograms import SCORE_EDGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Succession:
    """One model after another on one stage, for as many scores of each label as count as recent. Not thread-safe."""

    __slots__ = ("before", "labels", "window")

    def __init__(self, before: str, window: int, labels: Mapping[str, Series] = MappingProxyType({})) -> None:
        """Compare with ``labels``, what the model of digest ``before`` has scored, for a ``window`` of scores."""
        self.before = before
        self.window = window
        self.labels = {label: series.followed() for label, series in labels.items()}
        """Those that are still compared."""

    def blank(self) -> Succession:
        """Return the same with no label yet."""
        return Succession(self.before, self.window)

    def numbers(self, places: Iterable[tuple[str, int]]) -> list[tuple[Series, int]]:
        """Return the series of each label that is still compared, with the bin its score falls in."""
        labels = self.labels
        for label in [label for label, series in labels.items() if series.full]:
            del labels[label]
        return [(labels[label], place) for label, place in places if label in labels]

    def merge(self, other: Succession) -> None:
        """Add what another process has compared, where it was with the same model."""
        if other.before == self.before:
            for label, series in other.labels.items():
                self._series(label).merge(series)

    def _series(self, label: str) -> Series:
        return self.labels.setdefault(label, Series(SCORE_EDGES, self.window))

    def state(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {"before": self.before, "scores": {label: series.state() for label, series in self.labels.items()}}

    @classmethod
    def restored(cls, state: Mapping[str, Any], window: int) -> Succession:
        """Return what ``state`` was taken of. Raises as ``Series.restore`` does."""
        made = cls(str(state["before"]), window)
        for label, series in state["scores"].items():
            made._series(label).restore(series)
        return made
