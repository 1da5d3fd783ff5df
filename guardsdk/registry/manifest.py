"""The manifest of a model directory: ``manifest.json``."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from guardsdk.errors import ModelError
from guardsdk.frozen import Frozen
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from pathlib import Path

CONFIG_FILE = "config.json"
"""Describes a model exported by another tool; see ``registry.exported``."""
DEFAULT_CONTEXT_STAGES = (Stage.OUTPUT,)
"""The default of ``context_stages``, for older manifests; left out of the digest, so that theirs does not change."""
_AT_ONCE = 1 << 22
"""Bytes hashed at a time without the interpreter lock; after each, this thread may have to wait for others."""


class FileEntry(Frozen):
    """Checksum and size of one file of the model directory."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)
    """Bytes."""


class Calibration(Frozen):
    """Platt scaling: ``probability = 1 / (1 + exp(-(slope * logit + intercept)))`` (Platt 1999)."""

    model_config = ConfigDict(allow_inf_nan=False)  # JSON has neither, and what reads it takes both

    slope: float = Field(gt=0.0)
    intercept: float


class LabelStage(Frozen):
    """Calibration and thresholds of one label on one stage."""

    model_config = ConfigDict(allow_inf_nan=False)

    calibration: Calibration
    threshold: float = Field(ge=0.0, le=1.0)
    """The default threshold, on the calibrated probability."""
    fpr: float | None = Field(default=None, ge=0.0, le=1.0)
    """Benign false-positive rate on calibration data at which ``threshold`` was set; null if it was not measured."""
    thresholds_by_fpr: dict[str, Annotated[float, Field(ge=0.0, le=1.0)]] = Field(default_factory=dict)
    """Benign false-positive rate, as a decimal string such as ``0.001``, to threshold."""
    reference_quantiles: tuple[float, ...] = ()
    """Evenly spaced quantiles (first: minimum, last: maximum) of benign calibration scores: a baseline for drift."""


class Label(Frozen):
    """One head of the model; the position in ``Manifest.labels`` is the logit column."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    definition: str
    """One line that defines a positive."""
    stages: dict[Stage, LabelStage] = Field(min_length=1)


class Source(Frozen):
    """One source of training data, with its licence as read."""

    name: str
    rows: int = Field(ge=0)
    licence: str


class EvaluationResult(Frozen):
    """One measured figure with its 95 % interval."""

    dataset: str
    stage: Stage
    metric: str
    value: float
    low: float
    high: float
    rows: int = Field(ge=0)


class EarlyLabel(Frozen):
    """How one label of the lower layers is used on one stage."""

    model_config = ConfigDict(allow_inf_nan=False)

    slope: float = Field(gt=0.0)
    """With ``intercept``: ``slope * early logit + intercept`` approximates the whole model's logit."""
    intercept: float
    clear_below: float
    """A row is cleared if the early logit of every label of its stage is below this."""


class EarlyExit(Frozen):
    """The model's CPU graph split in two, and which rows the lower half may answer alone."""

    graph: str
    """The lower half: like the whole graph, with the token states [B, T, H] as an additional output ``states``."""
    rest: str
    """The upper half: inputs ``states``, ``attention_mask`` if it tells padding from tokens, and ``early_logits`` if
    those of the lower half are used; outputs the whole graph's ``logits`` and ``attention``."""
    layers: int = Field(ge=1)
    """Transformer layers of the lower half."""
    of: int
    """Transformer layers of the whole model."""
    longest: int | None = Field(default=None, ge=1)
    """Tokens of a row, including special tokens, beyond which it is not cleared; null for no limit. The more harmless
    text surrounds an attack, the less the lower layers see of it."""
    stages: dict[Stage, dict[str, EarlyLabel]]
    """Stage to every label used there; on a stage that is left out, no row is cleared."""

    @model_validator(mode="after")
    def _is_a_part(self) -> Self:
        if self.layers >= self.of:
            msg = f"layers ({self.layers}) must be fewer than the {self.of} of the whole model"
            raise ValueError(msg)
        return self


