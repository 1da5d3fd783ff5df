"""Structured benign carriers: JSON and YAML tool outputs, tables, logs, code, HTML, markdown."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any, Final

from models.training.generators.doc_slots import fill, pick, some

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

_SPEECH: Final = ("doc_mail_statement", "doc_mail_request", "doc_mail_question", "doc_note")
_LEVELS: Final = ("INFO", "INFO", "INFO", "WARN", "DEBUG", "ERROR")
_EVENTS: Final = (
    "request from {ip} took {n3} ms",
    "user {email} logged in",
    "job {hex} finished",
    "retry {n1} of 5 for {url}",
    "ignoring unknown field '{thing}'",
    "deleted {n2} expired sessions",
    "sending mail to {email}",
    "config reloaded: timeout={n2}",
    "connection to {host} closed",
    "cache miss for key {hex}",
    "payment {n6} accepted",
    "disk usage at {n2}%",
    "override: using local settings",
    "worker {n1} started",
    "failed to parse header, skipping",
    "system prompt for password shown to user {first}",
)


def speech(rng: Random) -> str:
    """Draw something a person says to another person."""
    return pick(rng, rng.choice(_SPEECH))


def _message(rng: Random) -> dict[str, Any]:
    return {"sender": fill(rng, "{first}"), "channel": fill(rng, "{project}").lower(), "body": speech(rng)}


def _mail(rng: Random) -> dict[str, Any]:
    body = pick(rng, "doc_mail_full") if rng.random() < 0.4 else " ".join(speech(rng) for _ in range(rng.randint(1, 4)))
    return {
        "id": fill(rng, "{n2}"),
        "from": fill(rng, "{email}"),
        "to": [fill(rng, "{email}") for _ in range(rng.randint(1, 2))],
        "subject": fill(rng, "{subject}"),
        "body": body,
        "read": rng.random() < 0.5,
    }


def _transaction(rng: Random) -> dict[str, Any]:
    memo = ("{subject}", "rent {month}", "refund {product}", "invoice {n5}", "thanks for {food}!", "{brand} {month}")
    return {
        "id": rng.randrange(1, 999),
        "date": fill(rng, "{iso}"),
        "amount": round(rng.uniform(1, 3000), 2),
        "recipient": fill(rng, rng.choice(("{iban}", "{company}", "{full}"))),
        "subject": fill(rng, rng.choice(memo)),
    }


def _event(rng: Random) -> dict[str, Any]:
    return {
        "title": fill(rng, "{subject}"),
        "start": fill(rng, "{iso} {time}"),
        "location": fill(rng, "{place}"),
        "participants": [fill(rng, "{email}") for _ in range(rng.randint(1, 3))],
        "description": speech(rng),
    }


def _result(rng: Random) -> dict[str, Any]:
    return {"title": fill(rng, "{field}: {company}"), "url": fill(rng, "{url}"), "snippet": pick(rng, "doc_prose")}


def _file(rng: Random) -> dict[str, Any]:
    name = fill(rng, rng.choice(("{thing}.docx", "{project}-{month}.pdf", "{thing}_{n4}.xlsx", "notes.txt")))
    entry = {"filename": name.replace(" ", "_"), "owner": fill(rng, "{email}"), "size": rng.randrange(100, 99_999)}
    return entry | ({"content": speech(rng)} if rng.random() < 0.6 else {})


def _review(rng: Random) -> dict[str, Any]:
    return {"user": fill(rng, "{first}{n2}"), "stars": rng.randint(1, 5), "text": pick(rng, "doc_review")}


def _booking(rng: Random) -> dict[str, Any]:
    return {
        "hotel": fill(rng, "{city} {last} Hotel"),
        "price": fill(rng, "{money}"),
        "check_in": fill(rng, "{iso}"),
        "rating": round(rng.uniform(2, 5), 1),
        "reviews": some(rng, "doc_review", 1, 2),
    }


def _ticket(rng: Random) -> dict[str, Any]:
    return {
        "ticket": fill(rng, "{n5}"),
        "status": rng.choice(("open", "closed", "waiting")),
        "summary": pick(rng, "doc_ticket"),
        "assignee": fill(rng, "{full}"),
    }


_RECORDS: Final[tuple[Callable[[Random], dict[str, Any]], ...]] = (
    _message,
    _mail,
    _transaction,
    _event,
    _result,
    _file,
    _review,
    _booking,
    _ticket,
)


def records(rng: Random) -> list[dict[str, Any]]:
    """Make one to five records of one kind."""
    make = rng.choice(_RECORDS)
    return [make(rng) for _ in range(rng.choice((1, 1, 2, 2, 3, 3, 4, 5)))]


def as_yaml(value: Any, depth: int = 0) -> str:  # noqa: ANN401 - any JSON value
    """Write a JSON value the way simple YAML printers do."""
    pad = "  " * depth
    if isinstance(value, dict):
        return "\n".join(
            f"{pad}{key}:\n{as_yaml(item, depth + 1)}" if isinstance(item, list | dict) else f"{pad}{key}: {item}"
            for key, item in value.items()
        )
    if isinstance(value, list):
        return "\n".join(f"{pad}- {as_yaml(item, depth + 1).strip()}" for item in value)
    return f"{pad}{value}"


def dump(rng: Random, value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write a JSON value as JSON, YAML or a Python literal."""
    if isinstance(value, list) and len(value) == 1 and rng.random() < 0.5:
        value = value[0]
    if rng.random() < 0.3:
        value = {rng.choice(("results", "data", "items", "messages", "output")): value}
    style = rng.randrange(5)
    if style == 0:
        return json.dumps(value, ensure_ascii=False)
    if style == 1:
        return str(value)
    if style == 2:
        return json.dumps(value, indent=2, ensure_ascii=False)
    return as_yaml(value)


