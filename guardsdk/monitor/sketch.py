"""Near-duplicate detection without texts or embeddings: 256 signs that estimate the angle between two embeddings.

A classifier's embedding mostly encodes what the classifier is for: two harmless questions on different subjects point
in nearly the same direction. The mean and the strongest directions of ordinary traffic are therefore removed before
embeddings are compared (Mu and Viswanath, All-but-the-Top, ICLR 2018); they are learned from the first texts.

Two unit vectors at an angle ``a`` fall on different sides of a random plane with probability ``a / pi`` (Charikar,
Similarity estimation techniques from rounding algorithms, STOC 2002). The share of differing signs over 256 planes
gives the angle to about 0.1 (one standard deviation, in radians). The planes depend on a secret: without it the signs
reveal nothing about a text.

Embeddings of two models have nothing in common: each model has its own lessons and planes, and sketches of two models
are as far apart as those of any two texts.
"""

# ruff: noqa: PLC0415  creating a guard must not load numpy

from __future__ import annotations

import base64
import hashlib
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from guardsdk.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

BITS: Final = 256
BYTES: Final = BITS // 8
LEARNED_FROM: Final = 512
"""Texts before the first sketch. A quarter of them suffices to tell most rewordings from other texts."""
DIRECTIONS: Final = 16
"""Directions removed; of 384, they hold nine tenths of the variance."""
_MODELS: Final = 4
"""Models whose lessons are kept, the most recently used."""
_TINY: Final = 1e-9
"""Length of the rest of an embedding below which its direction is arbitrary."""
_COSINES: Final = tuple(math.cos(math.pi * differing / BITS) for differing in range(BITS + 1))


