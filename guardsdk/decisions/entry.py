"""One line of the log: what it says of a decision, and how it is chained to the line before. Pure.

A line is a JSON object that ends with ``prev``, the hash of the line before, and ``hash``, that of everything in front
of it, ``prev`` included: SHA-256, or HMAC-SHA-256 (RFC 2104) where there is a key. Both sit at fixed places at the end,
so a chain is followed without parsing JSON. The first fields come in a fixed order too, for ``query`` to find.
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
"""What the very first line of a log has for the hash of the line before."""

RECORD: Final = b'{"v":%d,"seq":' % VERSION
"""What every line begins with."""

_END = re.compile(rb',"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}\Z')
_BEGIN = re.compile(rb'\{"v":1,"seq":(\d{1,18}),"kind":"(\w+)","time":"([^"]{27})"')
_NEWER = re.compile(rb'\{"v":(?!1,)\d+,"seq":\d')
_HASH_LENGTH = len(',"hash":""}') + 64
_END_LENGTH = len(',"prev":""') + 64 + _HASH_LENGTH


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be written in a line."""

    kind: str
    """``open`` begins a file, ``decision`` is one, ``alert`` one of the monitor, ``note`` what happened to the log."""
    time: str
    """As ``timestamp`` writes it."""
    body: Mapping[str, Any]


def note(event: str, **details: object) -> Entry:
    """Return the entry that says now what happened to the log."""
    return Entry("note", timestamp(time.time_ns()), {"event": event, **details})


class Line(NamedTuple):
    """What a chain needs to know of one line."""

    sequence: int
    kind: str
    time: str
    previous: str
    digest: str
    hashed: bytes
    """The part of the line that ``digest`` is of."""

    def holds(self, key: bytes | None) -> bool:
        """Whether the hash is that of the line."""
        return hmac.compare_digest(self.digest, digest_of(self.hashed, key))


def timestamp(nanoseconds: int) -> str:
    """Return UTC with microseconds, 27 characters; later times are greater strings."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    whole = datetime.fromtimestamp(seconds, UTC).isoformat()[:19]  # sooner than by a format
    return f"{whole}.{rest // 1000:06d}Z"


def digest_of(data: bytes, key: bytes | None) -> str:
    """Return the hash of a line, keyed where there is a key."""
    if key is None:
        return hashlib.sha256(data).hexdigest()
    return hmac.digest(key, data, "sha256").hex()


def line_of(sequence: int, entry: Entry, previous: str, key: bytes | None) -> Line:
    """Return the line of ``entry`` that follows the one whose hash is ``previous``."""
    content = {"v": VERSION, "seq": sequence, "kind": entry.kind, "time": entry.time, **entry.body, "prev": previous}
    hashed = json.dumps(content, separators=(",", ":"), allow_nan=False)[:-1].encode()
    return Line(sequence, entry.kind, entry.time, previous, digest_of(hashed, key), hashed)


def encoded(line: Line) -> bytes:
    """Return the bytes of ``line``, its end included."""
    return b'%b,"hash":"%b"}\n' % (line.hashed, line.digest.encode())


def parsed(raw: bytes) -> Line | None:
    """Return the line in ``raw`` (without its end), or none where it is not one of ours or not whole.

    Raises ``DecisionLogError`` where a later version wrote it: what is none of ours is cut off at the end of a log.
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
    """Return what is written of ``record``. ``actor`` is a pseudonym; ``text`` is what may be said of the text."""
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
