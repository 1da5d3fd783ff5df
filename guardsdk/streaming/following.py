"""What to do with a verdict that does not let a stream continue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardsdk.policy.actions import Revise
from guardsdk.streaming.flow import Again, Follow
from guardsdk.verdict import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardsdk.calling.handling import Handling, Instead
    from guardsdk.calling.redaction import Criteria
    from guardsdk.calling.steps import Steps
    from guardsdk.verdict import Verdict

    AskAgain = Callable[[Revise, Verdict], Steps[Any]]
    """Ends with another source, or with none if the model cannot be asked again."""


def follow(handling: Handling, policy: Criteria, context: str | None, again: AskAgain | None = None) -> Follow:
    """Return how ``handling`` ends a stream; ``again`` asks for another answer, if possible."""
    asked = 0

    def stop(verdict: Verdict, fresh: bool) -> Steps[Instead | Again]:  # noqa: FBT001  as in Follow
        nonlocal asked
        replaces = verdict.action is Action.REPLACE
        if verdict.action is Action.REVISE:
            rules = policy.principle(str(verdict.principle_id)).revise or Revise()
            if again is not None and fresh and asked < rules.attempts:
                source = yield from again(rules, verdict)
                if source is not None:
                    asked += 1
                    return Again(source)
            replaces = rules.fallback == "replace"
        return (yield from handling.replaced(verdict) if replaces else handling.stopped(verdict))

    return Follow(review=lambda text, verdict: handling.reviewed(text, verdict, context), stop=stop)
