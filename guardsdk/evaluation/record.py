"""The record of a run: what was measured, with what, and the result of every case.

A record is one JSON file. Its head comes first and every result is on a line of its own, so that a hundred thousand
results are read and written one at a time. It has digests of answers, and their text only on request.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self, TextIO

from pydantic import Field, ValidationError, model_validator

from guardsdk.disk import path_of, whole_file
from guardsdk.errors import EvaluationError, first_problem
from guardsdk.evaluation.outcomes import Expectation, Outcome, passed
from guardsdk.frozen import Frozen
from guardsdk.verdict import ArtifactRef, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FORMAT: Final = "guardsdk-evaluation/1"

Count = Annotated[int, Field(ge=0)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(ge=0.0)]
TargetKind = Literal["callable", "endpoint", "model", "guard"]
GuardedSides = Literal["none", "input", "output", "both"]


class SuiteRef(Frozen):
    """Which cases were asked; two runs are comparable if ``digest`` is the same."""

    name: str
    digest: str
    """SHA-256 over the canonical form of every case to be asked, in order (after ``limit``)."""
    cases: Count
    limit: int | None = None
    """The most cases taken from the suite, spread over its slices; null for all."""


class TargetRef(Frozen):
    """Which target was asked."""

    kind: TargetKind
    model: str
    """The name of the run: the name of the model, or ``module:function``."""
    parameters: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    """What answers depend on, such as ``temperature`` and ``max_tokens``. Never a key or an address."""


class GuardRef(Frozen):
    """Which guard was around the target, or alone."""

    sides: GuardedSides = "none"
    without: tuple[str, ...] = ()
    """Labels whose principles were removed from the policy, to measure what each contributes."""
    model: ArtifactRef | None = None
    """The guard's classifier."""
    policy: ArtifactRef | None = None
    """The policy as used: without the principles of ``without``."""
    taught: dict[str, str] = Field(default_factory=dict)
    """Digests of the lessons the guard was given, by name."""


class JudgeFigures(Frozen):
    """How often the judge is right, counted on texts labelled by others: one question on one set."""

    question: str
    """The question: ``refusal``, ``harmful_response`` or ``toxicity``."""
    source: str
    """The labelled set."""
    true_positives: Count
    false_negatives: Count
    false_positives: Count
    true_negatives: Count


class JudgeRef(Frozen):
    """Which judge judged the answers."""

    name: str
    """``guardsdk`` for our own classifiers, else ``module:function``."""
    model: ArtifactRef | None = None
    policy: ArtifactRef | None = None
    figures: tuple[JudgeFigures, ...] = ()
    """Empty if nobody measured this judge: rates are then not corrected, and a report must say so."""


class RunSettings(Frozen):
    """How the target was asked; none of this should change an answer."""

    concurrency: int = Field(default=4, ge=1)
    rate: float | None = Field(default=None, gt=0)
    """The most requests per second."""
    retries: Count = 2
    timeout_s: float | None = Field(default=None, gt=0)


class RunHead(Frozen):
    """Everything about a run except its results."""

    format: Literal["guardsdk-evaluation/1"] = FORMAT
    created: str
    """When the run began, ISO 8601 in UTC."""
    finished: str | None = None
    """When it ended; null in a journal."""
    suite: SuiteRef
    target: TargetRef
    guard: GuardRef = GuardRef()
    judge: JudgeRef | None = None
    """Null if there were no answers: a guard alone."""
    seed: int = 0
    settings: RunSettings = RunSettings()
    versions: dict[str, str] = Field(default_factory=dict)
    """Installed versions of guardsdk, Python and the packages that computed the scores."""

    @property
    def alone(self) -> bool:
        """Whether a guard was measured alone, without a target."""
        return self.target.kind == "guard"


