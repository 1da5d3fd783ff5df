"""Targets and losses of a training run: labels, a teacher, the model it starts from, and its own late heads."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.training.dataset import MASKED
from models.training.rows import LABELS, STAGES, columns_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from models.training.encoder import GuardModel, Seen


_READ = torch.tensor([[label in columns_of(stage) for label in LABELS] for stage in STAGES])
"""Whether a label is read at a stage, [S, L]."""


def targets_of(labels: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Return target probabilities and a mask that is 1 where the label is known, float [B, L] each, for ``loss_of``.

    ``labels`` [B, L] holds 0, 1 or ``MASKED``; ``smoothing`` is the label smoothing.
    """
    return labels.clamp(min=0).float() * (1.0 - 2.0 * smoothing) + smoothing, (labels != MASKED).float()


def taught(targets: tuple[Tensor, Tensor], said: Tensor, stages: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return ``targets`` with the predictions of a teacher mixed in, for ``loss_of``.

    ``said`` [B, L] are the teacher's logits, NaN where it saw another part of the text; ``stages`` [B] are indices into
    ``STAGES``. The teacher has ``share`` of the target of a known label; of an unknown label it is the whole target, at
    a weight of ``share``. Labels that are not read at a row's stage keep their targets.
    """
    target, known = targets
    heard = ~said.isnan() & _READ.to(said.device)[stages]
    guess = said.nan_to_num().sigmoid()
    mixed = torch.where(known > 0, (1.0 - share) * target + share * guess, guess)
    return torch.where(heard, mixed, target), torch.maximum(known, share * heard)


def loss_of(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Return the mean binary cross-entropy of ``logits``, weighted by ``known``; all three are [B, L]."""
    return _summed(logits, target, known) / known.sum().clamp(min=1.0)


def _summed(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    each = functional.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
    return (each * known).sum()


def likeness_of(early: Tensor, late: Tensor) -> Tensor:
    """Return the mean cross-entropy of the early heads against the late ones, which get no gradient from it."""
    return functional.binary_cross_entropy_with_logits(early.float(), late.detach().float().sigmoid())


def learnt_labels(names: Sequence[str]) -> Tensor:
    """Return which labels are learnt at which stage, bool [S, L], by ``names``: each ``STAGE`` or ``STAGE:LABEL``.

    A name without a colon that is no stage names a source, and is skipped. Raises ``RuntimeError`` for an unknown stage
    before a colon, and for a label that its stage does not have.
    """
    made = torch.zeros(len(STAGES), len(LABELS), dtype=torch.bool)
    for name in names:
        stage, colon, label = name.partition(":")
        if stage not in STAGES and not colon:
            continue
        columns = columns_of(stage) if stage in STAGES else {}
        if not columns or (colon and label not in columns):
            msg = f"--learn takes STAGE, STAGE:LABEL or a source, and {name!r} is none: stages are {', '.join(STAGES)}"
            raise RuntimeError(msg)
        made[STAGES.index(stage), [columns[label]] if label else list(columns.values())] = True
    return made


class _Upper(nn.Module):
    """A frozen copy of the late heads and of the layers above the ``frozen`` lowest ones."""

    def __init__(self, model: GuardModel, frozen: int) -> None:
        super().__init__()
        self.layers, self.late = deepcopy(model.layers[frozen:]), deepcopy(model.late)
        self.requires_grad_(False)  # noqa: FBT003  torch's own signature

    def forward(self, states: Tensor, bias: Tensor, mask: Tensor) -> Tensor:
        """Return the late logits [B, L] on top of the frozen layers' ``states`` [B, T, H]."""
        for layer in self.layers:
            states = layer(states, bias[:, None, None, :])
        logits: Tensor = self.late(states, bias, mask)[0]
        return logits


class Kept(nn.Module):
    """The loss of a run that learns some labels and should leave the predictions of the others as they were.

    It holds frozen copies of the upper layers and late heads of the reference models; the frozen layers below are
    shared and run only once.
    """

    def __init__(
        self, model: GuardModel, frozen: int, learn: Sequence[str], at: Mapping[str, GuardModel] | None = None
    ) -> None:
        """Copy the layers of ``model`` above its ``frozen`` lowest ones; ``learn`` is for ``learnt_labels``.

        ``at`` maps stages to the reference models that replace ``model`` there.
        """
        super().__init__()
        at = at or {}
        self.frozen = frozen
        self.uppers = nn.ModuleList(_Upper(each, frozen) for each in (model, *at.values()))
        whose = [1 + list(at).index(stage) if stage in at else 0 for stage in STAGES]
        self.whose = nn.Buffer(torch.tensor(whose), persistent=False)
        learnt = learnt_labels(learn)
        self.learnt = nn.Buffer(learnt.float(), persistent=False)
        self.read = nn.Buffer(_READ.float(), persistent=False)

    def said(self, seen: Seen, stages: Tensor) -> Tensor:
        """Return the late logits [B, L] of each row's reference model, from the frozen layers' states in ``seen``."""
        states, whose = seen.after[self.frozen], self.whose[stages]
        logits = states.new_empty(len(states), len(LABELS))
        for number, upper in enumerate(self.uppers):
            rows = whose == number
            if rows.any():
                logits[rows] = upper(states[rows], seen.bias[rows], seen.mask[rows])
        return logits

    def forward(
        self, logits: Tensor, seen: Seen, stages: Tensor, named: Tensor, targets: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Return the mean loss of ``logits`` [B, L]: by ``targets`` where labels are learnt, else by the reference.

        ``stages`` [B] are indices into ``STAGES``; ``named`` [B] is 1 for rows of sources whose every known label is
        learnt. The reference is matched in logits and not in probabilities: thresholds lie where these are flat, so
        that scores could drift there and across thresholds at little loss. An eighth of the squared difference has the
        slope of the cross-entropy where both are undecided.
        """
        target, known = targets
        learnt = torch.maximum(self.learnt[stages], named[:, None] * known)
        known, kept = known * learnt, self.read[stages] * (1.0 - learnt)
        moved = (logits.float() - self.said(seen, stages).float()).square() / 8
        return (_summed(logits, target, known) + (moved * kept).sum()) / (known.sum() + kept.sum()).clamp(min=1.0)
