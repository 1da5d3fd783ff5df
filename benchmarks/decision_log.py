"""How fast a decision log is queried, verified and exported, and in how much memory, at millions of decisions.

A log is written in the real format, chain, openings and head included, from records like those of a guard; only the
writing takes a shortcut. Every question is then put by the functions that ``guardsdk log`` calls, each in a process of
its own, so that its peak memory is its own, too.

Example: ``python -m benchmarks.decision_log --records 10000000 --folder DIR --markdown docs/decision-log.md``.
The log takes about 1.6 kB a record in ``DIR`` and is removed at the end.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.command import command
from benchmarks.hardware import machine
from benchmarks.pages import fill_in, save_json
from guardsdk.decisions import LogRules
from guardsdk.decisions.entry import START, Entry, body_of, digest_of, encoded, line_of, timestamp
from guardsdk.decisions.export import to_csv
from guardsdk.decisions.files import Head, Place, write_head
from guardsdk.decisions.query import Query, count, records
from guardsdk.decisions.verify import verify
from guardsdk.observing import CheckRecord
from guardsdk.policy.load import default_policy
from guardsdk.pseudonyms import Pseudonyms
from guardsdk.verdict import Action, ArtifactRef, Evaluation, Finding, Stage, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RESULTS = Path("benchmarks/results/decision_log.json")
START_NS: Final = 1_790_000_000_000_000_000
BETWEEN_NS: Final = 50_000_000
"""Nanoseconds between two decisions: twenty a second."""
ACTORS: Final = 20_000
KINDS: Final = 2000
"""Number of decisions that differ in more than time, sequence number and actor."""
_KEY: Final = b"a key of the benchmark"
_LINES: Final = 1000
"""Lines written at once."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one question took."""

    question: str
    decisions: int
    """Decisions found."""
    seconds: float
    """Wall time."""
    cpu_seconds: float
    peak_mb: float
    """Peak memory of its process in millions of bytes, from ``ru_maxrss``, which Linux gives in KiB."""


def decisions(chance: random.Random) -> Iterator[CheckRecord]:
    """Yield endless decisions of the default policy: one in fifty is blocked, and scores look like those of a model."""
    policy = default_policy()
    model = ArtifactRef(name="guard", version="1.0.0", digest=hashlib.sha256(b"model").hexdigest())
    while True:
        stage = chance.choices([*Stage], [6, 1, 3])[0]
        principles = [one for one in policy.principles if stage in one.stages]
        blocked = chance.random() < 0.02
        worst = chance.choice(principles).id if blocked else None
        evaluations = []
        for one in principles:
            fired = one.id == worst
            score = 0.9 + 0.1 * chance.random() if fired else chance.betavariate(0.4, 8.0) * 0.85
            evaluations.append(
                Evaluation(
                    principle_id=one.id,
                    label=one.label,
                    score=score,
                    threshold=0.9,
                    margin=score - 0.9,
                    fired=fired,
                )
            )
        findings = tuple(
            Finding(
                principle_id=one.principle_id,
                label=one.label,
                score=one.score,
                threshold=one.threshold,
                margin=one.margin,
                action=Action.BLOCK,
                spans=((0, 10),),
            )
            for one in evaluations
            if one.fired
        )
        verdict = Verdict(
            allowed=not blocked,
            action=Action.BLOCK if blocked else Action.ALLOW,
            status=Status.COMPLETE,
            stage=stage,
            principle_id=worst,
            scores={one.label: one.score for one in evaluations},
            evaluations=tuple(evaluations),
            findings=findings,
            coverage=1.0,
            model=model,
            policy=policy.ref,
            duration_s=chance.uniform(0.003, 0.03),
        )
        yield CheckRecord(verdict, START_NS, chance.randrange(10, 4000))


def _parts(record: CheckRecord, chance: random.Random) -> tuple[bytes, bytes]:
    """Return the parts of a line between the time and the actor, and after the actor."""
    trace_id, span_id = f"{chance.getrandbits(128):032x}", f"{chance.getrandbits(64):016x}"
    body = json.dumps(body_of(record, None, trace_id, span_id, {}), separators=(",", ":"))
    before, actor, behind = body.partition('"actor":null')
    return f",{before[1:]}{actor[:-4]}".encode(), behind[:-1].encode()


