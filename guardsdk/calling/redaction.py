"""Turns findings into edits: what replaces each redacted value."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Protocol

from guardsdk.errors import InputError
from guardsdk.text.json_strings import depths, spellings
from guardsdk.text.redact import apart
from guardsdk.vault import Vault, name_of
from guardsdk.verdict import Action

if TYPE_CHECKING:
    from collections.abc import Iterable

    from guardsdk.policy.actions import RedactWith
    from guardsdk.policy.model import Policy, Principle
    from guardsdk.text.redact import Edit
    from guardsdk.vault import Markers
    from guardsdk.verdict import Verdict

_SHORTEST_VALUE = 4
"""Characters. A shorter value is not redacted elsewhere, as it would be found inside unrelated words."""


class Criteria(Protocol):
    """Looks up the principle of a finding."""

    def principle(self, identifier: str) -> Principle:
        """Return the principle with that id. Raises ``KeyError`` if there is none."""


class Ruled(Protocol):
    """A guard."""

    policy: Policy


class Newest:
    """Looks up principles in a guard's current policy, as the guard may be taught between two checks of one text."""

    def __init__(self, guard: Ruled) -> None:
        """Look up in the policy of ``guard``."""
        self._guard = guard

    def principle(self, identifier: str) -> Principle:
        """Return the principle with that id. Raises ``KeyError`` if there is none."""
        return self._guard.policy.principle(identifier)


def edits_of(policy: Criteria, verdict: Verdict, text: str, markers: Markers) -> list[Edit]:
    """Return the edits for every finding with action ``redact``, in order and not overlapping.

    Overlapping passages become one, named after the first; it can be restored only if all of them could be. Raises
    ``InputError`` if a passage lies outside ``text``, as the verdict is then on another text.
    """
    wanted = [
        (start, end, finding.label, policy.principle(finding.principle_id).redact_with or "marker")
        for finding in verdict.findings
        if finding.action is Action.REDACT
        for start, end in finding.spans
    ]
    merged: list[tuple[int, int, str, RedactWith]] = []
    for start, end, label, style in sorted(wanted, key=lambda one: (one[0], -one[1])):
        if not 0 <= start < end <= len(text):
            msg = f"the verdict names characters {start} to {end} of a text that has {len(text)}: it is of another text"
            raise InputError(msg)
        if merged and start < merged[-1][1]:
            begin, stop, name, chosen = merged[-1]
            merged[-1] = (begin, max(stop, end), name, style if chosen == "marker" else chosen)
        else:
            merged.append((start, end, label, style))
    spelled: dict[int, int] = {}
    if isinstance(markers, Vault):  # values that are not restored need only a number
        escaped = [start for start, end, _, _ in merged if "\\" in text[start:end]]
        spelled.update(zip(escaped, depths(text, escaped), strict=True))
    return [
        (start, end, _written(style, label, text[start:end], markers, spelled.get(start, 0)))
        for start, end, label, style in merged
    ]


def _written(style: RedactWith, label: str, value: str, markers: Markers, depth: int) -> str:
    if style == "mask":
        return "*" * len(value)
    if style == "label":
        return f"[{name_of(label)}]"
    return markers.taken(label, value, depth=depth) if isinstance(markers, Vault) else markers.marker(label, value)


class Changes:
    """The edits for the strings of a prompt or response, computed from its texts.

    A string that is one of the texts is edited as its verdict says. In every string, which may contain a text partly or
    in another form, the same values are also redacted wherever else they occur, including in JSON-escaped form: the
    context that identifies a password may not be repeated.
    """

    def __init__(self) -> None:
        """Start without edits."""
        self._texts: dict[str, list[Edit]] = {}
        self._values: dict[str, str] = {}
        self._spelled: dict[str, str] = {}
        """Other spellings of the values."""
        self._sorted: list[str] = []
        """Values and spellings in order, so that the cost does not grow with their number or lengths."""
        self._shorter: dict[str, str | None] = {}
        """Each of them to the longest other one that it begins with."""
        self._reach: dict[str, int] = {}
        """Maximal length of entries, by their first characters."""

    def add(self, text: str, edits: Iterable[Edit]) -> None:
        """Add ``edits`` of ``text`` to those found for the same text in another place."""
        self._texts[text] = apart([*self._texts.get(text, ()), *edits], len(text))
        for start, end, written in self._texts[text]:
            self.value(text[start:end], written)

    def value(self, value: str, written: str) -> None:
        """Replace ``value`` by ``written`` wherever it occurs, unless it is too short."""
        if len(value) < _SHORTEST_VALUE:
            return
        self._values.setdefault(value, written)
        forms = [form for form in spellings(value) if len(form) >= _SHORTEST_VALUE]
        for form in forms:
            self._spelled.setdefault(form, written)
        for form in (value, *forms):
            if form not in self._shorter:
                self._sort_in(form)

    def _sort_in(self, form: str) -> None:
        """Search for ``form`` from now on."""
        place = first = bisect_right(self._sorted, form)
        self._shorter[form] = self._at(form, 0)
        while place < len(self._sorted) and (longer := self._sorted[place]).startswith(form):
            if len(self._shorter[longer] or "") < len(form):
                self._shorter[longer] = form
            place += 1
        self._sorted.insert(first, form)
        head = form[:_SHORTEST_VALUE]
        self._reach[head] = max(len(form), self._reach.get(head, 0))

    def _at(self, string: str, at: int) -> str | None:
        """Return the longest value at this offset of ``string``."""
        reach = self._reach.get(string[at : at + _SHORTEST_VALUE])
        if reach is None:
            return None
        rest = string[at : at + reach]
        # Any prefix of ``rest`` is also a prefix of its predecessor in sorted order.
        place = bisect_right(self._sorted, rest)
        value = self._sorted[place - 1] if place else None
        while value is not None and not rest.startswith(value):
            value = self._shorter[value]
        return value

    def __bool__(self) -> bool:
        """Return whether there is anything to edit."""
        return bool(self._values) or any(self._texts.values())

    def __call__(self, string: str) -> list[Edit]:
        """Return the edits for ``string``, in order and not overlapping."""
        own, mentions = self._texts.get(string, []), self._mentions(string)
        if not own:
            return mentions
        starts = [start for start, _, _ in own]
        places = [bisect_right(starts, start) - 1 for start, _, _ in mentions]
        # An occurrence inside another edit adds nothing.
        new = [one for one, at in zip(mentions, places, strict=True) if at < 0 or one[1] > own[at][1]]
        return apart([*own, *new], len(string))

    def _mentions(self, string: str) -> list[Edit]:
        """Return where the values occur in ``string``."""
        found: list[Edit] = []
        at = 0
        last = len(string) - _SHORTEST_VALUE if self._values else -1
        while at <= last:
            if (value := self._at(string, at)) is None:
                at += 1
                continue
            written = self._values[value] if value in self._values else self._spelled[value]
            found.append((at, at + len(value), written))
            at += len(value)
        return found
