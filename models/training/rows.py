"""The row type that all sources and generators of the training recipe share."""

from __future__ import annotations

from dataclasses import dataclass, field

LABELS = (
    "prompt_injection",
    "jailbreak",
    "harmful_request",
    "toxicity",
    "harmful_response",
    "refusal",
)
"""Heads of the model, in the order of the logit columns."""

STAGES = ("input", "tool", "output")
"""Where a text was seen: from a user, inside a document or tool result, from the model."""

STAGES_OF = {
    "prompt_injection": ("input", "tool"),
    "jailbreak": ("input",),
    "harmful_request": ("input",),
    "toxicity": ("input", "output"),
    "harmful_response": ("output",),
    "refusal": ("output",),
}
"""The stages each label is read at."""


def columns_of(stage: str) -> dict[str, int]:
    """Return the labels that are read at ``stage``, with their logit columns."""
    return {label: at for at, label in enumerate(LABELS) if stage in STAGES_OF[label]}


STAGE_TOKENS = {stage: 2 + index for index, stage in enumerate(STAGES)}
"""Ids of the ``[unused1]`` to ``[unused3]`` tokens of the vocabulary, which say where a text was seen."""


@dataclass(frozen=True, slots=True)
class Row:
    """One training or evaluation text.

    ``labels`` holds only what is known: a label that is missing is masked in the loss. ``group`` names the cluster
    (template family, near-duplicate cluster) that must stay on one side of a split. ``context`` is what the model sees
    as the first half of a pair, before the text: the prompt that a response answers, or the system text that a prompt
    is aimed at.
    """

    text: str
    stage: str
    labels: dict[str, int]
    source: str
    group: str
    context: str | None = None
    tags: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for an unknown stage or label, and for a label that is neither 0 nor 1."""
        if self.stage not in STAGES:
            msg = f"stage {self.stage!r} of a row from {self.source!r} is not one of {STAGES}"
            raise ValueError(msg)
        unknown = set(self.labels) - set(LABELS)
        if unknown or not set(self.labels.values()) <= {0, 1}:
            msg = f"labels {self.labels!r} of a row from {self.source!r} must map names in {LABELS} to 0 or 1"
            raise ValueError(msg)
