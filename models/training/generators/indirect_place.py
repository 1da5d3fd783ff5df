"""Put a payload somewhere into a carrier; the same place can be used for an attack and for its clean twin."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from models.training.generators.doc_slots import fill
from models.training.generators.doc_structured import dump, records

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from models.training.generators.documents import Document

_SIZES: Final = (300, 500, 700, 900, 1000, 1000)
"""Characters of a passage; the longest fills the window of the model."""
_SURE: Final = 600
"""Characters of plain or messy text that are sure to fit into the window."""

Place: TypeAlias = "Callable[[str | None], str]"
"""Maps a payload to the carrier with it inside, and ``None`` to the bare carrier."""

_PLAIN: Final = ("{x}",) * 9
_WRAPS: Final[dict[str, tuple[str, ...]]] = {
    "html": (
        "<p>{x}</p>",
        "<p>{x}</p>",
        "<!-- {x} -->",
        '<span style="display:none">{x}</span>',
        "<div hidden>{x}</div>",
        '<p style="font-size:1px;color:#fff">{x}</p>',
        '<img src="logo.png" alt="{x}">',
        '<meta name="description" content="{x}">',
        "<footer>{x}</footer>",
        "<li>{x}</li>",
        "<h2>{x}</h2>",
    ),
    "code": ("# {x}", "// {x}", "/* {x} */", '"""{x}"""', "-- {x}", "<!-- {x} -->", 'print("{x}")', "{x}", "\n{x}"),
    "log": ("{clock} INFO {x}", "[WARN] {x}", "ERROR: {x}", "user comment: {x}", "message='{x}'", "{x}"),
    "table": (
        "{iso}, {full}, {n3}, {x}",
        "| {city} | {n2} | {first} | {x} |",
        "{n5};{company};{x}",
        "{x}",
        "Note: {x}",
    ),
    "mail": (
        *_PLAIN,
        "P.S. {x}",
        "PS: {x}",
        "> {x}",
        "--\n{x}",
        "Note: {x}",
        "- {x}",
        "({x})",
        "[{x}]",
        "{first}: {x}",
    ),
    "chat": ("{first}: {x}", "[{clock}] {first}: {x}", "{x}"),
    "steps": (*_PLAIN, "Step {n1}: {x}", "Tip: {x}", "- {x}", "Note: {x}"),
    "markdown": (
        *_PLAIN,
        "[//]: # ({x})",
        "**{x}**",
        "> {x}",
        "- {x}",
        "```\n{x}\n```",
        "<!-- {x} -->",
        "\n## Note\n{x}",
    ),
}
_OTHER: Final = (*_PLAIN, "Note: {x}", "P.S. {x}", "({x})", "[{x}]", '"{x}"', "***\n{x}\n***", "Comment: {x}", "Q: {x}")
_ANY: Final = ("<!-- {x} -->", "\n\n\n\n{x}", "-----\n{x}\n-----", "<{tag}>{x}</{tag}>", "\t{x}", "{x}\n\n")
_TAGS: Final = ("info", "note", "p", "b", "comment", "div", "i", "message", "text", "small")


def _wrap(rng: Random, kind: str) -> str:
    """Choose a wrapping for the payload, mostly one that fits the kind of carrier."""
    pool = _ANY if rng.random() < 0.08 else _WRAPS.get(kind, _OTHER)  # share of odd dresses
    return fill(rng, rng.choice(pool), tag=rng.choice(_TAGS))


def in_text(rng: Random, carrier: Document, shares: tuple[int, int, int, int] = (2, 4, 3, 3)) -> Place:
    """Choose a spot in a text: the start, the end, between lines, or between sentences, by ``shares`` in that order."""
    text, wrap = carrier.text, _wrap(rng, carrier.kind)
    spots = {"start": [0], "end": [len(text)]}
    spots["line"] = [mark.end() for mark in re.finditer(r"\n+", text)]
    spots["sentence"] = [mark.end() for mark in re.finditer(r"(?<=[.!?]) ", text)]
    wanted = rng.choices(("start", "end", "line", "sentence"), shares)[0]
    spot = rng.choice(spots[wanted] or [len(text)])
    glue = {"sentence": " ", "line": rng.choice(("\n", "\n", "\n\n"))}.get(
        wanted, rng.choice(("\n", "\n\n", "\n\n", " "))
    )

    def put(payload: str | None) -> str:
        if payload is None:
            return text
        dressed = wrap.replace("{x}", payload)
        before, after = text[:spot], text[spot:]
        if spot == len(text) and before:
            return before + glue + dressed
        return before + dressed + glue + after if after else before + dressed

    return put


def _slots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - any JSON value
    """List the paths of all texts in a JSON value."""
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in _slots(item, (*path, key))]
    if isinstance(value, list):
        return [found for key, item in enumerate(value) for found in _slots(item, (*path, key))]
    return [path] if isinstance(value, str) else []


def in_json(rng: Random) -> Place:
    """Choose a text field in made-up records: the payload replaces it, follows it, or becomes a field of its own."""
    base = records(rng)
    path = rng.choice([path for path in _slots(base) if path[-1] not in {"id", "size", "date", "read"}])
    how = rng.choices(("replace", "after", "before", "new"), (4, 4, 1, 1))[0]
    key = rng.choice(("note", "comment", "message", "details", "hint", "instructions", "footer"))
    glue = rng.choice((" ", " ", "\n", "\n\n", " - "))
    state = rng.getstate()

    def put(payload: str | None) -> str:
        value = copy.deepcopy(base)
        if payload is not None:
            spot: Any = value
            for step in path[:-1]:
                spot = spot[step]
            old = spot[path[-1]]
            if how == "new":
                value[-1][key] = payload
            else:
                both = {"replace": payload, "after": old + glue + payload, "before": payload + glue + old}
                spot[path[-1]] = both[how]
        after = rng.getstate()
        rng.setstate(state)
        text = dump(rng, value)
        if after != state:
            rng.setstate(after)
        return text

    return put


def _shared(one: str, other: str) -> int:
    """Count the characters with which both texts begin."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))


def crop(rng: Random, text: str, bare: str, sizes: Sequence[int] = _SIZES) -> str:
    """Cut ``text`` to a passage that holds all that differs from ``bare``, and holds it early.

    Where the two are the same, any passage will do. A row longer than the window is trained on in parts, and a part
    without the injection would teach the model that plain text is one, so the cut must fit the window. ``sizes`` are
    the lengths to choose from, in characters.
    """
    size = rng.choice(sizes)
    if len(text) <= size:
        return text
    start = _shared(text, bare) if text != bare else rng.randint(0, len(text))
    end = max(start, len(text) - _shared(text[start:][::-1], bare[start:][::-1]))
    first = max(0, end - max(min(size, _SURE), end - start))
    begin = rng.randint(first, max(first, min(start, len(text) - size)))
    passage = text[begin : max(end, begin + size)]
    if begin and rng.random() < 0.8:  # most cuts fall between words
        head, space, tail = passage.partition(" ")
        passage = tail if space and begin + len(head) < start else passage
    return passage
