"""The classifier: scores texts of any length, from any thread and across forks."""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from guardsdk.beside import Beside
from guardsdk.engine.batches import Row, arrays, distinct, plan_batches
from guardsdk.engine.cores import default_threads, usable_cores
from guardsdk.engine.early import bounds_of
from guardsdk.engine.parallel import ParallelRuns
from guardsdk.engine.reading import StageReading, Tally, log_odds
from guardsdk.engine.runner import Runner
from guardsdk.engine.scores import Request, Scores
from guardsdk.engine.session import OnnxRuntime, Runtime
from guardsdk.engine.tokenizer import TextEncoder
from guardsdk.engine.turns import Capacity, Turns
from guardsdk.forking import after_fork
from guardsdk.limits import UNLIMITED, Limits
from guardsdk.registry.lookup import ExternalWeights, verify_files
from guardsdk.text.clean import legible
from guardsdk.text.windows import windows
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from guardsdk.engine.heads import Heads
    from guardsdk.engine.session import Outputs
    from guardsdk.registry.lookup import LoadedModel, Verified
    from guardsdk.settings import Providers

__all__ = ["Classifier", "Request", "Scores"]

_ROWS = {"cpu": 1, "cuda": 64}
"""Rows per run. Dynamic int8 scales activations by the largest value in the *whole* batch, so on CPU the score of a row
would depend on other texts; and from about 40 tokens on, two rows take twice the time of one anyway."""
_TOKENS = 16_384
"""Tokens per run, padding included, to limit memory on a GPU."""
_LONG = 10_000
"""Characters of a text from which on the deadline is also tested before and during its preparation."""
_NOTHING_READ = -40.0
"""Log-odds of every label for a window without any word the model knows; the language screen reports such text."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    encoder: TextEncoder
    runner: Runner
    turns: Turns
    parallel: ParallelRuns


class Classifier:
    """A loaded model. Created once per process and shared; see ``engine.pool``."""

    def __init__(
        self,
        model: LoadedModel,
        providers: Providers,
        threads: int | None,
        *,
        verified: Verified | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        """Verify the files of ``model``, load it and run it once.

        ``threads`` is how many CPU threads one run may use, by default ``engine.cores.default_threads``. Files that
        were just ``verified`` are not read again. Raises ``ModelError`` or a subclass if the model cannot be loaded as
        requested.
        """
        self.model = model
        self._providers: Providers = providers
        self.threads = threads
        self._runtime: Runtime = runtime or OnnxRuntime()
        self._readings = {stage: StageReading(model, stage) for stage in Stage}
        self._bounds = bounds_of(model)
        self._lock = threading.Lock()
        self._state: _Loaded | None = None
        self._loaded(verified)
        after_fork(self._renew)

    @property
    def provider(self) -> tuple[str, str | None]:
        """The execution provider in use, such as ``CPUExecutionProvider``, and why it is not the best one asked for.

        The reason is ``None`` if it is the best one.
        """
        active = self._loaded().runner.active
        return active.provider, active.reason

    @property
    def has_early_exit(self) -> bool:
        """Whether the model runs as two halves, of which the lower may answer alone."""
        return self._loaded().runner.in_halves

    def warmup(self) -> None:
        """Score one short and one long text, so that no later check pays for a first run. Raises ``ModelError``."""
        self._loaded().encoder.complete()
        self.score([Request("a", Stage.INPUT), Request("a " * self.model.manifest.max_tokens, Stage.INPUT)])

    def score(
        self,
        requests: Sequence[Request],
        limits: Limits = UNLIMITED,
        heads: Heads | None = None,
        *,
        apart: bool = False,
    ) -> list[Scores]:
        """Score texts of any length, in order: every window of every text, within ``limits``.

        The two ends of a long text are scored first, then the rest from the start. Limits are tested between runs, and
        those of one text never depend on another. Thread-safe. Windows run in batches of limited size, so memory is
        limited by the texts themselves. ``heads`` add their labels in the same runs. If ``limits`` and the model allow
        it, on CPU, the lower layers alone may clear windows. With ``apart`` the embedding of every window is kept.
        Raises ``ModelError`` if the model cannot be run, without partial results.
        """
        loaded = self._loaded()
        rows, tallies = self._laid_out(loaded, requests, limits, heads)
        for tally in tallies if apart else ():
            tally.apart = []
        self._run(loaded, rows, tallies, limits, heads=heads)
        return list(map(Tally.scores, tallies))

    def shares(self, context: str, most: int) -> list[str]:
        """Return ``context`` in at most ``most`` parts, each short enough to be read together with a text."""
        return self._loaded().encoder.shares(legible(context), self.model.manifest.context_tokens, most)

    def both(self, requests: Sequence[Request]) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Return the early and the full logits of every text, [windows, L] each: the data for calibrating early exit.

        Rows are windows in the order of ``score``: first, last, then those between. Unreadable windows have the same
        low logits as there. Does not queue with other callers. Raises ``ModelError`` if the model has no early exit or
        does not run on the CPU.
        """
        loaded = self._loaded()
        found: list[list[tuple[NDArray[np.float32], NDArray[np.float32]]]] = [[] for _ in requests]
        for row in self._laid_out(loaded, requests, UNLIMITED, None)[0]:
            early, full = loaded.runner.both(*arrays([row], loaded.encoder.closing, loaded.encoder.pad))
            if not loaded.encoder.legible(row.body):
                early, full = np.full_like(early, _NOTHING_READ), np.full_like(full, _NOTHING_READ)
            found[row.owner].append((early, full))
        return [
            (np.concatenate([early for early, _ in windows]), np.concatenate([full for _, full in windows]))
            for windows in found
        ]

    def _laid_out(
        self, loaded: _Loaded, requests: Sequence[Request], limits: Limits, heads: Heads | None
    ) -> tuple[list[Row], list[Tally]]:
        """Return a row for every window of every text, and a tally for every text."""
        texts = [
            legible(request.text) if len(request.text) <= _LONG else _ready(request.text, limits)
            for request in requests
        ]
        tallies: list[Tally] = []
        rows: list[Row] = []
        heads_of: dict[tuple[Stage, str | None], tuple[array[int], bool]] = {}
        for request, text, tokens in zip(requests, texts, loaded.encoder.encode(texts), strict=True):
            beside = request.stage, request.context  # shared by views of one text, and by texts of one caller
            if beside not in heads_of:
                heads_of[beside] = self._head(loaded.encoder, *beside)
            head, pair = heads_of[beside]
            frame = len(head) + len(loaded.encoder.suffix)
            room = self.model.manifest.max_tokens - frame
            ranges = _ends_first(windows(len(tokens.ids), room, self.model.manifest.overlap_tokens))
            bounds = self._bounds.get(request.stage) if limits.early_exit else None
            longest = 0 if bounds is None else bounds.longest
            for at, (a, b) in enumerate(ranges):
                length = frame + b - a
                within = bounds if length <= longest else None
                body = tokens.ids if len(ranges) == 1 else tokens.ids[a:b]
                rows.append(Row(len(tallies), at, head, body, pair, length, within))
            reading = self._readings[request.stage]
            if heads is not None:
                reading = reading.beside(heads)
            tallies.append(Tally(text, tokens, ranges, reading, loaded.encoder))
        return rows, tallies

    def _run(
        self, loaded: _Loaded, rows: list[Row], tallies: list[Tally], limits: Limits, *, heads: Heads | None
    ) -> None:
        rows, same = distinct(rows) if len(rows) > len(tallies) else (rows, {})
        batches = [rows]
        if len(rows) > 1:
            plan = plan_batches([row.length for row in rows], _ROWS[loaded.runner.active.kind], _TOKENS)
            batches = [[rows[index] for index in batch] for batch in plan]
        for members, outputs in loaded.parallel.run(batches, limits, lambda row: not tallies[row.owner].settled):
            odds = log_odds(outputs.logits, self.model.activation)
            if heads is not None:
                odds = heads.beside(odds, outputs.embedding)
            for at, row in enumerate(members):
                tally = tallies[row.owner]
                # Windows of a text come in order, so where it stops does not depend on other texts.
                if not tally.settled:
                    read = odds[at] if loaded.encoder.legible(row.body) else [_NOTHING_READ] * len(odds[at])
                    for window in (row.window, *same.get((row.owner, row.window), ())):
                        tally.add(window, read, outputs, at, len(row.head))
                    if limits.settled is not None and len(tally.windows) > 1:
                        tally.settled = limits.settled(row.owner, tally.probabilities)

    def _head(self, encoder: TextEncoder, stage: Stage, context: str | None) -> tuple[array[int], bool]:
        """Return the ids before a text of ``stage``, and whether they contain a context."""
        manifest = self.model.manifest
        head = encoder.opening(manifest.stage_tokens.get(stage))
        if not context or stage not in manifest.paired:
            return head, False
        shown = encoder.ends(legible(context), manifest.context_tokens)
        # A context of white space only has no tokens, and the model was never trained on a pair without a first half.
        return (head + shown + encoder.closing, True) if shown else (head, False)

    def _loaded(self, verified: Verified | None = None) -> _Loaded:
        if (state := self._state) is not None:
            return state
        with self._lock:
            if self._state is None:
                threads = self.threads or default_threads()
                verified = verified or verify_files(self.model)
                with verified.unchanged():
                    with Beside(lambda: Runner(self.model, self._providers, threads, self._runtime)) as opening:
                        encoder = TextEncoder(self.model.path(self.model.manifest.tokenizer))
                    runner = opening.result()
                    weights = ExternalWeights(self.model, verified)
                cores = usable_cores() if runner.active.kind == "cpu" else 1
                most = min(threads, cores)

                def run(rows: Sequence[Row], taken: int) -> Outputs:
                    bounds = [row.bounds for row in rows]
                    rows_fed = arrays(rows, encoder.closing, encoder.pad)
                    outputs = runner.run(*rows_fed, bounds, one_thread=taken < most)
                    weights.require_unchanged()
                    return outputs

                turns = Turns(run, cores, lambda: Capacity(_ROWS[runner.active.kind], _TOKENS), most)
                parallel = ParallelRuns(turns, runner.side_by_side, self.model.manifest.max_tokens)
                self._state = _Loaded(encoder, runner, turns, parallel)
            return self._state

    def _renew(self) -> None:
        """In a forked child: leave the parent's session alone and load a new one when first needed."""
        self._lock = threading.Lock()
        if self._state is not None:
            # The session's threads stayed in the parent. Its destructor would wait for them for ever, so the object
            # must outlive the interpreter's own clean-up: it gets a reference that is never released.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._state))
            self._state = None


def _ready(text: str, limits: Limits) -> str:
    """Return what is read of a long ``text``; empty if the deadline has passed, as none of it will be scored."""
    return "" if limits.passed else legible(text, limits)


def _ends_first(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Move the last window to second place: attacks after filler are at the end of a text, where few look."""
    return [ranges[0], ranges[-1], *ranges[1:-1]] if len(ranges) > 1 else ranges
