"""Canary tokens: a marker put into a prompt, which no answer has a reason to hold.

A token is ``gsdkcanary-`` and 26 characters of Crockford's base 32 (no I, L, O or U): 16 drawn at random, 10 computed
from them with a key. The key is made once per process, so that every guard of the process, and of its forked children,
knows every token issued there without keeping any. A token of another process has to be made known.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING, Final

from guardsdk.errors import InputError
from guardsdk.screens.base import Reading
from guardsdk.text.alphabets import ATBASH, ROT13
from guardsdk.text.escapes import unquoted
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from guardsdk.screens.base import OperatingPoints
    from guardsdk.surroundings import Surroundings

LABEL: Final = "canary"
PREFIX: Final = "gsdkcanary"
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM: Final = 16
_SEAL: Final = 10
_LENGTH: Final = len(PREFIX) + _RANDOM + _SEAL
_BODY: Final = re.compile(f"{PREFIX}(?=([{_ALPHABET}]{{{_RANDOM + _SEAL}}}))")
"""Only the prefix is consumed: a prefix written twice in a row must not hide the token behind it."""
_TURNS: Final = {PREFIX.translate(table): table for table in ({}, ROT13, ATBASH)} | {PREFIX[::-1]: None}
"""How the prefix looks as it is, in rot13, in the mirrored alphabet and backwards, and what undoes the first three."""
_SKIPPED: Final = re.compile("[^0-9A-Za-z]+")
_KEPT: Final = re.compile("[0-9A-Za-z]")
_KEY: Final = secrets.token_bytes(32)


class CanaryScreen:
    """Scores ``canary`` on the output stage: 1 where a known token appears, in whatever case and however split up.

    Backwards, in rot13 and in the mirrored alphabet, too. The text defence undoes those where what comes of it reads as
    English, which a token does not, and 26 random characters can spoil it for the words around them.
    """

    name: Final = LABEL

    def __init__(self) -> None:
        """Know the tokens of this process."""
        self._told: set[bytes] = set()

    @property
    def operating_points(self) -> OperatingPoints:
        """One label on the output stage."""
        return {(LABEL, Stage.OUTPUT): {"default": 0.5}}

    def learn(self, token: str) -> None:
        """Know ``token``, issued elsewhere, by its digest. Raises ``InputError`` where it is no token."""
        squashed = _SKIPPED.sub("", token).lower()
        match = _BODY.match(squashed)
        if match is None or len(squashed) != _LENGTH:
            msg = "not a canary token: guard.canary() issues them"
            raise InputError(msg)
        self._told.add(_digest(match.group(1)))

    @property
    def digest(self) -> str:
        """Changes with every token made known."""
        return _digest("".join(sorted(told.hex() for told in tuple(self._told)))).hex()

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        """Return one reading per text, in order."""
        del stage, around
        return [self._read(text) for text in texts]

    def _read(self, text: str) -> Reading:
        spans = tuple(self._found(text)) or tuple(self._in_strings(text))
        whole = ((0, len(text)),)
        return Reading({LABEL: 1.0 if spans else 0.0}, coverage=1.0, spans=lambda _: spans or whole)

    def _in_strings(self, text: str) -> Iterator[tuple[int, int]]:
        """Find the tokens in what strings of JSON and code say, where they escape anything."""
        said, layer = unquoted(text)
        if said != text:
            yield from (layer.back(*span) for span in self._found(said))

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        for squashed, places in _readings(text):
            for match in _BODY.finditer(squashed):
                body = match.group(1)
                if _sealed(body) or _digest(body) in self._told:
                    ends = places[match.start()], places[match.start() + _LENGTH - 1]
                    yield min(ends), max(ends) + 1


def issue() -> str:
    """Return a new token, 37 characters long."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return f"{PREFIX}-{body}{_seal(body)}"


def _seal(body: str) -> str:
    digest = hashlib.blake2b(body.encode(), digest_size=_SEAL, key=_KEY).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest)


def _sealed(body: str) -> bool:
    return hmac.compare_digest(_seal(body[:_RANDOM]), body[_RANDOM:])


def _digest(body: str) -> bytes:
    return hashlib.blake2b(body.encode(), digest_size=16, key=_KEY).digest()


def _readings(text: str) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield the ASCII letters and digits of ``text`` in lower case, as they are and turned, and the place each had.

    A reading without the letters of the prefix is left out.
    """
    squashed = _SKIPPED.sub("", text).lower()
    for turned, turn in _TURNS.items():
        if turned in squashed:
            places = [match.start() for match in _KEPT.finditer(text)]
            step = -1 if turn is None else 1
            yield squashed.translate(turn or {})[::step], places[::step]
