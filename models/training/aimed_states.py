"""What the layers of a shipped model make of prompts beside instructions, kept on disk: they stay as they are.

Finding it is most of the work of the aim step. A row is known by its tokens, so that a step that was cut goes on where
it was, and one with more groups finds the states of these only.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import numpy as np
import onnxruntime
import torch
from tqdm import tqdm

from models.training.aimed_graph import states_graph
from models.training.encoder import EncoderConfig
from models.training.export import WHOLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.training.aimed_graph import Aimed
    from models.training.aimed_pairs import Pair, Row

    States = tuple[NDArray[np.floating], NDArray[np.int32]]
    """The states, [T, 2 H], and the token types, [T], of a row."""

WIDTH: Final = 2 * EncoderConfig().hidden
_STATES, _INDEX = "states.f16", "states.txt"
_CHUNK = 256
"""Rows after which what was found is written down."""
_AT_ONCE = 64
"""Pairs that a network reads at once."""


class Layers:
    """The layers of a shipped model, run row by row as the engine does: what rounding does to them is learnt with."""

    def __init__(self, start: Path, kept: Path) -> None:
        """Run the model in ``start``; what it makes of rows is kept in the folder ``kept``, which is that model's."""
        config = EncoderConfig()
        self._names, graph = states_graph(start / WHOLE, config.early, config.layers)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        kept.mkdir(parents=True, exist_ok=True)
        self._data, self._index = kept / _STATES, kept / _INDEX
        self._data.touch()
        self._index.touch()
        known = (line.split() for line in self._index.read_text().splitlines())
        self._known = {key: (int(start), int(end)) for key, start, end in known}
        self._end = max((end for _, end in self._known.values()), default=0)
        os.truncate(self._data, self._end * WIDTH * 2)  # what was being written when a run was cut

    def states(self, pairs: Sequence[Pair]) -> list[list[States]]:
        """Return the states of each row of each of ``pairs``, in float16 and on disk."""
        rows = [pair.rows() for pair in pairs]
        missing = {key: row for of in rows for row in of if (key := _key(row)) not in self._known}
        self._find(missing)
        if not self._end:
            return []
        kept = np.memmap(self._data, np.float16, "r").reshape(-1, WIDTH)
        return [[(kept[slice(*self._known[_key(row)])], row[1][0]) for row in of] for of in rows]

    def _find(self, missing: dict[str, Row]) -> None:
        """Run the layers on what is ``missing`` and write down what they make of it, then where it is."""
        with ThreadPoolExecutor(os.cpu_count()) as pool, tqdm(desc="states", unit="row", total=len(missing)) as shown:
            for first in range(0, len(missing), _CHUNK):
                chunk = dict(list(missing.items())[first : first + _CHUNK])
                lines = []
                with self._data.open("ab") as data:
                    for key, states in zip(chunk, pool.map(self._run, chunk.values()), strict=True):
                        data.write(states.tobytes())
                        lines.append(f"{key} {self._end} {self._end + len(states)}\n")
                        self._known[key] = self._end, self._end + len(states)
                        self._end += len(states)
                with self._index.open("a") as index:
                    index.writelines(lines)
                shown.update(len(chunk))

    def _run(self, row: Row) -> NDArray[np.float16]:
        ids, kinds = row
        both = self._session.run(self._names, {"input_ids": ids, "token_type_ids": kinds})
        states: NDArray[np.float16] = np.concatenate(both, axis=-1)[0].astype(np.float16)
        return states

    def logits(self, network: Aimed, pairs: Sequence[Pair]) -> NDArray[np.float64]:
        """Return what ``network`` says of each of ``pairs``, [N]."""
        states = self.states(pairs)
        with torch.no_grad():
            said = [said_of(network, states[at : at + _AT_ONCE]) for at in range(0, len(states), _AT_ONCE)]
        return torch.cat(said).numpy().astype(np.float64) if said else np.zeros(0)


def said_of(network: Aimed, pairs: Sequence[Sequence[States]]) -> torch.Tensor:
    """Return logits [B], of each pair that of the row where it is highest."""
    logits = network(*batch([row for rows in pairs for row in rows]))
    return torch.stack([read.amax() for read in logits.split([len(rows) for rows in pairs])])


def batch(rows: Sequence[States]) -> tuple[torch.Tensor, ...]:
    """Return states [B, T, 2 H], mask and token types [B, T], padded."""
    lengths = [len(kinds) for _, kinds in rows]
    states = torch.zeros(len(rows), max(lengths), rows[0][0].shape[1])
    mask, types = torch.zeros(states.shape[:2]), torch.zeros(states.shape[:2])
    for at, (one, kinds) in enumerate(rows):
        states[at, : lengths[at]] = torch.from_numpy(one.astype(np.float32))
        mask[at, : lengths[at]] = 1.0
        types[at, : lengths[at]] = torch.from_numpy(kinds)
    return states, mask, types


def _key(row: Row) -> str:
    return hashlib.sha256(b"".join(part.tobytes() for part in row)).hexdigest()[:32]
