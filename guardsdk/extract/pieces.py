"""A string found in a response, and the text it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from guardsdk.extract.words import is_code, leaves, parsed, spoken, strings_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Channel = tuple[object, ...]
"""Where a text belongs in a response: pieces of one channel are parts of one text."""
BESIDE = "beside"
"""In a channel: what follows leads to a string in fields that nobody knows."""
WORDS = "words of data"
"""In a channel: where the strings of data are read once more, without those that are identifiers and the like."""
_LEADING = ("reasoning", "thinking", "result", "search")


def is_answer(channel: Channel) -> bool:
    """Whether this is what a model says to whom it answers."""
    return channel[-1:] == ("content",) and not leads(channel) and BESIDE not in channel


def leads(channel: Channel) -> bool:
    """Whether this is what comes before a model says something: its thoughts, what its provider's tools found."""
    return any(isinstance(name, str) and name.startswith(_LEADING) for name in channel)


@dataclass(frozen=True, slots=True)
class Piece:
    """A string found in a response or chunk."""

    channel: Channel
    text: str = field(repr=False)
    holder: Any = field(repr=False)
    """What the string was read from, under ``name``; none where it was put together from several."""
    name: str | int
    arguments: bool = False
    """Whether it belongs to the arguments of a tool call as they are written, which only mean something when whole."""
    call: bool = False
    """Whether a tool is called with it."""
    place: object = None
    """Which part of the channel's text it belongs to, where that comes in parts."""
    whole: bool = False
    """Whether it is all that is known of its place so far, said before or not, and does not follow on."""
    between: str = ""
    """What stands between it and the place before."""
    tail: bool = False
    """Whether it is the end of the piece before it in the same chunk, said once more."""
    loose: bool = False
    """Whether it is from a field that nobody knows: it is no words as long as its text looks like an identifier."""
    tokens: bool = False
    """Whether it is told as a list of tokens, which goes where it cannot stay as it is."""


@dataclass(frozen=True, slots=True)
class Inside:
    """A response, a message, its parts or one of them, inside an event."""

    value: Any = field(repr=False)
    at: object = None
    """Where the part stands among its like; none for a response, a message and a list of parts."""
    path: Channel = ()
    whole: bool = True
    """Whether it is all that is known so far, as a whole response holds it, and does not follow on."""


def aside(channel: Channel, value: object, *read: str) -> Iterator[Piece]:
    """Yield the strings in the fields of ``value`` that are not ``read``, each of them a part of a text of its own.

    In a stream a field may come word by word, as what is read does.
    """
    for where, text in strings_beside(value, *read):
        yield Piece((*channel, BESIDE, *where), text, None, "", loose=True)


def channels_of(pieces: Iterable[Piece]) -> dict[tuple[bool, Channel], list[Piece]]:
    """Return the pieces of each text, in order: those of arguments are apart from others of their channel."""
    channels: dict[tuple[bool, Channel], list[Piece]] = {}
    for piece in pieces:
        channels.setdefault((piece.arguments, piece.channel), []).append(piece)
    return channels


def around(channel: Channel) -> Channel | None:
    """Return what stands for all that is beside one value, where ``channel`` is a part of that: they are one text."""
    return (BESIDE, channel[: channel.index(BESIDE)]) if BESIDE in channel else None


def words_alone(texts: Sequence[str]) -> str:
    """Return the strings of data without codes and single words, where some are identifiers, dates or addresses.

    Else nothing. A model knows no sentence behind digests and dates for what it is.
    """
    said = [text for text in texts if not is_code(text)]
    among = said and any(is_code(text) and text and not text.strip().isalpha() for text in texts)
    return "\n".join(said) if among else ""


def texts_of(channels: Iterable[tuple[Channel, Sequence[Piece]]]) -> list[str]:
    """Return the texts that ``channels`` make, in order; what stands beside a value is one text, a line each."""
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
    """Yield the words of the text that ``pieces`` of one channel make, and those that say more than it."""
    yield from (spoken(text) if pieces[0].arguments else text for text in _texts(pieces))


def _texts(pieces: Sequence[Piece]) -> list[str]:
    texts = [_said(piece for piece in pieces if not piece.whole)]
    for piece in sorted((one for one in pieces if one.whole), key=lambda one: -len(one.text)):
        if not any(piece.text in text for text in texts):
            texts.append(piece.text)
    return texts


def joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the pieces of one channel with those that follow on put into one, whose words are the same."""
    told = [piece for piece in pieces if not piece.whole]
    whole = [piece for piece in pieces if piece.whole]
    return [*([replace(told[-1], text=_said(told))] if told else ()), *whole]


def _said(pieces: Iterable[Piece]) -> str:
    """Return what pieces say that follow on."""
    said: list[str] = []
    last: object = None
    for piece in pieces:
        said += [piece.between if said and piece.place != last else "", piece.text]
        last = piece.place
    return "".join(said)
