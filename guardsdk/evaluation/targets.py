"""Targets: a callable of the user's own, an endpoint, or a model in a directory."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import math
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from guardsdk.calling.callables import needs_await
from guardsdk.errors import EvaluationError, reject_type
from guardsdk.evaluation.pointing import being_cancelled, pointed_at, require_takes
from guardsdk.evaluation.record import TargetRef
from guardsdk.parts.given import require, require_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardsdk.evaluation.cases import Case, Message

T = TypeVar("T")

_MOST_ABANDONED: Final = 64
"""The most threads of a synchronous target that may hang at once; beyond that, it counts as hung for good."""
_SEED_BITS: Final = 31
BATCH: Final = 16
"""Questions per call of a batch callable, by default."""


@dataclass(frozen=True, slots=True, repr=False)
class Question:
    """The input of the target."""

    messages: tuple[Message, ...]
    seed: int
    """For this case and this run: from 0 to 2**31 - 1."""

    @property
    def turns(self) -> list[dict[str, str]]:
        """The messages as mappings with ``role`` and ``content``."""
        return [{"role": one.role, "content": one.content} for one in self.messages]

    @property
    def plain_turns(self) -> list[dict[str, str]]:
        """The same with tool results inside a user message, for chat templates without tools."""
        turns: list[dict[str, str]] = []
        for one in self.messages:
            role, content = one.role, one.content
            if role == "tool":
                role, content = "user", f"Here is what the tool gave:\n\n{content}"
            if turns and turns[-1]["role"] == role:
                turns[-1]["content"] += f"\n\n{content}"
            else:
                turns.append({"role": role, "content": content})
        return turns

    @property
    def text(self) -> str:
        """The user's message if it is the only one, or all messages as one text prefixed with their roles."""
        if len(self.messages) == 1 and self.messages[0].role == "user":
            return self.messages[0].content
        return "\n\n".join(f"{one.role.capitalize()}: {one.content}" for one in self.messages)


class Target(Protocol):
    """Anything that answers."""

    @property
    def ref(self) -> TargetRef:
        """The target's identity, for the record."""
        ...

    @property
    def origin(self) -> str:
        """Distinguishes targets with the same ``ref``: cached answers are keyed by it, and it is never recorded."""
        ...

    @property
    def batch(self) -> int:
        """The most questions per call."""
        ...

    async def ask(self, questions: Sequence[Question]) -> list[str]:
        """Return one answer for each, in order; raise on failure. ``TargetError`` says whether to retry."""
        ...


class TargetError(EvaluationError):
    """The target gave no answer; the reason quotes no text."""

    def __init__(self, reason: str, *, again: bool = True, after_s: float | None = None) -> None:
        """Say why, whether a retry (``again``) may help, and how many seconds the target wants to wait first."""
        super().__init__(reason)
        self.again = again
        self.after_s = after_s


class TargetHangsError(EvaluationError):
    """The target, or the judge, stopped answering altogether: the run ends, and can be resumed."""


def require_numbers(*, temperature: float = 0.0, **counts: int | None) -> None:
    """Raise ``InputError`` or ``InputTypeError`` unless a target can be asked with these: ``counts`` are 1 or more."""
    require_whole(**counts)
    for name, count in counts.items():
        require(count is None or count >= 1, f"{name} must be at least 1")
    if isinstance(temperature, bool) or not isinstance(temperature, int | float):
        reject_type("temperature", "a number", temperature)
    require(0.0 <= temperature < math.inf, "temperature must be 0 or more")


def question_of(case: Case, seed: int) -> Question:
    """Return the question for ``case`` in a run with ``seed``: the same in both runs of a comparison."""
    digest = hashlib.sha256(f"{seed}:{case.id}".encode()).digest()
    return Question(case.messages, int.from_bytes(digest[:4], "big") % 2**_SEED_BITS)


