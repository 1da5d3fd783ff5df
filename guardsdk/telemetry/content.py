"""The checked text on its way out of the process: the only place that reads it from a record.

Nothing is emitted unless explicitly asked for, and never more than that.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from guardsdk.errors import InputError, reject_type
from guardsdk.settings import capture_word
from guardsdk.telemetry import names
from guardsdk.text.redact import redact
from guardsdk.verdict import Status

if TYPE_CHECKING:
    from guardsdk.observing import CheckRecord

_KEY_BYTES = 32
_DIGEST_BYTES = 16


class Capture:
    """How much of a text an observer may emit."""

    def __init__(self, how: str, key: bytes | None = None) -> None:
        """Capture ``how``: ``none``, ``hash``, ``redacted`` or ``full``; any other word means ``none``.

        ``key`` is for ``hash``: with the same key, equal texts have equal hashes in every process. Without one, a
        random key is used, and hashes can only be compared within the process. An unkeyed hash of a short text could be
        reversed by guessing.

        Raises ``InputTypeError`` if ``key`` is not bytes, ``InputError`` if it is empty or longer than 64 bytes.
        """
        if key is not None and not isinstance(key, bytes):
            reject_type("capture_key", "bytes", key)
        if key is not None and not 0 < len(key) <= hashlib.blake2b.MAX_KEY_SIZE:
            msg = f"capture_key must have 1 to {hashlib.blake2b.MAX_KEY_SIZE} bytes, not {len(key)}"
            raise InputError(msg)
        self.how = capture_word(how, "capture")
        self._key = secrets.token_bytes(_KEY_BYTES) if key is None else key

    @property
    def wanted(self) -> bool:
        """Whether the text is needed at all."""
        return self.how != "none"

    def attributes(self, record: CheckRecord) -> dict[str, str]:
        """Return the attributes that describe the text of ``record``; empty if there are none.

        ``redacted`` removes every passage that a principle found. Only a text that was scored to its end is known to
        contain no others, so for any other text nothing is emitted.
        """
        text = record.checked_text
        if text is None:
            return {}
        if self.how == "hash":
            digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES, key=self._key)
            return {names.TEXT_HASH.name: digest.hexdigest()}
        if self.how == "full":
            return {names.TEXT.name: _encodable(text)}
        verdict = record.verdict
        if self.how != "redacted" or verdict.status is not Status.COMPLETE or verdict.stopped_early:
            return {}
        edits = [(*span, f"[{one.label.upper()}]") for one in verdict.findings for span in one.spans]
        return {names.TEXT.name: _encodable(redact(text, edits))}


def _encodable(text: str) -> str:
    """Replace lone surrogates, which no exporter can encode."""
    return text.encode("utf-8", "replace").decode("utf-8")
