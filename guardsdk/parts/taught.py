"""Teaches a guard additional screens from examples."""

# ruff: noqa: PLC0415  teaching imports numpy, and most guards are taught nothing

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from guardsdk.errors import InputError, InputTypeError, PolicyError, reject_type
from guardsdk.forking import after_fork
from guardsdk.parts.given import require, stage_of, text_of
from guardsdk.parts.loading import Loader
from guardsdk.policy.model import TAUGHT, Principle
from guardsdk.policy.reading import reason_of
from guardsdk.verdict import Action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.engine.classifier import Classifier
    from guardsdk.monitor.monitor import Monitor
    from guardsdk.pipeline import Assembly, Pipeline
    from guardsdk.policy.model import Policy
    from guardsdk.teaching.lesson import Lesson
    from guardsdk.verdict import Stage

    Parts = tuple[Assembly, Classifier]


class _Turn:
    """Lets one thread at a time change a guard's lessons; unlocked in a forked child."""

    def __init__(self) -> None:
        self._renew()
        after_fork(self._renew)

    def _renew(self) -> None:
        self.lock = threading.Lock()


class Teaching:
    """The mixin of a guard with ``teach``: learns a screen, which the guard uses from then on."""

    policy: Policy
    _given: Policy
    _turn: _Turn
    _lessons: tuple[Lesson, ...]
    _loader: Loader[Parts]
    _pipeline: Pipeline
    _monitor: Monitor | None
    _views: bool

    def _begin(self, policy: Policy, lessons: tuple[Lesson, ...]) -> None:
        """Check by ``policy`` and the principles that ``lessons`` add to it. Raises as ``asking_for`` does."""
        self._given, self._lessons, self._turn = policy, lessons, _Turn()
        self.policy = asking_for(policy, lessons)

    def teach(
        self,
        name: str,
        *,
        violates: Iterable[str],
        allowed: Iterable[str] = (),
        text: str | None = None,
        stages: Sequence[Stage | str] = ("input",),
        action: Action | str = Action.BLOCK,
        fpr: float = 0.01,
        background: Iterable[str] | None = None,
    ) -> Lesson:
        """Learn a screen from examples and apply it to every text from now on.

        Loads the model if necessary and scores every example. Checks under way finish under the policy they began with;
        a stream uses the current policy for each of its checks. Teaching a name again replaces the previous lesson, its
        stages and its action. Concurrent calls all take effect.

        Args:
            name: Id of the new principle, such as ``no-legal-advice``; its label is ``taught.`` plus the name. If the
                guard's original policy has a principle with that label, it stays unchanged and gets the new lesson.
            violates: Texts it must find: at least five, better twenty, as varied as possible.
            allowed: Texts it must let pass, ideally on the same subject.
            text: The criterion in plain language. Defaults to a sentence that says where the principle comes from.
            stages: The stages it applies to.
            action: ``"block"``, ``"flag"`` or ``"review"``.
            fpr: Share of ordinary text that may be flagged, as measured on the bank.
            background: At least a hundred benign texts in place of the packaged bank, for a model of your own.

        Returns:
            The lesson, with recall and false positives estimated on held-out examples. ``lesson.save(path)`` keeps it
            for ``Guard(taught=[path])``.

        Raises:
            TeachingError: The examples do not support the threshold, and nothing was changed; the message says what
                they show and what to add, and ``lesson`` is what was learned. Also if the model has no bank and no
                ``background`` is given.
            InputError: An argument has an invalid value.
            InputTypeError: The name or an example is not a string, or something is not a list of them.
            PolicyError: The policy has a principle of that name that is not a taught one.
            ModelError: The model cannot be loaded or run.
            GuardError: The guard is closed.
        """
        from guardsdk.teaching.embedding import bank_for
        from guardsdk.teaching.heads import examples_of, plain
        from guardsdk.teaching.learn import learn

        self._require_open()
        if isinstance(stages, str):  # otherwise each letter would be taken as a stage
            msg = f"stages must be a list, such as [{str(stages)!r}], not one text"
            raise InputTypeError(msg)
        if not isinstance(stages, Iterable):
            reject_type("stages", "a list of stages", stages)
        name = text_of(name, "name")
        wanted = tuple(dict.fromkeys(map(stage_of, stages)))
        words = text or f"Texts like the examples that {name} was taught with are not wanted."
        _principle(name, words, wanted, action)
        share = isinstance(fpr, int | float) and 0.0 < fpr < 1.0
        require(share, f"fpr must be a share between 0 and 1, not {fpr!r}")
        given = _texts(violates, "violates"), _texts(allowed, "allowed")
        require(bool(given[0]), "violates is empty: give five texts at least, better twenty")
        for place, example in enumerate(given[0]):
            require(example not in given[1], f"violates[{place}] is among the allowed examples as well")
        classifier = self._loader.get(again=True)[1]
        ordinary = None if background is None else _texts(background, "background")
        lesson = learn(
            name,
            examples_of(classifier, given, wanted, plain, views=self._views),
            bank_for(classifier, wanted, ordinary),
            text=words,
            stages=wanted,
            action=Action(action),
            fpr=fpr,
        )
        lesson.require_armed()
        self._add(lesson)
        return lesson

    def _add(self, lesson: Lesson) -> None:
        """Use ``lesson`` from now on, in place of any of the same name."""
        with self._turn.lock:  # without it, of two concurrent calls the later would drop the other's lesson
            self._require_open()
            self._follow((*(one for one in self._lessons if one.name != lesson.name), lesson))

    def _follow(self, lessons: tuple[Lesson, ...]) -> None:
        """Use ``lessons`` from now on; if their parts cannot be created, nothing changes."""
        policy = asking_for(self._given, lessons)
        loader: Loader[Parts] = Loader(partial(self._load, policy, lessons))
        loader.get(again=True)
        pipeline = self._pipeline.under(policy, lambda: loader.get()[0])
        self.policy, self._lessons, self._loader, self._pipeline = policy, lessons, loader, pipeline
        if self._monitor is not None:
            self._monitor.follow(policy)

    if TYPE_CHECKING:  # provided by the guard

        def _load(self, policy: Policy, lessons: tuple[Lesson, ...]) -> Parts: ...

        def _require_open(self) -> None: ...