class CallableTarget:
    """``module:function``. The name of its first parameter says what it is given.

    ``messages``: one conversation, a list of mappings with ``role`` and ``content``. ``prompts``: a list of texts, to
    be answered by a list of strings. ``conversations``: a list of conversations, likewise. Any other name: one text.
    A parameter ``seed`` receives the case's seed (``seeds`` for lists). Sync or async.
    """

    origin: Final = ""

    def __init__(self, spec: str, *, batch: int | None = None) -> None:
        """Ask the function at ``spec``. Raises ``EvaluationError`` if it cannot be called with these arguments.

        ``InputError`` or ``InputTypeError`` if ``batch`` is no number of questions.
        """
        require_numbers(batch=batch)
        self._call = pointed_at(spec, "--target")
        try:
            parameters = list(inspect.signature(self._call).parameters)
        except (TypeError, ValueError):  # a builtin: one text
            parameters = []
        first = parameters[0] if parameters else "prompt"
        self._whole = first in {"messages", "conversations"}
        self._many = first in {"prompts", "conversations"}
        self._seeds = "seeds" if self._many else "seed"
        self._seeded = self._seeds in parameters
        require_takes(self._call, spec, "--target", None, **({self._seeds: None} if self._seeded else {}))
        if batch is not None and not self._many:
            msg = f"--batch: {spec} takes one at a time; name its first parameter prompts or conversations"
            raise EvaluationError(msg)
        self.batch = (batch or BATCH) if self._many else 1
        self.ref = TargetRef(kind="callable", model=spec)

    async def ask(self, questions: Sequence[Question]) -> list[str]:
        """See ``Target``."""
        given: list[Any] = [one.turns if self._whole else one.text for one in questions]
        if self._many:
            seeds = {self._seeds: [one.seed for one in questions]} if self._seeded else {}
            answers = await self._called(given, **seeds)
            if not isinstance(answers, list | tuple) or len(answers) != len(questions):
                reason = f"the target gave no list of {len(questions)} answers"
                raise TargetError(reason, again=False)
            return [_text(answer) for answer in answers]
        [question] = questions
        seed = {self._seeds: question.seed} if self._seeded else {}
        return [_text(await self._called(given[0], **seed))]

    async def _called(self, given: object, **seeds: object) -> object:
        try:
            if needs_await(self._call):
                return await self._call(given, **seeds)
            found = await in_daemon_thread(lambda: self._call(given, **seeds))
            return await found if inspect.isawaitable(found) else found
        except (asyncio.CancelledError, SystemExit) as error:  # would silently end our task, or all of them
            if being_cancelled():
                raise
            reason = type(error).__qualname__
            raise TargetError(reason) from None


def _text(answer: object) -> str:
    if not isinstance(answer, str):
        reason = f"the target gave {type(answer).__qualname__} and not str"
        raise TargetError(reason, again=False)
    return answer


_abandoned: set[threading.Thread] = set()


async def in_daemon_thread(function: Callable[[], T], whose: str = "target") -> T:
    """Run ``function`` in a daemon thread, which the process need not wait for if it never returns.

    Cancelling (a timeout) abandons the thread. Raises ``TargetHangsError``, which says ``whose`` call it was, once too
    many were abandoned.
    """
    _abandoned.difference_update([thread for thread in _abandoned if not thread.is_alive()])
    if len(_abandoned) >= _MOST_ABANDONED:
        msg = f"the {whose} hangs: {_MOST_ABANDONED} calls are past their time limit and have not come back"
        raise TargetHangsError(msg)
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        deliver: Callable[[], None]
        try:
            deliver = partial(future.set_result, function())
        except StopIteration:  # a future cannot carry it
            deliver = partial(future.set_exception, TargetError("StopIteration"))
        except BaseException as error:  # noqa: BLE001  raised in the caller
            deliver = partial(future.set_exception, error)
        with suppress(RuntimeError):  # the run is over
            loop.call_soon_threadsafe(lambda: None if future.cancelled() else deliver())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        return await future
    except asyncio.CancelledError:
        _abandoned.add(thread)
        raise
