"""Histograms of scores per model: the scores of one model are not comparable with another's."""

# ruff: noqa: PLC0415  few processes see a second model

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from guardsdk.monitor.drift import Series
from guardsdk.monitor.histograms import SCORE_EDGES, shares
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from guardsdk.monitor.succession import Succession
    from guardsdk.policy.monitoring import MonitorRules

    Labels = dict[str, Series]

NO_MODEL: Final = ""
"""Stands for the digest before any model has scored."""
_ASIDE: Final = 2 * len(Stage)
"""Models, counted per stage, whose histograms are kept in addition to those of the one in use."""


class Scores:
    """A series per stage and label of the model in use, and those of earlier models. Not thread-safe."""

    def __init__(self, rules: MonitorRules) -> None:
        """Start empty."""
        self._rules = rules
        self._at: dict[Stage, Labels] = {stage: {} for stage in Stage}
        self._model = dict.fromkeys(Stage, NO_MODEL)
        self._aside: OrderedDict[tuple[Stage, str], Labels] = OrderedDict()
        """Series of models no longer in use, by stage and digest, in the order they were set aside."""
        self._last: dict[tuple[Stage, str], int] = {}
        """The number of checks when each of these was set aside."""
        self._successions: dict[tuple[Stage, str], Succession] = {}
        """By stage and digest: models whose first scores are compared with those of the model before."""
        self._references: dict[tuple[Stage, str], dict[str, list[float]]] = {}
        """By stage, digest and label: the share of each bin among a model's benign scores."""
        self._given: dict[str, Mapping[tuple[str, Stage], Sequence[float]]] = {}
        """Quantiles by digest of the models whose references were passed in here rather than restored; emptied once
        they are among the references. Deferred, so that the first check does not wait for what only a report shows."""

    def model(self, stage: Stage) -> str:
        """Return the digest of the model in use, ``NO_MODEL`` before the first one."""
        return self._model[stage]

    def follow(self, stage: Stage, model: str, checks: int) -> str | None:
        """Count scores of ``model`` from now on, after ``checks``; return the previous model if that is a change.

        ``None`` if the model is the stage's first, or was in use within the last window: two guards with different
        models may share a monitor, and alternate.
        """
        before, labels = self._model[stage], self._at[stage]
        self._model[stage] = model
        if before in (NO_MODEL, model):
            return None
        self._aside[stage, before], self._last[stage, before] = labels, checks
        self._aside.move_to_end((stage, before))
        self._at[stage] = self._aside.pop((stage, model), {})
        last = self._last.pop((stage, model), None)
        news = last is None or checks - last > self._rules.window
        if news:
            from guardsdk.monitor.succession import Succession

            self._successions[stage, model] = Succession(before, self._rules.window, labels)
        self._keep_few()
        return before if news else None

    def _keep_few(self) -> None:
        while len(self._aside) > _ASIDE:
            gone, _ = self._aside.popitem(last=False)
            self._last.pop(gone, None)
            self._successions.pop(gone, None)

    def numbers(self, stage: Stage, scores: Mapping[str, float]) -> list[tuple[Series, int]]:
        """Return the series of each of ``scores``, by label, with the bin of the score.

        Followed, for a new model, by the series that compare it with the previous one.
        """
        known, find = self._at[stage], bisect_right
        try:
            found = [(known[label], find(SCORE_EDGES, score)) for label, score in scores.items()]
        except KeyError:  # the first score of a label
            for label in scores:
                self._series(known, stage, self._model[stage], label)
            found = [(known[label], find(SCORE_EDGES, score)) for label, score in scores.items()]
        compared = self.succession(stage)
        if compared is not None:
            found += compared.numbers([(label, place) for label, (_, place) in zip(scores, found, strict=True)])
            if not compared.labels:
                del self._successions[stage, self._model[stage]]
        return found

    def at(self, stage: Stage) -> Mapping[str, Series]:
        """Return the series of the model in use by label."""
        return self._at[stage]

    def succession(self, stage: Stage) -> Succession | None:
        """Return the comparison of the model in use with the previous one; ``None`` if it is over or there was none."""
        return self._successions.get((stage, self._model[stage])) if self._successions else None

    def items(self) -> Iterator[tuple[Stage, str, Series]]:
        """Yield stage, label and series of the models in use."""
        for stage, labels in self._at.items():
            yield from ((stage, label, series) for label, series in labels.items())

    def refer(self, model: str, quantiles: Mapping[tuple[str, Stage], Sequence[float]]) -> None:
        """Take ``quantiles`` as those of the benign scores of ``model``, per label and stage."""
        kept = {model, *self._model.values(), *(digest for _, digest in self._aside)}
        self._references = {key: found for key, found in self._references.items() if key[1] in kept}
        self._given = {digest: found for digest, found in self._given.items() if digest in kept} | {model: quantiles}
        if self._rules.reference == "model":
            self._settle()

    def refers(self, model: str) -> bool:
        """Whether the references of ``model`` were passed in; may be outdated without the lock."""
        return model in self._given

    def _settle(self) -> None:
        """Turn the given quantiles into references."""
        for model, quantiles in self._given.items():
            for (label, stage), found in quantiles.items():
                if len(found) > 1:  # a manifest has none for a label without quantiles
                    self._hold_against(stage, model, label, shares(found, SCORE_EDGES))
        self._given = {model: {} for model in self._given}

    def _hold_against(self, stage: Stage, model: str, label: str, reference: list[float]) -> None:
        """Set the reference of a label, and compare its scores with it if the rules say so."""
        self._references.setdefault((stage, model), {})[label] = reference
        if self._rules.reference == "model":
            known = self._at[stage] if self._model[stage] == model else self._aside.get((stage, model), {})
            if label in known:
                known[label].hold_against(reference)

    def references(self) -> dict[str, list[float]]:
        """Return the share of each bin in the references of the models in use, by ``stage/label``, as JSON values."""
        self._settle()
        return {
            f"{stage}/{label}": found.copy()
            for stage, model in self._model.items()
            for label, found in self._references.get((stage, model), {}).items()
        }

    def recall(self, references: Mapping[str, Sequence[float]]) -> None:
        """Restore what ``references`` returned. Raises ``ValueError`` or ``TypeError`` if it is invalid."""
        for key, found in references.items():
            word, _, label = key.partition("/")
            reference = [float(share) for share in found]
            if len(reference) != len(SCORE_EDGES) + 1 or not all(0.0 <= share <= 1.0 for share in reference):
                msg = "a reference holds no shares"
                raise ValueError(msg)
            self._hold_against(Stage(word), self._model[Stage(word)], label, reference)

    def _series(self, labels: Labels, stage: Stage, model: str, label: str) -> Series:
        found = labels.get(label)
        if found is None:
            known = self._references.get((stage, model), {}) if self._rules.reference == "model" else {}
            found = labels[label] = Series(SCORE_EDGES, self._rules.window, known.get(label))
        return found

    def _labels(self, stage: Stage, model: str) -> Labels:
        """Return the series of ``model``, making it the one in use if there was none."""
        if model == NO_MODEL or self._model[stage] in (NO_MODEL, model):
            self._model[stage] = model or self._model[stage]
            return self._at[stage]
        return self._aside.setdefault((stage, model), {})

    def merge(self, other: Scores) -> None:
        """Add the counts of another process, per model."""
        self._references = other._references | self._references
        theirs = [
            *other._aside.items(),
            *(((stage, other._model[stage]), labels) for stage, labels in other._at.items()),
        ]
        for stage, labels in other._at.items():  # first, so that the other's model is taken over if none is in use here
            if labels:
                self._labels(stage, other._model[stage])
        for (stage, model), labels in theirs:
            own = self._labels(stage, model) if labels else {}
            for label, series in labels.items():
                self._series(own, stage, model, label).merge(series)
        for key in self._aside:
            self._last[key] = max(self._last.get(key, 0), other._last.get(key, 0))
        for key, compared in other._successions.items():
            self._successions.setdefault(key, compared.blank()).merge(compared)
        self._keep_few()

    def state(self) -> dict[str, Any]:
        """Return everything except the references as JSON values."""
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
            "successions": [
                {"stage": stage.value, "model": model, **compared.state()}
                for (stage, model), compared in self._successions.items()
            ],
        }

    def restore(self, state: Mapping[str, Any], model: str) -> None:
        """Restore what ``state`` returned; ``model`` is the one that scored if the state, an older one, does not say.

        Raises ``ValueError``, ``KeyError`` or ``TypeError`` if it is invalid.
        """
        from guardsdk.monitor.succession import Succession

        for key, series in state["scores"].items():
            word, _, label = key.partition("/")
            self._series(self._at[Stage(word)], Stage(word), NO_MODEL, label).restore(series)
        given = state.get("scored_by", {stage: model for stage, labels in self._at.items() if labels})
        self._model |= {Stage(stage): str(digest) for stage, digest in given.items()}
        for one in state.get("aside", ()):
            key = Stage(one["stage"]), str(one["model"])
            labels = self._aside[key] = {}
            self._last[key] = int(one["last"])
            for label, series in one["scores"].items():
                self._series(labels, *key, label).restore(series)
        for one in state.get("successions", ()):
            key = Stage(one["stage"]), str(one["model"])
            self._successions[key] = Succession.restored(one, self._rules.window)
