"""What was taught: one small head with the evidence for it, and its file."""

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
"""What every file of a lesson begins with, of whatever format."""


class Estimate(Frozen):
    """A share with its 95 % interval (Wilson 1927)."""

    hits: int = Field(ge=0)
    total: int = Field(ge=0)
    low: _Probability
    high: _Probability

    @classmethod
    def of(cls, share: Share) -> Self:
        """Take over ``share``."""
        return cls(hits=int(share.hits), total=int(share.total), low=share.low, high=share.high)

    def __str__(self) -> str:
        """Return it as ``18 of 20, 90 % [70, 97]``."""
        if not self.total:
            return "0 of 0"
        rate = self.hits / self.total
        return f"{self.hits} of {self.total}, {100 * rate:.3g} % [{100 * self.low:.3g}, {100 * self.high:.3g}]"


class Confusing(Frozen):
    """An example that a head taught without it puts on the wrong side."""

    kind: Literal["violates", "allowed"]
    place: int = Field(ge=0)
    """Its place in the list it was given in, from 0; the texts themselves are not kept."""
    score: _Probability


class Lesson(Frozen):
    """A screen taught from examples.

    It holds no text, but embeddings of the violating ones, of which much of a text can be guessed: keep it where the
    examples may be kept.
    """

    format: Literal["guardsdk-lesson-2"] = FORMAT
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=100)
    """The id of its principle."""
    text: str = Field(min_length=1)
    """The criterion in plain language."""
    stages: tuple[Stage, ...] = Field(min_length=1)
    action: Action
    """What its principle does where no policy says otherwise."""
    encoder: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Digest of the encoder it was taught on; on another one its weights mean nothing."""
    bank: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Digest of the benign bank it was held against."""
    weights: str = Field(repr=False)
    """[H], float32; these and the other arrays are little-endian, row by row, in base64."""
    ordinary: str = Field(repr=False)
    """[1 + R, H], float16: the mean and the directions of ``engine.heads.Ordinary``."""
    scale: Annotated[_Number, Field(gt=0.0)]
    """Its scale."""
    examples: str = Field(repr=False)
    """[N, H], float16: what cosines to violating examples are told by, of ``teaching.learn.KEPT`` at most."""
    gate: _Number
    """See ``engine.heads.Head``."""
    intercept: _Number
    calibration: Calibration
    """From log-odds to a probability, at as many violating as allowed texts."""
    threshold: _Probability
    thresholds_by_fpr: dict[str, _Probability]
    """False-positive rate on the bank, as a decimal string, to threshold, for rates the bank is large enough for."""
    fpr: float = Field(gt=0.0, lt=1.0)
    """The rate that ``threshold`` was set for."""
    recall: Estimate
    """Violating examples found by a head that was taught without them, and without those that say nearly the same."""
    flagged_allowed: Estimate
    """Allowed examples flagged, found in the same way."""
    flagged_benign: Estimate
    """Texts of the bank flagged, found in the same way."""
    confusing: tuple[Confusing, ...] = ()
    """The worst first."""
    advice: tuple[str, ...] = ()
    """What to add."""
    refusals: tuple[str, ...] = ()
    """Why it must not be used; empty where it may."""

    @property
    def label(self) -> str:
        """The label a principle names it by."""
        return TAUGHT + self.name

    @property
    def armed(self) -> bool:
        """Whether the examples support its threshold."""
        return not self.refusals

    @property
    def digest(self) -> str:
        """The sha256, in hexadecimal, of the content."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def head(self) -> Head:
        """What a model's embeddings are read by."""
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
        """The principle that asks for it, where a policy has none of its own."""
        return Principle(id=self.name, text=self.text, label=self.label, stages=self.stages, action=self.action)

    def require_armed(self) -> None:
        """Raise ``TeachingError`` with every reason where the lesson must not be used."""
        if not self.armed:
            reasons = "; ".join(self.refusals + self.advice)
            msg = f"{self.name}: not armed: {reasons}"
            raise TeachingError(msg, self)

    def save(self, path: str | Path) -> None:
        """Write the lesson to ``path``, JSON with its digest, or leave what is there as it is.

        Raises as ``require_armed`` does, and ``OSError`` where it cannot be written.
        """
        self.require_armed()
        content = {"sha256": self.digest, **self.model_dump(mode="json")}
        write_file(path, json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Lesson:
        """Read the lesson at ``path``.

        Raises ``TeachingError`` where it cannot be read, was changed after it was saved, or was never armed.
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
        """Raise ``TeachingError`` where the lesson was taught on another encoder than the one of digest ``encoder``."""
        if self.encoder != encoder:
            msg = (
                f"lesson {self.name!r} was taught on an encoder of digest {self.encoder[:16]}, this model's is "
                f"{encoder[:16]}: teach it again from its examples"
            )
            raise TeachingError(msg)


def packed(weights: NDArray[np.float32]) -> str:
    """Return ``weights`` [H] as a lesson keeps them."""
    return base64.b64encode(weights.astype(_SINGLE).tobytes()).decode("ascii")


def halved(rows: NDArray[np.float32]) -> str:
    """Return ``rows`` [N, H] as a lesson keeps what it needs less exactly."""
    return base64.b64encode(rows.astype(_HALF).tobytes()).decode("ascii")


def _unpacked(kept: str, kind: str, width: int) -> NDArray[np.float32]:
    """Return the rows [N, width] that were kept; ``ValueError`` where they are none, or not all finite."""
    rows = np.frombuffer(base64.b64decode(kept, validate=True), dtype=kind).astype(np.float32).reshape(-1, width)
    if not np.isfinite(rows).all():
        msg = "a number is not finite"
        raise ValueError(msg)
    return rows
