"""Aim step: a shipped model learns to read a prompt beside the instructions it is aimed at, and stays what it is.

Only what is said beside instructions comes new: the layers, the heads, their thresholds and the files they are in are
those of the model it starts from.
"""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import onnxruntime
import torch
from torch.nn import functional
from tqdm import tqdm

from benchmarks.stats import auroc
from guardsdk.registry.lookup import MANIFEST_FILE, load_manifest
from guardsdk.registry.manifest import Aimed as Reading
from guardsdk.registry.manifest import Calibration, Manifest, file_entry
from guardsdk.text.windows import share_ranges
from guardsdk.verdict import Stage
from models.training.aimed_graph import Aimed, aimed_graph, states_graph
from models.training.dataset import CONTEXT_TOKENS, MAX_TOKENS, SEP, opening
from models.training.encoder import EncoderConfig
from models.training.export import WHOLE
from models.training.generators.input_surface import dress
from models.training.generators.systems import among_others, guarded, plain_system
from models.training.pools import pools
from models.training.prepare import tokenizer
from models.training.quantize import add_graph
from models.training.rows import STAGES
from models.training.thresholds import TARGETS, spread, threshold_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.training.dataset import Prepared
    from models.training.generators.systems import Guarded

    Row = tuple[NDArray[np.int32], NDArray[np.int32]]
    """Ids and token types of a pair, [1, T] each."""
    States = tuple[NDArray[np.floating], NDArray[np.int32]]
    """The states, [T, 2 H], and the token types, [T], of a row."""

AIMED: Final = "model_aimed.onnx"
LABEL: Final = "prompt_injection"
"""What the reading has a say in, on the input stage."""
SHARES: Final = 4
"""Most rows that long instructions are read in: every further one costs as much as the first."""
_LEARNT_FILE = "aimed.pt"
_HELD_OUT = 0.2
"""Share of the groups, each a system text with what was written for it, that is not learnt from."""
_DRAWS, _STRANGERS, _ORDINARY, _PLAIN = 2, 3, 5, 2
"""For each group: how often its texts are drawn, prompts written for other groups, ordinary prompts beside it, and
ordinary prompts beside an ordinary system text."""
_TARGET = TARGETS["input"] / 2
"""Benign prompts of ``calib/`` that may be blocked for what they are beside instructions, on top of those that are
blocked by themselves."""
_SECOND = "0.05"
"""The other rate of false positives at which its score is where that of the label is."""
_LONGEST_PROMPT = 120
"""Tokens of an ordinary prompt."""
_PLAIN_SHARE = 1 / 3
"""Share of the benign prompts of ``calib/`` that stand beside ordinary system texts, not those that guard something."""
_TOKENIZER = tokenizer()
_EPOCHS, _RATE, _DECAY, _BATCH, _SMOOTHING = 6, 1e-3, 0.05, 48, 0.03


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt beside instructions."""

    system: list[int]
    text: list[int]
    """Both as tokens."""
    attack: bool

    def rows(self) -> list[Row]:
        """Return a row for each share of the instructions, as the engine lays them out; the text's first window."""
        shares = share_ranges(len(self.system), CONTEXT_TOKENS, SHARES)
        return [self._row(self.system[first:end]) for first, end in shares]

    def _row(self, system: list[int]) -> Row:
        head = opening("input", np.array(system, np.int32))
        text = [*self.text[: MAX_TOKENS - len(head) - 1], SEP]
        kinds = [0] * len(head) + [1] * len(text)
        return np.array([[*head, *text]], np.int32), np.array([kinds], np.int32)


