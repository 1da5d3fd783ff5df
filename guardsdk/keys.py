"""Validation of secret keys that callers pass in."""

from __future__ import annotations

from guardsdk.errors import InputError, reject_type


def require_key(key: bytes, name: str) -> None:
    """Raise if ``key``, the argument called ``name``, cannot keep a secret.

    ``InputTypeError`` if it is not bytes; ``InputError`` if it is empty, as everybody knows that key.
    """
    if not isinstance(key, bytes):
        reject_type(name, "bytes", key)
    if not key:
        msg = f"{name} must have at least one byte"
        raise InputError(msg)
