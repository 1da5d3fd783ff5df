"""The log as a guard uses it: pseudonyms of actors, handling of write errors, and anchors."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from guardsdk.decisions.entry import Entry, body_of, note, timestamp
from guardsdk.decisions.files import Place, require_log, write_all
from guardsdk.decisions.locking import in_turn, locked
from guardsdk.decisions.writer import Writer
from guardsdk.disk import BINARY, located
from guardsdk.errors import DecisionLogError, InputError, reject_type
from guardsdk.forking import after_fork
from guardsdk.keys import require_key
from guardsdk.policy.logging import LogRules
from guardsdk.pseudonyms import Pseudonyms
from guardsdk.telemetry.content import Capture
from guardsdk.telemetry.reporters import LogReporter, current_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from guardsdk.decisions.writer import Tail
    from guardsdk.observing import CheckRecord

_logger = logging.getLogger("guardsdk")

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class LogHealth:
    """The state of a log in this process."""

    written: int
    """The number of decisions written."""
    lost: int
    """The number of decisions that could not be written."""
    repaired: int
    """The number of torn last lines, left by killed writers, that were cut off and noted."""
    problem: str | None
    """Why the last write failed; ``None`` if it did not."""


class DecisionLog:
    """An append-only file of JSON lines, one per decision, for any number of threads and processes.

    Records contain scores, thresholds, digests and pseudonyms, and no text unless ``rules.capture_text`` says so. They
    are chained by hashes, see ``guardsdk.decisions.verify``.
    """

    def __init__(
        self,
        path: str | Path,
        rules: LogRules | None = None,
        *,
        actor_key: bytes | None = None,
        chain_key: bytes | None = None,
        reporter: LogReporter | None = None,
    ) -> None:
        """Write to ``path``; no file is touched before the first decision.

        Args:
            path: The file to write to; a leading ``~`` is the user's home directory. Closed files lie next to it with a
                number in their names, as do ``.head``, which records how far the log goes, and ``.key``.
            rules: Rotation, retention, fsync, and error handling.
            actor_key: Key of the pseudonyms of actors. By default one is generated and stored in the ``.key`` file,
                readable by its owner only: whoever has it can tell whether a record is about a known actor.
            chain_key: Key of the hashes. Without one, whoever can write the files can also recompute the chain after a
                change, which only an anchor kept elsewhere would reveal. Keep it away from the log.
            reporter: Receives anchors and counts; defaults to the global OpenTelemetry providers.

        Raises:
            InputTypeError: ``path`` is not a path, a key is not bytes, or ``rules`` or ``reporter`` is of another type.
            InputError: ``path`` is not a valid path, or a key is empty: anybody could resolve a pseudonym or recompute
                the chain.
            DecisionLogError: ``path`` is the root directory, which has no name.
        """
        if not isinstance(path, str | os.PathLike):
            reject_type("path", "the path of a file", path)
        if not isinstance(rules, LogRules | None):
            reject_type("rules", "guardsdk.policy.logging.LogRules", rules)
        if not isinstance(reporter, LogReporter | None):
            reject_type("reporter", "a guardsdk.telemetry.reporters.LogReporter", reporter)
        if "\0" in str(path):
            msg = "the path of a decision log holds a null character"
            raise InputError(msg)
        for name, key in (("actor_key", actor_key), ("chain_key", chain_key)):
            if key is not None:
                require_key(key, name)
        self.path = located(path).resolve()  # independent of the working directory
        self.rules = LogRules() if rules is None else rules
        self._place = Place(self.path)
        self._writer = Writer(self._place, self.rules, chain_key)
        self._pseudonyms = None if actor_key is None else Pseudonyms(actor_key)
        self._capture = Capture(self.rules.capture_text)
        self._reporter = LogReporter() if reporter is None else reporter
        self._anchored_at = -self.rules.anchor_every_s
        self._renew()
        after_fork(self._renew)

    def _renew(self) -> None:
        """In a forked child: reset the counts, as what the parent lost is for the parent to note.

        Another thread of the parent may also have held a lock.
        """
        self._written = self._lost = self._untold = self._writer.repaired = 0
        self._problem: str | None = None
        self._turn = threading.Lock()
        """Held by the thread that writes, also while it waits for other processes."""
        self._counting = threading.Lock()
        """Held while the counts are changed or read, never while waiting."""

    @property
    def wants_text(self) -> bool:
        """Whether the records must contain the checked text."""
        return self._capture.wanted

    @property
    def holds_back(self) -> bool:
        """Whether a text is stopped if its decision could not be recorded."""
        return self.rules.on_error == "block"

    @property
    def health(self) -> LogHealth:
        """The state of the log in this process."""
        with self._counting:
            return LogHealth(self._written, self._lost, self._writer.repaired, self._problem)

    def record(self, records: Sequence[CheckRecord]) -> None:
        """Write ``records`` in one go. If that fails, count them as lost and raise ``DecisionLogError``."""
        if not records:
            return
        began = time.monotonic()
        problem: str | None = None
        try:
            with self._writing(began):
                before, untold = self._writer.repaired, self._untold
                tail = self._appended(records, untold, began)
                news = self._succeeded(len(records), before, untold)
        except Exception as error:  # noqa: BLE001  whatever the error, the decision was not recorded
            problem = _words(error, self.path)
            news = self._failed(problem, len(records))
        # Logged without a lock: a handler of the host's may wait for it, or have a guard check the message.
        for one in news:
            _logger.warning("decision log: %s", one)
        outcome: Literal["written", "lost"] = "written" if problem is None else "lost"
        self._report(lambda: self._reporter.count(outcome, len(records)))
        if problem is not None:
            raise DecisionLogError(problem)
        if time.monotonic() - self._anchored_at >= self.rules.anchor_every_s:
            self._anchor(tail)

    def _writing(self, began: float) -> AbstractContextManager[None]:
        """Keep other threads from writing; each waits as long as for another process, counted from ``began``."""
        return in_turn(self._turn, self._place.head, self.rules.lock_timeout_s, began)

    def _appended(self, records: Sequence[CheckRecord], untold: int, began: float) -> Tail:
        if not self._written or self._problem is not None:  # somebody may have removed the directory
            self.path.parent.mkdir(parents=True, exist_ok=True)
        trace_id, span_id = current_ids()
        entries: list[Entry] = []
        if untold:
            entries.append(note("lost", count=untold))
        for record in records:
            text = self._capture.attributes(record)
            actor = None if record.actor is None else self._pseudonym(record.actor, began)
            body = body_of(record, actor, trace_id, span_id, text)
            entries.append(Entry("decision", timestamp(record.started_ns), body))
        return self._writer.append(entries, began)

    def note(self, kind: str, time_ns: int, body: Mapping[str, Any]) -> None:
        """Write a line of ``kind`` that is not a decision. Raises ``DecisionLogError`` if that fails."""
        began = time.monotonic()
        try:
            with self._writing(began):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._writer.append([Entry(kind, timestamp(time_ns), body)], began)
        except (OSError, ValueError) as error:
            raise DecisionLogError(_words(error, self.path)) from None

    @property
    def has_key(self) -> bool:
        """Whether the key of the pseudonyms is available: passed in, or loaded for a record of a named actor."""
        return self._pseudonyms is not None

    def pseudonym(self, actor: str) -> str:
        """Return the pseudonym of ``actor`` in the log: 32 hexadecimal digits of an HMAC-SHA-256 (RFC 2104).

        Raises ``OSError`` if the key can be neither read nor created.
        """
        return self._pseudonym(actor, time.monotonic())

    def _pseudonym(self, actor: str, began: float) -> str:
        if self._pseudonyms is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)  # a monitor may ask before the first line is written
            self._pseudonyms = Pseudonyms(_kept_key(self._place, self.rules.lock_timeout_s, began))
        return self._pseudonyms.of(actor)

    def flush(self) -> None:
        """Force what was written to disk and anchor it. Raises ``DecisionLogError`` if that fails."""
        try:
            tail = self._writer.flush()
        except OSError as error:
            raise DecisionLogError(_words(error, self.path)) from None
        if tail.sequence:
            self._anchor(tail)

    def close(self) -> None:
        """Flush. No file is held open, so later records are still written."""
        self.flush()

    def __enter__(self) -> Self:
        """Return the log itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the log."""
        self.close()

    def _failed(self, words: str, count: int) -> list[str]:
        """Count records that were not written, and return the messages to log."""
        with self._counting:
            self._lost += count
            self._untold += count
            first, self._problem = self._problem is None, words
        # Once, not for every check until it is fixed.
        return [f"{words}; {'texts are held back' if self.holds_back else 'checks go on'}"] if first else []

    def _succeeded(self, count: int, repaired_before: int, told: int) -> list[str]:
        """Count records that were written, after a note of ``told`` lost ones; return the messages to log."""
        news = []
        with self._counting:
            if self._problem is not None:
                news.append(f"{self.path} is written again; {self._untold} decisions are missing")
            if self._writer.repaired > repaired_before:
                news.append(f"{self.path} ended in a torn line, which was cut off and noted")
            self._written += count
            self._problem = None
            self._untold -= told  # other threads may have timed out meanwhile
        return news

    def _anchor(self, tail: Tail) -> None:
        self._anchored_at = time.monotonic()
        self._report(lambda: self._reporter.anchor(tail.file, tail.sequence, tail.digest))

    @staticmethod
    def _report(report: Callable[[], None]) -> None:
        try:
            report()
        except Exception as error:  # noqa: BLE001  a failure of telemetry is no reason to lose a record
            _logger.warning("decision log: telemetry raised %s", type(error).__qualname__)


def _words(error: Exception, path: Path) -> str:
    """Return what went wrong with which file, in our own words or the system's."""
    if isinstance(error, DecisionLogError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or path}: {error.strerror or type(error).__name__}"
    return f"{path}: a record cannot be written ({type(error).__name__})"


def _kept_key(place: Place, timeout_s: float, began: float) -> bytes:
    """Return the key stored next to the log, creating it on first use."""
    require_log(place.path)
    with locked(place.head, timeout_s, began):
        with suppress(FileNotFoundError):
            key = place.key.read_bytes()
            if len(key) >= _KEY_BYTES:
                return key
            place.key.unlink()  # its creator was killed half-way, so no record can have used it
        key = secrets.token_bytes(_KEY_BYTES)
        descriptor = os.open(place.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o600)
        try:
            write_all(descriptor, key)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return key
