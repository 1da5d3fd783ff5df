"""The action of a principle on each stage, and the options of each action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field, field_validator

from guardsdk.frozen import NO_WORD, Frozen
from guardsdk.verdict import Action, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

RedactWith = Literal["marker", "label", "mask"]
"""``[SECRET_1]``, the same for the same value; ``[SECRET]``; or one ``*`` per character."""

NEVER_LIFTS: Final = "a principle can add a finding, never lift one: there is no action allow"

_OF_OUTPUT = frozenset({Action.REVISE})
"""Actions that only make sense for an answer of the model."""
OPTION_OF: Final = {
    "redact_with": Action.REDACT,
    "replacement": Action.REPLACE,
    "revise": Action.REVISE,
    "review": Action.REVIEW,
}
"""Options of a principle, each with the action that uses it."""


class StageActions(Frozen):
    """The action per stage; one for each stage of the principle."""

    input: Action | None = None
    tool: Action | None = None
    output: Action | None = None


class Revise(Frozen):
    """How the model is asked again, and what happens if no attempt passes."""

    attempts: Annotated[int, Field(ge=1, le=10), NO_WORD] = 2
    """The most further model calls for one guarded call."""
    message: str = (
        "Your last answer was held back because it goes against this rule: {principle} "
        "Answer the request again in a way that keeps the rule."
    )
    """The message to the model; ``{principle}`` stands for the principle's text."""
    fallback: Literal["block", "replace"] = "block"
    """After the last attempt: block, or answer with the principle's ``replacement``."""

    @field_validator("message")
    @classmethod
    def _quotes_the_principle(cls, value: str) -> str:
        if "{principle}" not in value:
            msg = "must contain {principle}, the place of the principle's text"
            raise ValueError(msg)
        return value


class Review(Frozen):
    """How long to wait for a reviewer, and what happens without an answer."""

    timeout_s: Annotated[float, Field(ge=0.001, le=30 * 24 * 3600, allow_inf_nan=False), NO_WORD] = 60.0
    """Seconds, at most 30 days."""
    fallback: Literal["deny", "approve"] = "deny"
    """What happens if nobody answers in time, the reviewer raises an error, or there is no reviewer."""


def problem_with(stages: tuple[Stage, ...], action: Action | StageActions, options: Mapping[str, object]) -> str | None:
    """Return what is wrong with a principle's action and its options, or ``None``."""
    chosen = {stage: action_on(action, stage) for stage in stages}
    for stage, word in chosen.items():
        if word is None:
            return f"action names nothing for stage {stage.value}, which is one of the principle's stages"
        if word in _OF_OUTPUT and stage is not Stage.OUTPUT:
            return f'action "{word.value}" is for stage output only: on {stage.value} there is no answer yet'
    for stage in Stage:
        if isinstance(action, StageActions) and stage not in chosen and action_on(action, stage) is not None:
            return f"action names stage {stage.value}, which is none of the principle's stages"
    return _problem_with_options(set(chosen.values()), options)


def _problem_with_options(used: set[Action | None], options: Mapping[str, object]) -> str | None:
    given = {name for name in OPTION_OF if options.get(name) is not None}
    wanted = {name for name, owner in OPTION_OF.items() if owner in used}
    if isinstance(revise := options.get("revise"), Revise) and revise.fallback == "replace":
        wanted.add("replacement")
    for name in sorted(given - wanted):
        return f'{name} is read with action "{OPTION_OF[name].value}" only'
    if "replacement" in wanted - given:
        return "replacement is missing: the text to answer with instead"
    return None


def action_on(action: Action | StageActions, stage: Stage) -> Action | None:
    """Return the action on ``stage``; ``None`` if a table has none for it."""
    if isinstance(action, Action):
        return action
    found: Action | None = getattr(action, stage.value)
    return found
