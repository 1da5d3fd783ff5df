"""Keys that callers give."""

from __future__ import annotations

from guardsdk.errors import InputError, reject_type


def require_key(key: bytes, name: str) -> None:
    """Raise where ``key``, the argument called ``name``, keeps no secret.

    ``InputTypeError`` where it is not bytes, ``InputError`` where it has none: everybody knows that one.
    """
    if not isinstance(key, bytes):
        reject_type(name, "bytes", key)
    if not key:
        msg = f"{name} must have at least one byte"
        raise InputError(msg)
