"""The incident file: append-only and hash-chained like the decision log, by the same code."""

from __future__ import annotations

import json
import secrets
import time
from datetime import UTC, datetime
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ValidationError

from guardsdk.decisions.entry import Entry, parsed, timestamp
from guardsdk.decisions.files import Place, raw_lines
from guardsdk.decisions.query import found_at
from guardsdk.decisions.verify import verify
from guardsdk.decisions.writer import Writer
from guardsdk.disk import located
from guardsdk.errors import DecisionLogError, InputError, first_problem
from guardsdk.incidents.clocks import utc
from guardsdk.incidents.events import Closing, DecisionLink, Note, Opening, Written, event_of, incidents_of
from guardsdk.keys import require_key
from guardsdk.policy.logging import LogRules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from guardsdk.decisions.verify import Report as ChainReport
    from guardsdk.incidents.events import Event, Incident

T = TypeVar("T", Opening, Note, Closing)

KIND: Final = "incident"
_RULES: Final = LogRules(fsync="always", max_age_s=inf, keep_days=inf)
"""Every event is forced to disk before the command returns, and nothing is ever removed."""


class IncidentLog:
    """Incidents in one file. Nothing in it is ever changed: errors are corrected by a further note."""

    def __init__(self, path: str | Path, *, key: bytes | None = None) -> None:
        """Write to ``path``; no file is touched before the first event. ``key`` is that of the hashes, if any.

        Raises ``InputTypeError`` if ``key`` is not bytes, ``InputError`` if it is empty.
        """
        if key is not None:
            require_key(key, "key")
        self.path = located(path).resolve()
        self._key = key
        self._writer = Writer(Place(self.path), _RULES, key)

    def open(self, **fields: Any) -> Incident:
        """Write a new incident with the ``fields`` of ``Opening``, except its id and ``reported``; return it.

        Raises ``InputError`` that names the field, and ``DecisionLogError`` or ``OSError`` if it cannot be written.
        """
        now = datetime.now(UTC)
        identifier = f"INC-{now:%Y%m%d}-{secrets.token_hex(3)}"
        opening = _valid(Opening, {"reported": now, "aware": now, **fields, "incident": identifier})
        if opening.occurred > opening.aware or opening.aware > now:
            msg = "an incident occurs before anybody is aware of it, and that was in the past: occurred <= aware <= now"
            raise InputError(msg)
        return self._write(opening)

    def note(self, incident: str, **fields: Any) -> Incident:
        """Add to ``incident``, open or closed. Raises as ``open``, and ``InputError`` if it does not exist."""
        found = self.incident(incident)
        note = _valid(Note, {**fields, "incident": incident})
        if note.report is not None and note.report.at > datetime.now(UTC):
            msg = "a report is noted once it was made, not before"
            raise InputError(msg)
        if note.report is not None and note.report.at < found.opening.occurred:
            msg = f"a report is made once the incident occurred, {utc(found.opening.occurred)}, not before"
            raise InputError(msg)
        if note.withdraws is not None and note.withdraws not in found.reports_by_record:
            told = ", ".join(map(str, found.reports_by_record)) or "none"
            msg = f"record {note.withdraws} holds no report of {incident} to withdraw; those that do: {told}"
            raise InputError(msg)
        return self._write(note)

    def close(self, incident: str, **fields: Any) -> Incident:
        """Close ``incident``. Raises as ``note``, and ``InputError`` if it is already closed."""
        if self.incident(incident).closed is not None:
            msg = f"{incident} is closed already; a note can still be added"
            raise InputError(msg)
        return self._write(_valid(Closing, {**fields, "incident": incident}))

    def incident(self, identifier: str) -> Incident:
        """Return one incident. Raises ``InputError`` if there is none with that id, and as ``incidents``."""
        found = self.incidents() if self.path.exists() else {}
        if identifier not in found:
            msg = f"there is no incident {identifier!r} in {self.path.name}"
            raise InputError(msg)
        return found[identifier]

    def incidents(self) -> dict[str, Incident]:
        """Return every incident by its id, the oldest first.

        Raises ``DecisionLogError`` if the file does not exist, or a line is invalid.
        """
        found, problems = self.readable()
        if problems:
            msg = f"{self.path}: {problems[0]}"
            raise DecisionLogError(msg)
        return found

    def readable(self) -> tuple[dict[str, Incident], list[str]]:
        """Return the readable incidents, as ``incidents`` does, and what is wrong with each unreadable line.

        Raises ``DecisionLogError`` if the file does not exist.
        """
        problems: list[str] = []
        return incidents_of(self._events(problems), problems), problems

    def verify(self) -> ChainReport:
        """Verify the chain. Raises ``DecisionLogError`` if the file does not exist."""
        return verify(self.path, key=self._key)

    def _events(self, problems: list[str]) -> Iterator[Written]:
        before = 0
        with Place(self.path).reading() as files:
            for raw in chain.from_iterable(map(raw_lines, files)):
                if not raw.endswith(b"\n"):
                    continue  # torn by an interrupted writer, and cut off by the next
                line = parsed(raw[:-1])
                before = before + 1 if line is None else line.sequence
                if line is None:
                    problems.append(f"record {before} is not what was written, nobody knows of which incident")
                elif line.kind == KIND:
                    try:
                        event = event_of(json.loads(raw))
                        found = {"seq": line.sequence, "hash": line.digest, "time": line.time, "event": event}
                        yield Written.model_validate(found)
                    except (ValueError, RecursionError):  # the error's own message may quote the line
                        problems.append(f"record {before} holds no event that can be read")

    def _write(self, event: Event) -> Incident:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._writer.append([Entry(KIND, timestamp(time.time_ns()), event.model_dump(mode="json"))])
        except OSError as error:
            if error.filename or isinstance(error, DecisionLogError):
                raise
            raise OSError(error.errno, error.strerror, str(self.path)) from None
        return self.readable()[0][event.incident]  # it was written, whatever happened to other lines


def links(path: Path, numbers: Iterable[int]) -> tuple[DecisionLink, ...]:
    """Return references to the records with these numbers in the decision log at ``path``.

    Raises ``InputError`` if a number is not a decision there, and ``DecisionLogError`` if there is no log.
    """
    wanted = list(dict.fromkeys(numbers))
    found = found_at(path, wanted)
    if missing := [number for number in wanted if number not in found]:
        msg = f"{path}: record {missing[0]} is no decision of that log"
        raise InputError(msg)
    return tuple(
        DecisionLink(
            log=path.name,
            seq=number,
            hash=found[number]["hash"],
            **{name: found[number][name] for name in ("time", "stage", "action", "principle")},
        )
        for number in wanted
    )


def _valid(kind: type[T], fields: dict[str, Any]) -> T:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise InputError(first_problem(error)) from None
