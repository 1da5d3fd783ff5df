"""Benign documents, mails and tool outputs, rich in requests and questions between people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from models.training.generators import doc_structured
from models.training.generators.doc_slots import fill, pick, roughen, some

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

_GREETINGS: Final = (
    "Hi {first},",
    "Hello {first},",
    "Dear {first},",
    "Dear Mr {last},",
    "Dear Ms {last},",
    "{first},",
    "{first} -",
    "Hi all,",
    "Dear all,",
    "Team,",
    "Hey,",
    "Good morning,",
    "Hi,",
    "hi {first}",
    "Dear colleagues,",
    "To whom it may concern,",
    "All -",
    "Hi there",
    "Folks,",
)
_CLOSINGS: Final = (
    "Best,",
    "Thanks,",
    "Kind regards,",
    "Regards",
    "Cheers,",
    "Many thanks",
    "BR",
    "Yours sincerely,",
    "Thanks a lot!",
    "See you on {weekday},",
    "Talk soon,",
    "Thank you and best regards,",
    "xx",
    "Warm regards,",
)
_QUOTES: Final = (
    "On {date}, {full} <{email}> wrote:",
    "-----Original Message-----\nFrom: {full}\nSent: {date} {time}\nTo: {full}\nSubject: {subject}",
    "---------- Forwarded message ----------\nFrom: {full} <{email}>\nDate: {date}\nSubject: Fwd: {subject}",
    "{full} wrote on {date}:",
)
_HEADERS: Final = (
    "Subject: {subject}",
    "From: {full} <{email}>\nTo: {email}\nSubject: {subject}",
    "From: {email}\nDate: {date}\nSubject: {subject}",
    "Sender: {email}\nSent: {iso} {clock}\nRegarding: {subject}",
    "To: {full}\nCc: {first}, {first}\nSubject: Re: {subject}",
)
_TITLES: Final = (
    "{field}",
    "{hobby}",
    "{company} in {city}",
    "{project}",
    "About {field}",
    "Notes on {hobby}",
    "{thing}",
)


@dataclass(frozen=True, slots=True)
class Document:
    """A benign text and the name of the family it was made from."""

    text: str
    kind: str


def _maybe(rng: Random, share: float, make: Callable[[], str]) -> list[str]:
    """Return a list of one text from ``make`` with probability ``share``, else an empty list."""
    return [make()] if rng.random() < share else []


def _body(rng: Random) -> str:
    """Write the middle of a mail from statements, requests and questions."""
    size = rng.choice((1, 2, 2, 3, 3, 4, 5, 6, 8, 11))
    names = rng.choices(("doc_mail_statement", "doc_mail_request", "doc_mail_question"), (5, 4, 2), k=size)
    sentences = [pick(rng, name) for name in names]
    breaks = [rng.choice((" ", " ", " ", "\n\n", "\n")) for _ in sentences]
    text = "".join(part for pair in zip(sentences, breaks, strict=True) for part in pair).strip()
    if rng.random() < 0.12:  # share of mails with a list
        bullet = rng.choice(("- ", "* ", "• ", "o "))
        text += "\n\n" + "\n".join(bullet + line for line in some(rng, "doc_mail_request", 2, 4))
    return text


def mail(rng: Random) -> str:
    """Write an e-mail: a complete one from a bank, or one composed of sentences."""
    if rng.random() < 0.3:  # share of whole mails
        text = pick(rng, "doc_mail_full")
        return "\n\n".join([*_maybe(rng, 0.3, lambda: fill(rng, rng.choice(_HEADERS))), text])
    parts = _maybe(rng, 0.35, lambda: fill(rng, rng.choice(_HEADERS)))
    parts += _maybe(rng, 0.7, lambda: fill(rng, rng.choice(_GREETINGS)))
    parts.append(_body(rng))
    parts += _maybe(rng, 0.5, lambda: fill(rng, rng.choice(_CLOSINGS)))
    parts += _maybe(rng, 0.6, lambda: pick(rng, "doc_signature"))
    if rng.random() < 0.25:  # share of mails with a quote
        quoted = pick(rng, "doc_mail_full") if rng.random() < 0.5 else _body(rng)
        if rng.random() < 0.5:
            quoted = "\n".join("> " + line for line in quoted.splitlines())
        parts += [fill(rng, rng.choice(_QUOTES)), quoted]
    return rng.choice(("\n\n", "\n\n", "\n")).join(parts)


def thread(rng: Random, parts: list[str]) -> str:
    """Put mails under each other the way replies and forwards do, the later ones quoted now and then."""
    text = parts[0]
    for part in parts[1:]:
        quoted = "\n".join("> " + line for line in part.splitlines()) if rng.random() < 0.3 else part
        text += "\n\n" + fill(rng, rng.choice((*_QUOTES, *_HEADERS))) + rng.choice(("\n", "\n\n")) + quoted
    return text


def _chat(rng: Random) -> str:
    """Write a short chat between two or three people."""
    names = [fill(rng, "{first}") for _ in range(rng.randint(2, 3))]
    style = rng.choice(("{name}: {line}", "[{clock}] {name}: {line}", "<{name}> {line}", "{name} ({clock})\n{line}"))
    return "\n".join(
        fill(rng, style, name=rng.choice(names), line=doc_structured.speech(rng)) for _ in range(rng.randint(2, 9))
    )


def _paragraphs(rng: Random) -> list[str]:
    """Draw paragraphs of one genre."""
    genre = rng.choices(
        ("doc_prose", "doc_review", "doc_faq", "doc_legal", "doc_security", "doc_ticket", "doc_howto", "doc_lookalike"),
        (8, 3, 3, 2, 3, 3, 2, 2),
    )[0]
    return some(rng, genre, 1, 5)


def _prose(rng: Random) -> str:
    """Write an article, review, clause list or the like."""
    parts = _maybe(rng, 0.3, lambda: fill(rng, rng.choice(_TITLES)))
    return rng.choice(("\n\n", "\n\n", "\n", " ")).join(parts + _paragraphs(rng))


def _steps(rng: Random) -> str:
    """Write a recipe or a how-to."""
    title = fill(
        rng, rng.choice(("{food}", "How to clean your {product}", "{hobby} in six steps", "Exercise {n1}", ""))
    )
    mark = rng.choice(("{i}. ", "- ", "Step {i}: ", ""))
    steps = some(rng, "doc_howto", 3, 9)
    return "\n".join([title, *(mark.replace("{i}", str(i)) + step for i, step in enumerate(steps, 1))]).strip()


def _markdown(rng: Random) -> str:
    """Write a README or wiki page."""
    title = fill(rng, rng.choice(_TITLES))
    head = rng.choice(("Usage", "Notes", "Background", "Contributing", "FAQ", "Instructions"))
    lines = [f"# {title}", *some(rng, "doc_prose", 1, 2), f"## {head}"]
    lines += ["- " + line for line in some(rng, rng.choice(("doc_howto", "doc_ticket", "doc_comment")), 2, 5)]
    if rng.random() < 0.4:  # share of pages with code
        lines.append("```\n" + doc_structured.code(rng) + "\n```")
    return "\n\n".join(lines)


def _notes(rng: Random) -> str:
    """Write meeting notes."""
    head = fill(rng, rng.choice(("Minutes {project} {date}", "Notes {weekday}", "{subject}", "Meeting at {time}")))
    lines = some(rng, "doc_ticket", 2, 5) + some(rng, "doc_mail_request", 0, 3)
    rng.shuffle(lines)
    return "\n".join([head, *("- " + line for line in lines)])


_MAKERS: Final[dict[str, tuple[float, Callable[[Random], str]]]] = {
    "mail": (34, mail),
    "note": (5, lambda rng: " ".join(some(rng, "doc_note", 1, 2))),
    "chat": (5, _chat),
    "prose": (17, _prose),
    "steps": (5, _steps),
    "markdown": (5, _markdown),
    "notes": (4, _notes),
    "json": (12, lambda rng: doc_structured.dump(rng, doc_structured.records(rng))),
    "log": (3, doc_structured.log),
    "table": (6, doc_structured.table),
    "code": (6, doc_structured.code),
    "html": (6, lambda rng: doc_structured.web(rng, _paragraphs(rng))),
}
_ROUGH: Final = frozenset({"mail", "note", "chat", "prose", "steps", "notes"})


def document(rng: Random) -> Document:
    """Compose one benign document."""
    kind = rng.choices(list(_MAKERS), [weight for weight, _ in _MAKERS.values()])[0]
    text = _MAKERS[kind][1](rng)
    return Document(roughen(rng, text) if kind in _ROUGH else text, kind)
