"""Acts on the verdicts of one guarded call, in the order of its actions."""

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
    """What the user configured for carrying out actions."""

    on_block: object = "raise"
    """``"raise"``, or what to return instead: a value, or a callable that is given the verdict."""
    on_replace: Callable[[Verdict], object] | None = None
    reviewer: Reviewer | None = None
    revise_prompt: Callable[[Any, str, Verdict], object] | None = None


class Subject(Protocol):
    """Something with texts that can be checked and changed."""

    def judge(self) -> Judged:
        """Check every text; slow. Raises ``InputTypeError`` if it cannot be read."""
        ...

    def changed(self, find: Find) -> Self:
        """Return the same with changed texts."""
        ...

    @property
    def context(self) -> str | None:
        """The prompt, if this is a response."""
        ...


S = TypeVar("S", bound=Subject)


def refusal(verdict: Verdict) -> Blocked | CheckFailedError | None:
    """Return the error for a text that may not pass unchanged, for callers that can only pass or stop it.

    ``Blocked`` if a principle decided, even if the rest was not checked.
    """
    if verdict.allowed:
        return None
    return CheckFailedError(verdict) if verdict.principle_id is None else Blocked(verdict)


def leading(judged: Judged) -> Verdict:
    """Return the deciding verdict: the strongest action, with a principle before a failed check."""
    return max((verdict for _, verdict in judged), key=weight)


def weight(verdict: Verdict) -> tuple[int, bool, float]:
    """Return the sort key of verdicts: action, a principle before a failed check, margin."""
    margins = [one.margin for one in verdict.findings if one.principle_id == verdict.principle_id]
    return verdict.action.strength, verdict.principle_id is not None, max(margins, default=0.0)


class Handling:
    """Carries out the actions of one call; every call gets a new one."""

    def __init__(self, policy: Criteria, means: Means, actor: str | None, markers: Markers | None = None) -> None:
        """Redact values into ``markers``; by default into numbers that cannot be reversed."""
        self._policy = policy
        self._means = means
        self._actor = actor
        self._markers = Markers() if markers is None else markers

    def settle(self, subject: S, judged: Judged) -> Steps[S | Instead]:
        """Act on ``judged``, and end with what may be used, or with what is returned instead.

        Raises ``Blocked`` and ``CheckFailedError``. Changed texts are checked again, and stopped if anything is found
        that a reviewer did not approve. An approval applies to one text only.
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
        """Ask the reviewer, redact, and check again; end with the verdict that stops the text, if one does."""
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
            return leading(others)  # weaker than what was approved, and nobody was asked about it
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
        """Raise the error of ``verdict``, or end with what is returned instead of a block."""
        error = refusal(verdict) or Blocked(verdict)
        way = self._means.on_block
        if isinstance(error, CheckFailedError) or (isinstance(way, str) and way == "raise"):
            raise error
        return Instead((yield ask(lambda: way(verdict))) if callable(way) else way)

    def replaced(self, verdict: Verdict) -> Steps[Instead]:
        """End with the computed answer if configured, else with the policy's text."""
        way = self._means.on_replace
        if way is not None:
            return Instead((yield ask(lambda: way(verdict))))
        return Instead(self._policy.principle(str(verdict.principle_id)).replacement)

    def reviewed(self, text: str, verdict: Verdict, context: str | None) -> Steps[Answer]:
        """Ask the reviewer about ``text``, and end with the answer, or with the policy's default without one."""
        rules = self._policy.principle(str(verdict.principle_id)).review or Review()
        reviewer, answer = self._means.reviewer, None
        if reviewer is not None:
            item = ReviewItem(text, verdict, context, self._actor)
            answer = yield Step(
                lambda: reviewer.wait(item, rules.timeout_s), lambda: reviewer.await_(item, rules.timeout_s)
            )
        return rules.fallback == "approve" if answer is None else answer


def worst(verdicts: Iterable[Verdict]) -> Status:
    """Return the worst status of all."""
    return max((verdict.status for verdict in verdicts), key=tuple(Status).index)


def held_back(verdict: Verdict, approved: Collection[str]) -> bool:
    """Return whether a changed text has findings other than the ``approved`` principles."""
    against = {one.principle_id for one in verdict.findings if not one.action.passes}
    return not verdict.allowed and (verdict.principle_id is None or bool(against.difference(approved)))


@dataclass(frozen=True, slots=True, repr=False)
class Plain:
    """A single text."""

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
        """The prompt, if this is a response."""
        return self.around.prompt

    def changed(self, find: Find) -> Plain:
        """Return the changed text."""
        return replace(self, text=redact(self.text, find(self.text)))


def applied(
    policy: Criteria, reviewer: Reviewer | None, subject: Plain, verdict: Verdict, vault: Vault | None
) -> Steps[str]:
    """Act on the verdict of one text, and end with the text that may be used; raise if there is none."""
    handling = Handling(policy, Means(reviewer=reviewer), None, vault)
    settled = yield from handling.settle(subject, [(subject.text, verdict)])
    return str(settled.value) if isinstance(settled, Instead) else settled.text