def lessons_of(given: Iterable[Lesson | str | Path]) -> tuple[Lesson, ...]:
    """Return the lessons that were passed in, loading those given as paths.

    Raises ``TeachingError`` if one cannot be read or is not armed, ``InputError`` if two have the same name, and
    ``InputTypeError`` for anything else.
    """
    found: list[Lesson] = []
    if isinstance(given, str | PathLike):
        msg = "taught must be a list of lessons or their paths, not one path"
        raise InputTypeError(msg)
    if not isinstance(given, Iterable):
        reject_type("taught", "a list of lessons or their paths", given)
    for one in given:
        from guardsdk.teaching.lesson import Lesson

        if not isinstance(one, Lesson | str | Path):
            msg = f"taught must hold lessons or their paths, not {type(one).__name__}"
            raise InputTypeError(msg)
        lesson = one if isinstance(one, Lesson) else Lesson.load(one)
        lesson.require_armed()
        if lesson.name in {other.name for other in found}:
            msg = f"taught holds two lessons {lesson.name!r}"
            raise InputError(msg)
        found.append(lesson)
    return tuple(found)


def asking_for(policy: Policy, lessons: Iterable[Lesson]) -> Policy:
    """Return ``policy`` with a principle added for each of ``lessons`` it has none for.

    Raises ``PolicyError`` if a principle with another label has its id.
    """
    labels = {principle.label for principle in policy.principles}
    added = [lesson.principle for lesson in lessons if lesson.label not in labels]
    if not added:
        return policy
    for principle in added:
        if principle.id in {one.id for one in policy.principles}:
            msg = f"policy {policy.name!r} has a principle {principle.id!r} already, which is not {principle.label!r}"
            raise PolicyError(msg)
    return policy.model_copy(update={"principles": (*policy.principles, *added)})


def _principle(name: str, text: str, stages: tuple[Stage, ...], action: Action | str) -> Principle:
    """Return the principle. Raises ``InputError`` if its values are invalid."""
    try:
        return Principle.model_validate(
            {"id": name, "text": text, "label": TAUGHT + name, "stages": stages, "action": action}
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = str((*first["loc"], "teach")[0])  # the rest of the path names the forms a value may have
        msg = f"{'name' if where == 'id' else where}: {reason_of(first)}"
        raise InputError(msg) from None


def _texts(given: Iterable[str], what: str) -> list[str]:
    """Return the distinct texts of ``given``. Raises ``InputTypeError``, naming the position, for anything else."""
    if isinstance(given, str):
        msg = f"{what} must be a list of texts, not one text"
        raise InputTypeError(msg)
    if not isinstance(given, Iterable):
        reject_type(what, "a list of texts", given)
    texts = [text_of(text, f"{what}[{place}]") for place, text in enumerate(given)]
    seen: dict[str, int] = {}
    for place, text in enumerate(texts):
        require(not text.isspace() and bool(text), f"{what}[{place}] is empty")
        require(text not in seen, f"{what}[{place}] is {what}[{seen.get(text)}] once more: each counts as evidence")
        seen[text] = place
    return texts
