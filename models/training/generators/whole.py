"""Mails, chats and pages, mostly from banks of whole texts, with an injection somewhere in them or clean."""

from __future__ import annotations

import html
import json
import textwrap
import zlib
from typing import TYPE_CHECKING, Final

from models.training.banks import bank, passages
from models.training.generators.doc_slots import fill, pick, roughen
from models.training.generators.documents import Document, mail, thread
from models.training.generators.indirect import attack
from models.training.generators.indirect_place import crop, in_text
from models.training.generators.input_surface import weighted
from models.training.rows import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from random import Random

_IN_MAILS: Final = {
    "plain": 24,
    "lure": 24,
    "turn": 14,
    "hijack": 10,
    "override": 12,
    "stealth": 8,
    "leak": 5,
    "extract": 1,
    "full": 2,
}
"""Attacks for texts full of requests among people: most of them name whom they address."""
_IN_PAGES: Final = {
    "plain": 34,
    "lure": 18,
    "turn": 12,
    "hijack": 9,
    "action": 6,
    "override": 8,
    "stealth": 5,
    "leak": 5,
    "extract": 2,
    "full": 1,
}
_SPOTS: Final = (2, 3, 4, 4)
"""Weights of the start, the end, the lines and the sentences of a text as the place of an injection."""
_BAD_MAILS: Final = 0.42
_BAD_PAGES: Final = 0.5
_BAD_LONG: Final = 0.35
_PAGES: Final = ("doc_tool_clean", "doc_web_clean", "doc_web_clean")
"""Banks of whole pages: what tools return, and what is scraped from the web."""
_LONG: Final = ("long_readme", "long_ticket", "long_office", "long_web", "long_code", "long_record")
"""Banks of documents of some thousand characters that tell their human reader what to do, over and over."""
_NAMES: Final = ("{first}", "{first} {last}", "me", "{phone}")
_CHAT_STYLES: Final = (
    "{name}: {line}",
    "[{clock}] {name}: {line}",
    "{line}",
    "<{name}> {line}",
    "{iso} {clock} - {line}",
)


def _chat(rng: Random) -> str:
    """Put short messages of a few people into one log."""
    style = rng.choice(_CHAT_STYLES)
    names = [fill(rng, rng.choice(_NAMES)) for _ in range(rng.randint(1, 4))]
    lines = rng.sample(bank("doc_chat_real"), rng.choice((1, 2, 3, 5, 8, 14)))
    return "\n".join(fill(rng, style, name=rng.choice(names), line=fill(rng, line)) for line in lines)


def _letter(rng: Random) -> Document:
    """Draw a mail, a thread of mails or a chat."""
    draw = rng.random()
    if draw < 0.12:  # share of chats
        return Document(roughen(rng, _chat(rng)), "chat")
    count = 1 if draw < 0.5 else rng.choice((2, 2, 3, 4, 5))  # share of single mails
    parts = [_whole(rng, "doc_mail_real") if rng.random() < 0.8 else mail(rng) for _ in range(count)]
    return Document(roughen(rng, thread(rng, parts)), "mail")


def _whole(rng: Random, name: str) -> str:
    """Draw a whole text from the bank ``name`` and fill its slots."""
    return fill(rng, rng.choice(passages(name)))


def _kind(text: str) -> str:
    """Guess the kind of ``text``, by which wrappings for a payload are chosen."""
    marks = {
        "html": ("<html", "<p>", "</"),
        "code": ("def ", "//", "#!/", "$ ", "--", "services:", "prompt: |"),
        "table": ("|---", "\n|", ";", "item,qty"),
        "log": ("WARN", "ERROR", "BEGIN:", '{"'),
        "markdown": ("## ", "    ", "\n- "),
        "steps": ("1. ", "Tip:"),
    }
    return next((kind for kind, signs in marks.items() if any(sign in text for sign in signs)), "prose")


def _page(rng: Random) -> Document:
    """Draw one page, or a few under each other as a search or a file reader returns them."""
    name = rng.choice(_PAGES)
    text = _whole(rng, name)
    kind = _kind(text)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 3))):
        text += rng.choice(("\n\n", "\n\n---\n\n", "\n\n[2] ", "\n")) + _whole(rng, name)
    return Document(text if kind in {"html", "code", "table", "log"} else roughen(rng, text), kind)


def _manual(rng: Random) -> Document:
    """Draw one long document. Nothing in it is a slot: braces belong to the code that it shows."""
    text = rng.choice(passages(rng.choice(_LONG)))
    return Document(text, _kind(text))


def _wrapped(text: str, width: int) -> str:
    """Break long lines at ``width`` columns, as old mail programs did."""
    return "\n".join(textwrap.fill(line, width) if len(line) > width else line for line in text.split("\n"))


