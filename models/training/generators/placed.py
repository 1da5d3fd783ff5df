"""Documents full of code, records and office mail, with an order or malicious code planted in them, or clean."""

from __future__ import annotations

import json
import re
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

from models.training.banks import bank, passages
from models.training.generators.doc_slots import fill, pick, roughen
from models.training.generators.documents import Document, thread
from models.training.generators.indirect import attack
from models.training.generators.indirect_place import crop, in_text
from models.training.generators.input_surface import weighted
from models.training.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from models.training.generators.indirect_place import Place

_KINDS: Final = {
    "placed": 50,
    "plain": 20,
    "lure": 8,
    "turn": 5,
    "action": 5,
    "override": 5,
    "stealth": 4,
    "hijack": 2,
    "leak": 1,
}
"""Orders for documents in which the surroundings say nothing of a machine that reads them."""
_CUTS: Final = {
    "code": (200, 300, 400, 500),
    "record": (160, 220, 300, 300, 450, 550),
    "post": (160, 220, 300, 300, 450, 600, 800, 1000),
}
"""Characters of a passage, fewer where a character is worth more tokens, so that nothing planted is cut off. Short ones
are what the closer look reads: a sentence or two with what stands around."""
_LONGEST_CODE: Final = 340
_BAD: Final = {"code": 0.5, "record": 0.42, "post": 0.25}
_DECOYS: Final = ("doc_twin", "doc_mail_request", "doc_chat_real")
_FENCES: Final = ("{x}", "{x}", "{x}", "\n{x}\n", "```\n{x}\n```", "\n\n{x}\n\n", "Edit: {x}", "\t{x}")
_IN_COMMENT: Final = ("# {x}", "// {x}", "/* {x} */", '"""{x}"""', "-- {x}", "<!-- {x} -->", "{x}", "{x}", "Note: {x}")
_QUOTED_END: Final = re.compile(r'(?<=[^\\"\s:,{\[])(?="\s*[,}\]\n])')
_CELL_END: Final = re.compile(r"(?<=[^\s|-])(?= +\|)|(?<=[^,{}\[\]\s|])$", re.MULTILINE)
"""Where a field of a record ends: before a closing quote, or at the end of a table's cell or of a line."""
_HOST: Final = re.compile(
    r"\b(?:(?:[\w-]+\.)*[\w-]+\.example(?:\.[a-z]+)?|(?:[\w-]+\.)*example\.(?:com|net|org)|(?:203\.0\.113|198\.51\.100)\.\d+)\b"
)
"""Hosts and addresses reserved for examples, which would give planted code away."""


class _Planted(NamedTuple):
    text: str | None
    """None leaves the document as it is."""
    kind: str
    drawn: str = ""
    """What it was made of, where that is one entry of a bank."""


def _code_block(rng: Random, kind: str) -> _Planted:
    """Draw a snippet, from its start, with a host of its own, and cut it between lines where it is long."""
    host = fill(rng, "{ip}" if rng.random() < 0.15 else "{host}")
    drawn = rng.choice(passages(f"code_{kind}"))
    lines = _HOST.sub(lambda _: host, drawn).split("\n")
    while len(lines) > 1 and len("\n".join(lines)) > _LONGEST_CODE:
        lines.pop()
    return _Planted("\n".join(lines)[:_LONGEST_CODE], kind, drawn)


def _in_lines(rng: Random, text: str, wraps: Sequence[str]) -> Place:
    """Choose a place before, behind or between the lines of a text."""
    spots = [0, len(text), *(mark.end() for mark in re.finditer(r"\n+", text))]
    spot = rng.choice((0, len(text), *rng.choices(spots, k=2)))
    wrap = rng.choice(wraps)
    # Code is planted with the indentation of the line that follows, as an editor does it.
    margin = (re.match(r"[ \t]*", text[spot:]) or [""])[0] if rng.random() < 0.5 else ""

    def put(payload: str | None) -> str:
        if payload is None:
            return text
        dressed = "\n".join(margin + line for line in wrap.replace("{x}", payload).split("\n"))
        before = text[:spot] if text[:spot].endswith("\n") or not spot else text[:spot] + "\n"
        return before + dressed + ("\n" + text[spot:] if text[spot:] else "")

    return put