class Aimed(Frozen):
    """How a prompt is read again together with the instructions it is aimed at, if those are known.

    Many attacks only count as such against what the instructions guard or forbid. The label's score is the higher of
    its scores with and without instructions.
    """

    graph: str
    """A CPU graph for rows of token ids and token types; its output is one logit, [B, 1]."""
    label: str
    """The label it contributes to, on the input stage."""
    calibration: Calibration
    """Maps its logit to the label's log-odds, so that the label's threshold applies to both."""
    shares: int = Field(1, gt=0)
    """The most parts, of ``context_tokens`` each, in which long instructions are read, each together with the prompt:
    the first and the last if there would be more. With one part, its head and tail."""


class Passages(Frozen):
    """How windows that the lower layers did not clear are read again, passage by passage.

    A request buried in other text may be missed when the same request alone is not.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    characters: int = Field(ge=40)
    """The most characters of a run of sentences read as one passage."""
    least: dict[Stage, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """Stage to the fewest characters of a passage, which then may have more than ``characters``: a short line of a
    document, by itself, looks like an order. None for stages not listed."""
    fewest: dict[Stage, Annotated[int, Field(ge=2)]] = Field(default_factory=dict)
    """Stage to how many passages a text must have to be read by passages: little hides an order in a short text. Two on
    stages not listed."""
    margins: dict[Stage, dict[str, Annotated[float, Field(ge=0.0)]]]
    """Stage to the labels whose score a passage may raise, with the log-odds subtracted from it."""
    spread: dict[Stage, Annotated[float, Field(ge=0.0, le=1.0)]] = Field(default_factory=dict)
    """Stage to the share of the log of the number of passages that is also subtracted, as with more passages one is
    likelier to look bad by chance: all of it if passages are independent, none for stages not listed."""
    floors: dict[Stage, dict[str, Annotated[float, Field(ge=0.0, le=1.0)]]] = Field(default_factory=dict)
    """Stage to minimum scores of the whole text: without lower layers to clear harmless text, a text below all of them
    is not read again. Stages without floors always are."""
    around: dict[Stage, tuple[Annotated[int, Field(gt=0)], ...]] = Field(default_factory=dict)
    """Stage to numbers of characters: the worst passages are read again with so many before and after them, once for
    each number, and the mean of all their readings counts. On stages not listed passages are read once."""


class Manifest(Frozen):
    """Everything the engine needs to know about a model, and the evidence of where it came from."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    version: str
    created: str
    """ISO 8601 date."""
    base_model: str
    licence: str
    graphs: dict[Literal["cpu", "cuda"], str]
    """Kind of device to its ONNX file; ``cpu`` must be present."""
    tokenizer: str = "tokenizer.json"
    files: dict[str, FileEntry]
    """Every file that is loaded, by name relative to the model directory."""
    labels: tuple[Label, ...] = Field(min_length=1)
    max_tokens: int = Field(gt=8)
    """Longest window the model was trained on, special tokens included."""
    overlap_tokens: int = Field(ge=0)
    """Tokens that neighbouring windows share."""
    context_tokens: int = Field(ge=0)
    """The most tokens of a context that the model is given with a text; its head and tail are kept."""
    context_stages: tuple[Stage, ...] = DEFAULT_CONTEXT_STAGES
    """Stages where the model was trained to read a text with its context: ``output`` with the prompt it answers,
    ``input`` with the instructions it is aimed at."""
    early_exit: EarlyExit | None = None
    """How the lower layers clear harmless text on CPU; null for models whose layers all run on every text."""
    aimed: Aimed | None = None
    """How prompts are read together with instructions by a separate graph; null for models without one."""
    gloss_margins: dict[Stage, dict[str, Annotated[float, Field(ge=0.0, allow_inf_nan=False)]]] = Field(
        default_factory=dict
    )
    """Stage to label to the log-odds subtracted from the score of a gloss of another language, whose broken English
    looks worse than it is. Nothing is subtracted for stages and labels not listed."""
    passages: Passages | None = None
    """How doubtful text is read passage by passage; null for models that read every text as a whole."""
    stage_tokens: dict[Stage, int] = Field(default_factory=dict)
    """Stage to the id of the token that follows ``[CLS]``; empty for models without stage tokens."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes of the languages the model was measured on."""
    training_data: tuple[Source, ...] = ()
    evaluation: tuple[EvaluationResult, ...] = ()

    @property
    def paired(self) -> frozenset[Stage]:
        """The stages where a text is read together with its context."""
        return frozenset(self.context_stages if self.context_tokens else ())

    @property
    def references(self) -> dict[tuple[str, Stage], tuple[float, ...]]:
        """The quantiles of benign scores per label and stage, if the model has them."""
        return {
            (label.name, stage): entry.reference_quantiles
            for label in self.labels
            for stage, entry in label.stages.items()
            if len(entry.reference_quantiles) > 1
        }

    @property
    def thresholds(self) -> dict[tuple[str, Stage], float]:
        """The default threshold of every label on each of its stages."""
        return {(label.name, stage): entry.threshold for label in self.labels for stage, entry in label.stages.items()}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if "cpu" not in self.graphs:
            msg = "graphs must name a file for 'cpu'"
            raise ValueError(msg)
        halves = () if self.early_exit is None else (self.early_exit.graph, self.early_exit.rest)
        aimed = () if self.aimed is None else (self.aimed.graph,)
        missing = {*self.graphs.values(), self.tokenizer, *halves, *aimed} - set(self.files)
        if missing:
            msg = f"files must list a checksum for {', '.join(sorted(missing))}"
            raise ValueError(msg)
        if Stage.TOOL in self.context_stages:
            msg = "context_stages must not name tool: a document is read by itself"
            raise ValueError(msg)
        names = [label.name for label in self.labels]
        if len(set(names)) != len(names):
            msg = "labels must have distinct names"
            raise ValueError(msg)
        room = self.max_tokens - 4 - self.context_tokens
        if self.overlap_tokens >= room:
            msg = f"overlap_tokens ({self.overlap_tokens}) must be smaller than the {room} tokens a window has room for"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _names_labels_that_are_read(self) -> Self:
        read = {stage: {label.name for label in self.labels if stage in label.stages} for stage in Stage}
        if self.aimed is not None and self.aimed.label not in read[Stage.INPUT]:
            msg = f"aimed.label must be a label that is read on input, and {self.aimed.label!r} is none"
            raise ValueError(msg)
        named = [(f"gloss_margins.{stage}", stage, margins) for stage, margins in self.gloss_margins.items()]
        for stage, margins in self.passages.margins.items() if self.passages is not None else ():
            named.append((f"passages.margins.{stage}", stage, margins))
        for name, stage, margins in named:
            if not margins.keys() <= read[stage]:
                unread = min(margins.keys() - read[stage])
                msg = f"{name} must name labels read there, and {unread!r} is none"
                raise ValueError(msg)
        for stage, bounds in self.early_exit.stages.items() if self.early_exit is not None else ():
            if not read[stage] or read[stage] != bounds.keys():
                msg = (
                    f"early_exit.stages.{stage.value} must name the labels read there: {', '.join(sorted(read[stage]))}"
                )
                raise ValueError(msg)
        return self


def file_entry(path: Path) -> FileEntry:
    """Return size and SHA-256 of the file at ``path``. Raises ``ModelError`` if it cannot be read."""
    digest, buffer, size = hashlib.sha256(), memoryview(bytearray(_AT_ONCE)), 0
    try:
        with path.open("rb", buffering=0) as file:
            while read := file.readinto(buffer):
                digest.update(buffer[:read])
                size += read
        return FileEntry(sha256=digest.hexdigest(), size=size)
    except OSError as error:
        msg = f"model file {path} cannot be read: {error.strerror}"
        raise ModelError(msg) from error
