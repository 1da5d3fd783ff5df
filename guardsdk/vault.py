"""Values redacted from a text, kept for one call so that they can be restored in the answer."""

from __future__ import annotations

import re
import secrets
import threading
from collections import Counter
from typing import TYPE_CHECKING, Never, Self

from guardsdk.text.json_strings import depths, spell
from guardsdk.text.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from guardsdk.text.redact import Edit

_TAG_BYTES = 4
_MARKER = re.compile(rf"\[[A-Z0-9_]+_[0-9A-F]{{{2 * _TAG_BYTES}}}\]")
_NAME = re.compile(r"[^A-Z0-9]+")


class Markers:
    """Numbers the values of one call, as in ``[SECRET_1]``: the same label and value always give the same marker."""

    def __init__(self) -> None:
        """Start with number 1 for each label."""
        self._markers: dict[tuple[str, str], str] = {}
        self._numbers: Counter[str] = Counter()
        self._lock = threading.Lock()

    def marker(self, label: str, value: str) -> str:
        """Return the marker for ``value``."""
        name = name_of(label)
        with self._lock:
            if (name, value) not in self._markers:
                self._numbers[name] += 1
                self._markers[name, value] = self._made(name, self._numbers[name], value)
            return self._markers[name, value]

    def _made(self, name: str, number: int, value: str) -> str:
        del value
        return f"[{name}_{number}]"

    def clear(self) -> None:
        """Forget all values."""
        with self._lock:
            self._markers.clear()
            self._numbers.clear()

    def __len__(self) -> int:
        """Return the number of values held."""
        with self._lock:
            return len(self._markers)

    def __repr__(self) -> str:
        """Show how many values are held, and none of them."""
        return f"<{type(self).__name__} of {len(self)} values>"

    def __reduce__(self) -> Never:
        """Refuse copying and pickling: the values would outlive the call."""
        msg = f"a {type(self).__name__} belongs to one call and is neither copied nor pickled"
        raise TypeError(msg)


class Vault(Markers):
    """Reversible markers. Kept in memory only, for one call: another call does not know its markers.

    Every marker ends in a random part drawn per vault, as in ``[SECRET_1_9F3C2A17]``, which cannot be guessed. A marker
    that somebody typed, or that is left over from another call, is not recognised and stays as it is.
    """

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self._tag = _new_tag()
        self._values: dict[str, str] = {}
        self._spelled: dict[str, int] = {}
        """Markers for values redacted inside JSON strings, as escaped there, each with its nesting depth."""

    def taken(self, label: str, value: str, *, depth: int) -> str:
        """Return the marker for ``value``, redacted inside JSON strings nested ``depth`` deep."""
        marker = self.marker(label, value)
        if depth:
            with self._lock:
                self._spelled[marker] = max(depth, self._spelled.get(marker, 0))
        return marker

    def _made(self, name: str, number: int, value: str) -> str:
        marker = f"[{name}_{number}_{self._tag}]"
        self._values[marker] = value
        return marker

    def found(self, text: str) -> list[Edit]:
        """Return where markers of this vault occur in ``text``, each with its value."""
        with self._lock:
            if not self._values or self._tag not in text:
                return []
            places = ((at, self._values.get(at.group())) for at in _MARKER.finditer(text))
            return [(*at.span(), value) for at, value in places if value is not None]

    def fitted(self, text: str, found: Iterable[Edit]) -> list[Edit]:
        """Return ``found`` with each value escaped as its position in ``text`` needs it, as inside a JSON string."""
        edits = list(found)
        starts = [start for start, _, value in edits if spell(value) != value]  # others look the same everywhere
        deep = dict(zip(starts, depths(text, starts), strict=True))
        return [(start, end, self._fitted(text[start:end], value, deep.get(start, 0))) for start, end, value in edits]

    def _fitted(self, marker: str, value: str, depth: int) -> str:
        for _ in range(depth - self._spelled.get(marker, 0)):
            value = spell(value)
        return value

    def values(self, text: str) -> list[Edit]:
        """Return where markers occur in ``text``, each with its value as from ``fitted``."""
        return self.fitted(text, self.found(text))

    def restore(self, text: str) -> str:
        """Return ``text`` with every marker replaced by its value; markers inside restored values are not expanded."""
        return redact(text, self.found(text))

    def clear(self) -> None:
        """Forget all values; markers already handed out then stand for nothing."""
        super().clear()
        with self._lock:
            self._values.clear()
            self._spelled.clear()
            self._tag = _new_tag()  # else the next value would get a marker that already stood for another

    def __enter__(self) -> Self:
        """Return the vault itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget all values."""
        self.clear()


def _new_tag() -> str:
    return secrets.token_hex(_TAG_BYTES).upper()


def name_of(label: str) -> str:
    """Return the name of ``label`` in markers: ``personal_data`` becomes ``PERSONAL_DATA``."""
    return _NAME.sub("_", label.upper()).strip("_") or "VALUE"