class CaseResult(Frozen):
    """The result of one case."""

    id: str
    slice: str
    stage: Stage
    """Where the text under test is: in a user's message, in a document or tool result, or in an answer."""
    expectation: Expectation
    outcome: Outcome
    passed: bool | None
    """Null if the outcome is ``error``."""
    language: str = "en"
    """A BCP 47 tag."""
    hazard: str | None = None
    scores: dict[str, Probability] = Field(default_factory=dict)
    """The judge's scores of the answer by label; for a guard alone, those of the text under test."""
    guard_scores: dict[str, Probability] = Field(default_factory=dict)
    """Highest scores of a guard around the target, by label, over everything it checked in this case."""
    blocked_at: Stage | None = None
    principle_id: str | None = None
    """The principle that blocked."""
    doubts: tuple[str, ...] = ()
    """Why the judge may err more here than its figures say, such as ``out_of_range``: a language it was not measured
    on."""
    latency_s: Seconds | None = None
    """Wall time of the successful attempt; null if the target was not asked or did not answer."""
    guard_s: Seconds | None = None
    """Wall time of the guard's checks."""
    attempts: Count = 1
    """How often the target was asked; 0 if a guard stopped the prompt or the answer was cached."""
    answer_digest: str | None = None
    """SHA-256 of the answer; equal answers have equal digests."""
    answer: str | None = None
    """The answer itself, only if the run was told to keep it."""
    error: str | None = None
    """What went wrong, without quoting text; null unless ``outcome`` is ``error``."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.passed is not passed(self.expectation, self.outcome):
            msg = f"outcome {self.outcome.value!r} of a case to {self.expectation.value!r} has passed={self.passed}"
            raise ValueError(msg)
        if (self.outcome is Outcome.ERROR) is not (self.error is not None):
            msg = "the outcome is error where, and only where, there is an error"
            raise ValueError(msg)
        return self


OPENING: Final = '{"head":'
"""The beginning of every record."""


class Run(Frozen):
    """A complete record in memory."""

    head: RunHead
    results: tuple[CaseResult, ...]


def write_run(path: str | Path, head: RunHead, results: Iterable[CaseResult]) -> None:
    """Write the record to ``path``, or leave the old content intact. Raises ``OSError`` if that fails."""
    with whole_file(path_of(path, "path")) as stream:
        stream.write(OPENING.encode() + head.model_dump_json().encode() + b',\n"results":[')
        opening = b"\n"
        for result in results:
            stream.write(opening + dumped(result).encode())
            opening = b",\n"
        stream.write(b"\n]}\n")


def dumped(result: CaseResult) -> str:
    """Return ``result`` as one line of JSON, without fields that have their default."""
    return json.dumps(result.model_dump(mode="json", exclude_defaults=True), separators=(",", ":"))


@contextmanager
def open_run(path: str | Path) -> Iterator[tuple[RunHead, Iterator[CaseResult]]]:
    """Open the record at ``path``: its head, and its results one at a time.

    Raises ``EvaluationError`` that names the file, here or while results are read, if it is not a complete record;
    ``InputTypeError`` if ``path`` is no path. A record that another program has reformatted is accepted too, and is
    then read all at once.
    """
    path = path_of(path, "path")
    with path.open(encoding="utf-8") as stream:
        try:
            first = stream.readline()
            if first.startswith('{"head":') and stream.readline() == '"results":[\n':
                head = RunHead.model_validate_json(first.removeprefix('{"head":').removesuffix(",\n"))
                yield head, _lines(stream, path)
                return
            stream.seek(0)
            whole = Run.model_validate_json(stream.read())
        except ValidationError as error:
            raise _no_record(path, error) from None
        except UnicodeDecodeError:
            raise _no_record(path, None) from None
        yield whole.head, iter(whole.results)


def read_run(path: str | Path) -> Run:
    """Read the complete record at ``path``. Raises as ``open_run`` does."""
    with open_run(path) as (head, results):
        return Run(head=head, results=tuple(results))


def _lines(stream: TextIO, path: Path) -> Iterator[CaseResult]:
    for line in stream:
        if line.rstrip() == "]}":
            return
        try:
            yield CaseResult.model_validate_json(line.rstrip().removesuffix(","))
        except ValidationError as error:
            raise _no_record(path, error) from None
    raise _no_record(path, None)


def _no_record(path: Path, error: ValidationError | None) -> EvaluationError:
    reason = "it ends in the middle, or is no text" if error is None else first_problem(error)
    return EvaluationError(f"{path}: no record of a run that this version can read: {reason}")
