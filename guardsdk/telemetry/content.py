"""The checked text on its way out of the process: the only place that reads it off a record.

Nothing leaves unless somebody asked for it by name. What they asked for is done or less, never more.
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
    """How much of a text an observer may pass on."""

    def __init__(self, how: str, key: bytes | None = None) -> None:
        """Capture ``how``: ``none``, ``hash``, ``redacted`` or ``full``; any other word counts as ``none``.

        ``key`` is for ``hash``: with the same one, equal texts have equal hashes in every process. Without it the
        hashes of a process can be compared with each other only. An unkeyed hash of a short text would be undone by
        guessing.

        Raises ``InputTypeError`` where ``key`` is not bytes, ``InputError`` where it has none or more than 64 of them.
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
        """Whether a text is needed at all."""
        return self.how != "none"

    def attributes(self, record: CheckRecord) -> dict[str, str]:
        """Return what may be said of the text of ``record``; empty where that is nothing.

        ``redacted`` cuts out every passage that a principle found. Only a text that was scored to its end is known to
        hold no other, so nothing is said of one that was not.
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
