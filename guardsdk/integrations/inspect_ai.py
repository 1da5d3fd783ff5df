"""A guard as a scorer of Inspect (``pip install 'guardsdk[inspect]'``).

    Task(dataset=..., solver=generate(), scorer=held_back())

The value of a sample is 1 where the guard does not let the text pass and 0 where it does, so ``mean`` is the share held
back. A text that could not be checked is *unscored*, which Inspect's metrics leave out: it is neither.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from inspect_ai.scorer import Score, mean, scorer, stderr

from guardsdk.errors import why_unchecked
from guardsdk.guard import Guard
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from inspect_ai.model import ModelOutput
    from inspect_ai.scorer import Scorer, Target
    from inspect_ai.solver import TaskState

    from guardsdk.verdict import Verdict


@scorer(metrics=[mean(), stderr()], name="guardsdk")  # type: ignore[untyped-decorator, unused-ignore]
def held_back(guard: Guard | None = None, *, stage: Stage | str = Stage.OUTPUT) -> Scorer:
    """Score samples by what ``guard`` makes of them.

    Args:
        guard: Who looks; a guard with the default policy when left out. It stays the caller's to close.
        stage: ``output`` looks at the answer, with the tool calls in it, beside its prompt and the system message, any
            other stage at the prompt.

    Returns:
        A scorer. The metadata of its scores hold the label scores, the principle and the status, and no text.
    """
    looking, at = guard or Guard(), Stage(stage)

    async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001  what a scorer takes
        system = "\n".join(message.text for message in state.messages if message.role == "system") or None
        if at is Stage.OUTPUT:
            verdict = await looking.acheck(_said(state.output), stage=at, context=state.input_text, system=system)
        else:
            verdict = await looking.acheck(state.input_text, stage=at, system=system)
        return scored(verdict)

    return score


def _said(output: ModelOutput) -> str:
    """Return what the model answers: its words, and what it wants tools to do, which is as much of an answer."""
    calls = output.choices[0].message.tool_calls or () if output.choices else ()
    asked = [
        json.dumps({"name": call.function, "arguments": call.arguments}, ensure_ascii=False, default=str)
        for call in calls
    ]
    return "\n".join(filter(None, (output.completion, *asked)))


def scored(verdict: Verdict) -> Score:
    """Return ``verdict`` as Inspect writes scores down."""
    metadata = {
        "status": verdict.status.value,
        "action": verdict.action.value,
        "principle": verdict.principle_id,
        "scores": dict(verdict.scores),
        "coverage": verdict.coverage,
    }
    if not verdict and verdict.principle_id is None:
        said = f"not checked: {why_unchecked(verdict)}"
        return Score.unscored(reason="scoring_failed", explanation=said, metadata=metadata)
    if verdict.allowed:
        return Score(value=0.0, explanation="let pass", metadata=metadata)
    return Score(value=1.0, explanation=f"held back by {verdict.principle_id}", metadata=metadata)
