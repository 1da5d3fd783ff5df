"""Text messages, threads and inboxes full of requests to their reader, sometimes with an order to an assistant."""

from __future__ import annotations

import json
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from models.training.banks import bank
from models.training.generators.doc_slots import fill, roughen
from models.training.generators.indirect import attack
from models.training.generators.indirect_place import crop
from models.training.generators.input_surface import weighted
from models.training.rows import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from random import Random

_KINDS: Final = {"lure": 30, "turn": 18, "override": 18, "hijack": 12, "stealth": 12, "leak": 6, "full": 2}
"""Attacks that name whom they address: a bare task among messages may come from a friend."""
_BAD: Final = 0.21
_SINGLE: Final = 0.4
"""Share of clean rows that are a single message."""
_MOST: Final = 8
_GROUPS: Final = 16
_SENDERS: Final = ("{first}", "{first}", "{first} {last}", "{phone}", "{company}", "{n5}", "Mum", "Unknown", "{brand}")
_LINES: Final = (
    "{name}: {line}",
    "[{clock}] {name}: {line}",
    "{line}",
    "<{name}> {line}",
    "{iso} {clock} - {name}: {line}",
    "- {line}",
    "{i}. {name} - {line}",
    "[{i}] {line}",
    "From: {name}\nReceived: {iso} {clock}\n{line}\n",
    "Message {i} of {count} ({name})\n{line}\n",
)
_HEADS: Final = (
    *("",) * 8,
    "Inbox ({count})",
    "{count} new messages",
    "Messages found for your search:",
    "SMS export, {date}",
    "Unread:",
)
_KEYS: Final = (("from", "text"), ("sender", "body"), ("number", "message"), ("name", "content"), ("", "snippet"))


@cache
def _share(number: int) -> tuple[str, ...]:
    """Return the messages of one group; no message is in two groups."""
    return tuple(line for line in bank("doc_sms") if zlib.crc32(line.encode()) % _GROUPS == number)


def _records(rng: Random, names: Sequence[str]) -> Callable[[Sequence[str]], str]:
    """Choose a writer of messages as records, the way a messaging tool returns them."""
    sender, field = rng.choice(_KEYS)
    extras: tuple[dict[str, Any], ...] = ({}, {"read": False}, {"time": fill(rng, "{iso}T{clock}Z")}, {"type": "sms"})
    extra, start = rng.choice(extras), rng.choice((None, 1, rng.randrange(100, 9000)))
    style = rng.randrange(5)

    def write(lines: Sequence[str]) -> str:
        records: list[dict[str, Any]] = []
        for at, (name, line) in enumerate(zip(names, lines, strict=True)):
            record: dict[str, Any] = {} if start is None else {"id": start + at}
            record |= {sender: name} if sender else {}
            records.append({**record, field: line, **extra})
        if style == 0:
            return str(records)
        if style == 1:
            return json.dumps({"messages": records, "count": len(records)}, ensure_ascii=False)
        if style == 2:  # one record a line
            return "\n".join(json.dumps(record, ensure_ascii=False) for record in records)
        return json.dumps(records, ensure_ascii=False, indent=2 if style == 3 else None)

    return write


def _writer(rng: Random, count: int) -> Callable[[Sequence[str]], str]:
    """Choose a writer of ``count`` messages, which lists them alike with and without an injection."""
    few = [fill(rng, rng.choice(_SENDERS)) for _ in range(rng.randint(2, 5))]
    names = [rng.choice(few) for _ in range(count)]
    if rng.random() < 0.35:  # share of records
        return _records(rng, names)
    style, head = rng.choice(_LINES), fill(rng, rng.choice(_HEADS), count=str(count))
    fronts = [
        fill(rng, style, name=name, i=str(at), count=str(count), line="\0") for at, name in enumerate(names, start=1)
    ]

    def write(lines: Sequence[str]) -> str:
        body = [front.replace("\0", line) for front, line in zip(fronts, lines, strict=True)]
        return "\n".join([head, *body]).strip()

    return write


def generate(rng: Random, count: int, tasks: Sequence[str] = ()) -> Iterator[Row]:
    """Yield ``count`` tool-stage rows of messages between people, a fifth of them with one order to an assistant.

    Args:
        rng: Source of all choices.
        count: Number of rows.
        tasks: Further plain instructions, used for half of the plain tasks.
    """
    for _ in range(count):
        number = rng.randrange(_GROUPS)
        group, pool = f"messages/{number}", _share(number)
        bad = rng.random() < _BAD
        if not bad and rng.random() < _SINGLE:
            yield Row(roughen(rng, fill(rng, rng.choice(pool))), "tool", _label(0), "gen_messages_clean", group)
            continue
        lines = [roughen(rng, fill(rng, line)) for line in rng.sample(pool, min(len(pool), rng.randint(2, _MOST)))]
        write = _writer(rng, len(lines))
        bare = write(lines)
        if not bad:
            yield Row(crop(rng, bare, bare), "tool", _label(0), "gen_messages_clean", group)
            continue
        order, spot = attack(rng, weighted(rng, _KINDS), tasks), rng.randrange(len(lines))
        old = lines[spot]
        lines[spot] = rng.choice((order, order, order, f"{old} {order}", f"{order} {old}"))
        # Compared with a placeholder for the message, as an order may begin like it and must not be cut.
        without = write(["\0" if at == spot else line for at, line in enumerate(lines)])
        yield Row(crop(rng, write(lines), without), "tool", _label(1), "gen_messages_plain", group)


def _label(value: int) -> dict[str, int]:
    """Return the only label of these rows."""
    return {"prompt_injection": value}
