"""What follows the verdicts of one guarded call: the order in which actions are carried out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from guardsdk.calling.redaction import Changes, edits_of
from guardsdk.calling.steps import Step, Steps, ask, work
from guardsdk.errors import Blocked, CheckFailedError
from guardsdk.policy.actions import Review
from guardsdk.reviewing import ReviewItem
from guardsdk.text.redact import redact
from guardsdk.vault import Markers
from guardsdk.verdict import Action, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from guardsdk.calling.redaction import Criteria
    from guardsdk.extract.rewrite import Find
    from guardsdk.reviewing import Answer, Reviewer
    from guardsdk.surroundings import Surroundings
    from guardsdk.vault import Vault
    from guardsdk.verdict import Stage

Judged = list[tuple[str, Verdict]]
"""Every text of a prompt or response, with its verdict."""


@dataclass(frozen=True, slots=True, repr=False)
class Instead:
    """What the caller gets in place of a response."""

    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the user gave to carry actions out with."""

    on_block: object = "raise"
    """``"raise"``, or what to give instead: a value, or a callable that gets the verdict."""
    on_replace: Callable[[Verdict], object] | None = None
    reviewer: Reviewer | None = None
    revise_prompt: Callable[[Any, str, Verdict], object] | None = None


class Subject(Protocol):
    """Something with texts in it that can be judged and changed."""

    def judge(self) -> Judged:
        """Check every text; slow. Raises ``InputTypeError`` where it cannot be read."""
        ...

    def changed(self, find: Find) -> Self:
        """Return the same with other texts in it."""
        ...

    @property
    def context(self) -> str | None:
        """The prompt, where this answers one."""
        ...


S = TypeVar("S", bound=Subject)


def refusal(verdict: Verdict) -> Blocked | CheckFailedError | None:
    """Return the error of a text that may not pass as it is, for whoever can only let it pass or stop.

    ``Blocked`` where a principle decided, even when the rest went unchecked.
    """
    if verdict.allowed:
        return None
    return CheckFailedError(verdict) if verdict.principle_id is None else Blocked(verdict)


def leading(judged: Judged) -> Verdict:
    """Return the verdict that decides for all: the strongest action, a principle before a check that failed."""
    return max((verdict for _, verdict in judged), key=weight)


def weight(verdict: Verdict) -> tuple[int, bool, float]:
    """Return what verdicts are ordered by: their action, a principle before a check that failed, their margin."""
    margins = [one.margin for one in verdict.findings if one.principle_id == verdict.principle_id]
    return verdict.action.strength, verdict.principle_id is not None, max(margins, default=0.0)


