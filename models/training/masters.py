"""Float32 master weights of a training run, their moving average, the optimizer and the learning rate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.training.train import Recipe


class Masters:
    """Float32 master weights, their moving average and AdamW for a network that computes in a narrower type."""

    def __init__(self, model: nn.Module, recipe: Recipe, factor: Callable[[str], float]) -> None:
        """Copy the trainable weights of ``model``; ``factor`` maps a weight's name to its learning-rate factor."""
        self.live = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.weights = {name: p.detach().float().clone().requires_grad_() for name, p in self.live.items()}
        self.average = {name: p.detach().clone() for name, p in self.weights.items()}
        self.recipe = recipe
        groups = []
        for name, weight in self.weights.items():
            decay = recipe.weight_decay if weight.ndim > 1 else 0.0
            groups.append({"params": [weight], "factor": factor(name), "weight_decay": decay})
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)

    def step(self, rate: float, taken: int) -> None:
        """Update the masters by the gradients of the live weights, and copy them back.

        ``rate`` is the learning rate before factors; ``taken`` counts the steps, this one included.
        """
        for name, live in self.live.items():
            self.weights[name].grad = live.grad.float() if live.grad is not None else None
            live.grad = None
        torch.nn.utils.clip_grad_norm_(list(self.weights.values()), self.recipe.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        self.optimizer.step()
        # A shorter average at first, or the initial weights would linger in it.
        decay = min(self.recipe.average, (1 + taken) / (10 + taken))
        with torch.no_grad():
            for name, weight in self.weights.items():
                self.live[name].copy_(weight)
                self.average[name].lerp_(weight, 1.0 - decay)

    def settle(self) -> None:
        """Load the averaged weights into the network; ``restore`` or the next ``step`` undoes it."""
        with torch.no_grad():
            for name, live in self.live.items():
                live.copy_(self.average[name])

    def state(self) -> dict[str, object]:
        """Return everything that ``restore`` needs."""
        return {"weights": self.weights, "average": self.average, "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Continue from what ``state`` returned."""
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(state["weights"][name])
                self.average[name].copy_(state["average"][name])
                self.live[name].copy_(weight)
        self.optimizer.load_state_dict(state["optimizer"])


def compute_type(device: torch.device) -> torch.dtype:
    """Return bfloat16 on CUDA and on CPUs that have it natively, else float32: emulated, it is many times slower."""
    # These have no public name, and oneDNN reports bfloat16 as supported on all AVX-512, emulated or not.
    native = torch.cpu._is_amx_tile_supported, torch.cpu._is_avx512_bf16_supported  # noqa: SLF001
    fast = device.type == "cuda" or any(supported() for supported in native)
    return torch.bfloat16 if fast else torch.float32


def rate_at(step: int, total: int, recipe: Recipe) -> float:
    """Return the learning rate of a step, from 1 to ``total``: linear warm-up, then cosine decay towards 0.

    The rate would be 0 at the step after the last: every batch is learnt from.
    """
    warm = max(1, round(total * recipe.warmup))
    if step <= warm:
        return recipe.learning_rate * step / warm
    progress = (step - 1 - warm) / (total - warm)
    return recipe.learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))
