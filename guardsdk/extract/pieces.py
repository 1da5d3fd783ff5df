"""A string found in a response, and the text it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from guardsdk.extract.words import is_code, leaves, parsed, spoken, strings_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Channel = tuple[object, ...]
"""Identifies a text in a response: pieces with the same channel are parts of one text."""
BESIDE = "beside"
"""In a channel: the rest is a path to a string in unknown fields."""
WORDS = "words of data"
"""In a channel: the strings of data read again, without identifiers and the like."""
_LEADING = ("reasoning", "thinking", "result", "search")


def is_answer(channel: Channel) -> bool:
    """Whether this is the model's answer proper."""
    return channel[-1:] == ("content",) and not leads(channel) and BESIDE not in channel


def leads(channel: Channel) -> bool:
    """Whether this precedes the answer: reasoning, or results of the provider's tools."""
    return any(isinstance(name, str) and name.startswith(_LEADING) for name in channel)


@dataclass(frozen=True, slots=True)
class Piece:
    """A string found in a response or chunk."""

    channel: Channel
    text: str = field(repr=False)
    holder: Any = field(repr=False)
    """The object it was read from, under ``name``; ``None`` if it was assembled from several strings."""
    name: str | int
    arguments: bool = False
    """Whether it belongs to raw tool-call arguments, which only make sense when complete."""
    call: bool = False
    """Whether it belongs to a tool call."""
    place: object = None
    """Which part of the channel's text it belongs to, if that has parts."""
    whole: bool = False
    """Whether it is the whole text so far of its place, rather than an addition."""
    between: str = ""
    """Separator from the previous place."""
    tail: bool = False
    """Whether it repeats the end of the previous piece of the same chunk."""
    loose: bool = False
    """Whether it is from an unknown field: it does not count as text while it looks like an identifier."""
    tokens: bool = False
    """Whether it was given as a list of tokens, which is dropped if it cannot stay unchanged."""


@dataclass(frozen=True, slots=True)
class Inside:
    """A response, a message, its parts or one of them, inside an event."""

    value: Any = field(repr=False)
    at: object = None
    """Index of the part among its siblings; ``None`` for a response, a message and a list of parts."""
    path: Channel = ()
    whole: bool = True
    """Whether it is everything so far, as in a whole response, rather than an addition."""


def aside(channel: Channel, value: object, *read: str) -> Iterator[Piece]:
    """Yield the strings in fields of ``value`` other than those ``read``, each as part of a separate text.

    In a stream, such a field may arrive word by word, as the known ones do.
    """
    for where, text in strings_beside(value, *read):
        yield Piece((*channel, BESIDE, *where), text, None, "", loose=True)


def channels_of(pieces: Iterable[Piece]) -> dict[tuple[bool, Channel], list[Piece]]:
    """Return the pieces of each text, in order; arguments are kept apart from others of their channel."""
    channels: dict[tuple[bool, Channel], list[Piece]] = {}
    for piece in pieces:
        channels.setdefault((piece.arguments, piece.channel), []).append(piece)
    return channels


def around(channel: Channel) -> Channel | None:
    """Return the channel that groups everything in the unknown fields of one value, if ``channel`` is part of that."""
    return (BESIDE, channel[: channel.index(BESIDE)]) if BESIDE in channel else None


def words_alone(texts: Sequence[str]) -> str:
    """Return the strings of data without codes and single words, if some are identifiers, dates or addresses.

    Empty otherwise. Between digests and dates, a model may not recognise a sentence.
    """
    said = [text for text in texts if not is_code(text)]
    among = said and any(is_code(text) and text and not text.strip().isalpha() for text in texts)
    return "\n".join(said) if among else ""


def texts_of(channels: Iterable[tuple[Channel, Sequence[Piece]]]) -> list[str]:
    """Return the texts of ``channels``, in order; the unknown fields of a value are one text, one per line."""
    texts: dict[object, list[str]] = {}
    for channel, pieces in channels:
        together = around(channel)
        for words in words_of(pieces):
            if not (pieces[0].loose and is_code(words)):
                texts.setdefault(together or len(texts), []).append(words)
        for text in _texts(pieces) if pieces[0].arguments else ():
            if alone := words_alone(leaves(parsed(text))):
                texts[len(texts)] = [alone]
    return ["\n".join(one) for one in texts.values()]


def words_of(pieces: Sequence[Piece]) -> Iterator[str]:
    """Yield the text that ``pieces`` of one channel form, and pieces that say more than it."""
    yield from (spoken(text) if pieces[0].arguments else text for text in _texts(pieces))


def _texts(pieces: Sequence[Piece]) -> list[str]:
    texts = [_said(piece for piece in pieces if not piece.whole)]
    for piece in sorted((one for one in pieces if one.whole), key=lambda one: -len(one.text)):
        if not any(piece.text in text for text in texts):
            texts.append(piece.text)
    return texts


def joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the pieces of one channel with consecutive ones joined; the text is the same."""
    told = [piece for piece in pieces if not piece.whole]
    whole = [piece for piece in pieces if piece.whole]
    return [*([replace(told[-1], text=_said(told))] if told else ()), *whole]


def _said(pieces: Iterable[Piece]) -> str:
    """Return the text of consecutive pieces."""
    said: list[str] = []
    last: object = None
    for piece in pieces:
        said += [piece.between if said and piece.place != last else "", piece.text]
        last = piece.place
    return "".join(said)
