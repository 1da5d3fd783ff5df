"""Compares the first scores of a model with those of the model before it, label by label.

The past of a label of the new model is the old model's histogram. While the new scores have the same distribution,
their ranks among both are uniform, whatever the distribution and however few there are. The evidence (``drift``) is
then ``n`` on average after ``n`` scores, and reaches a limit ``c`` within a window of ``w`` with probability at most
``w / c`` (Doob's inequality for submartingales): once in ``c / w`` model changes.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from guardsdk.monitor.drift import Series
from guardsdk.monitor.histograms import SCORE_EDGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Succession:
    """One model after another on one stage, for one window of scores per label. Not thread-safe."""

    __slots__ = ("before", "labels", "window")

    def __init__(self, before: str, window: int, labels: Mapping[str, Series] = MappingProxyType({})) -> None:
        """Compare with ``labels``, the series of the model with digest ``before``, for a ``window`` of scores."""
        self.before = before
        self.window = window
        self.labels = {label: series.followed() for label, series in labels.items()}
        """The labels still being compared."""

    def blank(self) -> Succession:
        """Return the same comparison without labels."""
        return Succession(self.before, self.window)

    def numbers(self, places: Iterable[tuple[str, int]]) -> list[tuple[Series, int]]:
        """Return the series of each label still being compared, with the bin of its score."""
        labels = self.labels
        for label in [label for label, series in labels.items() if series.full]:
            del labels[label]
        return [(labels[label], place) for label, place in places if label in labels]

    def merge(self, other: Succession) -> None:
        """Add the comparison of another process, if it was with the same model."""
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
        """Return the object that ``state`` came from. Raises as ``Series.restore`` does."""
        made = cls(str(state["before"]), window)
        for label, series in state["scores"].items():
            made._series(label).restore(series)
        return made