def aim(data: Path, prepared: Prepared, start: Path, out: Path, *, version: str, seed: int) -> Path:
    """Write the model in the folder ``start``, with a reading beside instructions, to ``out/model``; return that.

    Ordinary prompts are those of ``prepared``, instructions and what attacks them our own, and the benign prompts of
    ``calib/`` say from where on it fires. What was learnt before, in ``out``, is not learnt again.
    """
    rng = random.Random(seed)
    groups = list(guarded(attacked=False))
    rng.shuffle(groups)
    cut = round(len(groups) * (1.0 - _HELD_OUT))
    runs = _Layers(start)
    learnt = _learnt(groups[:cut], prepared, rng)
    if not (out / _LEARNT_FILE).is_file():
        out.mkdir(parents=True, exist_ok=True)
        torch.save(_learn(runs, learnt, seed).state_dict(), out / _LEARNT_FILE)
    network = Aimed(2 * EncoderConfig().hidden).eval()
    network.load_state_dict(torch.load(out / _LEARNT_FILE, weights_only=True))
    held = [pair for group in groups[cut:] for pair in _own(group, rng)]
    logits, attacks = runs.logits(network, held), np.array([pair.attack for pair in held])
    benign = [runs.logits(network, pairs) for pairs in _benign(data, groups[cut:], rng, seed)]
    tails = [spread(scores) for scores in benign]
    threshold = threshold_at(_TARGET, tails)
    tqdm.write(
        f"held-out groups: area {auroc(attacks.astype(int), logits):.3f}, "
        f"found {(logits[attacks] >= threshold).mean():.3f}, proper use {(logits[~attacks] >= threshold).mean():.3f}; "
        f"benign prompts {np.mean([(scores >= threshold).mean() for scores in benign]):.4f}"
    )
    second = threshold_at(float(_SECOND), tails)
    return _write(network, start, out, version=version, threshold=threshold, second=second)


def _tokens(text: str) -> list[int]:
    ids: list[int] = _TOKENIZER.encode(text, add_special_tokens=False).ids
    return ids


def _own(group: Guarded, rng: random.Random, *, dressed: bool = False) -> Iterator[Pair]:
    """Yield what was written for ``group``, each text beside its instructions among others."""
    for attack, texts in ((True, group.attacks), (False, group.harmless)):
        for text in texts:
            shown = dress(rng, text) if dressed else text
            yield Pair(_tokens(among_others(rng, group.system)), _tokens(shown), attack)


def _learnt(groups: Sequence[Guarded], prepared: Prepared, rng: random.Random) -> list[Pair]:
    """Return what is learnt from: attacks, proper use, prompts for other instructions, and ordinary prompts."""
    short = np.diff(prepared.starts) < _LONGEST_PROMPT
    ordinary = np.flatnonzero((prepared.stage == STAGES.index("input")) & (prepared.labels < 1).all(1) & short)
    asked = [group for group in groups if group.harmless]

    def prompt() -> list[int]:
        text: list[int] = prepared.row(int(ordinary[rng.randrange(len(ordinary))]))[0].tolist()
        return text

    made: list[Pair] = []
    for group in groups:
        for _ in range(_DRAWS):
            made += _own(group, rng, dressed=True)
        strange = [rng.choice(rng.choice(asked).harmless) for _ in range(_STRANGERS)]
        made += [Pair(_tokens(among_others(rng, group.system)), _tokens(text), attack=False) for text in strange]
        made += [Pair(_tokens(among_others(rng, group.system)), prompt(), attack=False) for _ in range(_ORDINARY)]
        made += [Pair(_tokens(plain_system(rng)), prompt(), attack=False) for _ in range(_PLAIN)]
    return made


def _benign(data: Path, groups: Sequence[Guarded], rng: random.Random, seed: int) -> Iterator[list[Pair]]:
    """Yield the benign prompts of ``calib/``, pool by pool, beside instructions that were not learnt from."""
    for pool in pools(data, seed, system_texts=True):
        if pool.stage != "input" or pool.label is not None or LABEL not in (pool.negative_of or (LABEL,)):
            continue
        pairs = []
        for text, system in pool.texts:
            plain = plain_system(rng) if rng.random() < _PLAIN_SHARE else among_others(rng, rng.choice(groups).system)
            pairs.append(Pair(_tokens(system or plain), _tokens(text), attack=False))
        yield pairs