class Handling:
    """Carries out what verdicts ask for, in one call; the next call gets another."""

    def __init__(self, policy: Criteria, means: Means, actor: str | None, markers: Markers | None = None) -> None:
        """Cut values out into ``markers``; into numbers without a way back where there are none."""
        self._policy = policy
        self._means = means
        self._actor = actor
        self._markers = Markers() if markers is None else markers

    def settle(self, subject: S, judged: Judged) -> Steps[S | Instead]:
        """Follow ``judged``, and end with what may go on, or with what is given instead.

        Raises ``Blocked`` and ``CheckFailedError``. What was changed is judged once more; where that finds anything but
        what a reviewer approved, it is held back. What a reviewer approves of one text says nothing of the others.
        """
        lead = leading(judged)
        if lead.allowed:
            return subject
        if lead.action in (Action.REVIEW, Action.REDACT):
            settled = yield from self._changed(subject, judged)
            if not isinstance(settled, Verdict):
                return settled
            lead = settled
        return (yield from self.replaced(lead) if lead.action is Action.REPLACE else self.stopped(lead))

    def _changed(self, subject: S, judged: Judged) -> Steps[S | Verdict]:
        """Ask the reviewer, redact, and judge once more; end with the verdict that holds the text back, if one does."""
        changes = Changes()
        approving: list[tuple[str, set[str]]] = []
        given: set[str] = set()
        for text, verdict in judged:
            answer = (
                (yield from self.reviewed(text, verdict, subject.context)) if verdict.action is Action.REVIEW else None
            )
            if answer is False:
                return verdict
            if isinstance(answer, str):  # the reviewer's own words
                edits = [(0, len(text), answer)]
                given.add(answer)
            else:
                edits = edits_of(self._policy, verdict, text, self._markers)
                kept = {one.principle_id for one in verdict.findings if one.action is not Action.REDACT}
                approving.append((text, kept if answer else set()))
            changes.add(text, edits)
        if others := [pair for pair in judged if pair[1].action in (Action.REPLACE, Action.REVISE)]:
            return leading(others)  # weaker than what was approved, and nobody has asked about it
        if not changes:
            return subject
        approved = {redact(text, changes(text)): kept for text, kept in approving}
        changed: S = subject.changed(changes)
        rejudged: Judged = yield work(changed.judge)
        for text, verdict in rejudged:
            if text not in given and held_back(verdict, approved.get(text, set())):
                return verdict
        return changed

    def stopped(self, verdict: Verdict) -> Steps[Instead]:
        """Raise the error of ``verdict``, or end with what is given instead of a block."""
        error = refusal(verdict) or Blocked(verdict)
        way = self._means.on_block
        if isinstance(error, CheckFailedError) or (isinstance(way, str) and way == "raise"):
            raise error
        return Instead((yield ask(lambda: way(verdict))) if callable(way) else way)

    def replaced(self, verdict: Verdict) -> Steps[Instead]:
        """End with the computed answer where there is one, else with the policy's text."""
        way = self._means.on_replace
        if way is not None:
            return Instead((yield ask(lambda: way(verdict))))
        return Instead(self._policy.principle(str(verdict.principle_id)).replacement)

    def reviewed(self, text: str, verdict: Verdict, context: str | None) -> Steps[Answer]:
        """Ask the reviewer about ``text``, and end with the answer, or with the policy's where there is none."""
        rules = self._policy.principle(str(verdict.principle_id)).review or Review()
        reviewer, answer = self._means.reviewer, None
        if reviewer is not None:
            item = ReviewItem(text, verdict, context, self._actor)
            answer = yield Step(
                lambda: reviewer.wait(item, rules.timeout_s), lambda: reviewer.await_(item, rules.timeout_s)
            )
        return rules.fallback == "approve" if answer is None else answer


def worst(verdicts: Iterable[Verdict]) -> Status:
    """Return the status of the check that saw least."""
    return max((verdict.status for verdict in verdicts), key=tuple(Status).index)


def held_back(verdict: Verdict, approved: Collection[str]) -> bool:
    """Return whether anything but the principles ``approved`` stands against a text that was changed."""
    against = {one.principle_id for one in verdict.findings if not one.action.passes}
    return not verdict.allowed and (verdict.principle_id is None or bool(against.difference(approved)))


@dataclass(frozen=True, slots=True, repr=False)
class Plain:
    """A text by itself."""

    text: str
    stage: Stage
    around: Surroundings
    check: Callable[..., Verdict]

    def judge(self) -> Judged:
        """Check the text."""
        around = self.around
        verdict = self.check(self.text, stage=self.stage, context=around.prompt, system=around.system)
        return [(self.text, verdict)]

    @property
    def context(self) -> str | None:
        """The prompt, where this answers one."""
        return self.around.prompt

    def changed(self, find: Find) -> Plain:
        """Return the changed text."""
        return replace(self, text=redact(self.text, find(self.text)))


def applied(
    policy: Criteria, reviewer: Reviewer | None, subject: Plain, verdict: Verdict, vault: Vault | None
) -> Steps[str]:
    """Follow the verdict of one text, and end with the text that may be used; raise where there is none."""
    handling = Handling(policy, Means(reviewer=reviewer), None, vault)
    settled = yield from handling.settle(subject, [(subject.text, verdict)])
    return str(settled.value) if isinstance(settled, Instead) else settled.text
