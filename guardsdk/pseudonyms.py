"""Pseudonyms for actors, used wherever something about them is stored."""

from __future__ import annotations

import hashlib
from typing import Final

from guardsdk.errors import InputTypeError

_BLOCK: Final = 64
"""Bytes of a block of SHA-256."""
_CHARACTERS: Final = 32


class Pseudonyms:
    """HMAC-SHA-256 (RFC 2104) under one key. Thread-safe.

    Both inner hash states are prepared with the key once, so that each name costs two short hashes. OpenSSL's HMAC
    rekeys for every name, which takes more than twice the time.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        """Prepare ``key``, of any length."""
        padded = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def of(self, actor: str) -> str:
        """Return the first 32 hexadecimal digits of the HMAC of ``actor`` in UTF-8.

        Raises ``InputTypeError`` if it is not a string.
        """
        try:
            name = actor.encode("utf-8", "surrogatepass")
        except AttributeError:
            msg = f"an actor must be a string, not {type(actor).__name__}"
            raise InputTypeError(msg) from None
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(name)
        outer.update(inner.digest())
        return outer.hexdigest()[:_CHARACTERS]
