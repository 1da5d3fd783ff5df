"""The guard: the only place where the parts are put together."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING, Self
from weakref import WeakSet

from guardsdk.cache import Keys, VerdictCache
from guardsdk.errors import GuardError, InputTypeError, ModelError
from guardsdk.given import chosen_policy, require, require_text, require_text_or_none, stage_of
from guardsdk.info import GuardInfo, RuleInfo, installed_versions
from guardsdk.pipeline import Assembly, Pipeline
from guardsdk.policy.decide import bind
from guardsdk.settings import Providers, Settings
from guardsdk.surroundings import Surroundings
from guardsdk.verdict import Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    from guardsdk.engine.classifier import Classifier
    from guardsdk.observing import Observer
    from guardsdk.policy.model import Policy
    from guardsdk.screens.base import Screen

_RETRY_S = 5.0
"""How long a failed load is remembered: looking again on every check would read and hash the files every time."""


class Guard:
    """Screens texts by a policy. Thread-safe; guards that use the same model share it.

    Nothing is loaded before the first check or ``warmup``.
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
        shadow: bool | None = None,
        observers: Sequence[Observer] | None = None,
        screens: Sequence[Screen] = (),
        settings: Settings | None = None,
    ) -> None:
        """Prepare a guard. What is left out comes from ``settings``, and those from the environment.

        Args:
            policy: A policy or the path of a policy file; the packaged default policy when left out.
            models: A model directory; the packaged model when left out.
            providers: ``"auto"`` (CUDA where it works, else CPU), ``"cpu"`` or ``"cuda"``.
            threads: CPU threads one inference may use.
            cache: Most verdicts kept; 0 keeps none.
            cache_ttl_s: Seconds a verdict is kept.
            max_chars: Characters of a text that are scored at most; a longer text is ``degraded`` and handled by the
                policy's ``on_error``. ``None`` scores texts of any length whole.
            shadow: Let every text pass and record what would have followed, whatever the policy says of it; the
                policy's own ``shadow`` when left out.
            observers: Who is told of every check; an OpenTelemetry observer when left out.
            screens: Screens of your own, with labels that no packaged one has, for the policy to name.
            settings: Settings to use in place of the environment's.

        Raises:
            PolicyError: The policy cannot be read.
            InputError: An argument or a setting has a value that cannot be used.
        """
        require(cache >= 0, "cache must be 0 (off) or more verdicts")
        require(cache_ttl_s > 0, "cache_ttl_s must be more than 0 seconds")
        require(max_chars is None or max_chars >= 1, "max_chars must be at least 1, or None")
        require(threads is None or threads >= 1, "threads must be at least 1")
        require(providers in (None, "auto", "cpu", "cuda"), 'providers must be "auto", "cpu" or "cuda"')
        self._settings = Settings.from_environment() if settings is None else settings
        self.policy = chosen_policy(policy, self._settings, shadow=shadow)
        self._models = models
        self._providers: Providers = providers or self._settings.providers
        self._threads = threads or self._settings.threads
        self._cache = VerdictCache(cache, cache_ttl_s) if cache else None
        self._max_chars = max_chars
        self._screens = tuple(screens)
        self._lock = threading.Lock()
        self._parts: tuple[Assembly, Classifier] | None = None
        self._load_error: ModelError | None = None
        self._load_again_at = 0.0
        self._closed = False
        _GUARDS.add(self)
        self._pipeline = Pipeline(
            self.policy,
            lambda: self._loaded()[0],
            observers=_default_observers() if observers is None else observers,
            provider_requested=self._providers,
            cache=self._cache,
            max_chars=max_chars,
        )

    def check(
        self,
        text: str,
        *,
        stage: Stage | str = Stage.INPUT,
        context: str | None = None,
        system: str | None = None,
        actor: str | None = None,
    ) -> Verdict:
        """Check one text.

        Args:
            text: What to check. A text without a visible character is allowed and complete, with no finding.
            stage: ``"input"`` (from a user), ``"tool"`` (a document or tool result) or ``"output"`` (from the model).
            context: The prompt a response answers; read on the output stage only.
            system: The developer's instructions, which a response must not recite; read on the output stage only.
            actor: Whom to name as the author in telemetry; it has no part in the decision.

        Returns:
            The verdict. A model that is missing, corrupt or failing gives status ``failed`` and never raises; whether
            the text is then allowed is the policy's ``on_error``.

        Raises:
            InputTypeError: ``text``, ``context``, ``system`` or ``actor`` is not a string.
            InputError: There is no such stage.
            PolicyError: The policy names a label or threshold that no screen of the guard has.
            GuardError: The guard is closed.
        """
        self._require_open()
        require_text(text, "text")
        for name, given in (("context", context), ("system", system), ("actor", actor)):
            require_text_or_none(given, name)
        return self._pipeline.run((text,), stage_of(stage), (Surroundings(context, system),), actor)[0]

    async def acheck(
        self,
        text: str,
        *,
        stage: Stage | str = Stage.INPUT,
        context: str | None = None,
        system: str | None = None,
        actor: str | None = None,
    ) -> Verdict:
        """Check one text as ``check`` does, in a worker thread that sees the caller's context variables."""
        return await asyncio.to_thread(self.check, text, stage=stage, context=context, system=system, actor=actor)

    def check_many(
        self,
        texts: Iterable[str],
        *,
        stage: Stage | str = Stage.INPUT,
        contexts: Sequence[str | None] | None = None,
        system: str | None = None,
        actor: str | None = None,
    ) -> list[Verdict]:
        """Check many texts in batches; equal ones are scored once.

        ``contexts`` gives each text its own context, ``system`` is the same for all. Returns one verdict per text, in
        order; ``duration_s`` of each is its share of the batch's wall time. Raises as ``check`` does, naming the place
        of a wrong element, before anything is checked; ``InputError`` also where ``contexts`` is not as long as
        ``texts``.
        """
        self._require_open()
        if isinstance(texts, str | bytes):
            msg = f"texts must be an iterable of strings, not one {type(texts).__name__}"
            raise InputTypeError(msg)
        items = list(texts)
        for place, text in enumerate(items):
            require_text(text, f"texts[{place}]")
        prompts: Sequence[str | None] = [None] * len(items) if contexts is None else list(contexts)
        require(len(prompts) == len(items), f"{len(items)} texts and {len(prompts)} contexts")
        for place, context in enumerate(prompts):
            require_text_or_none(context, f"contexts[{place}]")
        require_text_or_none(system, "system")
        require_text_or_none(actor, "actor")
        around = [Surroundings(prompt, system) for prompt in prompts]
        return self._pipeline.run(items, stage_of(stage), around, actor)

    def warmup(self) -> None:
        """Load the model and run it once, so that the first check is as fast as the next.

        Raises ``ModelError`` where the model is missing, corrupt or does not run, ``PolicyError`` where the policy
        does not fit it, and ``GuardError`` where the guard is closed.
        """
        self._require_open()
        self._loaded(again=True)[1].warmup()

    def info(self) -> GuardInfo:
        """Load the model and say what the guard runs on. Raises as ``warmup`` does."""
        self._require_open()
        assembly, classifier = self._loaded(again=True)
        model = classifier.model
        return GuardInfo(
            model=model.ref,
            directory=model.directory,
            policy=self.policy.ref,
            labels=_labels(assembly.panel.operating_points),
            rules=tuple(
                RuleInfo(
                    stage=stage,
                    principle_id=rule.id,
                    label=rule.label,
                    threshold=rule.threshold,
                    action=rule.action,
                )
                for stage, rules in assembly.bound.rules.items()
                for rule in rules
            ),
            provider_requested=self._providers,
            provider_active=classifier.provider_active,
            provider_reason=classifier.provider_reason,
            versions=installed_versions(),
        )

    def close(self) -> None:
        """Let go of the model and the cache. Every later check raises ``GuardError``; closing twice does nothing."""
        self._closed = True
        with self._lock:
            self._parts = None
        if self._cache is not None:
            self._cache.clear()

    def __enter__(self) -> Self:
        """Return the guard itself."""
        self._require_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the guard."""
        self.close()

    def _require_open(self) -> None:
        if self._closed:
            msg = "the guard is closed"
            raise GuardError(msg)

    def _loaded(self, *, again: bool = False) -> tuple[Assembly, Classifier]:
        """Return the loaded parts. A load that failed is tried again after a while, or at once where ``again``."""
        parts = self._parts
        if parts is not None:
            return parts
        with self._lock:
            if self._parts is None:
                if self._load_error is not None and not again and time.monotonic() < self._load_again_at:
                    raise _again(self._load_error)
                try:
                    self._parts = self._load()
                except (ModelError, ImportError, OSError) as error:
                    failure = _model_error(error)
                    self._load_error = _again(failure)
                    self._load_again_at = time.monotonic() + _RETRY_S
                    raise failure from error.__cause__
            return self._parts

    def _load(self) -> tuple[Assembly, Classifier]:
        # Imported here because these bring numpy, onnxruntime and tokenizers; ``import guardsdk`` stays light.
        from guardsdk.engine.pool import classifier as shared_classifier  # noqa: PLC0415
        from guardsdk.registry.lookup import find_model, load_manifest  # noqa: PLC0415
        from guardsdk.screens.base import Panel  # noqa: PLC0415
        from guardsdk.screens.classifier import ClassifierScreen  # noqa: PLC0415

        model = load_manifest(find_model(self._models, self._settings))
        classifier = shared_classifier(model, self._providers, self._threads)
        panel = Panel([ClassifierScreen(classifier), *self._screens])
        bound = bind(self.policy, panel.operating_points)
        assembly = Assembly(
            panel=panel.serving(bound.measured),
            bound=bound,
            model=model.ref,
            runtime=classifier,
            keys=Keys(model.ref.digest, self.policy.digest, str(self._max_chars)),
        )
        return assembly, classifier


def _model_error(error: Exception) -> ModelError:
    """Return ``error``, or where the system or the runtime's own import failed, the model's error that this is."""
    if isinstance(error, ModelError):
        return error
    return ModelError(f"the model cannot be loaded: {type(error).__name__}: {error}")


def _again(error: ModelError) -> ModelError:
    """Return the same error anew: a kept traceback would keep its frames, and with them the checked text."""
    return type(error)(*error.args)


def _labels(known: Iterable[tuple[str, Stage]]) -> dict[str, tuple[Stage, ...]]:
    labels: dict[str, tuple[Stage, ...]] = {}
    for label, stage in known:
        labels[label] = (*labels.get(label, ()), stage)
    return labels


def _default_observers() -> tuple[Observer, ...]:
    # Imported here because OpenTelemetry is slow to import and a guard with observers of its own does without it.
    from guardsdk.telemetry.observer import OpenTelemetryObserver  # noqa: PLC0415

    return (OpenTelemetryObserver(),)


_GUARDS: WeakSet[Guard] = WeakSet()


def _renew_locks() -> None:
    """In a forked child: a thread of the parent may have been loading, with the lock held."""
    for guard in list(_GUARDS):
        guard._lock = threading.Lock()  # noqa: SLF001  same module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
