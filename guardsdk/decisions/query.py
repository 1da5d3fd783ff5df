"""Finds decisions in a log and counts them, block by block: memory does not grow with the log."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from guardsdk.decisions.entry import parsed
from guardsdk.decisions.files import Place, at_start, last_of, opening
from guardsdk.errors import DecisionLogError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from guardsdk.decisions.files import File

FIELDS: Final = ("time", "stage", "action", "status", "principle", "actor")
"""What decisions can be found by, in the order in which every line has them."""
COUNTED: Final = ("stage", "action", "status", "principle", "actor", "day", "hour")
"""What they can be counted by."""
MOST_GROUPS: Final = 100_000
"""Groups that are counted apart; what belongs to further ones is counted together as ``(other)``."""
OTHER: Final = "(other)"

# A line's first fields come in a fixed order, and what is wanted is written into the pattern as JSON has it: most lines
# are passed over by looking at their first characters, and none is parsed to be counted.
_DECISION: Final = rb'\{"v":1,"seq":\d+,"kind":"decision"'
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
"""Bytes read at once: larger blocks fall out of the processor's caches and take twice the time."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which decisions are wanted; what is left out does not matter."""

    stage: str | None = None
    action: str | None = None
    status: str | None = None
    principle: str | None = None
    actor: str | None = None
    """The pseudonym."""
    since: str | None = None
    """The first time that counts, in UTC as lines have it, or the start of one, such as ``2026-11-25``."""
    until: str | None = None
    """The first time that does not."""


Front = tuple[str | None, ...]
"""The values of ``FIELDS`` of one decision."""


def fronts(path: Path, query: Query) -> Iterator[tuple[Front, bytes]]:
    """Yield every decision wanted, in the order written: its first fields, and the whole line.

    Lines that are no decisions or are torn are passed over; ``verify`` is for those. Raises ``DecisionLogError`` where
    there is no log, it is none or it cannot be read, and where a decision is damaged behind what it is found by: a
    table would lack it, and nobody would know.
    """
    match, places = _pattern(query, FIELDS)
    for found, end in _found(path, query, match):
        yield tuple(_value(found[place], path) for place in places), found.string[found.start() : end]


def records(path: Path, query: Query) -> Iterator[dict[str, Any]]:
    """Yield every decision wanted as it was written. Raises as ``fronts`` does."""
    match, _ = _pattern(query, ())
    for found, end in _found(path, query, match):
        yield _content(found, end, path)


def found_at(path: Path, numbers: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return the decisions of these numbers as they were written; what is none is left out. Raises as ``fronts``."""
    wanted = set(numbers)
    found: dict[int, dict[str, Any]] = {}
    for match, end in _found(path, Query(), _NUMBER) if wanted else ():
        number = int(match[1])
        if number in wanted:
            found[number] = _content(match, end, path)
    return found


def count(path: Path, query: Query, by: Sequence[str]) -> dict[tuple[str, ...], int]:
    """Count the decisions wanted by each combination of ``by``, some of ``COUNTED``; most first.

    Raises as ``fronts`` does.
    """
    match, places = _pattern(query, by)
    counts: dict[bytes | tuple[bytes, ...], int] = {}
    others = 0
    for found, _ in _found(path, query, match):
        group = found.group(*places)  # of one name its value, of several all of them
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
    """Return what matches the start of a decision that is wanted, and the groups that hold ``names`` of it."""
    # A group takes time to fill, so there are only those that are looked at.
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
    """Return what a part of a line says: a time as it stands, or a value in JSON."""
    if part[:1] not in b'"n':
        return part.decode("ascii", "replace")
    value: str | None = _json(part, path)
    return value


def _content(found: re.Match[bytes], end: int, path: Path) -> dict[str, Any]:
    """Return the decision that begins where ``found`` does and goes to ``end``."""
    content: dict[str, Any] = _json(found.string[found.start() : end], path)
    return content


def _json(written: bytes, path: Path) -> Any:  # noqa: ANN401  JSON
    try:
        return json.loads(written)
    except (ValueError, RecursionError):  # whose words may quote the line
        msg = f"{path}: a decision is not as it was written: guardsdk log verify names the first line that is not"
        raise DecisionLogError(msg) from None


def _needle(query: Query) -> bytes | None:
    """Return what stands in every line that is wanted, the rarest of it; none where there is no such thing."""
    for name in ("actor", "principle", "action", "status", "stage"):
        value = getattr(query, name)
        if value is not None:
            return b'"%b":%b' % (name.encode(), json.dumps(value).encode())
    return None


def _found(path: Path, query: Query, pattern: re.Pattern[bytes]) -> Iterator[tuple[re.Match[bytes], int]]:
    """Yield the match of every whole line that ``pattern`` matches and whose time is wanted, and where the line ends.

    Both are places in the match's own string, which is a block of lines.
    """
    since, until = (query.since or "").encode(), (query.until or "~").encode()  # every time is smaller than that
    match, always = pattern.match, query.since is None and query.until is None
    needle, time = _needle(query), pattern.groupindex.get("time", 0)
    try:
        for block in _blocks(path, query):
            # Lines without what is looked for are jumped over, which takes a fraction of looking at their fields.
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


def _blocks(path: Path, query: Query) -> Iterator[bytes]:
    """Yield the whole lines of the files that may hold what is wanted, many at a time, the oldest first.

    What is behind the last end of a line in a file was torn.
    """
    with Place(path).reading() as files:
        for file in _wanted(path, query, files):
            rest: list[bytes] = []  # joined once: a line may go over many blocks
            with at_start(file, buffering=0) as stream:
                while part := stream.read(BLOCK):
                    end = part.rfind(b"\n") + 1
                    if end:
                        yield b"".join((*rest, memoryview(part)[:end]))
                        rest.clear()
                    rest.append(part[end:])


def _wanted(path: Path, query: Query, files: Sequence[File]) -> Iterator[File]:
    begun = [opening(file) for file in files]
    if not any(begun) and all(_foreign(file) for file in files):
        msg = f"{path}: no line at its beginning is a record of a decision log"
        raise DecisionLogError(msg)
    for at, file in enumerate(files):
        # Every line of a file was written before the next was begun. Checks begin before they are written down, so
        # a file may hold earlier times than its own; later ones than the next one's only where a clock was set back.
        following = begun[at + 1] if at + 1 < len(files) else None
        early = query.since is not None and following is not None and following[1] < query.since
        last = last_of(file) if early else None
        if last is None or last.time >= str(query.since):
            yield file


def foreign(path: Path) -> bool:
    """Tell whether the files at ``path`` hold something else than a log, and not one that was changed.

    Raises ``DecisionLogError`` where there is none.
    """
    with Place(path).reading() as files:
        return all(map(_foreign, files))


def _foreign(file: File) -> bool:
    """Tell whether ``file`` holds something else: with its opening torn or changed, others of its lines still tell."""
    with at_start(file) as stream:
        first = stream.read(BLOCK)
    return bool(first) and not any(parsed(line) for line in first.splitlines())
