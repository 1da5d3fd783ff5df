"""Guards on the real model whose thresholds make the outcome certain: 0 blocks a whole stage, 1 blocks nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from guardsdk.guard import Guard
from guardsdk.policy.model import Policy, Principle
from guardsdk.verdict import Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LABELS = {Stage.INPUT: "prompt_injection", Stage.TOOL: "prompt_injection", Stage.OUTPUT: "harmful_response"}


class Seen(NamedTuple):
    stage: Stage
    text: str
    context: str | None = None
    actor: str | None = None
    system: str | None = None


def blocking_policy(*blocked: Stage) -> Policy:
    principles = tuple(
        Principle(
            id=f"all-{stage.value}",
            text=f"Whatever is seen on {stage.value}.",
            label=label,
            stages=(stage,),
            threshold=0.0 if stage in blocked else 1.0,
        )
        for stage, label in LABELS.items()
    )
    return Policy(name="certain", version="1", principles=principles)


class StageGuard(Guard):
    """Blocks every text of the given stages, and remembers what it was asked to check."""

    def __init__(self, *blocked: Stage, models: Path | None = None, max_chars: int | None = None) -> None:
        super().__init__(
            blocking_policy(*blocked), models=models, max_chars=max_chars, providers="cpu", observers=(), cache=0
        )
        self.seen: list[Seen] = []

    def check_many(self, texts: Iterable[str], **options: Any) -> list[Verdict]:
        items = list(texts)
        stage, contexts = Stage(options["stage"]), options.get("contexts") or [None] * len(items)
        actor, system = options.get("actor"), options.get("system")
        self.seen += [Seen(stage, text, near, actor, system) for text, near in zip(items, contexts, strict=True)]
        return super().check_many(items, **options)

    def texts(self, stage: Stage) -> list[str]:
        return [seen.text for seen in self.seen if seen.stage is stage]
