"""Runs rows through a system once and stores the results, by digest and without any text."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tqdm import tqdm

import guardsdk
from benchmarks.peers import DISTRIBUTION
from guardsdk import Guard, GuardError, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from benchmarks.data import Row
    from benchmarks.peers import Peer
    from guardsdk import Verdict

PEER_SCORE = "peer"
"""Name under which the peer's single score is stored."""
_BATCH_ROWS = 256
_BATCH_CHARACTERS = 100_000
"""A batch ends at whichever comes first, so that an interrupted run loses seconds and not minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a system decided on one text."""

    blocked: bool
    """Whether a principle with an action stronger than `flag` fired."""
    checked: bool
    """False where the text could not be checked completely."""
    fired: tuple[str, ...] = ()
    """Labels of the principles that fired, blocking or not, sorted."""
    scores: dict[str, float] = field(default_factory=dict)


class System(Protocol):
    """Something that decides on texts."""

    name: str
    identity: str
    """Changes whenever decisions may change, so stored outcomes of another version are never used."""

    def decide(self, rows: Sequence[Row]) -> list[Outcome]:
        """Decide on every row, in order."""
        ...


def package_digest() -> str:
    """Digest of the package's own code, policies and lexicons: after a change, no stored outcome is used again."""
    root = Path(guardsdk.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.suffix in {".py", ".toml", ".txt"}):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


class GuardSystem:
    """The shipped pipeline with the default policy."""

    def __init__(self, guard: Guard, name: str = "guardsdk") -> None:
        """Warm ``guard`` up and take its model and policy digests. Raises ``GuardError`` where it cannot run."""
        guard.warmup()
        self._guard = guard
        self.name = name
        self.probe = guard.check("hello")
        self.context_stages = guard.info().context_stages
        if self.probe.model is None or self.probe.policy is None:
            msg = f"the guard names no model or policy: {self.probe.error}"
            raise GuardError(msg)
        self.identity = f"{package_digest()[:12]}-{self.probe.model.digest[:12]}-{self.probe.policy.digest[:12]}"

    def decide(self, rows: Sequence[Row]) -> list[Outcome]:
        """Check the rows of each stage in one batch. Raises ``GuardError`` where the pipeline failed."""
        found: dict[int, Outcome] = {}
        for stage in {row.stage for row in rows}:
            picked = [index for index, row in enumerate(rows) if row.stage == stage]
            contexts = [rows[index].beside for index in picked]
            verdicts = self._guard.check_many([rows[index].text for index in picked], stage=stage, contexts=contexts)
            found.update(zip(picked, map(outcome, verdicts), strict=True))
        return [found[index] for index in range(len(rows))]


def outcome(verdict: Verdict) -> Outcome:
    """Reduce a verdict to what is counted. Raises ``GuardError`` for a failed check, which no figure may hide."""
    if verdict.status is Status.FAILED:
        msg = f"a check failed: {verdict.error}"
        raise GuardError(msg)
    return Outcome(
        blocked=any(not finding.action.passes for finding in verdict.findings),
        checked=verdict.status is Status.COMPLETE,
        fired=tuple(sorted({finding.label for finding in verdict.findings})),
        scores={label: round(score, 6) for label, score in verdict.scores.items()},
    )


class PeerSystem:
    """The peer, through the pipe."""

    def __init__(self, peer: Peer) -> None:
        """Take the peer's version and model digest for its identity."""
        self._peer = peer
        self.name = f"{DISTRIBUTION} {peer.info['versions'][DISTRIBUTION]}"
        self.identity = f"{peer.info['versions'][DISTRIBUTION]}-{peer.info['digest'][:12]}"

    def decide(self, rows: Sequence[Row]) -> list[Outcome]:
        """Check every row's text; a score the peer skipped counts as 0."""
        results = self._peer.check([row.text for row in rows])
        return [
            Outcome(blocked=result.blocked, checked=result.checked, scores={PEER_SCORE: round(result.score or 0.0, 6)})
            for result in results
        ]


class Store:
    """Outcomes on disk, one JSON line each; a line cut short by an interruption is dropped and measured again."""

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        """Read ``path``, or start over with ``fresh``."""
        self._path = path
        self._known: dict[str, Outcome] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if fresh:
            path.unlink(missing_ok=True)
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    raw = json.loads(line)
                    key = raw.pop("key")
                    self._known[key] = Outcome(**(raw | {"fired": tuple(raw["fired"])}))
                except (ValueError, KeyError, TypeError, AttributeError):
                    continue

    def __contains__(self, key: str) -> bool:
        """Whether this row has an outcome."""
        return key in self._known

    def __getitem__(self, key: str) -> Outcome:
        """Return the outcome of a row."""
        return self._known[key]

    def add(self, outcomes: dict[str, Outcome]) -> None:
        """Keep ``outcomes`` and append them to the file at once."""
        self._known.update(outcomes)
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({"key": key, **asdict(found)}) + "\n" for key, found in outcomes.items())
            file.flush()


@dataclass(frozen=True, slots=True)
class Measured:
    """Outcomes of one system over all rows, by row key."""

    system: str
    identity: str
    outcomes: dict[str, Outcome] = field(repr=False)
    new_rows: int
    """Rows that were not in the store."""
    seconds: float
    """Wall time those rows took."""


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows of like length together, longest first, so that a run too big for memory fails early."""
    batch: list[Row] = []
    characters = 0
    for row in sorted(rows, key=lambda row: (row.stage, -len(row.text))):
        if batch and (len(batch) == _BATCH_ROWS or characters + len(row.text) > _BATCH_CHARACTERS):
            yield batch
            batch, characters = [], 0
        batch.append(row)
        characters += len(row.text)
    if batch:
        yield batch


def measure(system: System, rows: Sequence[Row], folder: Path, *, fresh: bool = False) -> Measured:
    """Decide on every distinct row that ``folder`` has no outcome for, with a progress bar over characters."""
    store = Store(folder / f"{system.name.replace(' ', '-')}-{system.identity}.jsonl", fresh=fresh)
    distinct = {row.key: row for row in rows}
    todo = {key: row for key, row in distinct.items() if key not in store}
    start = time.perf_counter()
    total = sum(len(row.text) for row in todo.values())
    with tqdm(total=total, unit="char", unit_scale=True, desc=system.name, disable=not todo) as bar:
        for batch in batches(todo.values()):
            found = system.decide(batch)
            store.add({row.key: result for row, result in zip(batch, found, strict=True)})
            bar.update(sum(len(row.text) for row in batch))
    seconds = time.perf_counter() - start
    return Measured(system.name, system.identity, {key: store[key] for key in distinct}, len(todo), seconds)
