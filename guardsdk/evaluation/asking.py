"""One question to a target: not too fast, not for ever, and again where that may help."""

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
"""What a target may ask for: the limits of a minute are common, and one of a day is no pause."""


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """What came of asking."""

    answer: str | None
    seconds: float | None = None
    attempts: int = 0
    error: str | None = None
    """Why there is no answer."""


class Asker:
    """Asks one target. For one loop."""

    def __init__(self, target: Target, settings: RunSettings, answers: Answers | None, seed: int) -> None:
        """Ask as fast as ``settings`` allow; look into ``answers`` first where there are any."""
        self._target = target
        self._settings = settings
        self._answers = answers
        self._pause = random.Random(seed)  # noqa: S311  spreads retries out; no secret
        self._next = 0.0
        self._gathered = Gathering(self._batch, target.batch, at_once=settings.concurrency)

    async def ask(self, question: Question) -> Reply:
        """Return the answer, or why there is none. Raises ``TargetHangsError`` where asking on makes no sense."""
        if self._answers is not None and (known := self._answers.get(self._target, question)) is not None:
            return Reply(known[0], known[1])
        reason = ""
        for attempt in range(1, self._settings.retries + 2):
            try:
                answer, seconds = await self._one(question)
            except TargetHangsError:
                raise
            except Exception as error:  # noqa: BLE001  a stranger's words may quote text: only the class is told
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
        """Return the answer, asked for together with others, and the seconds their batch took."""
        found = await self._gathered(question)
        if isinstance(found, Exception):
            raise found
        return found

    async def _batch(self, questions: Sequence[Question]) -> list[tuple[str, float] | Exception]:
        """Return the answers, each with the seconds its batch took, or why there is none."""
        try:
            return [*await self._answers_to(questions)]
        except TargetError as error:
            if error.again or len(questions) == 1:
                raise
        # One that can never be answered says nothing of the others.
        found: list[tuple[str, float] | Exception] = []
        for question in questions:
            try:
                found += await self._answers_to([question])
            except TargetHangsError:
                raise
            except Exception as error:  # noqa: BLE001  it is raised where the question came from
                found.append(error)
        return found

    async def _answers_to(self, questions: Sequence[Question]) -> list[tuple[str, float]]:
        """Ask once. Raises ``TargetError`` where time runs out, and whatever the target raises."""
        await self._turn()
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                answers = await self._target.ask(questions)
        except TimeoutError:
            reason = "TimeoutError"  # the target's own, or ours
            raise TargetError(reason) from None
        seconds = time.perf_counter() - started
        # Half of a surrogate pair is no text, and fits into no file.
        return [(answer.encode("utf-8", "replace").decode(), seconds) for answer in answers]

    async def _turn(self) -> None:
        """Wait until another request may go out."""
        if self._settings.rate is None:
            return
        now = time.monotonic()
        mine = max(now, self._next)
        self._next = mine + 1.0 / self._settings.rate
        await asyncio.sleep(mine - now)

    def _wait_s(self, attempt: int, error: Exception) -> float:
        """Twice as long each time, spread by up to half, unless the target says how long."""
        if isinstance(error, TargetError) and error.after_s is not None:
            return min(error.after_s, _LONGEST_ASKED_FOR_S)
        full = min(_FIRST_PAUSE_S * 2.0 ** (attempt - 1), _LONGEST_PAUSE_S)
        return full * (1.0 - 0.5 * self._pause.random())