def _in_field(rng: Random, text: str) -> Place:
    """Choose a field of a record; what is planted goes behind what it holds."""
    quoted = [mark.start() for mark in _QUOTED_END.finditer(text)]
    cells = [] if quoted and text.lstrip()[:1] in {"{", "["} else [mark.start() for mark in _CELL_END.finditer(text)]
    spot = rng.choice([*quoted, *cells] or [len(text)])
    glue = rng.choice((" ", " ", " - ", "; ", ". "))

    def put(payload: str | None) -> str:
        if payload is None:
            return text
        said = " ".join(payload.split())
        if text[spot : spot + 1] == '"':
            said = json.dumps(said, ensure_ascii=False)[1:-1]
        return text[:spot] + glue + said + text[spot:]

    return put


def _thread(rng: Random) -> str:
    """Draw one mail or a few under each other."""
    count = rng.choice((1, 1, 1, 1, 2, 2, 3))
    text = thread(rng, rng.sample(passages("long_mail"), count))
    return roughen(rng, text) if rng.random() < 0.5 else text


def _carrier(rng: Random, name: str) -> str:
    """Draw a document; code is found in other documents now and then, too."""
    if name == "post":
        return _thread(rng)
    if name == "code" and rng.random() < 0.2:
        name = rng.choice(("readme", "ticket", "record", "web"))
    return rng.choice(passages(f"long_{name}"))


def _payload(rng: Random, name: str, tasks: Sequence[str]) -> _Planted:
    """Write an order, or code that harms."""
    if name == "code" and rng.random() < 0.65:  # share of code in what is planted into code
        return _code_block(rng, "poison")
    kind = weighted(rng, _KINDS)
    if kind != "placed":
        return _Planted(attack(rng, kind, tasks), kind)
    drawn = rng.choice(bank("inj_placed"))
    return _Planted(roughen(rng, drawn), kind, drawn)


def _decoy(rng: Random, name: str) -> _Planted:
    """Write something harmless for the same place, or nothing."""
    if rng.random() < 0.5:  # share of clean documents as they are
        return _Planted(None, "clean")
    if name == "code":
        return _code_block(rng, "calm")
    return _Planted(roughen(rng, pick(rng, rng.choice(_DECOYS))), "decoy")


def _place(rng: Random, name: str, text: str, kind: str) -> Place:
    """Choose a place for what is planted."""
    if kind in {"poison", "calm"}:
        return _in_lines(rng, text, _FENCES)
    if name == "code":
        return _in_lines(rng, text, _IN_COMMENT)
    if name == "record" and rng.random() < 0.75:
        return _in_field(rng, text)
    return in_text(rng, Document(text, "mail" if name == "post" else "prose"), (2, 3, 4, 4))


def generate(rng: Random, count: int, name: str, tasks: Sequence[str] = ()) -> Iterator[Row]:
    """Yield ``count`` tool-stage rows of one kind of document, half of them or fewer with something planted.

    Args:
        rng: Source of all choices.
        count: Number of rows.
        name: ``code``, ``record`` or ``post``.
        tasks: Further plain instructions, used for half of the plain tasks.
    """
    for _ in range(count):
        text, bad = _carrier(rng, name), rng.random() < _BAD[name]
        planted = _payload(rng, name, tasks) if bad else _decoy(rng, name)
        passage = crop(rng, _place(rng, name, text, planted.kind)(planted.text), text, _CUTS[name])
        # What is drawn from a bank decides the split, so that no snippet is on both sides; else the document does.
        group = f"placed/{zlib.crc32((planted.drawn or text)[:60].lower().encode()) % 64}"
        yield Row(passage, "tool", {"prompt_injection": int(bad)}, f"gen_placed_{name}_{planted.kind}", group)
