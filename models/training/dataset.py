"""Tokenized rows on disk, and how an epoch of batches is drawn from them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from models.training.rows import LABELS, STAGE_TOKENS, STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.training.train import Recipe

PAD, UNKNOWN, CLS, SEP, MASK = 0, 100, 101, 102, 103
MASKED = -1
"""Value of a label that is not known; it is left out of the loss."""
MAX_TOKENS = 256
CONTEXT_TOKENS = 96
_SORTED_BLOCK = 20_000
SHORT_TOKENS = 64
"""Own sources whose rows average at most this many tokens count as short: each row says something of its own, whereas
long rows are mostly composed of the same parts."""


def shorten_context(ids: NDArray[np.int32], room: int = CONTEXT_TOKENS) -> NDArray[np.int32]:
    """Cut the middle out of a context of more than ``room`` tokens, so that ``room`` remain, as the engine does."""
    if len(ids) <= room:
        return ids
    return np.concatenate([ids[: room - room // 2], ids[len(ids) - room // 2 :]])


def opening(stage: str, context: NDArray[np.int32]) -> list[int]:
    """Return the token ids before a text of ``stage``: ``[CLS] stage``, then ``context [SEP]`` unless it is empty."""
    head = [CLS, STAGE_TOKENS[stage]]
    return [*head, *shorten_context(context).tolist(), SEP] if len(context) else head


@dataclass(frozen=True)
class Prepared:
    """All rows of one split, as flat token arrays: row ``i`` is ``ids[starts[i]:starts[i + 1]]``."""

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    context_ids: NDArray[np.int32]
    context_starts: NDArray[np.int64]
    stage: NDArray[np.int8]
    labels: NDArray[np.int8]
    source: NDArray[np.int16]
    held_out: NDArray[np.bool_]
    sources: tuple[str, ...]
    quotas: dict[str, tuple[int, int]]
    """Source to the most distinct rows an epoch draws from it, and how often it repeats each."""

    def save(self, path: Path) -> None:
        """Write to one ``.npz`` file, by renaming a complete one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        names = json.dumps({"sources": self.sources, "quotas": self.quotas})
        fresh = path.with_suffix(".new.npz")  # numpy appends .npz to any other ending
        np.savez(fresh, allow_pickle=False, names=np.array(names), **arrays)
        fresh.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what ``save`` wrote; raises ``FileNotFoundError`` that names the step to run first."""
        if not path.is_file():
            msg = f"{path} is missing: run the prepare step first"
            raise FileNotFoundError(msg)
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files if name != "names"}
            names = json.loads(str(stored["names"]))
        quotas = {name: (cap, repeat) for name, (cap, repeat) in names["quotas"].items()}
        return cls(**arrays, sources=tuple(names["sources"]), quotas=quotas)

    def row(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the text ids and the context ids of one row."""
        text = self.ids[self.starts[index] : self.starts[index + 1]]
        return text, self.context_ids[self.context_starts[index] : self.context_starts[index + 1]]


@dataclass(frozen=True)
class Batch:
    """Padded model inputs [B, T] and targets [B, L]; ``MASKED`` targets are left out of the loss."""

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    token_type_ids: NDArray[np.int64]
    labels: NDArray[np.int8]
    rows: NDArray[np.int64]
    whole: NDArray[np.bool_]
    """[B]: whether the window begins at the start of its text."""


def collate(
    data: Prepared, batch: Sequence[tuple[int, int, int]], *, drop: float = 0.0, rng: np.random.Generator | None = None
) -> Batch:
    """Lay out a batch of (row, first token, end token) as the engine does: ``[CLS] stage [context [SEP]] text [SEP]``.

    ``drop`` is the share of text tokens replaced by ``[MASK]`` in a random half of the rows, a light regulariser that
    keeps single trigger words from deciding; it needs ``rng``.
    """
    pieces, splits = [], []
    for index, start, end in batch:
        text, context = data.row(index)
        text = text[start:end]
        if drop and rng is not None and rng.random() < 0.5:  # half of the rows stay whole
            text = np.where(rng.random(len(text)) < drop, MASK, text)
        head = opening(STAGES[data.stage[index]], context)
        pieces.append(np.array([*head, *text, SEP], np.int64))
        splits.append(len(head) if len(context) else len(pieces[-1]))
    width = max(map(len, pieces))
    ids = np.full((len(batch), width), PAD, np.int64)
    kinds = np.zeros_like(ids)
    for at, (piece, split) in enumerate(zip(pieces, splits, strict=True)):
        ids[at, : len(piece)] = piece
        kinds[at, split : len(piece)] = 1
    rows = np.array([index for index, _, _ in batch], np.int64)
    whole = np.array([start == 0 for _, start, _ in batch])
    return Batch(ids, (ids != PAD).astype(np.int64), kinds, data.labels[rows], rows, whole)


