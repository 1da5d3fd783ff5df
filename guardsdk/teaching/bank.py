"""The bank: a model's embeddings of benign texts, against which every taught screen is tested."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk.errors import TeachingError
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

PACKAGED: Final = Path(__file__).with_name("benign.bank")
"""The bank of the packaged model, written by ``python -m models.training.teaching_bank``."""
_FORMAT: Final = "guardsdk-bank-1"
_LEVELS: Final = 127.0
FEWEST: Final = 100
"""The least number of texts per stage: fewer cannot measure a rate of one in a hundred."""


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """Embeddings of benign texts, by stage."""

    encoder: str
    """Digest of the encoder that made the embeddings, see ``engine.heads.encoder_digest``."""
    vectors: Mapping[Stage, NDArray[np.float32]]
    """Stage to [N, H], unit length."""
    digest: str
    """The SHA-256 of the content in hexadecimal."""

    @classmethod
    def of(cls, encoder: str, vectors: Mapping[Stage, NDArray[np.float32]]) -> Bank:
        """Create a bank of ``vectors`` [N, H] by stage, rounded as in the file."""
        return cls.parse(_packed(encoder, vectors), "bank")

    @classmethod
    def parse(cls, data: bytes, source: str) -> Bank:
        """Parse a bank: one line of JSON, then the rows as int8, in the order the line gives.

        Each row was scaled by its largest component; the length is irrelevant, since embeddings have unit length.
        Raises ``TeachingError`` that names ``source`` if it is not a bank or is damaged.
        """
        line, _, content = data.partition(b"\n")
        try:
            header = json.loads(line)
            if header["format"] != _FORMAT:
                raise ValueError(header["format"])  # noqa: TRY301  one place reports what is wrong
            encoder, digest, width = str(header["encoder"]), str(header["sha256"]), int(header["width"])
            counts = {Stage(name): int(count) for name, count in header["rows"].items()}
            rows = np.frombuffer(content, dtype=np.int8).reshape(sum(counts.values()), width)
        except (ValueError, TypeError, KeyError, AttributeError):
            msg = f"{source} is no bank of embeddings"
            raise TeachingError(msg) from None
        if hashlib.sha256(content).hexdigest() != digest:
            msg = f"{source} was changed: its content does not have the sha256 it names"
            raise TeachingError(msg)
        values = rows.astype(np.float32)
        values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1.0)
        ends = np.cumsum(list(counts.values()))
        parts = dict(zip(counts, np.split(values, ends[:-1]), strict=True))
        return cls(encoder=encoder, vectors=parts, digest=hashlib.sha256(data).hexdigest())

    @classmethod
    def load(cls, path: Path) -> Bank:
        """Load the bank at ``path``. Raises ``TeachingError`` if there is none or it cannot be used."""
        try:
            data = path.read_bytes()
        except OSError as error:
            msg = f"{path} cannot be read: {error.strerror}"
            raise TeachingError(msg) from None
        return cls.parse(data, str(path))

    def save(self, path: Path) -> None:
        """Write the bank to ``path``."""
        path.write_bytes(_packed(self.encoder, self.vectors))

    def on(self, stages: tuple[Stage, ...]) -> NDArray[np.float32]:
        """Return the embeddings [N, H] of texts at ``stages``. Raises ``TeachingError`` if one has too few."""
        for stage in stages:
            if len(self.vectors.get(stage, ())) < FEWEST:
                held = len(self.vectors.get(stage, ()))
                msg = f"the bank holds {held} texts of stage {stage.value}: give at least {FEWEST} as background"
                raise TeachingError(msg)
        return np.concatenate([self.vectors[stage] for stage in stages])


@cache
def packaged_bank() -> Bank:
    """Return the packaged bank, read once per process. Raises ``TeachingError`` if that fails."""
    return Bank.load(PACKAGED)


def _packed(encoder: str, vectors: Mapping[Stage, NDArray[np.float32]]) -> bytes:
    stages = [stage for stage in Stage if len(vectors.get(stage, ()))]
    if not stages:
        msg = "a bank needs texts"
        raise TeachingError(msg)
    rows = np.concatenate([vectors[stage] for stage in stages])
    largest = np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-12)
    content: bytes = np.rint(rows / largest * _LEVELS).astype(np.int8).tobytes()
    header = {
        "format": _FORMAT,
        "encoder": encoder,
        "width": rows.shape[1],
        "rows": {stage.value: len(vectors[stage]) for stage in stages},
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return json.dumps(header).encode() + b"\n" + content
