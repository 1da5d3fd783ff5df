"""A guard around a target, or alone: which sides it checks, and its decision on a case."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from guardsdk.errors import EvaluationError, InputError, reject_type, why_unchecked
from guardsdk.evaluation.record import GuardedSides, GuardRef
from guardsdk.guard import Guard
from guardsdk.parts.given import list_of
from guardsdk.parts.many import check_each
from guardsdk.policy.model import OnError, Policy
from guardsdk.verdict import Action, Stage, Status, highest_scores

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from guardsdk.evaluation.cases import Case
    from guardsdk.evaluation.judging import Answered
    from guardsdk.verdict import Verdict

INCOMPLETE = "guard_incomplete"
"""The doubt about a case that a guard let pass without having checked all of it."""


@dataclass(frozen=True, slots=True)
class Look:
    """A guard's decision on one case."""

    scores: dict[str, float] = field(default_factory=dict)
    blocked_at: Stage | None = None
    principle_id: str | None = None
    seconds: float = 0.0
    doubts: tuple[str, ...] = ()
    error: str | None = None
    """Why the guard could not check the text it stopped; this does not count as a block."""


class Screening:
    """Checks the input, the output, or both. A redacted passage does not stop a text."""

    def __init__(
        self, guard: Guard, sides: GuardedSides, without: Sequence[str] = (), policy: Policy | None = None
    ) -> None:
        """Check with ``guard``, whose policy is from ``policy_without`` or a copy of ``policy``, the recorded one.

        Raises ``InputTypeError`` for an argument of another type, ``InputError`` for sides that do not exist, and as
        ``Guard.info`` does.
        """
        if not isinstance(guard, Guard):
            reject_type("guard", "a Guard", guard)
        if not isinstance(policy, Policy | None):
            reject_type("policy", "a Policy or None", policy)
        if sides not in get_args(GuardedSides):
            msg = f"there are no such sides of a guard; sides: {', '.join(get_args(GuardedSides))}"
            raise InputError(msg)
        without = list_of(str, without, "without", "a label")
        info = guard.info()
        self._guard = guard
        self._served = frozenset(stage for principle in guard.policy.principles for stage in principle.stages)
        self.looks_in = sides in ("input", "both")
        self.looks_out = sides in ("output", "both")
        self.ref = GuardRef(
            sides=sides,
            without=tuple(without),
            model=info.model,
            policy=info.policy if policy is None else policy.ref,
            taught=info.taught,
        )

    def before(self, case: Case) -> Look:
        """Check every message of ``case``, each at its stage."""
        started = time.perf_counter()
        turns = [{"role": one.role, "content": one.content} for one in case.messages]
        found = self._guard.check_messages(turns)
        seconds = time.perf_counter() - started
        together = [found.together] if found.together is not None else []
        return self._look(found.deciding, [*(turn.verdict for turn in found.turns), *together, *found.calls], seconds)

    def after(self, answered: Sequence[Answered]) -> list[Look]:
        """Check answers, each with its prompt and the system prompt."""
        verdicts = check_each(
            self._guard,
            [one.answer for one in answered],
            stage=Stage.OUTPUT,
            contexts=[one.case.prompt for one in answered],
            systems=[_system(one.case) for one in answered],
        )
        return [self._look(verdict, [verdict], verdict.duration_s) for verdict in verdicts]

    def _look(self, deciding: Verdict, every: Iterable[Verdict], seconds: float) -> Look:
        served = [verdict for verdict in every if verdict.stage in self._served]
        scores = highest_scores(*(verdict.scores for verdict in served))
        whole = all(verdict.status is Status.COMPLETE for verdict in served)
        doubts = () if whole else (INCOMPLETE,)
        if deciding.action.passes or deciding.action is Action.REDACT or deciding.stage not in self._served:
            return Look(scores, seconds=seconds, doubts=doubts)
        if deciding.principle_id is None:
            return Look(scores, seconds=seconds, error=f"guard: {why_unchecked(deciding)}")
        return Look(scores, deciding.stage, deciding.principle_id, seconds, doubts)


def policy_without(policy: Policy, labels: Collection[str]) -> Policy:
    """Return ``policy`` without the principles of ``labels``; a stage left without any is not checked.

    A screen only runs if the policy uses it, so removing its labels switches it off. Raises ``EvaluationError`` if the
    policy has no principle of a label, or would have none at all; ``InputTypeError`` if ``labels`` is no list of them.
    """
    labels = list_of(str, labels, "labels", "a label")
    if not labels:
        return policy
    known = {principle.label for principle in policy.principles}
    if unknown := sorted(set(labels) - known):
        msg = f"--without {', '.join(unknown)}: the policy has principles of {', '.join(sorted(known))}"
        raise EvaluationError(msg)
    left = tuple(principle for principle in policy.principles if principle.label not in labels)
    if not left:
        msg = "--without leaves the policy without a principle: use --guard none"
        raise EvaluationError(msg)
    served = {stage for principle in left for stage in principle.stages}
    handling = {stage.value: policy.on_error_for(stage).value if stage in served else "allow" for stage in Stage}
    return policy.model_copy(update={"principles": left, "on_error": OnError.model_validate(handling)})


def _system(case: Case) -> str | None:
    return "\n".join(one.content for one in case.messages if one.role == "system") or None
