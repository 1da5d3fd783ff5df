"""The record of a run: what was measured, with what, and what came of every case.

A record is one JSON file. Its head comes first and every result stands on a line of its own, so a hundred thousand
results are read and written one at a time. It holds digests of answers, and their text only where that was asked for.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self, TextIO

from pydantic import Field, ValidationError, model_validator

from guardsdk.disk import whole_file
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
    """Which cases were asked; two runs are comparable where ``digest`` is the same."""

    name: str
    digest: str
    """SHA-256 over the canonical form of every case that was to be asked, in order (after ``limit``)."""
    cases: Count
    limit: int | None = None
    """Most cases taken of the suite, spread over its slices; null for all."""


class TargetRef(Frozen):
    """Who was asked."""

    kind: TargetKind
    model: str
    """What the run is known by: the name of the model, or ``module:function``."""
    parameters: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    """What answers depend on, such as ``temperature`` and ``max_tokens``. Never a key or an address."""


class GuardRef(Frozen):
    """Which guard stood around the target, or alone."""

    sides: GuardedSides = "none"
    without: tuple[str, ...] = ()
    """Labels whose principles were taken out of the policy, to see what each one buys."""
    model: ArtifactRef | None = None
    """The guard's classifier."""
    policy: ArtifactRef | None = None
    """The policy as it was used: without the principles of ``without``."""
    taught: dict[str, str] = Field(default_factory=dict)
    """Digests of the lessons the guard was given, by name."""


class JudgeFigures(Frozen):
    """How often the judge is right, counted on texts labelled by others: one question on one set."""

    question: str
    """What was decided: ``refusal``, ``harmful_response`` or ``toxicity``."""
    source: str
    """The labelled set."""
    true_positives: Count
    false_negatives: Count
    false_positives: Count
    true_negatives: Count


class JudgeRef(Frozen):
    """Who judged the answers."""

    name: str
    """``guardsdk`` for our own classifiers, else ``module:function``."""
    model: ArtifactRef | None = None
    policy: ArtifactRef | None = None
    figures: tuple[JudgeFigures, ...] = ()
    """Empty where nobody measured this judge: rates then stay uncorrected, and a report has to say so."""


class RunSettings(Frozen):
    """How the target was asked; none of it should change an answer."""

    concurrency: int = Field(default=4, ge=1)
    rate: float | None = Field(default=None, gt=0)
    """Most requests per second."""
    retries: Count = 2
    timeout_s: float | None = Field(default=None, gt=0)


class RunHead(Frozen):
    """Everything of a run but its results."""

    format: Literal["guardsdk-evaluation/1"] = FORMAT
    created: str
    """When the run began, ISO 8601 in UTC."""
    finished: str | None = None
    """When it ended; null in a journal, where it has not."""
    suite: SuiteRef
    target: TargetRef
    guard: GuardRef = GuardRef()
    judge: JudgeRef | None = None
    """Null where nothing was answered: a guard alone."""
    seed: int = 0
    settings: RunSettings = RunSettings()
    versions: dict[str, str] = Field(default_factory=dict)
    """Installed versions of guardsdk, Python and what computed the scores."""

    @property
    def alone(self) -> bool:
        """Whether a guard was measured on its own, with nobody to answer."""
        return self.target.kind == "guard"


class CaseResult(Frozen):
    """What came of one case."""

    id: str
    slice: str
    stage: Stage
    """Where the text under test stands: in a user's words, in a document or tool result, or in an answer."""
    expectation: Expectation
    outcome: Outcome
    passed: bool | None
    """None where the outcome is ``error``."""
    language: str = "en"
    """BCP 47."""
    hazard: str | None = None
    scores: dict[str, Probability] = Field(default_factory=dict)
    """The judge's scores of the answer by label; those of the text under test where a guard stands alone."""
    guard_scores: dict[str, Probability] = Field(default_factory=dict)
    """Highest scores of a guard around the target, by label, over all it was shown of this case."""
    blocked_at: Stage | None = None
    principle_id: str | None = None
    """The principle that blocked."""
    doubts: tuple[str, ...] = ()
    """Why the judge may be further off here than its figures say, such as ``out_of_range``: a language it was not
    measured on."""
    latency_s: Seconds | None = None
    """Wall time of the attempt of the target that answered; null where it was not asked or did not answer."""
    guard_s: Seconds | None = None
    """Wall time of the guard's checks."""
    attempts: Count = 1
    """How often the target was asked; 0 where a guard held the prompt back or the answer was remembered."""
    answer_digest: str | None = None
    """SHA-256 of the answer: equal answers have equal digests."""
    answer: str | None = None
    """The answer itself, only where the run was told to keep it."""
    error: str | None = None
    """What went wrong, in words that hold no text; null where ``outcome`` is not ``error``."""

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
"""What every record begins with."""


class Run(Frozen):
    """A whole record in memory."""

    head: RunHead
    results: tuple[CaseResult, ...]


def write_run(path: Path, head: RunHead, results: Iterable[CaseResult]) -> None:
    """Write the record to ``path``, or leave what is there as it is. Raises ``OSError`` where it cannot be written."""
    with whole_file(path) as stream:
        stream.write(OPENING.encode() + head.model_dump_json().encode() + b',\n"results":[')
        opening = b"\n"
        for result in results:
            stream.write(opening + dumped(result).encode())
            opening = b",\n"
        stream.write(b"\n]}\n")


def dumped(result: CaseResult) -> str:
    """Return ``result`` as one line of JSON, without what is as it is by default."""
    return json.dumps(result.model_dump(mode="json", exclude_defaults=True), separators=(",", ":"))


@contextmanager
def open_run(path: Path) -> Iterator[tuple[RunHead, Iterator[CaseResult]]]:
    """Open the record at ``path``: its head, and its results one at a time.

    Raises ``EvaluationError`` that names the file, here or while results are read, where it is no whole record. A
    record that another program laid out anew is read too, and then all at once.
    """
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


def read_run(path: Path) -> Run:
    """Read the whole record at ``path``. Raises as ``open_run`` does."""
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
