"""Writes the released chunks, with redacted or restored strings replaced wherever they occur."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from guardsdk.calling.redaction import Changes
from guardsdk.errors import InputError, InputTypeError
from guardsdk.extract.chunks import read, still, with_texts, without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from guardsdk.streaming.repeating import Read
    from guardsdk.streaming.texts import Part
    from guardsdk.text.redact import Edit
    from guardsdk.vault import Vault


class Writing:
    """The chunks of one stream. What was redacted once is redacted in all later chunks, checked or not."""

    def __init__(self, extract: Callable[[Any], object] | None, vault: Vault | None) -> None:
        """Start without redactions; the values in ``vault`` are restored."""
        self._extract = extract
        self._vault = vault
        self._cut = Changes()

    def read(self, chunk: Any, *, data: bool = False) -> Read:  # noqa: ANN401  whatever the source yields
        """Return ``chunk`` in its current state, with its strings. Raises ``InputTypeError`` if it cannot be read."""
        try:
            chunk = still(chunk)
            response = read(chunk, self._extract, data=data)
        except InputTypeError:
            if inspect.iscoroutine(chunk):
                chunk.close()  # rejected here, so nobody will await it
            raise
        return chunk, response.pieces, response.listed

    def cut(self, text: str, edits: Iterable[Edit]) -> None:
        """Remember the redactions of ``text``."""
        for start, end, written in edits:
            self._cut.value(text[start:end], written)

    def cuts(self, text: str) -> list[Edit]:
        """Return the edits that redact from ``text`` whatever was redacted before."""
        return self._cut(text)

    def chunk(self, chunk: Any, parts: Sequence[Part], *, data: bool) -> Any:  # noqa: ANN401  of the type of the chunk
        """Return ``chunk`` as far as it may be released, the same object if unchanged.

        Raises ``InputTypeError`` if it must be changed and cannot be, and ``InputError`` if it was modified meanwhile.
        """
        texts = [part.written for part in parts]
        if any(part.changed for part in parts):
            return with_texts(chunk, texts, self._extract, self._found, repeats=bool(self._cut), data=data)
        if self._extract is None:
            if isinstance(chunk, str):
                return chunk
            self._require_unchanged(chunk, texts, data=data)
        if not self._cut and self._vault is None:
            return chunk
        # Text that looked like an identifier was released unchecked, and may contain what was redacted before it.
        words = [text for part, text in zip(parts, texts, strict=True) if not part.channel.unread]
        return without(chunk, words, self._found, repeats=bool(self._cut))

    def _found(self, text: str) -> list[Edit]:
        """Return the edits for a string that is not checked."""
        values = [] if self._vault is None else self._vault.values(text)
        return [*values, *self._cut(text)]

    def _require_unchanged(self, chunk: object, texts: list[str], *, data: bool) -> None:
        """Raise ``InputError`` if a chunk was modified: a source may reuse one object for all chunks.

        The result of the host's extractor is not computed a second time.
        """
        if [piece.text for piece in read(chunk, None, data=data).pieces] != texts:
            msg = "a chunk was changed after it was given to the stream; give each chunk an object of its own"
            raise InputError(msg)
