"""What a training run pulls the logits towards: labels, what the start of the run says, what the late heads say."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.training.dataset import MASKED
from models.training.rows import LABELS, STAGES, columns_of

if TYPE_CHECKING:
    from models.training.encoder import GuardModel, Seen


class Start(nn.Module):
    """The layers and late heads that a run goes on from, as they were: what is frozen below them is not run twice."""

    def __init__(self, model: GuardModel, frozen: int) -> None:
        """Copy what of ``model`` lies above its ``frozen`` lowest layers."""
        super().__init__()
        self.frozen = frozen
        self.layers, self.late = deepcopy(model.layers[frozen:]), deepcopy(model.late)
        self.requires_grad_(False)  # noqa: FBT003  torch's own signature

    def forward(self, seen: Seen) -> Tensor:
        """Return the late logits [B, L] on top of the frozen layers' states in ``seen``."""
        states = seen.after[self.frozen]
        for layer in self.layers:
            states = layer(states, seen.bias[:, None, None, :])
        logits: Tensor = self.late(states, seen.bias, seen.mask)[0]
        return logits


def targets_of(labels: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Return what the logits should say as probabilities [B, L], and 1 where that is known; for ``loss_of``.

    ``labels`` [B, L] holds 0, 1 or ``MASKED``.
    """
    return labels.clamp(min=0).float() * (1.0 - 2.0 * smoothing) + smoothing, (labels != MASKED).float()


def kept_targets(said: Tensor, stages: Tensor, targets: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Put what the start ``said``, logits [B, L], in place of the ``targets`` of prompts and documents.

    ``stages`` [B] are indices into ``STAGES``; only labels that are read at a row's stage are known then.
    """
    read = torch.tensor([[label in columns_of(stage) for label in LABELS] for stage in STAGES], device=said.device)
    kept = (stages != STAGES.index("output"))[:, None]
    target, known = targets
    return torch.where(kept, said.float().sigmoid(), target), torch.where(kept, read[stages].float(), known)


def loss_of(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Mean binary cross-entropy over what is known; all three are [B, L]."""
    each = functional.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1.0)


def likeness_of(early: Tensor, late: Tensor) -> Tensor:
    """Mean cross-entropy of the early heads against what the late ones say, which teaches these nothing."""
    return functional.binary_cross_entropy_with_logits(early.float(), late.detach().float().sigmoid())
