"""The same target with less and more of a guard around it, to measure what each layer contributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guardsdk.evaluation.record import GuardedSides
    from guardsdk.policy.model import Policy


@dataclass(frozen=True, slots=True)
class Layer:
    """One way to put the guard around the target."""

    sides: GuardedSides
    without: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """A name for files, such as ``input`` or ``both-without-jailbreak``."""
        return "-without-".join((self.sides, "-".join(self.without))) if self.without else self.sides


def layers_of(policy: Policy) -> tuple[Layer, ...]:
    """Return: no guard, each side alone, both sides, and both without each label that can stop a text."""
    labels = dict.fromkeys(
        principle.label
        for principle in policy.principles
        if any(not principle.action_for(stage).passes for stage in principle.stages)
    )
    sides: tuple[GuardedSides, ...] = ("none", "input", "output", "both")
    whole = tuple(Layer(side) for side in sides)
    return whole if len(labels) == 1 else (*whole, *(Layer("both", (label,)) for label in labels))
