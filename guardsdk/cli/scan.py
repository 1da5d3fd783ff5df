"""``guardsdk scan``: many texts in bounded memory, one verdict per line as JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from io import BufferedRandom, TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from guardsdk.cli.lines import Unseen, batches, layout_of, open_source, read_lines, size_of
from guardsdk.cli.outcome import WORDS, Exit, outcome
from guardsdk.cli.resuming import Done, beginning, done_before, record_of
from guardsdk.cli.terminal import complain, counted, progress, say
from guardsdk.cli.workers import How, checked
from guardsdk.disk import require_apart
from guardsdk.errors import DecisionLogError, GuardError, InputError, why_unchecked
from guardsdk.verdict import Action

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from guardsdk.cli.lines import Line
    from guardsdk.cli.terminal import Progress
    from guardsdk.guard import Guard
    from guardsdk.policy.model import Policy
    from guardsdk.verdict import Verdict

_WAIT_S: Final = 0.2
_NOTES: Final = 20
"""Bad lines reported individually; the summary counts the rest, and the output lists every one."""


def scan(guard: Guard, options: Namespace) -> Exit:
    """Check every text of the file, write one row each, and return the exit status.

    Raises ``OSError`` if a file cannot be read or written, ``InputError`` if the options are incompatible, and
    ``GuardError`` if the model or the policy cannot be used at all.
    """
    layout = layout_of(options, options.file)
    if options.resume and not options.out:
        msg = "--resume needs --out, the file to resume"
        raise InputError(msg)
    with _named(options.out), ExitStack() as stack:
        source = open_source(options.file, stack)
        total = size_of(source)
        guard.warmup()  # before the output file is truncated
        record = record_of(options, layout, guard)
        target, done = _open_target(options, source, stack, record, guard.policy)
        shown = stack.enter_context(progress(wanted=options.progress, total=total))
        run, unseen = _Run(guard, options, target, shown, done), Unseen(layout)
        try:
            run.over(line for line in unseen.watch(read_lines(source, layout)) if line.number > done.line)
        except KeyboardInterrupt:
            stack.close()
            run.summarize("interrupted; ")
            raise
    run.summarize()
    slip = unseen.told(options.file)
    if slip:
        complain(slip)
    return run.exit(slip=bool(slip))


class _Run:
    """One scan: rows are written as batches finish, and only counts are kept."""

    def __init__(self, guard: Guard, options: Namespace, target: TextIO, shown: Progress, done: Done) -> None:
        self._guard = guard
        self._options = options
        self._target = target
        self._shown = shown
        self._counts = done.counts
        self._flagged = done.flagged
        self._bad = done.bad
        self._before = done.counts.total()
        self._first = done.first
        self._notes = 0
        self._started = time.perf_counter()

    def over(self, lines: Iterable[Line]) -> None:
        options = self._options
        how = How(
            options.stage, options.policy, options.model, options.providers, options.early_exit, tuple(options.taught)
        )
        with closing(checked(batches(lines, options.batch), self._guard, how, options.processes)) as parts:
            for batch, found in parts:
                verdicts = iter(found)
                for line in batch:
                    self._report(line, None if line.problem else next(verdicts))
                self._target.flush()
                self._shown.advance(len(batch), sum(line.size for line in batch))

    def _report(self, line: Line, verdict: Verdict | None) -> None:
        row: dict[str, Any] = {"line": line.number}
        if verdict is None:
            result, problem = Exit.UNCHECKED, line.problem
            self._bad += 1
            row |= {"outcome": WORDS[result], "error": problem}
        else:
            result = outcome(verdict)
            problem = why_unchecked(verdict) if result is Exit.UNCHECKED else None
            self._flagged += result is Exit.ALLOWED and verdict.action is Action.FLAG
            row |= {"outcome": WORDS[result], "verdict": verdict.model_dump(mode="json")}
            if self._options.with_text:
                row["text"] = line.text
        self._counts[result] += 1
        if problem is not None:
            self._notes += 1
            if self._notes <= _NOTES:
                self._shown.note(f"line {line.number}: {problem}")
        say(json.dumps(row | self._first), to=self._target)
        self._first = {}

    def exit(self, *, slip: bool) -> Exit:
        """Return the exit status: a block has priority; a file without any text counts as unchecked, not as harmless.

        With a ``slip`` in the optional fields, it was not checked as requested.
        """
        if self._counts[Exit.BLOCKED]:
            return Exit.BLOCKED
        if slip or self._counts[Exit.UNCHECKED] or not self._counts.total():
            return Exit.UNCHECKED
        return Exit.ALLOWED

    def summarize(self, opening: str = "") -> None:
        seconds = time.perf_counter() - self._started
        total = self._counts.total()
        if not total:
            complain(f"{opening}there was no text to check")
            return
        earlier = f", {self._before} of them before" if self._before else ""
        pace = (total - self._before) / seconds
        complain(
            f"{opening}{counted(total, 'line')}{earlier} in {seconds:.1f} s ({pace:.0f}/s): "
            f"{self._counts[Exit.ALLOWED]} allowed ({self._flagged} of them flagged), "
            f"{self._counts[Exit.BLOCKED]} blocked, "
            f"{self._counts[Exit.UNCHECKED]} not checked ({self._bad} of them bad lines)"
        )


def _open_target(
    options: Namespace, source: IO[bytes], stack: ExitStack, record: dict[str, Any], policy: Policy
) -> tuple[TextIO, Done]:
    """Return the stream for the rows, and what a scan to be resumed has already written."""
    name = options.out
    if name is None:
        return sys.stdout, beginning(record)
    path = Path(name)
    if path.exists() and _same_file(path, source):
        msg = f"--out {name} is the input file, which would be emptied; choose another"
        raise InputError(msg)
    require_apart([name], [*policy.origin.files, *options.taught, *_log_files(policy)])
    if path.exists() and not path.is_file():  # a pipe or a device
        return stack.enter_context(path.open("w", encoding="utf-8", newline="\n")), beginning(record)
    path.touch()
    rows = stack.enter_context(_alone(path))
    if path.stat().st_size and not (options.resume or options.overwrite):
        msg = f"--out {name} is there already; --overwrite replaces it, --resume goes on with a scan that was cut short"
        raise InputError(msg)
    done = done_before(rows, path, record) if options.resume else beginning(record)
    rows.truncate()
    return stack.enter_context(TextIOWrapper(rows, encoding="utf-8", newline="\n")), done


def _log_files(policy: Policy) -> list[Path]:
    """Return the files of the policy's decision log, which must not also be the output of a scan."""
    if policy.decision_log is None or policy.decision_log.path is None:
        return []
    from guardsdk.decisions.files import Place  # noqa: PLC0415  as below

    return Place(Path(policy.decision_log.path)).family()


@contextmanager
def _alone(path: Path) -> Iterator[BufferedRandom]:
    """Open the file for reading and writing and lock it: the mixed rows of two scans would be useless."""
    from guardsdk.decisions.locking import locked  # noqa: PLC0415  the whole room comes with it; one text needs none

    with ExitStack() as stack:
        try:
            descriptor = stack.enter_context(locked(path.resolve(), _WAIT_S))
        except DecisionLogError:
            msg = f"--out {path}: another scan is writing to it"
            raise InputError(msg) from None
        yield stack.enter_context(open(descriptor, "r+b", closefd=False))


@contextmanager
def _named(out: str | None) -> Iterator[None]:
    """Add the name of the output file to errors without one, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if out is None or error.filename or isinstance(error, GuardError):
            raise
        raise OSError(error.errno, error.strerror, out) from None


def _same_file(path: Path, source: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(source.fileno()))
    except OSError:  # standard input may not be a file at all
        return False