def _as_html(text: str) -> str:
    """Write a text as paragraphs of a web mail."""
    parts = [html.escape(part, quote=False).replace("\n", "<br>\n") for part in text.split("\n\n")]
    return "<div>\n" + "\n".join(f"<p>{part}</p>" for part in parts) + "\n</div>"


def _dress(rng: Random, kind: str) -> Callable[[str], str]:
    """Choose how the finished text is laid out; the choice is the same with and without an injection."""
    if kind not in {"mail", "chat", "prose", "steps"}:
        draw = rng.random()
        return _boxed(rng) if draw < 0.12 else str  # share of records
    width = rng.choice((60, 72, 72, 76))
    return rng.choices(
        (
            str,
            lambda text: _wrapped(text, width),
            lambda text: "\n".join("> " + line for line in _wrapped(text, width).split("\n")),
            lambda text: " ".join(text.split()),
            lambda text: text.replace("\n", "\r\n"),
            _as_html,
            _boxed(rng),
        ),
        (40, 18, 5, 10, 3, 8, 16),
    )[0]


def _boxed(rng: Random) -> Callable[[str], str]:
    """Choose a record of a tool in which the text is one field."""
    field = rng.choice(("body", "content", "text", "snippet", "description", "message"))
    head = {"from": fill(rng, "{email}"), "subject": fill(rng, "{subject}")} if rng.random() < 0.6 else {}
    tails: tuple[dict[str, object], ...] = ({}, {"read": False}, {"id": fill(rng, "{n5}")}, {"attachments": []})
    tail = rng.choice(tails)
    style = rng.randrange(4)

    def box(text: str) -> str:
        record = {**head, field: text, **tail}
        if style == 0:
            return str(record)
        if style == 1:
            return "\n".join(f"{key}: {value}" for key, value in record.items())
        return json.dumps([record] if style == 2 else record, ensure_ascii=False)

    return box


def _decoy(rng: Random) -> str:
    """Draw a harmless line for the place of an injection."""
    names = ("doc_twin", "doc_twin", "doc_twin", "doc_mail_request", "doc_chat_real")
    return roughen(rng, pick(rng, rng.choice(names)))


def _rows(  # noqa: PLR0917 - the two generators differ in all of these
    rng: Random,
    count: int,
    name: str,
    draw: Callable[[Random], Document],
    kinds: dict[str, int],
    bad: float,
    tasks: Sequence[str],
) -> Iterator[Row]:
    """Yield ``count`` rows of one generator, a share of ``bad`` with an injection."""
    for _ in range(count):
        carrier = draw(rng)
        group = f"{name}/{zlib.crc32(carrier.text[:60].lower().encode()) % 64}"
        place, dress = in_text(rng, carrier, _SPOTS), _dress(rng, carrier.kind)
        bare = dress(place(None))
        if rng.random() < bad:
            kind = weighted(rng, kinds)
            text = crop(rng, dress(place(attack(rng, kind, tasks))), bare)
            yield Row(text, "tool", {"prompt_injection": 1}, f"gen_{name}_{kind}", group)
        else:
            calm = dress(place(_decoy(rng))) if rng.random() < 0.35 else bare  # share of decoys
            text = calm if rng.random() < 0.3 else crop(rng, calm, bare)  # share of uncut texts
            yield Row(text, "tool", {"prompt_injection": 0}, f"gen_{name}_clean", group)


def generate_mails(rng: Random, count: int, tasks: Sequence[str] = ()) -> Iterator[Row]:
    """Yield ``count`` tool-stage rows of mails, threads and chats, somewhat more of them clean than not.

    Args:
        rng: Source of all choices.
        count: Number of rows.
        tasks: Further plain instructions, used for half of the plain tasks.
    """
    yield from _rows(rng, count, "mails", _letter, _IN_MAILS, _BAD_MAILS, tasks)


def generate_pages(rng: Random, count: int, tasks: Sequence[str] = ()) -> Iterator[Row]:
    """Yield ``count`` tool-stage rows of pages, files, records and logs, half of them clean.

    Args:
        rng: Source of all choices.
        count: Number of rows.
        tasks: Further plain instructions, used for half of the plain tasks.
    """
    yield from _rows(rng, count, "pages", _page, _IN_PAGES, _BAD_PAGES, tasks)


def generate_long(rng: Random, count: int, tasks: Sequence[str] = ()) -> Iterator[Row]:
    """Yield ``count`` tool-stage rows of long documents with instructions for people, two thirds of them clean.

    Args:
        rng: Source of all choices.
        count: Number of rows.
        tasks: Further plain instructions, used for half of the plain tasks.
    """
    yield from _rows(rng, count, "long", _manual, _IN_PAGES, _BAD_LONG, tasks)
