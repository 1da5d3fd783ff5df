"""One check from text to verdict: validate, look up, clean, score, decide, notify the observers."""

from __future__ import annotations

import time
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from guardsdk.belonging import mark_of
from guardsdk.errors import GuardError, ModelError
from guardsdk.flights import Flights
from guardsdk.limits import Limits, default_seconds
from guardsdk.observing import CheckRecord, limiting, listeners, notify, written
from guardsdk.policy.judge import failed, judge, not_covered, nothing_to_check, settled
from guardsdk.surroundings import NOWHERE
from guardsdk.text.clean import clean
from guardsdk.verdict import Stage, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from guardsdk.cache import Keys, VerdictCache
    from guardsdk.observing import Limiter, Observer, Recorder
    from guardsdk.policy.decide import BoundPolicy
    from guardsdk.policy.judge import About
    from guardsdk.policy.model import Policy
    from guardsdk.screens.panel import JointReading, Panel
    from guardsdk.surroundings import Surroundings
    from guardsdk.verdict import ArtifactRef

_AT_ONCE = 512
"""Texts passed to the screens at once: enough to sort by length, few enough to hold their tokens in memory."""


class Runtime(Protocol):
    """Where the scores are computed. This may change while the program runs, if a device fails."""

    @property
    def provider(self) -> tuple[str, str | None]:
        """The execution provider in use, and why it is not the best one asked for (``None`` if it is)."""
        ...


@dataclass(frozen=True, slots=True)
class Assembly:
    """The loaded parts a check runs on."""

    panel: Panel
    bound: BoundPolicy
    model: ArtifactRef
    runtime: Runtime
    keys: Keys
    paired: frozenset[Stage] = frozenset({Stage.OUTPUT})
    """The stages on which the model reads a text together with its surroundings."""


@dataclass(slots=True, repr=False)
class _Job:
    """One text to score, and every position in the batch that waits for it."""

    key: bytes
    text: str
    around: Surroundings
    places: list[int]


@dataclass(slots=True, repr=False)
class _Batch:
    """The texts of one call and, by position, their results."""

    texts: Sequence[str]
    stage: Stage
    around: Sequence[Surroundings]
    marks: Sequence[bytes]
    limits: Limits
    judged: dict[int, Verdict] = field(default_factory=dict)
    """Each verdict is the caller's own copy, without its duration."""
    embeddings: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    """Filled if an observer needs them."""

    def put(self, places: Iterable[int], verdict: Verdict) -> None:
        """Store a copy of ``verdict`` at each of ``places``."""
        for place in places:
            self.judged[place] = verdict.copied()


