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
    """Screens texts against a policy. Thread-safe; guards that use the same model share one copy of it.

    ``check`` returns a verdict and ``apply`` the text that may be used. ``check_messages`` is for conversations,
    ``stream`` for text that is still being written. Nothing is loaded before the first check or ``warmup``.
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
        """Prepare a guard. A policy, model, providers or threads that are left out come from the environment.

        Args:
            policy: A policy, the path of a policy file, or the name of a preset. Defaults to the packaged policy.
            models: The directory of one model. Defaults to the packaged model.
            providers: ``"auto"`` (CUDA where it works, else CPU; the default), ``"cpu"`` or ``"cuda"``.
            threads: CPU threads one check may use. Defaults to the process's physical cores, at most four.
            cache: The most verdicts to cache, keyed by a digest of the text. 0 disables the cache.
            cache_ttl_s: Seconds a cached verdict stays valid.
            max_chars: The most characters of a text that are scored. The verdict on a longer text is ``degraded``, and
                the policy's ``on_error`` applies. ``None`` scores texts of any length in full.
            early_stop: Skip the rest of a long text once a principle has blocked it, as no further score can change
                that action. If false, every window is scored and every finding is in the verdict.
            early_exit: Let the lower layers clear text they find harmless: on CPU, if the model supports it and no
                principle of the stage has a threshold below the model's own. If false, all layers see every text.
            deadline_s: Seconds a check may take, tested between pieces of work. Text not scored by then is left out:
                the verdict is ``degraded``, or ``failed`` if nothing was scored, and ``on_error`` applies. By default
                a text of more than 100,000 characters has 120 seconds; ``math.inf`` removes that limit too.
            max_waiting: Threads that may wait for the model. A further check is turned away at once, as its verdict
                says, and ``on_error`` applies. ``None`` sets no limit.
            shadow: Let every text pass and record what would have happened, whatever the policy says. Defaults to the
                policy's own ``shadow``.
            reviewer: Who decides on texts with action ``review``, for ``apply`` and for callables guarded with this
                guard: a callable or a queue, see ``guardsdk.reviewing.Reviewer``.
            views: Also score each text with disguises undone, put into English, and passage by passage.
            system_on_input: Read user text together with the system prompt, where one is given and the model can: a
                question may attack those instructions only. If false, user text is read alone, which is faster.
            observers: Objects notified of every check, see ``guardsdk.observing.Observer``. Defaults to OpenTelemetry.
            decision_log: Where decisions are logged: a path or a ``DecisionLog``. Defaults to the policy's own log.
            monitor: Whether to monitor scores, rates and actors (see ``guard.monitor``), or the ``Monitor`` to use.
            screens: Your own screens, which the policy can then name; see ``guardsdk.screens.base.Screen``.
            taught: Lessons that ``teach`` returned, or the files they were saved in. The policy need not name them.
            settings: A ``guardsdk.settings.Settings`` to use in place of the environment.

        Raises:
            PolicyError: The policy cannot be read.
            InputError, InputTypeError: An argument or a setting has an invalid value or type.
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
            text: The text to check. A text without a visible character is allowed and complete, with no findings.
            stage: ``"input"`` (from a user), ``"tool"`` (a document or tool result) or ``"output"`` (from the model).
            context: What the text is read against: the prompt a response answers, or, where no ``system`` is given,
                the instructions a user's text is aimed at. Ignored on the tool stage.
            system: The developer's instructions: what a user's text is aimed at, where the model can read that, and
                what a response must not recite. Ignored on the tool stage.
            actor: Whose text this is, for the monitor and the logs. Only a policy's ``[monitor.enforcement]`` lets it
                change the decision.
            deadline_s: Seconds this check may take, in place of the guard's own deadline.

        Returns:
            The verdict. A model that is missing, corrupt or failing never raises: the status is ``failed``, and the
            policy's ``on_error`` says whether the text is allowed.

        Raises:
            InputTypeError: ``text``, ``context``, ``system`` or ``actor`` is not a string.
            InputError: The stage does not exist, or ``deadline_s`` is not a valid duration.
            PolicyError: The policy names a label or threshold that none of the guard's screens provides.
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

        Time spent waiting for a free worker thread counts towards the deadline.
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
        """Check many texts in batches; equal texts are scored once.

        ``contexts`` gives each text its own context; ``system`` and ``deadline_s`` apply to the whole call.
        ``uncovered`` lists, per text, the kinds of content that came with it and cannot be screened, such as ``image``.
        Such a verdict is degraded, and the policy's ``on_uncovered`` applies. ``again`` marks parts of a text that is
        also checked on its own: while they pass, the monitor does not count them towards the actor's texts. Returns one
        verdict per text, in order; each ``duration_s`` is a share of the batch's wall time. Raises as ``check`` does,
        before anything is checked, and names the position of the wrong element; ``InputError`` where lengths differ.
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
        """Check many texts as ``check_many`` does, in a worker thread; ``texts`` is iterated there too."""
        require_seconds(deadline_s, "deadline_s")
        left = remaining(self._deadline_s if deadline_s is None else deadline_s)
        given = partial(self.check_many, texts, stage=stage, contexts=contexts, system=system, actor=actor)
        return await in_thread(lambda: given(deadline_s=left(), uncovered=uncovered, again=again))

    def warmup(self) -> None:
        """Load the model and run it once, so that the first check is as fast as any later one.

        Raises ``ModelError`` if the model is missing, corrupt or does not run, ``PolicyError`` if the policy does not
        fit the model, and ``GuardError`` if the guard is closed.
        """
        self._require_open()
        self._loader.get(again=True)[1].warmup()

    def info(self) -> GuardInfo:
        """Load the model and return what the guard runs on. Raises as ``warmup`` does."""
        from guardsdk.parts.info import describe  # noqa: PLC0415  loads models and modules that no check needs

        self._require_open()
        return describe(*self._loader.get(again=True), self._providers, self._lessons)

    def canary(self, token: str | None = None) -> str:
        """Return a canary token to put into a prompt: an answer that contains it has recited the prompt.

        The label ``canary`` finds it on the output stage in any case and however it is split up. Every guard of the
        process and of its forked children knows a token issued here. To register a token of another process with this
        guard, pass it as ``token``. Raises ``InputError`` if that is not a valid token.
        """
        self._require_open()
        if token is None:
            return issue()
        token = text_of(token, "token")
        self._canaries.learn(token)
        # Cached verdicts may be wrong from now on; the new keys do not find them.
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
        # The constructor options are not in the key: the cache belongs to this guard, whose options never change.
        return Keys(model.digest, policy.digest, self._canaries.digest, " ".join(one.digest for one in lessons))