class _Layers:
    """The layers of a shipped model, run pair by pair as the engine does: what rounding does to them is learnt with."""

    def __init__(self, start: Path) -> None:
        config = EncoderConfig()
        self._names, graph = states_graph(start / WHOLE, config.early, config.layers)
        self._session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])

    def states(self, pairs: Sequence[Pair]) -> Iterator[list[States]]:
        """Yield the states of each row of each of ``pairs``."""
        for pair in tqdm(pairs, desc="states", unit="pair"):
            yield [self._states(*row) for row in pair.rows()]

    def _states(self, ids: NDArray[np.int32], kinds: NDArray[np.int32]) -> States:
        both = self._session.run(self._names, {"input_ids": ids, "token_type_ids": kinds})
        return np.concatenate(both, axis=-1)[0], kinds[0]

    def logits(self, network: Aimed, pairs: Sequence[Pair]) -> NDArray[np.float64]:
        """Return what ``network`` says of each of ``pairs``, [N]."""
        with torch.no_grad():
            return np.array([float(_said(network, [rows])) for rows in self.states(pairs)])


def _said(network: Aimed, pairs: Sequence[Sequence[States]]) -> torch.Tensor:
    """Return logits [B], of each pair that of the row where it is highest."""
    logits = network(*_batch([row for rows in pairs for row in rows]))
    return torch.stack([read.amax() for read in logits.split([len(rows) for rows in pairs])])


def _batch(rows: Sequence[States]) -> tuple[torch.Tensor, ...]:
    """Return states [B, T, 2 H], mask and token types [B, T], padded."""
    lengths = [len(kinds) for _, kinds in rows]
    states = torch.zeros(len(rows), max(lengths), rows[0][0].shape[1])
    mask, types = torch.zeros(states.shape[:2]), torch.zeros(states.shape[:2])
    for at, (one, kinds) in enumerate(rows):
        states[at, : lengths[at]] = torch.from_numpy(one.astype(np.float32))
        mask[at, : lengths[at]] = 1.0
        types[at, : lengths[at]] = torch.from_numpy(kinds)
    return states, mask, types


def _learn(layers: _Layers, pairs: Sequence[Pair], seed: int) -> Aimed:
    """Return a network that tells the attacks of ``pairs`` from the others."""
    torch.manual_seed(seed)
    read = [[(states.astype(np.float16), kinds) for states, kinds in rows] for rows in layers.states(pairs)]
    wanted = torch.tensor([float(pair.attack) for pair in pairs]) * (1.0 - 2.0 * _SMOOTHING) + _SMOOTHING
    network = Aimed(2 * EncoderConfig().hidden)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    rng, lengths = np.random.default_rng(seed), np.array([sum(len(kinds) for _, kinds in rows) for rows in read])
    batches: list[NDArray[np.int64]] = []
    for _ in range(_EPOCHS):
        alike = np.array_split(np.argsort(lengths + rng.random(len(read))), max(1, len(read) // _BATCH))
        batches += [alike[at] for at in rng.permutation(len(alike))]
    for step, chosen in enumerate(tqdm(batches, desc="aim", unit="batch")):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * (1.0 - step / len(batches))
        loss = functional.binary_cross_entropy_with_logits(_said(network, [read[at] for at in chosen]), wanted[chosen])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network


def _write(network: Aimed, start: Path, out: Path, *, version: str, threshold: float, second: float) -> Path:
    """Write ``start`` with ``network`` added to ``out/model``; return that.

    The line from its logits goes through two points: at ``threshold`` it reaches that of the label, and at ``second``
    the one that the label has for as many false positives.
    """
    model, config = out / "model", EncoderConfig()
    shutil.copytree(start, model, dirs_exist_ok=True)
    add_graph(aimed_graph(start / WHOLE, network, config.early, config.layers), start / WHOLE, model, AIMED)
    manifest = load_manifest(start).manifest
    own = next(label for label in manifest.labels if label.name == LABEL).stages[Stage.INPUT]
    high, low = (_log_odds(one) for one in (own.threshold, own.thresholds_by_fpr[_SECOND]))
    slope = (high - low) / (threshold - second)
    line = Calibration(slope=slope, intercept=high - slope * threshold)
    reading = Reading(graph=AIMED, label=LABEL, calibration=line, shares=SHARES)
    files = {name: file_entry(model / name) for name in (*manifest.files, AIMED)}
    final = manifest.model_copy(update={"version": version, "files": files, "aimed": reading})
    (model / MANIFEST_FILE).write_text(Manifest.model_validate(final.model_dump()).model_dump_json(indent=1) + "\n")
    return model


def _log_odds(probability: float) -> float:
    return float(np.log(probability) - np.log1p(-probability))
