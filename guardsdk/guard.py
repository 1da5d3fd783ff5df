"""The guard: the only place where the parts are put together."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from guardsdk.cache import Keys, VerdictCache
from guardsdk.calling.steps import in_thread
from guardsdk.limits import remaining
from guardsdk.parts.applying import Applying
from guardsdk.parts.assembling import assemble, find_classifier
from guardsdk.parts.given import (
    chosen_policy,
    require_each,
    require_flags,
    require_options,
    require_seconds,
    screens_of,
    settings_of,
    stage_of,
    surroundings_of,
    text_of,
    text_or_none,
    texts_of,
)
from guardsdk.parts.lifecycle import Lifecycle
from guardsdk.parts.loading import Loader
from guardsdk.parts.messages import Conversations
from guardsdk.parts.recording import Watching, log_of, monitor_of, observers_of, reviewer_of
from guardsdk.parts.taught import Teaching, lessons_of
from guardsdk.pipeline import Pipeline
from guardsdk.screens.canary import CanaryScreen, issue
from guardsdk.streaming import Streaming
from guardsdk.surroundings import Surroundings
from guardsdk.verdict import Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from guardsdk.decisions.log import DecisionLog
    from guardsdk.engine.classifier import Classifier
    from guardsdk.monitor.monitor import Monitor
    from guardsdk.observing import Observer
    from guardsdk.parts.info import GuardInfo
    from guardsdk.pipeline import Assembly
    from guardsdk.policy.model import Policy
    from guardsdk.policy.recalibrating import Quantiles
    from guardsdk.screens.base import Screen
    from guardsdk.settings import Providers, Settings
    from guardsdk.teaching.lesson import Lesson
    from guardsdk.verdict import ArtifactRef


class Guard(Streaming, Conversations, Applying, Watching, Teaching, Lifecycle):
    """Screens texts by a policy. Thread-safe; guards that use the same model share it.

    ``check`` says what is to follow and ``apply`` what may be used; ``check_messages`` is for conversations, ``stream``
    for a text while it is written. Nothing is loaded before the first check or ``warmup``.
    """

    def __init__(
        self,
        policy: Policy | str | Path | None = None,
        *,
        models: str | Path | None = None,
        providers: Providers | None = None,
        threads: int | None = None,
        cache: int = 4096,
        cache_ttl_s: float = 3600.0,
        max_chars: int | None = 2_000_000,
        early_stop: bool = True,
        early_exit: bool = True,
        deadline_s: float | None = None,
        max_waiting: int | None = 1024,
        shadow: bool | None = None,
        reviewer: object = None,
        views: bool = True,
        system_on_input: bool = True,
        observers: Sequence[Observer] | None = None,
        decision_log: str | Path | DecisionLog | None = None,
        monitor: bool | Monitor = True,
        screens: Sequence[Screen] = (),
        taught: Iterable[Lesson | str | Path] = (),
        settings: Settings | None = None,
    ) -> None:
        """Prepare a guard. Policy, model, providers and threads that are left out come from the environment.

        Args:
            policy: A policy, the path of its file, or the name of a preset; the packaged default when left out.
            models: The directory of one model; the packaged model when left out.
            providers: ``"auto"`` (CUDA where it works, else CPU; the default), ``"cpu"`` or ``"cuda"``.
            threads: CPU threads one check may use; the physical cores of the process, four at most, when left out.
            cache: Most verdicts kept, by a digest of the text; 0 keeps none.
            cache_ttl_s: Seconds a verdict is kept.
            max_chars: Characters of a text that are scored at most; a longer text is ``degraded`` and handled by the
                policy's ``on_error``. ``None`` scores texts of any length whole.
            early_stop: Leave the rest of a long text unscored once a principle has blocked it: no score can change that
                action any more. Off, every window is scored and every finding is on the verdict.
            early_exit: Let the model's lower layers clear what they find harmless, on CPU, where the model can and no
                principle of the stage fires below the model's own threshold. Off, every layer sees every text.
            deadline_s: Seconds a check may take, looked at between pieces of work. What is not scored by then is
                left out: the verdict is ``degraded``, ``failed`` where nothing was scored, and ``on_error`` decides.
                When left out, a text of more than 100,000 characters has 120 seconds, with ``math.inf`` all it takes.
            max_waiting: Threads that may wait for the model. A check beyond is turned away at once, its verdict says
                so, and ``on_error`` decides. ``None`` lets any number wait.
            shadow: Let every text pass and record what would have followed, whatever the policy says of it; the
                policy's own ``shadow`` when left out.
            reviewer: Who decides on texts with action ``review``, for ``apply`` and for callables guarded with this
                guard: a callable or queue, see ``guardsdk.reviewing.Reviewer``.
            views: Score what a text says once disguises are undone, in English, and passage by passage, as well.
            system_on_input: Read what a user wrote beside the system text it is aimed at, where one is given and the
                model can: a question may be an attack on these instructions only. Off, it is read by itself and sooner.
            observers: Who is told of every check, see ``guardsdk.observing.Observer``; OpenTelemetry when left out.
            decision_log: Where decisions are written down, a path or ``DecisionLog``; the policy's own when left out.
            monitor: Whether scores, rates and actors are watched over time, see ``guard.monitor``; or who does it, a
                ``Monitor``.
            screens: Screens of your own for the policy to name, see ``guardsdk.screens.base.Screen``.
            taught: Lessons that ``teach`` returned, or the files they were saved in; the policy need not name them.
            settings: A ``guardsdk.settings.Settings`` to use in place of the environment.

        Raises:
            PolicyError: The policy cannot be read.
            InputError, InputTypeError: An argument or a setting has a value or a type that cannot be used.
            TeachingError: A lesson cannot be read.
            DecorationError: ``reviewer`` is neither a callable nor a queue.
        """
        require_options(models, cache, cache_ttl_s, max_chars, threads, providers, max_waiting, deadline_s)
        require_flags(early_stop=early_stop, early_exit=early_exit, views=views, system_on_input=system_on_input)
        self._settings = settings_of(settings)
        self._begin(chosen_policy(policy, self._settings, shadow=shadow), lessons_of(taught))
        self.reviewer = reviewer_of(reviewer)
        self._models = models
        self._providers: Providers = providers or self._settings.providers
        self._threads = threads or self._settings.threads
        self._cache = VerdictCache(cache, cache_ttl_s) if cache else None
        self._max_chars = max_chars
        self._deadline_s = deadline_s
        self._views = views
        self._early_exit = early_exit
        self._system_on_input = system_on_input
        self._screens = screens_of(screens)
        self._canaries = CanaryScreen()
        self._log = log_of(decision_log, self.policy)
        loader = self._loader = Loader(partial(self._load, self.policy, self._lessons))
        self._monitor = monitor_of(monitor, self.policy, self._log, self._references)
        watchers = () if self._monitor is None else (self._monitor,)
        self._closed = False
        self._pipeline = Pipeline(
            self.policy,
            lambda: loader.get()[0],
            observers=(*observers_of(observers, self._settings), *watchers),
            recorder=self._log,
            limiter=None if self._monitor is None else self._monitor.limiter,
            provider_requested=self._providers,
            cache=self._cache,
            max_chars=max_chars,
            early_stop=early_stop,
            deadline_s=deadline_s,
            max_waiting=max_waiting,
        )

    def check(
        self,
        text: str,
        *,
        stage: Stage | str = Stage.INPUT,
        context: str | None = None,
        system: str | None = None,
        actor: str | None = None,
        deadline_s: float | None = None,
    ) -> Verdict:
        """Check one text.

        Args:
            text: What to check. A text without a visible character is allowed and complete, with no finding.
            stage: ``"input"`` (from a user), ``"tool"`` (a document or tool result) or ``"output"`` (from the model).
            context: What the text is read against: the prompt a response answers, or, where no ``system`` is given,
                the instructions a user's text is aimed at. Not read on the tool stage.
            system: The developer's instructions: what a user's text is aimed at, where the model can read that, and
                what a response must not recite. Not read on the tool stage.
            actor: Whose text it is, for monitor and logs; only ``[monitor.enforcement]`` of a policy decides by it.
            deadline_s: Seconds this check may take, in place of the guard's.

        Returns:
            The verdict. A model that is missing, corrupt or failing gives status ``failed`` and never raises; whether
            the text is then allowed is the policy's ``on_error``.

        Raises:
            InputTypeError: ``text``, ``context``, ``system`` or ``actor`` is not a string.
            InputError: There is no such stage, or ``deadline_s`` is no time.
            PolicyError: The policy names a label or threshold that no screen of the guard has.
            GuardError: The guard is closed.
        """
        self._require_open()
        text = text_of(text, "text")
        around = (surroundings_of(context, system),)
        if actor is not None:
            actor = text_of(actor, "actor")
        if deadline_s is not None:
            require_seconds(deadline_s, "deadline_s")
        return self._pipeline.run((text,), stage_of(stage), around, actor, deadline_s=deadline_s)[0]

    async def acheck(
        self,
        text: str,
        *,
        stage: Stage | str = Stage.INPUT,
        context: str | None = None,
        system: str | None = None,
        actor: str | None = None,
        deadline_s: float | None = None,
    ) -> Verdict:
        """Check one text as ``check`` does, in a worker thread that sees the caller's context variables.

        The time until a worker thread is free counts.
        """
        require_seconds(deadline_s, "deadline_s")
        left = remaining(self._deadline_s if deadline_s is None else deadline_s)
        check = partial(self.check, text, stage=stage, context=context, system=system, actor=actor)
        return await in_thread(lambda: check(deadline_s=left()))

    def check_many(
        self,
        texts: Iterable[str],
        *,
        stage: Stage | str = Stage.INPUT,
        contexts: Sequence[str | None] | None = None,
        system: str | None = None,
        actor: str | None = None,
        deadline_s: float | None = None,
        uncovered: Sequence[Sequence[str]] = (),
        again: Sequence[bool] = (),
    ) -> list[Verdict]:
        """Check many texts in batches; equal ones are scored once.

        ``contexts`` gives each text its own context; ``system`` and ``deadline_s`` are for all of them together.
        ``uncovered`` gives the kinds of what came with each text and cannot be screened, such as ``image``: its
        verdict is degraded, and the policy's ``on_uncovered`` says what follows. ``again`` marks parts of what is or
        was checked by itself, which the monitor does not count as texts of the actor while they pass. Returns one
        verdict per text, in order; ``duration_s`` of each is its share of the batch's wall time. Raises as ``check``
        does, naming the place of a wrong element, before anything is checked; ``InputError`` where lengths differ.
        """
        self._require_open()
        items, prompts = texts_of(texts, contexts)
        system, actor = text_or_none(system, "system"), text_or_none(actor, "actor")
        require_seconds(deadline_s, "deadline_s")
        require_each(len(items), uncovered, again)
        around, at = [Surroundings(prompt, system) for prompt in prompts], stage_of(stage)
        return self._pipeline.run(items, at, around, actor, deadline_s=deadline_s, uncovered=uncovered, again=again)

    async def acheck_many(
        self,
        texts: Iterable[str],
        *,
        stage: Stage | str = Stage.INPUT,
        contexts: Sequence[str | None] | None = None,
        system: str | None = None,
        actor: str | None = None,
        deadline_s: float | None = None,
        uncovered: Sequence[Sequence[str]] = (),
        again: Sequence[bool] = (),
    ) -> list[Verdict]:
        """Check many texts as ``check_many`` does, in a worker thread, as ``acheck`` does; ``texts`` is read there."""
        require_seconds(deadline_s, "deadline_s")
        left = remaining(self._deadline_s if deadline_s is None else deadline_s)
        given = partial(self.check_many, texts, stage=stage, contexts=contexts, system=system, actor=actor)
        return await in_thread(lambda: given(deadline_s=left(), uncovered=uncovered, again=again))

    def warmup(self) -> None:
        """Load the model and run it once, so that the first check is as fast as the next.

        Raises ``ModelError`` where the model is missing, corrupt or does not run, ``PolicyError`` where the policy
        does not fit it, and ``GuardError`` where the guard is closed.
        """
        self._require_open()
        self._loader.get(again=True)[1].warmup()

    def info(self) -> GuardInfo:
        """Load the model and say what the guard runs on. Raises as ``warmup`` does."""
        from guardsdk.parts.info import describe  # noqa: PLC0415  brings models and modules that no check needs

        self._require_open()
        return describe(*self._loader.get(again=True), self._providers, self._lessons)

    def canary(self, token: str | None = None) -> str:
        """Return a token to put into a prompt: an answer that holds it has recited the prompt.

        The label ``canary`` finds it on the output stage in whatever case and however split up. Every guard of the
        process, and of its forked children, knows a token issued in it; a token of another process is made known to
        this guard by giving it as ``token``. Raises ``InputError`` where that is none.
        """
        self._require_open()
        if token is None:
            return issue()
        token = text_of(token, "token")
        self._canaries.learn(token)
        # Verdicts remembered from before may be wrong now: under new keys they are not found.
        self._loader.change(
            lambda parts: (replace(parts[0], keys=self._keys(parts[0].model, self.policy, self._lessons)), parts[1])
        )
        return token

    def _load(self, policy: Policy, lessons: tuple[Lesson, ...]) -> tuple[Assembly, Classifier]:
        classifier = find_classifier(self._models, self._settings, self._providers, self._threads)
        enforced = None if self._monitor is None else self._monitor.rules.enforcement
        parts = assemble(
            policy,
            classifier,
            self._canaries,
            self._screens,
            self._keys(classifier.model.ref, policy, lessons),
            views=self._views,
            lessons=lessons,
            early_exit=self._early_exit,
            system_on_input=self._system_on_input,
            stricter_by=0.0 if enforced is None else enforced.stricter_by,
        )
        return parts, classifier

    def _references(self) -> Quantiles:
        return self._loader.get()[1].model.manifest.references

    def _keys(self, model: ArtifactRef, policy: Policy, lessons: tuple[Lesson, ...]) -> Keys:
        # No options: the cache belongs to this guard, whose options never change.
        return Keys(model.digest, policy.digest, self._canaries.digest, " ".join(one.digest for one in lessons))