class _Files:
    """The files of a log, written line by line."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._limit = LogRules().max_bytes
        self._lines: list[bytes] = []
        self._stream = place.path.open("wb")
        self._size = 0
        self.number = 1
        self.bytes = 0

    @property
    def full(self) -> bool:
        return self._size >= self._limit

    def add(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line)
        if len(self._lines) >= _LINES:
            self.flush()

    def flush(self) -> None:
        self.bytes += self._stream.write(b"".join(self._lines))
        self._lines.clear()

    def close(self) -> None:
        self.flush()
        self._stream.close()

    def next(self) -> None:
        self.close()
        self._place.path.rename(self._place.closed(self.number))
        self.number += 1
        self._stream, self._size = self._place.path.open("wb"), 0


def write(path: Path, number: int, seed: int) -> int:
    """Write a log of ``number`` decisions to ``path``, in files of the usual size, and return its bytes."""
    chance, place, pseudonyms = random.Random(seed), Place(path), Pseudonyms(_KEY)
    source = decisions(chance)
    # What all lines of a kind have in common is made once, by the code that makes the lines of a guard.
    kinds = [_parts(next(source), chance) for _ in range(KINDS)]
    actors = [b'"%b"' % pseudonyms.of(actor_name(at)).encode() for at in range(ACTORS)] + [b"null"] * (ACTORS // 4)
    files, sequence, digest, due = _Files(place), 0, START, True
    draw = chance.random
    for at in range(number):
        time = timestamp(START_NS + at * BETWEEN_NS)
        if files.full:
            files.next()
            due = True
        if due:
            sequence, due = sequence + 1, False
            line = line_of(sequence, Entry("open", time, {"file": files.number, "keyed": False}), digest, None)
            digest = line.digest
            files.add(encoded(line))
        sequence += 1
        before, behind = kinds[int(draw() * KINDS)]
        actor = actors[int(draw() * len(actors))]
        hashed = b'{"v":1,"seq":%d,"kind":"decision","time":"%b"%b%b%b,"prev":"%b"' % (
            sequence, time.encode(), before, actor, behind, digest.encode(),
        )  # fmt: skip
        digest = digest_of(hashed, None)
        files.add(b'%b,"hash":"%b"}\n' % (hashed, digest.encode()))
    files.close()
    descriptor = os.open(place.head, os.O_RDWR | os.O_CREAT, 0o600)
    write_head(descriptor, Head(files.number, sequence, digest), None)
    os.close(descriptor)
    return files.bytes


def actor_name(number: int) -> str:
    """Return the name of an actor."""
    return f"user{number}"


def questions(written: int, folder: Path) -> dict[str, Callable[[Path], int]]:
    """Return the questions asked of a log of ``written`` decisions; each returns how many decisions it found."""
    actor = Pseudonyms(_KEY).of(actor_name(7))
    principle = default_policy().principles[0].id
    middle = timestamp(START_NS + written // 2 * BETWEEN_NS)
    later = timestamp(START_NS + (written // 2 + written // 100) * BETWEEN_NS)

    def by(*names: str, **wanted: str) -> Callable[[Path], int]:
        return lambda path: sum(count(path, Query(**wanted), names).values())

    def export(path: Path) -> int:
        with (folder / "blocked.csv").open("w", encoding="utf-8", newline="") as stream:
            return to_csv(records(path, Query(action="block")), stream)

    def verified(path: Path) -> int:
        report = verify(path)
        if not report.sound:
            msg = f"the log does not hold: {report.broken}"
            raise ValueError(msg)
        return report.decisions

    return {
        "`query --by principle,action`": by("principle", "action"),
        "`query --by actor`": by("actor"),
        "`query --by day`": by("day"),
        "`query --principle ID --by day`": by("day", principle=principle),
        "`query --actor NAME --by action`": by("action", actor=actor),
        "`query --action block --by hour`": by("hour", action="block"),
        "`query --since T --until U --by stage`, one hundredth": by("stage", since=middle, until=later),
        "`query --action block --csv FILE`, one in fifty": export,
        "`verify`": verified,
    }


def ask(path: Path, written: int, name: str) -> Asked:
    """Put one question, alone in this process."""
    question = questions(written, path.parent)[name]
    start, used = time.perf_counter(), time.process_time()
    found = question(path)
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return Asked(name, found, seconds, cpu, peak)


def measure(folder: Path, number: int) -> dict[str, Any]:
    """Write a log in ``folder``, put every question, and return the figures."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="log.") as name:
        path = Path(name) / "decisions.jsonl"
        start = time.process_time()
        size = write(path, number, seed=1)
        print(f"{size / 1e9:.2f} GB written in {time.process_time() - start:.0f} s", file=sys.stderr)
        asked = []
        for question in questions(number, path.parent):
            # A newly spawned process each time: the peak memory of a forked one would be its parent's.
            with get_context("spawn").Pool(1) as pool:
                asked.append(pool.apply(ask, (path, number, question)))
            print(asked[-1], file=sys.stderr)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": machine(),
        "records": number,
        "bytes": size,
        "asked": [asdict(one) for one in asked],
    }


def markdown(found: dict[str, Any]) -> str:
    """Return the figures as a part of the page."""
    written = found["records"]
    lines = [
        f"{written:,} decisions, {found['bytes'] / 1e9:.1f} GB, {found['date']}, {found['hardware']['processor']}.",
        "",
        "| asked | decisions found | decisions a second, CPU | peak memory |",
        "|---|---:|---:|---:|",
    ]
    for one in found["asked"]:
        rate = written / one["cpu_seconds"]
        lines.append(f"| {one['question']} | {one['decisions']:,} | {rate:,.0f} | {one['peak_mb']:.0f} MB |")
    return "\n".join(lines) + "\n"


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--records", type=int, default=1_000_000, help="decisions in the log (default: 1,000,000)")
    made.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where the log is written")
    made.add_argument("--out", type=Path, default=RESULTS, help=f"file for the figures (default: {RESULTS})")
    made.add_argument("--markdown", type=Path, metavar="PAGE.md", help="page whose figures are replaced")
    return made


@command(parser)
def main(options: argparse.Namespace) -> None:
    """Measure everything and write it down."""
    options.folder.mkdir(parents=True, exist_ok=True)
    found = measure(options.folder, options.records)
    save_json(options.out, found)
    if options.markdown is None:
        print(markdown(found))
    else:
        fill_in(options.markdown, "questions", markdown(found))


if __name__ == "__main__":
    raise SystemExit(main())
