"""Finds and counts decisions in a log, block by block: memory does not grow with the log."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from guardsdk.decisions.entry import parsed
from guardsdk.decisions.files import Place, at_start, opening
from guardsdk.errors import DecisionLogError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from guardsdk.decisions.files import File

FIELDS: Final = ("time", "stage", "action", "status", "principle", "actor")
"""Fields that decisions can be filtered by, in the order of every line."""
COUNTED: Final = ("stage", "action", "status", "principle", "actor", "day", "hour")
"""Fields that they can be counted by."""
MOST_GROUPS: Final = 100_000
"""The most groups counted separately; the rest are counted together as ``(other)``."""
OTHER: Final = "(other)"

# The first fields of a line have a fixed order, and the query is put into the pattern as JSON. Most lines are skipped
# after their first characters, and none is parsed to be counted.
_DECISION: Final = rb'\{"v":1,"seq":\d+,"kind":"decision"'
_TIME: Final = b'"kind":"decision","time":"'
"""What stands before the time of a decision, and nowhere in a text: quotes in there are escaped."""
_TIME_LENGTH: Final = 27
_STRING: Final = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_WORD: Final = rb'"\w+"'
_SHAPES: Final[Mapping[str, bytes]] = {
    "stage": _WORD,
    "action": _WORD,
    "status": _WORD,
    "principle": rb"(?:null|%b)" % _STRING,
    "actor": rb"(?:null|%b)" % _STRING,
}
_NUMBER: Final = re.compile(_DECISION.replace(rb"\d+", rb"(\d+)"))
BLOCK: Final = 1 << 16
"""Bytes read at once: larger blocks exceed the CPU caches and take twice the time."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which decisions to find; fields left out match anything."""

    stage: str | None = None
    action: str | None = None
    status: str | None = None
    principle: str | None = None
    actor: str | None = None
    """The pseudonym."""
    since: str | None = None
    """Earliest time, inclusive, in UTC as in the lines, or a prefix of one, such as ``2026-11-25``."""
    until: str | None = None
    """Latest time, exclusive."""


Front = tuple[str | None, ...]
"""The values of ``FIELDS`` of one decision."""


def fronts(path: Path, query: Query) -> Iterator[tuple[Front, bytes]]:
    """Yield every matching decision in the order written: its first fields, and the whole line.

    Lines that are torn or are no decisions are skipped; ``verify`` finds those. Raises ``DecisionLogError`` if there is
    no log, it is not a log or cannot be read, and if a matching decision is damaged after its first fields: it would
    silently be missing from a table.
    """
    match, places = _pattern(query, FIELDS)
    for found, end in _found(path, query, match):
        yield tuple(_value(found[place], path) for place in places), found.string[found.start() : end]


def records(path: Path, query: Query) -> Iterator[dict[str, Any]]:
    """Yield every matching decision as it was written. Raises as ``fronts`` does."""
    match, _ = _pattern(query, ())
    for found, end in _found(path, query, match):
        yield _content(found, end, path)


