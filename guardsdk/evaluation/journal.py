"""The journal of a run: results as they arrive, one per line, so that a run killed at any moment can be resumed.

A line that was being written when the process died has no line end. It is cut off when the run resumes, and its case is
asked again. What a process wrote survives the process; after a power cut the last lines may be lost, and are asked
again.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from pydantic import ValidationError

from guardsdk.decisions.locking import locked
from guardsdk.errors import DecisionLogError, EvaluationError
from guardsdk.evaluation.record import FORMAT, CaseResult, RunHead, dumped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from guardsdk.evaluation.cases import Case
    from guardsdk.evaluation.suites import Suite

_WAIT_S = 0.2
_OPENING = b'{"format":"%b"' % FORMAT.encode()
"""The beginning of a journal, even if that is all it has."""
_IN_PASSING = {"created", "finished", "settings"}
"""What may differ between two attempts at the same run: when it was made, and how fast it asked."""


class Journal:
    """One open journal. Not thread-safe."""

    def __init__(self, stream: IO[bytes], path: Path, head: RunHead) -> None:
        """Resume the journal in ``stream``, or start it with ``head``.

        Raises ``EvaluationError`` as ``opened`` does.
        """
        self._stream = stream
        self._path = path
        self._places: dict[int, int] = {}
        self.head = head
        first = stream.readline()
        if not first.endswith(b"\n"):  # new, or killed before the first line
            # Zeros are from a power cut. Anything else is somebody's file, which must not be overwritten.
            if first.strip(b"\0") and not (first.startswith(_OPENING) or _OPENING.startswith(first)):
                raise self._other()
            stream.seek(0)
            stream.truncate()
            self._append(head.model_dump_json().encode())
        else:
            self.head = self._same(first, head)
            self._repair()

    def __contains__(self, case: Case) -> bool:
        """Whether ``case`` is done."""
        return _key(case.id) in self._places

    def __len__(self) -> int:
        """Return the number of cases done."""
        return len(self._places)

    def add(self, result: CaseResult) -> None:
        """Append ``result`` and flush it to the operating system."""
        self._places[_key(result.id)] = self._append(dumped(result).encode())

    def results(self, suite: Suite) -> Iterator[CaseResult]:
        """Yield the results in the order of the cases of ``suite``, whatever order they were written in.

        Raises ``EvaluationError`` if the suite is no longer the one the run began with.
        """
        for case in suite.read_again(self.head.suite):
            place = self._places.get(_key(case.id))
            if place is None:
                raise suite.changed()
            self._stream.seek(place)
            yield CaseResult.model_validate_json(self._stream.readline())

    def _append(self, line: bytes) -> int:
        try:
            place = self._stream.seek(0, 2)
            self._stream.write(line + b"\n")
            self._stream.flush()
        except OSError as error:  # the error of a full disk names no file
            raise OSError(error.errno, error.strerror, str(self._path)) from None
        return place

    def _same(self, line: bytes, head: RunHead) -> RunHead:
        try:
            before = RunHead.model_validate_json(line)
        except ValidationError:
            raise self._other() from None
        if changed := differences(before, head):
            msg = (
                f"{self._path}: the run it belongs to had another {', '.join(changed)}. Go on with the same options, "
                "or move it away to begin anew"
            )
            raise EvaluationError(msg)
        return before

    def _other(self) -> EvaluationError:
        return EvaluationError(f"{self._path}: not the journal of a run of this version; move it away to begin anew")

    def _repair(self) -> None:
        place = self._stream.tell()
        for number, line in enumerate(self._stream, start=2):
            if not line.endswith(b"\n"):
                self._stream.truncate(place)
                return
            try:
                self._places[_key(CaseResult.model_validate_json(line).id)] = place
            except ValidationError:
                msg = f"{self._path}:{number}: not a result; the file was changed by something else"
                raise EvaluationError(msg) from None
            place += len(line)


def differences(before: RunHead, now: RunHead) -> list[str]:
    """Return the sorted keys in which the heads differ; empty if they belong to the same run."""
    old, new = (one.model_dump(exclude=_IN_PASSING) for one in (before, now))
    return sorted(key for key in new if old[key] != new[key])


@contextmanager
def opened(path: Path, head: RunHead) -> Iterator[Journal]:
    """Open the journal at ``path`` and lock it against other processes.

    Raises ``EvaluationError`` if another run writes to it, if it is of a run with other options or damaged before its
    last line, and ``OSError`` if it cannot be opened.
    """
    try:
        with locked(path.resolve(), _WAIT_S) as descriptor:
            stream = open(descriptor, "r+b", closefd=False)  # noqa: SIM115  closed below
            try:
                yield Journal(stream, path, head)
            finally:
                with suppress(OSError):  # anything left could not be written before either, which was reported then
                    stream.close()
    except DecisionLogError:
        msg = f"{path}: another process is at this run: wait for it, or give another --out"
        raise EvaluationError(msg) from None


def _key(identifier: str) -> int:
    """Return eight bytes of a digest in place of an id of any length, to limit memory."""
    return int.from_bytes(hashlib.blake2b(identifier.encode(), digest_size=8).digest(), "big")
