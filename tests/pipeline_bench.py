"""A pipeline whose scores a test can foresee: screens that count words in place of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardsdk.cache import Keys, VerdictCache
from guardsdk.errors import ModelError
from guardsdk.pipeline import Assembly, Pipeline
from guardsdk.policy import OnError, Policy, Principle, bind
from guardsdk.screens.base import OperatingPoints, Reading, Spans
from guardsdk.screens.panel import Panel
from guardsdk.surroundings import NOWHERE, Surroundings
from guardsdk.verdict import Action, ArtifactRef, Stage, Verdict
from tests.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Sequence


MODEL = ArtifactRef(name="words", version="1", digest="0" * 64)


class WordScreen:
    """Scores a label by the share of a text's words that are its name; remembers what it was asked."""

    name = "words"

    def __init__(self, *labels: str, coverage: float = 1.0, error: Exception | None = None) -> None:
        self._labels = labels
        self._coverage = coverage
        self._error = error
        self.asked: list[tuple[str, Stage, Surroundings]] = []
        self.operating_points: OperatingPoints = {
            (label, stage): {"default": 0.5} for label in labels for stage in Stage
        }

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        self.asked += [(text, stage, beside) for text, beside in zip(texts, around, strict=True)]
        if self._error is not None:
            raise self._error
        return [self._read(text) for text in texts]

    def _read(self, text: str) -> Reading:
        words = text.split()
        scores = {label: words.count(label) / max(1, len(words)) for label in self._labels}

        def spans(label: str) -> Spans:
            start = text.index(label)
            return ((start, start + len(label)),)

        return Reading(scores, self._coverage, spans)


class StillRuntime:
    provider: tuple[str, str | None] = ("CPUExecutionProvider", None)


class GoneRuntime:
    @property
    def provider(self) -> tuple[str, str | None]:
        msg = "cannot load again"
        raise ModelError(msg)


PRINCIPLES = (
    Principle(id="no-bad", text="No.", label="bad", stages=(Stage.INPUT, Stage.OUTPUT)),
    Principle(id="note-rude", text="Note.", label="rude", stages=(Stage.INPUT,), threshold=0.2, action=Action.FLAG),
)
POLICY = Policy(name="p", version="1", principles=PRINCIPLES)
LENIENT = Policy(name="p", version="1", on_error=OnError(input="allow"), principles=PRINCIPLES)


class Bench:
    """A pipeline with everything a test wants to look at."""

    def __init__(
        self,
        screen: WordScreen | None = None,
        *,
        policy: Policy = POLICY,
        cache: int = 0,
        max_chars: int | None = None,
        deadline_s: float | None = None,
        failure: Exception | None = None,
        runtime: StillRuntime | GoneRuntime | None = None,
        paired: frozenset[Stage] = frozenset({Stage.OUTPUT}),
    ) -> None:
        self.screen = screen or WordScreen("bad", "rude")
        self.recorder = Recorder()
        self.cache = VerdictCache(cache, 60) if cache else None
        self._failure = failure
        panel = Panel([self.screen])
        self._assembly = Assembly(
            panel, bind(policy, panel.operating_points), MODEL, runtime or StillRuntime(), Keys(policy.digest), paired
        )
        self.pipeline = Pipeline(
            policy,
            self._assemble,
            observers=[self.recorder],
            provider_requested="auto",
            cache=self.cache,
            max_chars=max_chars,
            deadline_s=deadline_s,
        )

    def _assemble(self) -> Assembly:
        if self._failure is not None:
            raise self._failure
        return self._assembly

    def run(
        self, *texts: str, stage: Stage = Stage.INPUT, around: Sequence[Surroundings] | None = None
    ) -> list[Verdict]:
        return self.pipeline.run(texts, stage, around or [NOWHERE] * len(texts), "someone")

    def check(self, text: str, stage: Stage = Stage.INPUT) -> Verdict:
        return self.run(text, stage=stage)[0]
