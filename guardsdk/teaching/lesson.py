"""A lesson: one small head, the evidence for it, and its file format."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from guardsdk.disk import read_file, write_file
from guardsdk.engine.heads import Head, Ordinary
from guardsdk.errors import TeachingError, first_problem
from guardsdk.frozen import Frozen
from guardsdk.policy.model import TAUGHT, Principle
from guardsdk.registry.manifest import Calibration
from guardsdk.verdict import Action, Stage

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from guardsdk.intervals import Share

_Probability = Annotated[float, Field(ge=0.0, le=1.0)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_SINGLE: Final = "<f4"
_HALF: Final = "<f2"
FORMAT: Final = "guardsdk-lesson-2"
OPENING: Final = '{\n "sha256": "'
"""The beginning of a lesson file in any version of the format."""


class Estimate(Frozen):
    """A share with its 95 % interval (Wilson 1927)."""

    hits: int = Field(ge=0)
    total: int = Field(ge=0)
    low: _Probability
    high: _Probability

    @classmethod
    def of(cls, share: Share) -> Self:
        """Convert ``share``."""
        return cls(hits=int(share.hits), total=int(share.total), low=share.low, high=share.high)

    def __str__(self) -> str:
        """Return a string such as ``18 of 20, 90 % [70, 97]``."""
        if not self.total:
            return "0 of 0"
        rate = self.hits / self.total
        return f"{self.hits} of {self.total}, {100 * rate:.3g} % [{100 * self.low:.3g}, {100 * self.high:.3g}]"


class Confusing(Frozen):
    """An example that a head taught without it misclassifies."""

    kind: Literal["violates", "allowed"]
    place: int = Field(ge=0)
    """Its index in the given list; the texts themselves are not kept."""
    score: _Probability


class Lesson(Frozen):
    """A screen taught from examples.

    It contains no text, but the embeddings of the violating examples, from which much of a text can be reconstructed:
    protect it like the examples themselves.
    """

    format: Literal["guardsdk-lesson-2"] = FORMAT
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=100)
    """The id of its principle."""
    text: str = Field(min_length=1)
    """The criterion in plain language."""
    stages: tuple[Stage, ...] = Field(min_length=1)
    action: Action
    """The action of its principle unless a policy says otherwise."""
    encoder: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Digest of the encoder it was taught on; for another encoder its weights are meaningless."""
    bank: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Digest of the benign bank it was tested against."""
    weights: str = Field(repr=False)
    """[H], float32; this and the other arrays are little-endian, row by row, in base64."""
    ordinary: str = Field(repr=False)
    """[1 + R, H], float16: the mean and the directions of ``engine.heads.Ordinary``."""
    scale: Annotated[_Number, Field(gt=0.0)]
    """The scale of ``engine.heads.Ordinary``."""
    examples: str = Field(repr=False)
    """[N, H], float16: products with these give cosines to violating examples, at most ``teaching.learn.KEPT`` of
    them."""
    gate: _Number
    """See ``engine.heads.Head``."""
    intercept: _Number
    calibration: Calibration
    """From log-odds to a probability, assuming equally many violating and allowed texts."""
    threshold: _Probability
    thresholds_by_fpr: dict[str, _Probability]
    """False-positive rate on the bank, as a decimal string, to threshold, for rates that the bank can measure."""
    fpr: float = Field(gt=0.0, lt=1.0)
    """The rate that ``threshold`` was set for."""
    recall: Estimate
    """Violating examples found by a head taught without them and their near-duplicates."""
    flagged_allowed: Estimate
    """Allowed examples flagged, measured in the same way."""
    flagged_benign: Estimate
    """Texts of the bank flagged, measured in the same way."""
    confusing: tuple[Confusing, ...] = ()
    """The worst first."""
    advice: tuple[str, ...] = ()
    """What to add."""
    refusals: tuple[str, ...] = ()
    """Why it must not be used; empty if it may be."""

    @property
    def label(self) -> str:
        """The label that a principle names it by."""
        return TAUGHT + self.name

    @property
    def armed(self) -> bool:
        """Whether the examples support its threshold."""
        return not self.refusals

    @property
    def digest(self) -> str:
        """The SHA-256 of the content in hexadecimal."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def head(self) -> Head:
        """The head that is applied to a model's embeddings."""
        weights = _unpacked(self.weights, _SINGLE, 1)
        mean, *directions = _unpacked(self.ordinary, _HALF, len(weights))
        return Head(
            name=self.label,
            ordinary=Ordinary(mean, np.array(directions, dtype=np.float32).reshape(-1, len(weights)), self.scale),
            weights=weights.reshape(-1),
            examples=_unpacked(self.examples, _HALF, len(weights)),
            gate=self.gate,
            intercept=self.intercept,
            calibration=self.calibration,
        )

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        try:
            _ = self.head
        except ValueError as error:
            msg = f"weights, ordinary and examples are no arrays of one width: {error}"
            raise ValueError(msg) from None
        return self

    @property
    def principle(self) -> Principle:
        """The principle that uses it, if a policy has none of its own."""
        return Principle(id=self.name, text=self.text, label=self.label, stages=self.stages, action=self.action)

    def require_armed(self) -> None:
        """Raise ``TeachingError`` with every reason if the lesson must not be used."""
        if not self.armed:
            reasons = "; ".join(self.refusals + self.advice)
            msg = f"{self.name}: not armed: {reasons}"
            raise TeachingError(msg, self)

    def save(self, path: str | Path) -> None:
        """Write the lesson to ``path`` as JSON with its digest, or leave the old content intact.

        Raises as ``require_armed`` does, and ``OSError`` if it cannot be written.
        """
        self.require_armed()
        content = {"sha256": self.digest, **self.model_dump(mode="json")}
        write_file(path, json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Lesson:
        """Load the lesson at ``path``.

        Raises ``TeachingError`` if it cannot be read, was changed after it was saved, or was never armed.
        """
        try:
            content = json.loads(read_file(path))
            digest = content.pop("sha256")
            lesson = cls.model_validate_json(json.dumps(content))
        except OSError as error:
            msg = f"{path} cannot be read: {error.strerror}"
            raise TeachingError(msg) from None
        except ValidationError as error:
            other = any(one["loc"] == ("format",) for one in error.errors(include_url=False, include_input=False))
            made = ", since another version of guardsdk made it: teach it again from its examples"
            msg = f"{path}: {first_problem(error)}{made if other else ''}"
            raise TeachingError(msg) from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            msg = f"{path} is no lesson; Lesson.save and guardsdk policy teach write one"
            raise TeachingError(msg) from None
        if lesson.digest != digest:
            msg = f"{path} was changed: its content does not have the sha256 it names; teach it again"
            raise TeachingError(msg)
        lesson.require_armed()
        return lesson

    def require_encoder(self, encoder: str) -> None:
        """Raise ``TeachingError`` if the lesson was taught on an encoder with another digest than ``encoder``."""
        if self.encoder != encoder:
            msg = (
                f"lesson {self.name!r} was taught on an encoder of digest {self.encoder[:16]}, this model's is "
                f"{encoder[:16]}: teach it again from its examples"
            )
            raise TeachingError(msg)


def packed(weights: NDArray[np.float32]) -> str:
    """Encode ``weights`` [H] as in a lesson."""
    return base64.b64encode(weights.astype(_SINGLE).tobytes()).decode("ascii")


def halved(rows: NDArray[np.float32]) -> str:
    """Encode ``rows`` [N, H] in half precision, for the parts of a lesson that need less."""
    return base64.b64encode(rows.astype(_HALF).tobytes()).decode("ascii")


def _unpacked(kept: str, kind: str, width: int) -> NDArray[np.float32]:
    """Return the decoded rows [N, width]. Raises ``ValueError`` if they are invalid or not all finite."""
    rows = np.frombuffer(base64.b64decode(kept, validate=True), dtype=kind).astype(np.float32).reshape(-1, width)
    if not np.isfinite(rows).all():
        msg = "a number is not finite"
        raise ValueError(msg)
    return rows
