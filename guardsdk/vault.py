"""Values taken out of a text, kept for one call so that they can be put back into its answer."""

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
    """Numbers the values of one call, such as ``[SECRET_1]``: the same label and value always give the same marker."""

    def __init__(self) -> None:
        """Start with number 1 for each label."""
        self._markers: dict[tuple[str, str], str] = {}
        self._numbers: Counter[str] = Counter()
        self._lock = threading.Lock()

    def marker(self, label: str, value: str) -> str:
        """Return the marker that stands for ``value``."""
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
        """Forget every value."""
        with self._lock:
            self._markers.clear()
            self._numbers.clear()

    def __len__(self) -> int:
        """Return how many values are held."""
        with self._lock:
            return len(self._markers)

    def __repr__(self) -> str:
        """Say how many values are held and none of them."""
        return f"<{type(self).__name__} of {len(self)} values>"

    def __reduce__(self) -> Never:
        """Refuse to be copied or pickled: the values would outlive the call."""
        msg = f"a {type(self).__name__} belongs to one call and is neither copied nor pickled"
        raise TypeError(msg)


class Vault(Markers):
    """Markers with a way back. In memory only, and for one call: its markers mean nothing to another.

    Every marker ends in a part that is drawn anew per vault and cannot be guessed, such as ``[SECRET_1_9F3C2A17]``. A
    marker that somebody typed, or that is left over from another call, is no marker of this vault and stays as it is.
    """

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self._tag = _new_tag()
        self._values: dict[str, str] = {}
        self._spelled: dict[str, int] = {}
        """Markers of values that were taken out of strings of JSON, as those spell them, and how deep these were."""

    def taken(self, label: str, value: str, *, depth: int) -> str:
        """Return the marker of ``value``, which was taken out of so many strings of JSON within each other."""
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
        """Return where markers of this vault stand in ``text``, each with its value."""
        with self._lock:
            if not self._values or self._tag not in text:
                return []
            places = ((at, self._values.get(at.group())) for at in _MARKER.finditer(text))
            return [(*at.span(), value) for at, value in places if value is not None]

    def fitted(self, text: str, found: Iterable[Edit]) -> list[Edit]:
        """Return what was ``found`` in ``text``, each value as its place takes it: escaped in a string of JSON."""
        edits = list(found)
        starts = [start for start, _, value in edits if spell(value) != value]  # the others are everywhere the same
        deep = dict(zip(starts, depths(text, starts), strict=True))
        return [(start, end, self._fitted(text[start:end], value, deep.get(start, 0))) for start, end, value in edits]

    def _fitted(self, marker: str, value: str, depth: int) -> str:
        for _ in range(depth - self._spelled.get(marker, 0)):
            value = spell(value)
        return value

    def values(self, text: str) -> list[Edit]:
        """Return where markers stand in ``text``, each with its value as ``fitted`` has it."""
        return self.fitted(text, self.found(text))

    def restore(self, text: str) -> str:
        """Return ``text`` with every marker replaced by its value, and no marker that a value may hold."""
        return redact(text, self.found(text))

    def clear(self) -> None:
        """Forget every value; the markers handed out stand for nothing from then on."""
        super().clear()
        with self._lock:
            self._values.clear()
            self._spelled.clear()
            self._tag = _new_tag()  # else the next value would get a marker that was handed out for another

    def __enter__(self) -> Self:
        """Return the vault itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget every value."""
        self.clear()


def _new_tag() -> str:
    return secrets.token_hex(_TAG_BYTES).upper()


def name_of(label: str) -> str:
    """Return how markers call ``label``: ``personal_data`` is ``PERSONAL_DATA``."""
    return _NAME.sub("_", label.upper()).strip("_") or "VALUE"
