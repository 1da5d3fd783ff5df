"""Asks a target one question: rate-limited, with a timeout, and with retries where they may help."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from guardsdk.errors import EvaluationError
from guardsdk.evaluation.gathering import Gathering
from guardsdk.evaluation.targets import TargetError, TargetHangsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.evaluation.answers import Answers
    from guardsdk.evaluation.record import RunSettings
    from guardsdk.evaluation.targets import Question, Target

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_LONGEST_ASKED_FOR_S: Final = 600.0
"""The longest wait a target may request: limits per minute are common, and a wait of a day is no pause."""


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """The result of asking."""

    answer: str | None
    seconds: float | None = None
    attempts: int = 0
    error: str | None = None
    """Why there is no answer."""


class Asker:
    """Asks one target. For one event loop."""

    def __init__(self, target: Target, settings: RunSettings, answers: Answers | None, seed: int) -> None:
        """Ask within the limits of ``settings``; look into ``answers`` first, if given."""
        self._target = target
        self._settings = settings
        self._answers = answers
        self._pause = random.Random(seed)  # noqa: S311  spreads out retries; not a secret
        self._next = 0.0
        self._gathered = Gathering(self._batch, target.batch, at_once=settings.concurrency)

    async def ask(self, question: Question) -> Reply:
        """Return the answer, or why there is none. Raises ``TargetHangsError`` if further questions are pointless."""
        if self._answers is not None and (known := self._answers.get(self._target, question)) is not None:
            return Reply(known[0], known[1])
        reason = ""
        for attempt in range(1, self._settings.retries + 2):
            try:
                answer, seconds = await self._one(question)
            except TargetHangsError:
                raise
            except Exception as error:  # noqa: BLE001  the message may quote text: only the class is reported
                reason = str(error) if isinstance(error, EvaluationError) else type(error).__qualname__
                if isinstance(error, TargetError) and not error.again:
                    return Reply(None, attempts=attempt, error=f"target: {reason}")
                if attempt <= self._settings.retries:
                    await asyncio.sleep(self._wait_s(attempt, error))
            else:
                if self._answers is not None:
                    self._answers.put(self._target, question, answer, seconds)
                return Reply(answer, seconds, attempt)
        return Reply(None, attempts=self._settings.retries + 1, error=f"target: {reason}")

    async def _one(self, question: Question) -> tuple[str, float]:
        """Return the answer, requested in a batch, and the seconds the batch took."""
        found = await self._gathered(question)
        if isinstance(found, Exception):
            raise found
        return found

    async def _batch(self, questions: Sequence[Question]) -> list[tuple[str, float] | Exception]:
        """Return, per question, the answer with the seconds its batch took, or the error."""
        try:
            return [*await self._answers_to(questions)]
        except TargetError as error:
            if error.again or len(questions) == 1:
                raise
        # A question that can never be answered says nothing about the others.
        found: list[tuple[str, float] | Exception] = []
        for question in questions:
            try:
                found += await self._answers_to([question])
            except TargetHangsError:
                raise
            except Exception as error:  # noqa: BLE001  raised for the question it belongs to
                found.append(error)
        return found

    async def _answers_to(self, questions: Sequence[Question]) -> list[tuple[str, float]]:
        """Ask once. Raises ``TargetError`` on a timeout, and whatever the target raises."""
        await self._turn()
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                answers = await self._target.ask(questions)
        except TimeoutError:
            reason = "TimeoutError"  # either the target's own or ours
            raise TargetError(reason) from None
        seconds = time.perf_counter() - started
        # A lone surrogate is not valid text and cannot be written to a file.
        return [(answer.encode("utf-8", "replace").decode(), seconds) for answer in answers]

    async def _turn(self) -> None:
        """Wait until the rate limit allows another request."""
        if self._settings.rate is None:
            return
        now = time.monotonic()
        mine = max(now, self._next)
        self._next = mine + 1.0 / self._settings.rate
        await asyncio.sleep(mine - now)

    def _wait_s(self, attempt: int, error: Exception) -> float:
        """Return a delay that doubles with each attempt, with up to half as jitter, unless the target requests one."""
        if isinstance(error, TargetError) and error.after_s is not None:
            return min(error.after_s, _LONGEST_ASKED_FOR_S)
        full = min(_FIRST_PAUSE_S * 2.0 ** (attempt - 1), _LONGEST_PAUSE_S)
        return full * (1.0 - 0.5 * self._pause.random())
