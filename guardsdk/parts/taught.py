"""Screens that a guard is taught from examples, beside those it comes with."""

# ruff: noqa: PLC0415  teaching brings numpy, and most guards are taught nothing

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
    """Lets one thread at a time add to what a guard checks by; in a forked child it is free."""

    def __init__(self) -> None:
        self._renew()
        after_fork(self._renew)

    def _renew(self) -> None:
        self.lock = threading.Lock()


class Teaching:
    """What a guard has to be taught with: ``teach`` learns a screen and the guard uses it from then on."""

    policy: Policy
    _given: Policy
    _turn: _Turn
    _lessons: tuple[Lesson, ...]
    _loader: Loader[Parts]
    _pipeline: Pipeline
    _monitor: Monitor | None
    _views: bool

    def _begin(self, policy: Policy, lessons: tuple[Lesson, ...]) -> None:
        """Check by ``policy`` and what ``lessons`` add to it. Raises as ``asking_for`` does."""
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
        """Learn a screen from examples and hold every text from now on against it as well.

        The model loads if it has not yet, and reads every example. Checks that are under way end by the policy they
        began with, streams by the one of each check. What is taught once more takes the place of what was taught
        before, its stages and its action too. Threads that teach at once both have an effect.

        Args:
            name: Id of the new principle, such as ``no-legal-advice``; its label is ``taught.`` and the name. Where the
                policy the guard was made with has a principle of that label it stays as it is, and gets a new lesson.
            violates: Texts it must find: five at least, better twenty, as different as they will come.
            allowed: Texts it must let pass, best on the same subject.
            text: The criterion in plain language; a sentence that says where it is from, when left out.
            stages: Where the texts are seen.
            action: What follows: ``"block"``, ``"flag"`` or ``"review"``.
            fpr: Share of ordinary text that may be flagged, as measured on the bank.
            background: Benign texts in place of the packaged bank, at least a hundred: for a model of your own.

        Returns:
            The lesson, with recall and false positives as found on examples that were left out. ``lesson.save(path)``
            keeps it for ``Guard(taught=[path])``.

        Raises:
            TeachingError: The examples do not support the threshold, and nothing was changed; the message says what
                they show and what to add, and its ``lesson`` is what was learned. Also where the model has no bank and
                no ``background`` is given.
            InputError: An argument has a value that cannot be used.
            InputTypeError: An example is not a string.
            PolicyError: The policy has a principle of that name that is not taught.
            ModelError: The model cannot be loaded or run.
            GuardError: The guard is closed.
        """
        from guardsdk.teaching.embedding import bank_for
        from guardsdk.teaching.heads import examples_of, plain
        from guardsdk.teaching.learn import learn

        self._require_open()
        if isinstance(stages, str):  # or its letters would be looked up
            msg = f"stages must be a list, such as [{str(stages)!r}], not one text"
            raise InputTypeError(msg)
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
        """Check by ``lesson`` as well from now on, in place of one of its name."""
        with self._turn.lock:  # or of two threads that load at once the later one would leave out the other's
            self._require_open()
            self._follow((*(one for one in self._lessons if one.name != lesson.name), lesson))

    def _follow(self, lessons: tuple[Lesson, ...]) -> None:
        """Check by ``lessons`` from now on; where the parts for it cannot be had, everything stays as it was."""
        policy = asking_for(self._given, lessons)
        loader: Loader[Parts] = Loader(partial(self._load, policy, lessons))
        loader.get(again=True)
        pipeline = self._pipeline.under(policy, lambda: loader.get()[0])
        self.policy, self._lessons, self._loader, self._pipeline = policy, lessons, loader, pipeline
        if self._monitor is not None:
            self._monitor.follow(policy)

    if TYPE_CHECKING:  # the guard has these

        def _load(self, policy: Policy, lessons: tuple[Lesson, ...]) -> Parts: ...

        def _require_open(self) -> None: ...


def lessons_of(given: Iterable[Lesson | str | Path]) -> tuple[Lesson, ...]:
    """Return the lessons given or saved at the paths given.

    Raises ``TeachingError`` where one cannot be read or was not armed, ``InputTypeError`` where one is neither.
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
    """Return ``policy`` with a principle for every one of ``lessons`` that it has none for.

    Raises ``PolicyError`` where one of another label has its id.
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
    """Return the principle; ``InputError`` where its parts cannot be used."""
    try:
        return Principle.model_validate(
            {"id": name, "text": text, "label": TAUGHT + name, "stages": stages, "action": action}
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = str((*first["loc"], "teach")[0])  # what follows are the forms a value may have
        msg = f"{'name' if where == 'id' else where}: {reason_of(first)}"
        raise InputError(msg) from None


def _texts(given: Iterable[str], what: str) -> list[str]:
    """Return the distinct texts of ``given``; ``InputTypeError`` naming the place of what is no string."""
    if isinstance(given, str):
        msg = f"{what} must be a list of texts, not one text"
        raise InputTypeError(msg)
    texts = [text_of(text, f"{what}[{place}]") for place, text in enumerate(given)]
    seen: dict[str, int] = {}
    for place, text in enumerate(texts):
        require(not text.isspace() and bool(text), f"{what}[{place}] is empty")
        require(text not in seen, f"{what}[{place}] is {what}[{seen.get(text)}] once more: each counts as evidence")
        seen[text] = place
    return texts