def _window(length: int, room: int, rng: np.random.Generator, *, anywhere: bool) -> tuple[int, int]:
    """Choose the span of a long text that is seen this time: its head, or with ``anywhere`` half of the time any span.

    What makes a long text an attack is only in some of its windows, mostly in the first: a window from the middle that
    carried the label of the whole would teach that plain prose is an attack. So ``anywhere`` is for harmless text.
    """
    if length <= room:
        return 0, length
    start = int(rng.integers(0, length - room + 1)) if anywhere and rng.random() < 0.5 else 0
    return start, start + room


def room_of(data: Prepared, index: int) -> int:
    """Return how many tokens of a row's text fit beside its context."""
    context = int(data.context_starts[index + 1] - data.context_starts[index])
    return MAX_TOKENS - 3 - (min(context, CONTEXT_TOKENS) + 1 if context else 0)


Plan = list[list[tuple[int, int, int]]]
"""Batches of (row, first token, end token)."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Share of each source's quota that an epoch draws."""

    public: float = 1.0
    own: float = 1.0
    """For text of our own generators."""
    short: float | None = None
    """For our own sources whose rows are short, see ``SHORT_TOKENS``; None for the same as ``own``."""
    learnt: float | None = None
    """For sources, public and own, that ``learn`` is about; None for the same as other sources."""
    learn: tuple[str, ...] = ()
    """What is learnt from labels, as ``STAGE``, ``STAGE:LABEL`` or a prefix of source names."""
    stages: tuple[tuple[str, float], ...] = ()
    """Factors by stage on the shares of the sources mostly read at it, those with the share ``learnt`` excepted."""

    @classmethod
    def asked(cls, recipe: Recipe) -> Self:
        """Return the shares that ``recipe`` asks for."""
        return cls(
            recipe.share, recipe.own_share, recipe.short_share, recipe.learnt_share, recipe.learn, recipe.stage_shares
        )

    def of(self, data: Prepared, source: int) -> float:
        """Return the share of one source of ``data``."""
        if self.learnt is not None and self._about(data, source):
            return self.learnt
        rows = data.source == source
        if not rows.any():
            return self.public
        mostly = STAGES[np.bincount(data.stage[rows]).argmax()]
        return self._plain(data, source, rows) * dict(self.stages).get(mostly, 1.0)

    def _plain(self, data: Prepared, source: int, rows: NDArray[np.bool_]) -> float:
        if not is_own(data.sources[source]):
            return self.public
        if self.short is None:
            return self.own
        return self.short if np.diff(data.starts)[rows].mean() <= SHORT_TOKENS else self.own

    def _about(self, data: Prepared, source: int) -> bool:
        """Return whether ``learn`` names ``source``, the stage most of it is read at, or a label it is positive for."""
        if is_named(data.sources[source], self.learn):
            return True
        rows = data.source == source
        stages, labels = data.stage[rows], data.labels[rows]
        for name in (name for name in self.learn if name.partition(":")[0] in STAGES):
            stage, _, label = name.partition(":")
            here = stages == STAGES.index(stage)
            if (labels[here, LABELS.index(label)] == 1).any() if label else here.mean() > 0.5:
                return True
        return False


def draw(data: Prepared, rng: np.random.Generator, shares: Shares) -> NDArray[np.int64]:
    """Draw the row indices of one epoch by source quotas, in random order, without held-out and unsuitable rows."""
    fit = ~(data.held_out | _scattered(data) | _unreadable(data))
    sources = range(len(data.sources))
    chosen = np.concatenate([_quota(data, source, rng, shares.of(data, source), fit) for source in sources])
    rng.shuffle(chosen)
    return chosen