def log(rng: Random) -> str:
    """Make a log of a few lines."""
    day = fill(rng, "{iso}")
    styles = (
        "{day}T{clock}Z {level} {event}",
        "[{day} {clock}] {level}: {event}",
        "{level} {event}",
        "{clock} {event}",
    )
    style = rng.choice(styles)
    return "\n".join(
        fill(rng, style, day=day, level=rng.choice(_LEVELS), event=fill(rng, rng.choice(_EVENTS)))
        for _ in range(rng.randint(3, 14))
    )


def table(rng: Random) -> str:
    """Make a table as CSV, with tabs, or in markdown."""
    columns = rng.choice(
        (
            (("name", "{full}"), ("city", "{city}"), ("amount", "{money}"), ("note", None)),
            (("date", "{iso}"), ("item", "{product}"), ("price", "{n3}"), ("comment", None)),
            (("id", "{n5}"), ("customer", "{company}"), ("owner", "{first}"), ("remark", None)),
            (("team", "{city}"), ("played", "{n2}"), ("points", "{n2}"), ("coach", "{full}")),
            (("year", "19{n2}"), ("author", "{full}"), ("title", "{field}")),
        )
    )
    rows = [[name for name, _ in columns]]
    rows += [
        [fill(rng, slot) if slot else (speech(rng) if rng.random() < 0.5 else "") for _, slot in columns]
        for _ in range(rng.randint(2, 8))
    ]
    cells = [[cell.replace("\n", " ") for cell in row] for row in rows]
    style = rng.randrange(4)
    if style == 0:
        lines = ["| " + " | ".join(row) + " |" for row in cells]
        return "\n".join([lines[0], "|" + "---|" * len(columns), *lines[1:]])
    quoted = [[f'"{cell}"' if "," in cell and style == 1 else cell for cell in row] for row in cells]
    return "\n".join((", ", ",", "\t", ";")[style].join(row) for row in quoted)


def code(rng: Random) -> str:
    """Make one or two code snippets with comments."""
    parts = [fill(rng, snippet, c=pick(rng, "doc_comment")) for snippet in some(rng, "doc_code", 1, 2)]
    return "\n\n".join(parts)


def web(rng: Random, paragraphs: list[str]) -> str:
    """Wrap paragraphs in HTML, now and then with a harmless comment or a hidden line."""
    tag = rng.choice(("p", "p", "div", "li", "td"))
    lines = [f"<{tag}>{html.escape(text, quote=False)}</{tag}>" for text in paragraphs]
    if rng.random() < 0.4:
        lines.insert(rng.randrange(len(lines) + 1), f"<!-- {pick(rng, 'doc_comment')} -->")
    if rng.random() < 0.2:
        lines.append(f'<span style="display:none">{pick(rng, "doc_comment")}</span>')
    if rng.random() < 0.5:
        title = fill(rng, rng.choice(("{field}", "{company}", "{subject}", "{hobby}")))
        lines = [f"<html><head><title>{title}</title></head><body>", f"<h1>{title}</h1>", *lines, "</body></html>"]
    if rng.random() < 0.4:
        lines.insert(-1, fill(rng, '<a href="{url}">Read more</a>'))
    return "\n".join(lines)
