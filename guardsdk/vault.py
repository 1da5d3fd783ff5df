"""Values taken out of a text, kept for one call so that they can be put back into its answer."""

from __future__ import annotations

import re
import secrets
import threading
from typing import Never, Self

_TAG_BYTES = 4
_NAME = re.compile(r"[^A-Z0-9]+")


class Vault:
    """Markers for values, and the way back. In memory only, and for one call: its markers mean nothing to another.

    Every marker ends in a part that is drawn anew per vault and cannot be guessed, such as ``[SECRET_1_9F3C2A17]``. A
    marker that somebody typed, or that is left over from another call, is no marker of this vault and stays as it is.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._tag = secrets.token_hex(_TAG_BYTES).upper()
        self._markers: dict[tuple[str, str], str] = {}
        self._values: dict[str, str] = {}
        self._lock = threading.Lock()

    def marker(self, label: str, value: str) -> str:
        """Return the marker that stands for ``value``, the same for the same label and value; keep the value."""
        name = _NAME.sub("_", label.upper()).strip("_") or "VALUE"
        with self._lock:
            if (name, value) not in self._markers:
                number = 1 + sum(known == name for known, _ in self._markers)
                marker = f"[{name}_{number}_{self._tag}]"
                self._markers[name, value] = marker
                self._values[marker] = value
            return self._markers[name, value]

    def restore(self, text: str) -> str:
        """Return ``text`` with every marker of this vault replaced by its value, in one pass.

        A value that looks like a marker is not looked at again.
        """
        with self._lock:
            if not self._values or self._tag not in text:
                return text
            pattern = re.compile("|".join(map(re.escape, self._values)))
            return pattern.sub(lambda found: self._values[found.group()], text)

    def clear(self) -> None:
        """Forget every value; the markers handed out stand for nothing from then on."""
        with self._lock:
            self._markers.clear()
            self._values.clear()

    def __len__(self) -> int:
        """Return how many values are held."""
        with self._lock:
            return len(self._values)

    def __enter__(self) -> Self:
        """Return the vault itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget every value."""
        self.clear()

    def __repr__(self) -> str:
        """Say how many values are held and none of them."""
        return f"<Vault of {len(self)} values>"

    def __reduce__(self) -> Never:
        """Refuse to be copied or pickled: the values would outlive the call."""
        msg = "a vault belongs to one call and is neither copied nor pickled"
        raise TypeError(msg)