def found_at(path: Path, numbers: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return the decisions with these numbers as they were written, without other lines. Raises as ``fronts`` does."""
    wanted = set(numbers)
    found: dict[int, dict[str, Any]] = {}
    for match, end in _found(path, Query(), _NUMBER) if wanted else ():
        number = int(match[1])
        if number in wanted:
            found[number] = _content(match, end, path)
    return found


def count(path: Path, query: Query, by: Sequence[str]) -> dict[tuple[str, ...], int]:
    """Count the matching decisions by each combination of the fields ``by``, from ``COUNTED``; most frequent first.

    Raises as ``fronts`` does.
    """
    match, places = _pattern(query, by)
    counts: dict[bytes | tuple[bytes, ...], int] = {}
    others = 0
    for found, _ in _found(path, query, match):
        group = found.group(*places)  # a value for one name, a tuple for several
        if group in counts:
            counts[group] += 1
        elif len(counts) < MOST_GROUPS:
            counts[group] = 1
        else:
            others += 1
    parts = {(group,) if isinstance(group, bytes) else group: number for group, number in counts.items()}
    named = {tuple([_value(part, path) or "-" for part in group]): number for group, number in parts.items()}
    if others:
        named[(OTHER,) * len(by)] = others
    return dict(sorted(named.items(), key=lambda item: (-item[1], item[0])))


def _pattern(query: Query, names: Sequence[str]) -> tuple[re.Pattern[bytes], list[int]]:
    """Return a pattern for the start of a matching decision, and its groups that hold ``names``."""
    # Capturing a group takes time, so only those in use are captured.
    within = query.since is not None or query.until is not None
    time = rb'[^"]{10}'
    for name, more in (("day", rb'[^"]{3}'), ("hour", rb'[^"]*'), ("time", b"")):
        wanted = name in names or (name == "time" and within)
        time = (b"(?P<%b>%b)" % (name.encode(), time) if wanted else time) + more
    parts = [_DECISION, b',"time":"%b"' % time]
    for name, shape in _SHAPES.items():
        exact = shape if getattr(query, name) is None else re.escape(json.dumps(getattr(query, name)).encode())
        parts.append(b',"%b":' % name.encode() + (b"(?P<%b>%b)" % (name.encode(), exact) if name in names else exact))
    pattern = re.compile(b"".join(parts), re.DOTALL)
    return pattern, [pattern.groupindex[name] for name in names]


def _value(part: bytes, path: Path) -> str | None:
    """Return the value of a part of a line: a time as it is, anything else parsed as JSON."""
    if part[:1] not in b'"n':
        return part.decode("ascii", "replace")
    value: str | None = _json(part, path)
    return value


def _content(found: re.Match[bytes], end: int, path: Path) -> dict[str, Any]:
    """Return the decision that begins where ``found`` does and ends at ``end``."""
    content: dict[str, Any] = _json(found.string[found.start() : end], path)
    return content


def _json(written: bytes, path: Path) -> Any:  # noqa: ANN401  JSON
    try:
        return json.loads(written)
    except (ValueError, RecursionError):  # the error's own message may quote the line
        msg = f"{path}: a decision is not as it was written: guardsdk log verify names the first line that is not"
        raise DecisionLogError(msg) from None


def _needle(query: Query) -> bytes | None:
    """Return the rarest string that every matching line contains; ``None`` if there is none."""
    for name in ("actor", "principle", "action", "status", "stage"):
        value = getattr(query, name)
        if value is not None:
            return b'"%b":%b' % (name.encode(), json.dumps(value).encode())
    return None


def _found(path: Path, query: Query, pattern: re.Pattern[bytes]) -> Iterator[tuple[re.Match[bytes], int]]:
    """Yield the match of every complete line that fits ``pattern`` and the time range, and where the line ends.

    Both are offsets in the match's own string, which is a block of lines.
    """
    since, until = (query.since or "").encode(), (query.until or "~").encode()  # sorts after every time
    match, always = pattern.match, query.since is None and query.until is None
    needle, time = _needle(query), pattern.groupindex.get("time", 0)
    try:
        for block in _blocks(path):
            if not (always or _within(block, since, until)):
                continue
            # Skipping lines without the needle takes a fraction of the time of matching their fields.
            at, find = 0, block.find
            while at < len(block):
                if needle is not None:
                    hit = find(needle, at)
                    if hit < 0:
                        break
                    at = max(at, block.rfind(b"\n", at, hit) + 1)
                end = find(b"\n", at) + 1
                found = match(block, at, end)
                if found is not None and (always or since <= found[time] < until):
                    yield found, end
                at = end
    except DecisionLogError:
        raise
    except OSError as error:
        msg = f"{error.filename}: {error.strerror}"
        raise DecisionLogError(msg) from None


def _within(block: bytes, since: bytes, until: bytes) -> bool:
    """Return whether any decision in ``block`` is of the time range.

    Every block is looked at, which takes a fraction of the time of matching its lines: the times of its first and last
    lines say nothing about those between, as a clock may have been set forward and back.
    """
    return any(since <= part[:_TIME_LENGTH] < until for part in block.split(_TIME)[1:])


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield the files as blocks of complete lines, the oldest first.

    Anything after the last line end of a file is torn.
    """
    with Place(path).reading() as files:
        _require_log(path, files)
        for file in files:
            rest: list[bytes] = []  # joined once, as a line may span many blocks
            with at_start(file, buffering=0) as stream:
                while part := stream.read(BLOCK):
                    end = part.rfind(b"\n") + 1
                    if end:
                        yield b"".join((*rest, memoryview(part)[:end]))
                        rest.clear()
                    rest.append(part[end:])


def _require_log(path: Path, files: Sequence[File]) -> None:
    if not any(map(opening, files)) and all(map(_foreign, files)):
        msg = f"{path}: no line at its beginning is a record of a decision log"
        raise DecisionLogError(msg)


def foreign(path: Path) -> bool:
    """Return whether the files at ``path`` are something other than a log, rather than a log that was altered.

    Raises ``DecisionLogError`` if there are none.
    """
    with Place(path).reading() as files:
        return all(map(_foreign, files))


def _foreign(file: File) -> bool:
    """Return whether ``file`` is not a log: even if its opening is torn or altered, its other lines identify one."""
    with at_start(file) as stream:
        first = stream.read(BLOCK)
    return bool(first) and not any(parsed(line) for line in first.splitlines())
