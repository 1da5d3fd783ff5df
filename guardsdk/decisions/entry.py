"""One line of the log: its content, and how it is chained to the line before. Pure.

A line is a JSON object that ends with ``prev``, the hash of the line before, and ``hash``, that of everything before
it including ``prev``: SHA-256, or HMAC-SHA-256 (RFC 2104) with a key. Both have fixed positions at the end, so that a
chain can be followed without parsing JSON. The first fields have a fixed order too, for ``query``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from guardsdk.errors import DecisionLogError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from guardsdk.observing import CheckRecord
    from guardsdk.verdict import ArtifactRef

VERSION: Final = 1
START: Final = "0" * 64
"""The ``prev`` hash of the very first line of a log."""

RECORD: Final = b'{"v":%d,"seq":' % VERSION
"""The prefix of every line."""

_END = re.compile(rb',"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}\Z')
_BEGIN = re.compile(rb'\{"v":1,"seq":(\d{1,18}),"kind":"(\w+)","time":"([^"]{27})"')
_NEWER = re.compile(rb'\{"v":(?!1,)\d+,"seq":\d')
_HASH_LENGTH = len(',"hash":""}') + 64
_END_LENGTH = len(',"prev":""') + 64 + _HASH_LENGTH


@dataclass(frozen=True, slots=True)
class Entry:
    """What to write in a line."""

    kind: str
    """``open`` begins a file; ``decision``; ``alert`` is one of the monitor; ``note`` is about the log itself."""
    time: str
    """As from ``timestamp``."""
    body: Mapping[str, Any]


def note(event: str, **details: object) -> Entry:
    """Return an entry, with the current time, about an event of the log itself."""
    return Entry("note", timestamp(time.time_ns()), {"event": event, **details})


class Line(NamedTuple):
    """What the chain needs to know about a line."""

    sequence: int
    kind: str
    time: str
    previous: str
    digest: str
    hashed: bytes
    """The part of the line that is hashed."""

    def holds(self, key: bytes | None) -> bool:
        """Whether the line's hash is correct."""
        return hmac.compare_digest(self.digest, digest_of(self.hashed, key))


def timestamp(nanoseconds: int) -> str:
    """Return UTC with microseconds, 27 characters, so that strings sort by time."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    whole = datetime.fromtimestamp(seconds, UTC).isoformat()[:19]  # faster than strftime
    return f"{whole}.{rest // 1000:06d}Z"


def digest_of(data: bytes, key: bytes | None) -> str:
    """Return the hash of a line, keyed if there is a key."""
    if key is None:
        return hashlib.sha256(data).hexdigest()
    return hmac.digest(key, data, "sha256").hex()


def line_of(sequence: int, entry: Entry, previous: str, key: bytes | None) -> Line:
    """Return the line of ``entry`` that follows the line with hash ``previous``."""
    content = {"v": VERSION, "seq": sequence, "kind": entry.kind, "time": entry.time, **entry.body, "prev": previous}
    hashed = json.dumps(content, separators=(",", ":"), allow_nan=False)[:-1].encode()
    return Line(sequence, entry.kind, entry.time, previous, digest_of(hashed, key), hashed)


def encoded(line: Line) -> bytes:
    """Return the bytes of ``line`` including its line end."""
    return b'%b,"hash":"%b"}\n' % (line.hashed, line.digest.encode())


def parsed(raw: bytes) -> Line | None:
    """Return the line in ``raw`` (without its line end), or ``None`` if it is not a complete line of a log.

    Raises ``DecisionLogError`` if a later version wrote it: returning ``None`` would have it cut off at the end of a
    log.
    """
    begin, end = _BEGIN.match(raw), _END.match(raw, max(len(raw) - _END_LENGTH, 0))
    if begin is None and end is not None and _NEWER.match(raw):
        msg = "the decision log holds records of a later version of guardsdk; use that one"
        raise DecisionLogError(msg)
    if begin is None or end is None:
        return None
    return Line(
        sequence=int(begin[1]),
        kind=begin[2].decode(),
        time=begin[3].decode("ascii", "replace"),
        previous=end[1].decode(),
        digest=end[2].decode(),
        hashed=raw[:-_HASH_LENGTH],
    )


def body_of(
    record: CheckRecord, actor: str | None, trace_id: str | None, span_id: str | None, text: Mapping[str, str]
) -> dict[str, Any]:
    """Return the content of ``record``. ``actor`` is a pseudonym; ``text`` holds the fields about the text."""
    verdict = record.verdict
    return {
        "stage": verdict.stage.value,
        "action": verdict.action.value,
        "status": verdict.status.value,
        "principle": verdict.principle_id,
        "actor": actor,
        "would_action": None if verdict.would_action is None else verdict.would_action.value,
        "allowed": verdict.allowed,
        "findings": [finding.principle_id for finding in verdict.findings],
        "scores": verdict.scores,
        "thresholds": {one.principle_id: one.threshold for one in verdict.evaluations},
        "margins": {one.principle_id: one.margin for one in verdict.evaluations},
        "coverage": verdict.coverage,
        "stopped_early": verdict.stopped_early,
        "tier": verdict.tier,
        "cached": verdict.cached,
        "reasons": list(verdict.degraded_reasons),
        "layers": list(verdict.incomplete_layers),
        "error": verdict.error,
        "duration_s": verdict.duration_s,
        "length": record.text_length,
        "model": _ref(verdict.model),
        "policy": _ref(verdict.policy),
        "trace_id": trace_id,
        "span_id": span_id,
        **text,
    }


def _ref(ref: ArtifactRef | None) -> dict[str, str] | None:
    return None if ref is None else {"name": ref.name, "version": ref.version, "digest": ref.digest}
