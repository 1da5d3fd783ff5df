"""Canary tokens: markers in a prompt that no answer has a reason to contain.

A token is ``gsdkcanary-`` and 26 characters of Crockford's base 32 (no I, L, O or U): 16 random ones, and 10 computed
from them with a key. The key is created once per process, so that every guard of the process and of its forked children
recognises every token issued there without storing any. A token of another process has to be registered.
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
"""Consumes the prefix only: of two prefixes in a row, the first must not hide the token after the second."""
_TURNS: Final = {PREFIX.translate(table): table for table in ({}, ROT13, ATBASH)} | {PREFIX[::-1]: None}
"""The prefix as is, in rot13, in atbash and reversed, each with the table that undoes it (``None`` for reversed)."""
_SKIPPED: Final = re.compile("[^0-9A-Za-z]+")
_KEPT: Final = re.compile("[0-9A-Za-z]")
_KEY: Final = secrets.token_bytes(32)


class CanaryScreen:
    """Scores ``canary`` on the output stage: 1 if a known token appears, in any case and however split up.

    Also finds it reversed, in rot13 and in atbash. The text defence undoes those only if the result reads as English,
    which a token does not, and its 26 random characters can spoil the surrounding words.
    """

    name: Final = LABEL

    def __init__(self) -> None:
        """Recognise the tokens of this process."""
        self._told: set[bytes] = set()

    @property
    def operating_points(self) -> OperatingPoints:
        """One label on the output stage."""
        return {(LABEL, Stage.OUTPUT): {"default": 0.5}}

    def learn(self, token: str) -> None:
        """Register ``token``, issued elsewhere, by its digest. Raises ``InputError`` if it is not a valid token."""
        squashed = _SKIPPED.sub("", token).lower()
        match = _BODY.match(squashed)
        if match is None or len(squashed) != _LENGTH:
            msg = "not a canary token: guard.canary() issues them"
            raise InputError(msg)
        self._told.add(_digest(match.group(1)))

    @property
    def digest(self) -> str:
        """Changes with every registered token."""
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
        """Find the tokens in JSON and code strings with escapes, after unescaping."""
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
    """Yield the ASCII letters and digits of ``text`` in lower case, as is and transformed, with their original offsets.

    Variants that lack a letter of the prefix are skipped.
    """
    squashed = _SKIPPED.sub("", text).lower()
    for turned, turn in _TURNS.items():
        if turned in squashed:
            places = [match.start() for match in _KEPT.finditer(text)]
            step = -1 if turn is None else 1
            yield squashed.translate(turn or {})[::step], places[::step]