class Pipeline:
    """Runs the steps of a check in order. Thread-safe: it keeps no state of a check between calls."""

    def __init__(
        self,
        policy: Policy,
        assemble: Callable[[], Assembly],
        *,
        observers: Sequence[Observer],
        provider_requested: str,
        recorder: Recorder | None = None,
        limiter: Limiter | None = None,
        cache: VerdictCache | None = None,
        max_chars: int | None = None,
        early_stop: bool = False,
        deadline_s: float | None = None,
        max_waiting: int | None = None,
    ) -> None:
        """Check by ``policy`` with the parts that ``assemble`` returns.

        ``assemble`` is called once per batch that needs scores, and should cache what it loads. A ``GuardError`` from
        it that is not a ``ModelError`` is raised to the caller; any other error makes the check ``failed``.
        """
        self._policy = policy
        self._assemble = assemble
        self._audience = listeners(observers)
        self._embeds = any(one.embeds for one in self._audience)
        self._recorder = recorder
        self._limiter = limiter
        self._provider_requested = provider_requested
        self._cache = cache
        self._flights = Flights()
        self._max_chars = max_chars
        self._early_stop = early_stop
        self._deadline_s = deadline_s
        self._max_waiting = max_waiting
        self._timeless = Limits.within(None, max_waiting)
        self._stages = _stages_of(policy)

    def under(self, policy: Policy, assemble: Callable[[], Assembly]) -> Pipeline:
        """Return a pipeline with another policy and other parts; checks under way in this one are not affected."""
        other = copy(self)
        other._policy, other._assemble, other._stages = policy, assemble, _stages_of(policy)  # noqa: SLF001  its own class
        return other

    def run(
        self,
        texts: Sequence[str],
        stage: Stage,
        around: Sequence[Surroundings],
        actor: str | None,
        *,
        deadline_s: float | None = None,
        uncovered: Sequence[Sequence[str]] = (),
        again: Sequence[bool] = (),
    ) -> list[Verdict]:
        """Return one verdict per text, in order; equal texts are scored once.

        Each ``duration_s`` is a share of the batch's wall time. ``around`` is as long as ``texts``, and so are these
        two where given: ``uncovered``, the kinds of content that came with a text and cannot be screened, and
        ``again``, whether the text is part of one that is also checked on its own.
        """
        if not texts:
            return []
        started_ns, started = time.time_ns(), time.perf_counter()
        seconds = (self._deadline_s if deadline_s is None else deadline_s) or default_seconds(texts)
        limits = self._timeless if seconds is None else Limits.within(seconds, self._max_waiting)
        marks = list(map(mark_of, texts))
        batch = _Batch(texts, stage, around, marks, limits)
        self._judge(batch)
        judged = batch.judged
        for place, kinds in enumerate(uncovered):
            if kinds:
                judged[place] = not_covered(self._policy, judged[place], kinds)
        limited = None if actor is None else limiting(self._limiter, self._policy, actor, started_ns)
        if limited is not None:
            for place, text in enumerate(texts):
                judged[place] = limited(judged[place], len(text))
        share = (time.perf_counter() - started) / len(texts)
        verdicts = [judged[place].finished(share, mark) for place, mark in enumerate(marks)]
        if self._recorder is None and not self._audience:
            return verdicts
        records: Sequence[CheckRecord] = [
            CheckRecord(verdict, started_ns, len(text), actor, again=before)
            for verdict, text, before in zip(verdicts, texts, again or (False,) * len(texts), strict=True)
        ]
        if self._recorder is not None:
            records = written(self._recorder, self._policy, records, texts)
            verdicts = [record.verdict for record in records]
        for place, record in enumerate(records):
            notify(self._audience, record, texts[place], batch.embeddings.get(place))
        return verdicts

    def _judge(self, batch: _Batch) -> None:
        """Judge every text of ``batch``."""
        stage = batch.stage
        waiting = [place for place, text in enumerate(batch.texts) if text and not text.isspace()]
        if len(waiting) < len(batch.texts):
            batch.put(range(len(batch.texts)), nothing_to_check(self._policy, stage, self._about(None)))
        if not waiting:
            return
        if stage not in self._stages:
            reason = (
                f"PolicyError: policy {self._policy.name!r} has no principle for stage {stage.value}: add one, or let "
                f'the stage pass unchecked with on_error = {{{stage.value} = "allow"}}'
            )
            batch.put(waiting, self._failed(stage, reason, "policy"))
            return
        try:
            assembly = self._assemble()
        except Exception as error:
            if isinstance(error, GuardError) and not isinstance(error, ModelError):
                raise
            message = f": {error}" if isinstance(error, ModelError) else ""  # other messages may quote the text
            reason = f"{type(error).__qualname__}{message}"
            batch.put(waiting, self._failed(stage, reason, "model"))
            return
        jobs: dict[bytes, _Job] = {}
        for place in waiting:
            beside = batch.around[place].read_on(stage, assembly.paired)
            key = assembly.keys.key(stage, beside, batch.marks[place])
            if key in jobs:
                jobs[key].places.append(place)
            elif not self._remembered(batch, key, (place,)):
                jobs[key] = _Job(key, batch.texts[place], beside, [place])
        waiting_jobs = list(jobs.values())
        # Another thread's verdict is fetched from the cache. Without a cache, every thread scores for itself.
        score = self._score if self._cache is None else self._score_once
        for start in range(0, len(waiting_jobs), _AT_ONCE):
            score(batch, waiting_jobs[start : start + _AT_ONCE], assembly)

    def _remembered(self, batch: _Batch, key: bytes, places: Sequence[int]) -> bool:
        """Store the verdict cached under ``key`` at ``places``; return whether there was one."""
        hit = None if self._cache is None else self._cache.get(key)
        if hit is None:
            return False
        batch.put(places, hit.verdict)
        if hit.embedding is not None:
            batch.embeddings.update(dict.fromkeys(places, hit.embedding))
        return True

    def _score_once(self, batch: _Batch, jobs: Sequence[_Job], assembly: Assembly) -> None:
        """Score every job that no other thread is working on, and wait for the others; see ``flights``.

        Jobs another thread did not check completely are scored here as well: it may have had less time.
        """
        with self._flights.aboard([job.key for job in jobs]) as elsewhere:
            own = [job for job in jobs if job.key not in elsewhere] if elsewhere else jobs
            if own:
                self._score(batch, own, assembly)
        late: list[_Job] = []
        for job in jobs if elsewhere else ():
            if job.key in elsewhere:
                self._flights.wait(elsewhere[job.key], batch.limits.left_s)
                if not self._remembered(batch, job.key, job.places):
                    late.append(job)
        if late:
            self._score(batch, late, assembly)

    def _score(self, batch: _Batch, jobs: Sequence[_Job], assembly: Assembly) -> None:
        """Score all jobs at once, and store each verdict at all its positions and in the cache."""
        stage = batch.stage
        # An answer may recite any part of the system prompt.
        system = clean if stage is Stage.OUTPUT else self._ends
        texts: list[str] = []
        around: list[Surroundings] = []
        for job in jobs:
            texts.append(clean(job.text[: self._max_chars]))
            around.append(NOWHERE if job.around is NOWHERE else job.around.map(self._ends, system))
        enough = partial(settled, assembly.bound, stage) if self._early_stop else None
        readings = assembly.panel.read(texts, stage, around, batch.limits, enough)
        for job, reading in zip(jobs, readings, strict=True):
            verdict = self._verdict(assembly, stage, reading, len(job.text))
            embedding = reading.embedding if self._embeds else None
            first, *others = job.places
            batch.judged[first] = verdict
            if others:
                batch.put(others, verdict)
            if embedding is not None:
                batch.embeddings.update(dict.fromkeys(job.places, embedding))
            if self._cache is not None and verdict.status is Status.COMPLETE:
                self._cache.put(job.key, verdict.remembered(), embedding)

    def _ends(self, context: str) -> str:
        """Clean a context, first cutting a huge one to its two ends, the only parts the engine uses."""
        if self._max_chars is None or len(context) <= self._max_chars:
            return clean(context)
        head = (self._max_chars + 1) // 2
        tail = self._max_chars - head
        return clean(context[:head] + context[len(context) - tail :])

    def _verdict(self, assembly: Assembly, stage: Stage, reading: JointReading, length: int) -> Verdict:
        about = self._about(assembly)
        if reading.coverage is None:
            return failed(self._policy, stage, "; ".join(reading.problems), reading.layers, about)
        seen = length if self._max_chars is None else min(length, self._max_chars)
        cut = (f"only the first {seen} of {length} characters were scored (max_chars)",) if seen < length else ()
        coverage = reading.coverage * seen / length
        return judge(assembly.bound, stage, reading, length=seen, coverage=coverage, reasons=cut, about=about)

    def _about(self, assembly: Assembly | None) -> About:
        """Return the verdict fields that say which model, policy and provider were used."""
        about: About = {"policy": self._policy.ref, "provider_requested": self._provider_requested}
        if assembly is not None:
            about["model"] = assembly.model
            # A runtime that has to reload, in a forked child, may find that it cannot.
            try:  # noqa: SIM105  a context manager more at every check
                about["provider_active"], about["provider_reason"] = assembly.runtime.provider
            except Exception:  # noqa: BLE001, S110  the scores are valid; the fields stay empty
                pass
        return about

    def _failed(self, stage: Stage, error: str, layer: str) -> Verdict:
        return failed(self._policy, stage, error, (layer,), self._about(None))


def _stages_of(policy: Policy) -> frozenset[Stage]:
    return frozenset(stage for principle in policy.principles for stage in principle.stages)
