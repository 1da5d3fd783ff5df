"""One check from text to verdict: validated, looked up, cleaned, scored, decided, told to the observers."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any, Protocol

from guardsdk.errors import ModelError
from guardsdk.observing import CheckRecord, notify
from guardsdk.policy.decide import decide
from guardsdk.surroundings import NOWHERE, Surroundings
from guardsdk.text.clean import clean
from guardsdk.verdict import Action, Finding, Stage, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from guardsdk.cache import Keys, VerdictCache
    from guardsdk.observing import Observer
    from guardsdk.policy.decide import BoundPolicy
    from guardsdk.policy.model import Policy
    from guardsdk.screens.base import JointReading, Panel
    from guardsdk.verdict import ArtifactRef

_AT_ONCE = 512
"""Texts given to the screens in one go: enough to sort by length, few enough to hold their tokens in memory."""


class Runtime(Protocol):
    """Where the scores are computed; it may change while the program runs, when a device fails."""

    @property
    def provider_active(self) -> str:
        """The execution provider in use."""
        ...

    @property
    def provider_reason(self) -> str | None:
        """Why it is not the best one asked for."""
        ...


@dataclass(frozen=True, slots=True)
class Assembly:
    """The loaded parts a check runs on."""

    panel: Panel
    bound: BoundPolicy
    model: ArtifactRef
    runtime: Runtime
    keys: Keys


@dataclass(frozen=True, slots=True)
class _Job:
    """One text to be scored, and every place of the batch that waits for it."""

    text: str
    around: Surroundings
    places: list[int] = field(default_factory=list)


class Pipeline:
    """The order of work. Thread-safe: it holds no state of a check between two calls."""

    def __init__(
        self,
        policy: Policy,
        assemble: Callable[[], Assembly],
        *,
        observers: Sequence[Observer],
        provider_requested: str,
        cache: VerdictCache | None = None,
        max_chars: int | None = None,
    ) -> None:
        """Check by ``policy`` with the parts ``assemble`` gives.

        ``assemble`` is called once per batch that needs scores and is expected to remember what it loaded; a
        ``ModelError`` from it makes the check ``failed``, every other error is the caller's.
        """
        self._policy = policy
        self._assemble = assemble
        self._observers = tuple(observers)
        self._provider_requested = provider_requested
        self._cache = cache
        self._max_chars = max_chars
        self._stages = frozenset(stage for principle in policy.principles for stage in principle.stages)

    def run(
        self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings], actor: str | None
    ) -> list[Verdict]:
        """Return one verdict per text, in order; equal texts are scored once.

        ``duration_s`` of each is its share of the batch's wall time. ``around`` is as long as ``texts``.
        """
        if not texts:
            return []
        started_ns, started = time.time_ns(), time.perf_counter()
        judged = self._judge(texts, stage, around)
        share = (time.perf_counter() - started) / len(texts)
        verdicts = []
        for place, text in enumerate(texts):
            verdict = judged[place]
            # The one mutable part is copied, so that a caller who changes it changes nobody else's verdict.
            changes = {"duration_s": share, "scores": verdict.scores.copy()}
            verdicts.append(final := verdict.model_copy(update=changes))
            notify(self._observers, CheckRecord(final, started_ns, len(text), actor))
        return verdicts

    def _judge(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> dict[int, Verdict]:
        """Return the verdict of every text by its place, without its duration."""
        waiting = [place for place, text in enumerate(texts) if text and not text.isspace()]
        judged: dict[int, Verdict] = {}
        if len(waiting) < len(texts):
            judged = dict.fromkeys(range(len(texts)), self._nothing_to_check(stage))
        if not waiting:
            return judged
        if stage not in self._stages:
            reason = (
                f"PolicyError: policy {self._policy.name!r} has no principle for stage {stage.value}: add one, or let "
                f'the stage pass unchecked with on_error = {{{stage.value} = "allow"}}'
            )
            return judged | dict.fromkeys(waiting, self._failed(stage, reason))
        try:
            assembly = self._assemble()
        except ModelError as error:
            reason = f"{type(error).__qualname__}: {error}"
            return judged | dict.fromkeys(waiting, self._failed(stage, reason))
        jobs: dict[Hashable, _Job] = {}
        for place in waiting:
            text = texts[place]
            beside = _read_of(around[place], stage)
            key: Hashable = (beside, text)
            if self._cache is not None:
                key = digest = assembly.keys.key(stage, beside, text)
                hit = self._cache.get(digest)
                if hit is not None:
                    judged[place] = hit
                    continue
            jobs.setdefault(key, _Job(text, beside)).places.append(place)
        waiting_jobs = list(jobs.items())
        for start in range(0, len(waiting_jobs), _AT_ONCE):
            self._score(assembly, stage, waiting_jobs[start : start + _AT_ONCE], judged)
        return judged

    def _score(
        self, assembly: Assembly, stage: Stage, jobs: Sequence[tuple[Hashable, _Job]], judged: dict[int, Verdict]
    ) -> None:
        """Score every job in one go, and put its verdict at all its places and into the cache."""
        texts = [clean(job.text[: self._max_chars]) for _, job in jobs]
        around = [job.around.map(lambda prompt: clean(self._ends(prompt)), clean) for _, job in jobs]
        readings = assembly.panel.read(texts, stage, around)
        for (key, job), reading in zip(jobs, readings, strict=True):
            verdict = self._verdict(assembly, stage, reading, len(job.text))
            judged.update(dict.fromkeys(job.places, verdict))
            if self._cache is not None and verdict.status is Status.COMPLETE and isinstance(key, bytes):
                self._cache.put(key, verdict.model_copy(update={"cached": True}))

    def _ends(self, context: str) -> str:
        """Cut a huge context to its two ends, the parts the engine keeps anyway, before it is tokenized."""
        if self._max_chars is None or len(context) <= self._max_chars:
            return context
        head = (self._max_chars + 1) // 2
        tail = self._max_chars - head
        return context[:head] + context[len(context) - tail :]

    def _verdict(self, assembly: Assembly, stage: Stage, reading: JointReading, length: int) -> Verdict:
        if reading.coverage is None:
            return self._failed(stage, "; ".join(reading.problems), assembly)
        decision = decide(assembly.bound, stage, reading.scores)
        seen = length if self._max_chars is None else min(length, self._max_chars)
        reasons = list(reading.problems)
        if seen < length:
            reasons.append(f"only the first {seen} of {length} characters were scored (max_chars)")
        if reading.coverage < 1.0:
            reasons.append(f"only {reading.coverage:.1%} of the characters given to the model were scored")
        if decision.unscored:
            reasons.append(f"no usable score for {', '.join(decision.unscored)}")
        on_error = self._policy.on_error_for(stage)
        held_back = bool(reasons) and on_error is Action.BLOCK and decision.action is not Action.BLOCK
        findings = tuple(
            Finding(
                principle_id=fired.principle.id,
                label=fired.principle.label,
                score=fired.score,
                threshold=fired.principle.threshold,
                margin=fired.margin,
                action=fired.principle.action,
                spans=reading.spans(fired.principle.label),
            )
            for fired in decision.fired
        )
        return Verdict(
            **self._follows(Action.BLOCK if held_back else decision.action),
            status=Status.DEGRADED if reasons else Status.COMPLETE,
            stage=stage,
            principle_id=None if held_back else decision.principle_id,
            scores={label: score for label, score in reading.scores.items() if isfinite(score)},
            evaluations=decision.evaluations,
            findings=findings,
            coverage=reading.coverage * seen / length,
            degraded_reasons=tuple(reasons),
            **self._about(assembly),
        )

    def _follows(self, action: Action) -> dict[str, Any]:
        """Return the fields of a verdict that say what follows; in shadow mode the text passes, whatever was found."""
        if not self._policy.shadow:
            return {"allowed": action.passes, "action": action}
        return {"allowed": True, "action": action if action.passes else Action.FLAG, "would_action": action}

    def _about(self, assembly: Assembly | None) -> dict[str, Any]:
        """Return the fields of a verdict that say what it was reached with."""
        about: dict[str, Any] = {"policy": self._policy.ref, "provider_requested": self._provider_requested}
        if assembly is not None:
            about["model"] = assembly.model
            # A runtime that has to load again, in a forked child, may find that it cannot.
            with suppress(ModelError):
                about["provider_active"] = assembly.runtime.provider_active
                about["provider_reason"] = assembly.runtime.provider_reason
        return about

    def _nothing_to_check(self, stage: Stage) -> Verdict:
        """Judge a text without a visible character: it holds nothing a principle could speak of."""
        return Verdict(
            **self._follows(Action.ALLOW),
            status=Status.COMPLETE,
            stage=stage,
            coverage=1.0,
            **self._about(None),
        )

    def _failed(self, stage: Stage, error: str, assembly: Assembly | None = None) -> Verdict:
        return Verdict(
            **self._follows(self._policy.on_error_for(stage)),
            status=Status.FAILED,
            stage=stage,
            error=error,
            **self._about(assembly),
        )


def _read_of(around: Surroundings, stage: Stage) -> Surroundings:
    """Return what is read of ``around`` on ``stage``; an empty text says as much as none."""
    if stage is not Stage.OUTPUT:
        return NOWHERE
    return Surroundings(around.prompt or None, around.system or None)