class Sketcher:
    """Makes sketches that are comparable with others of the same secret and the same lessons. Not thread-safe."""

    def __init__(self, secret: Callable[[], bytes]) -> None:
        """Draw the planes from the secret that ``secret`` returns; called only once enough has been learned."""
        self._secret = secret
        self._lessons: list[NDArray[np.float32]] = []
        self._mean: NDArray[np.float32] | None = None
        self._out: NDArray[np.float32] | None = None
        self._planes: NDArray[np.float32] | None = None

    @property
    def ready(self) -> bool:
        """Whether sketches can be made."""
        return self._planes is not None

    @property
    def lessons(self) -> str | None:
        """A digest of what was learned; sketches with the same digest are comparable. ``None`` before that."""
        if self._mean is None or self._out is None:
            return None
        return hashlib.blake2b(self._mean.tobytes() + self._out.tobytes(), digest_size=8).hexdigest()

    def learn(self, embedding: NDArray[np.float32] | None) -> None:
        """Learn from ``embedding`` [H] of an ordinary text, if it has one, until there are enough."""
        if embedding is None or self.ready:
            return
        if self._lessons and len(self._lessons[0]) != len(embedding):
            self._lessons.clear()  # another model
        self._lessons.append(embedding)
        if len(self._lessons) >= LEARNED_FROM:
            import numpy as np

            texts = np.stack(self._lessons)
            self._lessons.clear()
            mean = texts.mean(axis=0)
            _, directions = np.linalg.eigh((texts - mean).T @ (texts - mean))
            self._settle(mean, directions[:, -min(DIRECTIONS, len(mean) // 2) :].T)

    def _settle(self, mean: NDArray[np.floating[Any]], out: NDArray[np.floating[Any]]) -> None:
        import numpy as np

        chance = np.random.default_rng(int.from_bytes(self._secret(), "little"))
        planes = chance.standard_normal((BITS, len(mean)), dtype=np.float32)
        self._mean, self._out = mean.astype(np.float32), out.astype(np.float32)
        flat = planes - (planes @ self._out.T) @ self._out  # the removed directions drop out of the planes too
        self._planes = flat.astype(np.float32)

    def sketch(self, embedding: NDArray[np.float32]) -> bytes | None:
        """Return the 32-byte sketch of ``embedding`` [H]; ``None`` before enough was learned, or for another size."""
        import numpy as np

        if self._planes is None or self._mean is None or len(embedding) != len(self._mean):
            return None
        return np.packbits(self._planes @ (embedding - self._mean) > 0.0).tobytes()

    def likest(self, embeddings: Sequence[NDArray[np.float32]]) -> list[float] | None:
        """Return, for each of ``embeddings`` [H], the cosine to the most similar one before it; -1 for the first.

        ``None`` before enough was learned, or for another size.
        """
        import numpy as np

        if self._mean is None or self._out is None or {len(one) for one in embeddings} != {len(self._mean)}:
            return None
        rows = np.asarray(embeddings) - self._mean
        rows -= (rows @ self._out.T) @ self._out
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        rows /= np.maximum(lengths, _TINY)[:, None]
        cosines = (rows @ rows.T).tolist()
        return [max(row[:at], default=-1.0) for at, row in enumerate(cosines)]

    def copy_of(self, other: Sketcher) -> bool:
        """Learn what ``other`` has learned, unless enough was; return whether sketches of both are comparable."""
        if not self.ready:
            self.restore(other.state())
        return self.lessons == other.lessons

    def state(self) -> dict[str, Any] | None:
        """Return what was learned as JSON values; ``None`` before enough was."""
        if self._mean is None or self._out is None:
            return None
        packed = base64.b64encode(self._mean.tobytes() + self._out.tobytes()).decode()
        return {"size": len(self._mean), "directions": len(self._out), "values": packed}

    def restore(self, state: dict[str, Any] | None) -> None:
        """Restore what ``state`` returned. Raises ``ValueError``, ``KeyError`` or ``TypeError`` if it is invalid."""
        if state is None:
            return
        import numpy as np

        values = np.frombuffer(base64.b64decode(state["values"], validate=True), dtype=np.float32)
        table = values.reshape(int(state["directions"]) + 1, int(state["size"]))
        if not np.isfinite(table).all():
            msg = "what was learned of embeddings holds numbers that are none"
            raise ValueError(msg)
        self._settle(table[0], table[1:])


class Sketchers:
    """A sketcher for each of the most recently seen models. Not thread-safe."""

    def __init__(self, secret: Callable[[], bytes]) -> None:
        """Start empty; the planes depend on ``secret``."""
        self._secret = secret
        self._of: OrderedDict[str, Sketcher] = OrderedDict()
        self._learned: str | None = None
        """The model that learned last, if it has learned enough."""

    def of(self, model: str) -> Sketcher:
        """Return the sketcher for embeddings of the model with this digest."""
        found = self._of.get(model)
        if found is None:
            found = self._of[model] = Sketcher(lambda: self._secret() + model.encode())
            if len(self._of) > _MODELS:
                self._of.popitem(last=False)
                self._learned = None
        else:
            self._of.move_to_end(model)
        return found

    def learn(self, model: str, embedding: NDArray[np.float32]) -> None:
        """Learn from ``embedding`` [H] of an ordinary text, for the model with this digest."""
        if model != self._learned:
            sketcher = self.of(model)
            sketcher.learn(embedding)
            self._learned = model if sketcher.ready else None

    def state(self) -> list[dict[str, Any]]:
        """Return what was learned as JSON values, with the digest of each model."""
        learned = ((model, sketcher.state()) for model, sketcher in self._of.items())
        return [{"model": model, **state} for model, state in learned if state is not None]

    def restore(self, state: Sequence[dict[str, Any]]) -> None:
        """Restore what ``state`` returned. Raises ``ValueError``, ``KeyError`` or ``TypeError`` if it is invalid."""
        for one in state:
            self.of(str(one["model"])).restore(one)

    def learn_from(self, lessons: Sequence[dict[str, Any]]) -> None:
        """Take over ``lessons`` for the models in use here. Raises ``InputError`` if they are invalid."""
        try:
            self.restore([one for one in lessons if one["model"] in self._of])
        except (KeyError, TypeError, ValueError):
            msg = "these are no lessons of a monitor"
            raise InputError(msg) from None

    def merge(self, other: Sketchers) -> bool:
        """Learn from ``other`` what was not learned here; return whether sketches of both are comparable."""
        alike = [self.of(model).copy_of(theirs) for model, theirs in other._of.items() if theirs.ready]
        return all(alike)


def similarity(one: bytes, other: bytes) -> float:
    """Return the cosine of two embeddings without the removed directions, estimated from their sketches."""
    return _COSINES[(int.from_bytes(one, "little") ^ int.from_bytes(other, "little")).bit_count()]
