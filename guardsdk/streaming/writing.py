"""Chunks as they go out: with other words in the place of those that are cut out or put back, wherever they stand."""

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
    """The chunks of one stream. What was cut out of one is cut out of all that come after it, read or not."""

    def __init__(self, extract: Callable[[Any], object] | None, vault: Vault | None) -> None:
        """Begin with nothing cut out; the values in ``vault`` are put back."""
        self._extract = extract
        self._vault = vault
        self._cut = Changes()

    def read(self, chunk: Any, *, data: bool = False) -> Read:  # noqa: ANN401  whatever a source gives
        """Return ``chunk`` as it is now, with its strings. Raises ``InputTypeError`` where it cannot be read."""
        try:
            chunk = still(chunk)
            response = read(chunk, self._extract, data=data)
        except InputTypeError:
            if inspect.iscoroutine(chunk):
                chunk.close()  # refused here, so nobody will await it
            raise
        return chunk, response.pieces, response.listed

    def cut(self, text: str, edits: Iterable[Edit]) -> None:
        """Take note of what is cut out of ``text``."""
        for start, end, written in edits:
            self._cut.value(text[start:end], written)

    def cuts(self, text: str) -> list[Edit]:
        """Return the changes that cut out of ``text`` what was cut out before, wherever it stands."""
        return self._cut(text)

    def chunk(self, chunk: Any, parts: Sequence[Part], *, data: bool) -> Any:  # noqa: ANN401  of the type of the chunk
        """Return ``chunk`` as far as it may go out, the same object where nothing in it was changed.

        Raises ``InputTypeError`` where it has to be changed and cannot be, and ``InputError`` where it says something
        else by now.
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
        # What looks like an identifier went out unread, and may hold what was cut out of the words before it.
        words = [text for part, text in zip(parts, texts, strict=True) if not part.channel.unread]
        return without(chunk, words, self._found, repeats=bool(self._cut))

    def _found(self, text: str) -> list[Edit]:
        """Return the changes to make in a string that is not read."""
        values = [] if self._vault is None else self._vault.values(text)
        return [*values, *self._cut(text)]

    def _require_unchanged(self, chunk: object, texts: list[str], *, data: bool) -> None:
        """Raise ``InputError`` where a chunk says something else by now: a source may have one object for all of them.

        What an extractor of the host's makes of it is not asked for twice.
        """
        if [piece.text for piece in read(chunk, None, data=data).pieces] != texts:
            msg = "a chunk was changed after it was given to the stream; give each chunk an object of its own"
            raise InputError(msg)