def plan_epoch(
    data: Prepared,
    rng: np.random.Generator,
    *,
    tokens: int,
    max_tokens: int,
    shares: Shares | None = None,
) -> Plan:
    """Draw one epoch by source quotas and lay it out in batches of up to ``tokens`` tokens, padding included.

    ``shares`` scales the quotas; without it they are used in full. Rows of similar length share a batch to save
    padding, and the batches are shuffled. A text is seen through a window that keeps its row within ``max_tokens``
    tokens, but has at least 32 tokens of text.
    """
    shares = shares or Shares()
    chosen = draw(data, rng, shares)
    spans = []
    harmless = np.max(data.labels, axis=1) < 1
    for index in chosen:
        room = max(room_of(data, index) - (MAX_TOKENS - max_tokens), 32)
        length = int(data.starts[index + 1] - data.starts[index])
        spans.append(_window(length, room, rng, anywhere=bool(harmless[index])))
    rooms = np.array([room_of(data, index) for index in chosen])
    sizes = MAX_TOKENS - rooms + np.array([end - start for start, end in spans])
    batches: Plan = []
    # Sorting inside large random blocks keeps batches varied between epochs.
    for at in range(0, len(chosen), _SORTED_BLOCK):
        batch: list[tuple[int, int, int]] = []
        for position in at + np.argsort(sizes[at : at + _SORTED_BLOCK], kind="stable"):
            if batch and (len(batch) + 1) * sizes[position] > tokens:
                batches.append(batch)
                batch = []
            batch.append((int(chosen[position]), *spans[position]))
        batches.append(batch)
    return [batches[at] for at in rng.permutation(len(batches))]


def is_named(source: str, learn: Sequence[str]) -> bool:
    """Return whether the name of ``source`` starts with an entry of ``learn`` that is not a stage."""
    return any(source.startswith(name) for name in learn if name.partition(":")[0] not in STAGES)


def is_own(source: str) -> bool:
    """Return whether a source is text made for this project, by our own generators or by SmolLM2."""
    return source.startswith("gen_")


def _quota(
    data: Prepared, source: int, rng: np.random.Generator, share: float, fit: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the rows of ``source`` that an epoch draws, repeats included, among those that are ``fit`` [N]."""
    cap, repeat = data.quotas[data.sources[source]]
    own = np.flatnonzero((data.source == source) & fit)
    size = round(min(len(own), cap) * share)
    if len(own) > size:
        own = rng.choice(own, size, replace=False)
    return np.tile(own, repeat)


def _scattered(data: Prepared) -> NDArray[np.bool_]:
    """Mark attack documents [N] longer than one window: it is not known which of their windows holds the injection."""
    long = np.diff(data.starts) > MAX_TOKENS - 3
    scattered: NDArray[np.bool_] = long & (data.stage == STAGES.index("tool")) & (data.labels == 1).any(axis=1)
    return scattered


def _unreadable(data: Prepared) -> NDArray[np.bool_]:
    """Mark attacks [N] of unknown tokens only: the engine calls such text unread, and questions in Thai look alike."""
    known = np.concatenate([[0], np.cumsum(data.ids != UNKNOWN)])
    nothing = known[data.starts[1:]] == known[data.starts[:-1]]
    attacks: NDArray[np.bool_] = nothing & (data.labels == 1).any(axis=1)
    return attacks


def held_out_batches(data: Prepared, *, tokens: int, most: int | None = None) -> Iterator[Batch]:
    """Yield the held-out rows in batches, first window only, in order of length.

    ``most`` thins them out evenly, to fewer than twice as many. A batch has ``tokens // MAX_TOKENS`` rows, at least
    one.
    """
    rows = np.flatnonzero(data.held_out)
    rows = rows[:: max(1, len(rows) // most) if most else 1]
    rooms = np.array([room_of(data, int(index)) for index in rows])
    lengths = np.minimum(data.starts[rows + 1] - data.starts[rows], rooms)
    order = np.argsort(lengths, kind="stable")
    size = max(1, tokens // MAX_TOKENS)
    for at in range(0, len(order), size):
        yield collate(data, [(int(rows[p]), 0, int(lengths[p])) for p in order[at : at + size]])
