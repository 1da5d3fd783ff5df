"""Histograms of scores, of every model apart: scores of one say nothing about those of another one."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from guardsdk.errors import GuardError
from guardsdk.monitor.drift import SCORE_EDGES, Series, shares
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from guardsdk.policy.monitoring import MonitorRules

    Labels = dict[str, Series]

NO_MODEL: Final = ""
"""Stands for the digest where no model scored anything yet."""
_ASIDE: Final = 2 * len(Stage)
"""Models, counted per stage, whose histograms are kept besides those of the one in use."""


class Scores:
    """A series per stage and label of the model in use, and those of the models before it. Not thread-safe."""

    def __init__(
        self, rules: MonitorRules, references: Callable[[], Mapping[tuple[str, Stage], Sequence[float]]]
    ) -> None:
        """Begin with nothing; ``references`` gives the quantiles of the model's benign scores per label and stage."""
        self._rules = rules
        self._references = references
        self._at: dict[Stage, Labels] = {stage: {} for stage in Stage}
        self._model = dict.fromkeys(Stage, NO_MODEL)
        self._aside: OrderedDict[tuple[Stage, str], Labels] = OrderedDict()
        """Of models that are not in use, by stage and digest; of the one put aside last the last."""
        self._last: dict[tuple[Stage, str], int] = {}
        """Checks there had been when each of these was put aside."""

    def model(self, stage: Stage) -> str:
        """Return the digest of the model in use, ``NO_MODEL`` before the first."""
        return self._model[stage]

    def follow(self, stage: Stage, model: str, checks: int) -> bool:
        """Count scores of ``model`` from now on, after ``checks``; tell whether that is news.

        It is none where the model is the stage's first, or was in use a window ago: two guards with a model each may
        share a monitor, and come by turns.
        """
        before = self._model[stage]
        if before not in (NO_MODEL, model):
            self._aside[stage, before], self._last[stage, before] = self._at[stage], checks
            self._aside.move_to_end((stage, before))
            self._at[stage] = self._aside.pop((stage, model), {})
            last = self._last.pop((stage, model), None)
            self._keep_few()
            news = last is None or checks - last > self._rules.window
        else:
            news = False
        self._model[stage] = model
        return news

    def _keep_few(self) -> None:
        while len(self._aside) > _ASIDE:
            gone, _ = self._aside.popitem(last=False)
            self._last.pop(gone, None)

    def numbers(self, stage: Stage, scores: Mapping[str, float]) -> list[tuple[Series, int]]:
        """Return the series of each of ``scores``, by label, with the bin it falls in."""
        known, find = self._at[stage], bisect_right
        try:
            return [(known[label], find(SCORE_EDGES, score)) for label, score in scores.items()]
        except KeyError:  # a label's first score
            return [(self._series(stage, known, label), find(SCORE_EDGES, score)) for label, score in scores.items()]

    def at(self, stage: Stage) -> Mapping[str, Series]:
        """Return the series of the model in use by label."""
        return self._at[stage]

    def items(self) -> Iterator[tuple[Stage, str, Series]]:
        """Yield stage, label and series of the models in use."""
        for stage, labels in self._at.items():
            yield from ((stage, label, series) for label, series in labels.items())

    def references(self) -> dict[str, list[float]]:
        """Return the share of each bin in the model's reference, by ``stage/label``; empty where there is none."""
        try:
            found = self._references()
        except GuardError:  # no model any more, or none yet
            return {}
        return {f"{stage}/{label}": shares(quantiles, SCORE_EDGES) for (label, stage), quantiles in found.items()}

    def _series(self, stage: Stage, labels: Labels, label: str) -> Series:
        found = labels.get(label)
        if found is None:
            quantiles = self._references().get((label, stage)) if self._rules.reference == "model" else None
            fixed = shares(quantiles, SCORE_EDGES) if quantiles else None
            found = labels[label] = Series(SCORE_EDGES, self._rules.window, fixed)
        return found

    def _labels(self, stage: Stage, model: str) -> Labels:
        """Return the series of ``model``, which is in use from now on where none was."""
        if model == NO_MODEL or self._model[stage] in (NO_MODEL, model):
            self._model[stage] = model or self._model[stage]
            return self._at[stage]
        return self._aside.setdefault((stage, model), {})

    def merge(self, other: Scores) -> None:
        """Add what another process has counted, each model's to the same model's."""
        theirs = [
            *other._aside.items(),
            *(((stage, other._model[stage]), labels) for stage, labels in other._at.items()),
        ]
        for stage, labels in other._at.items():  # first, so that where none is in use here the same one is as there
            if labels:
                self._labels(stage, other._model[stage])
        for (stage, model), labels in theirs:
            own = self._labels(stage, model) if labels else {}
            for label, series in labels.items():
                self._series(stage, own, label).merge(series)
        for key in self._aside:
            self._last[key] = max(self._last.get(key, 0), other._last.get(key, 0))
        self._keep_few()

    def state(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "scores": {f"{stage}/{label}": series.state() for stage, label, series in self.items()},
            "scored_by": {stage.value: model for stage, model in self._model.items() if model != NO_MODEL},
            "aside": [
                {
                    "stage": stage.value,
                    "model": model,
                    "last": self._last[stage, model],
                    "scores": {label: series.state() for label, series in labels.items()},
                }
                for (stage, model), labels in self._aside.items()
            ],
        }

    def restore(self, state: Mapping[str, Any], model: str) -> None:
        """Take over what ``state`` returned; ``model`` has scored where it says nothing of that, as older ones do.

        Raises ``ValueError``, ``KeyError`` or ``TypeError`` where it is no such state.
        """
        for key, series in state["scores"].items():
            stage, _, label = key.partition("/")
            self._series(Stage(stage), self._at[Stage(stage)], label).restore(series)
        given = state.get("scored_by", {stage: model for stage, labels in self._at.items() if labels})
        self._model |= {Stage(stage): str(digest) for stage, digest in given.items()}
        for one in state.get("aside", ()):
            key = Stage(one["stage"]), str(one["model"])
            labels = self._aside[key] = {}
            self._last[key] = int(one["last"])
            for label, series in one["scores"].items():
                self._series(key[0], labels, label).restore(series)
