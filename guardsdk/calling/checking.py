"""Checks what goes into a call and comes out of it; shared by ``@guarded`` and the integrations."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from guardsdk.calling.handling import refusal
from guardsdk.errors import CheckFailedError, DecorationError
from guardsdk.extract import Passage, prompt_passages, system_of
from guardsdk.extract.shapes import is_absent
from guardsdk.extract.together import items_together, turns_together, wholes_together
from guardsdk.forking import after_fork
from guardsdk.guard import Guard
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from guardsdk.calling.handling import Judged
    from guardsdk.extract.together import Together
    from guardsdk.policy.model import Policy
    from guardsdk.reviewing import Reviewer

_locks = [threading.Lock()]
_default: list[Guard] = []


def default_guard() -> Guard:
    """Return the process-wide guard with the default policy and settings, created on first use."""
    with _locks[0]:
        if not _default:
            _default.append(Guard())
        return _default[0]


def _renew_lock() -> None:
    """In a forked child: a thread of the parent may have been creating the guard while holding the lock."""
    _locks[0] = threading.Lock()


after_fork(_renew_lock)


def enforce(judged: Judged) -> None:
    """Raise, for callers that can only pass or stop texts: the first ``Blocked``, else ``CheckFailedError``."""
    refusals = [error for _, verdict in judged if (error := refusal(verdict)) is not None]
    for error in sorted(refusals, key=lambda error: isinstance(error, CheckFailedError)):
        raise error


class Checker:
    """Checks inputs and outputs of calls with a given guard or the default one. Holds no state of a call."""

    def __init__(
        self,
        guard: Guard | None,
        policy: Policy | str | Path | None,
        extract_prompt: Callable[[Any], object] | None,
    ) -> None:
        """Create a guard for ``policy`` at once, so that an unreadable policy fails here.

        Raises ``DecorationError`` if both are given, or if ``guard`` is not a guard, such as the class or a policy's
        name.
        """
        if guard is not None and policy is not None:
            msg = "give guard= or policy=, not both: a guard has its policy already"
            raise DecorationError(msg)
        if guard is not None and (isinstance(guard, type) or not hasattr(guard, "check")):
            kind = f"the class {guard.__name__}" if isinstance(guard, type) else type(guard).__name__
            msg = f"guard must be a guard that was made, such as Guard(), not {kind}; a policy is given as policy="
            raise DecorationError(msg)
        self._guard = Guard(policy) if policy is not None else guard
        self._extract_prompt = extract_prompt

    @property
    def guard(self) -> Guard:
        """The guard that checks."""
        return default_guard() if self._guard is None else self._guard

    @property
    def reviewer(self) -> Reviewer | None:
        """The reviewer of the given guard; the default guard has none."""
        return None if self._guard is None else self._guard.reviewer

    @property
    def extracts(self) -> bool:
        """Whether prompts are read by an extractor of the host's."""
        return self._extract_prompt is not None

    def passages(self, prompt: object) -> list[Passage]:
        """Return what has to be screened of ``prompt``. Raises ``InputTypeError`` if that cannot be determined.

        An argument that was not given, as ``None`` or a client library's own marker, has nothing to screen, unless the
        host's extractor makes something of it.
        """
        if not (self.extracts or isinstance(prompt, str)) and is_absent(prompt):
            return []
        return prompt_passages(prompt, self._extract_prompt)

    def judge(self, passages: Sequence[Passage], actor: str | None = None) -> Judged:
        """Check ``passages``, each at its own stage and batched by stage; return each text with its verdict.

        User text is read with the developer's instructions among the passages. Several user turns are also read
        together, as one more text, to find an instruction split over them. So are the parts of one tool's result.
        """
        judged: Judged = []
        for stage in Stage:  # an extractor may return any of them
            if here := [passage for passage in passages if passage.stage is stage]:
                users = stage is Stage.INPUT
                judged += self._judged(
                    [passage.text for passage in here],
                    [turns_together(here)] if users else [one for one, _ in wholes_together(here)],
                    stage,
                    actor,
                    system=system_of(passages) if users else None,
                    uncovered=[passage.uncovered for passage in here],
                    again=[passage.earlier for passage in here] if users else (),
                )
        return judged

    def judge_response(
        self,
        texts: Sequence[str],
        context: str | None,
        actor: str | None = None,
        *,
        system: str | None = None,
        together: Sequence[Sequence[str]] = (),
    ) -> Judged:
        """Check the texts of a response with the prompt and the system prompt; return each with its verdict.

        The items of a list and the calls of an answer (``ResponseText.together``) are also read together, to find what
        is split over them.
        """
        several = map(items_together, together)
        return self._judged(texts, several, Stage.OUTPUT, actor, context=context, system=system)

    def _judged(
        self,
        texts: Sequence[str],
        several: Iterable[Together | None],
        stage: Stage,
        actor: str | None,
        *,
        context: str | None = None,
        system: str | None = None,
        uncovered: Sequence[Sequence[str]] = (),
        again: Sequence[bool] = (),
    ) -> Judged:
        """Check ``texts``, and each joint text of ``several``; keep the joint verdicts that add something."""
        together = [one for one in several if one is not None]
        asked = [*texts, *(one.text for one in together)]
        verdicts = self.guard.check_many(
            asked,
            stage=stage,
            contexts=[context] * len(asked),
            system=system,
            actor=actor,
            uncovered=[*uncovered, *(() for _ in together)] if uncovered else (),
            again=[*again, *(True for _ in together)] if again else (),
        )
        judged = list(zip(asked, verdicts, strict=True))
        alone, added = judged[: len(texts)], zip(together, judged[len(texts) :], strict=True)
        single = [verdict for _, verdict in alone]
        return [*alone, *(pair for one, pair in added if one.adds(pair[1], single))]

    def judge_pages(self, pages: Sequence[str], beside: Sequence[str], actor: str | None = None) -> Judged:
        """Check the pages found for one question, and likewise the texts ``beside`` them.

        A model reads the pages one after the other, so they are also read together, to find what is split over them.
        """
        texts = [text for text in (*pages, *beside) if text] or [""]
        several = [items_together([page for page in pages if page])]
        return self._judged(texts, several, Stage.TOOL, actor)
