"""Where a policy was read from: the file and line of each key. Not part of the policy's content."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from guardsdk.policy.lines import KeyPath


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file."""

    source: str
    line: int | None = None
    """From 1; ``None`` if only the file is known."""

    def __str__(self) -> str:
        """Return the place as editors and compilers write it."""
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True, eq=False)
class Origin:
    """The places of a policy's keys; an inherited key's place is in the file it comes from."""

    find: Callable[[], Mapping[KeyPath, Place]] = dict
    """Finds them, called only on demand, since most policies have no errors."""
    removed: tuple[str, ...] = ()
    """Ids of inherited principles that were removed."""
    files: tuple[str, ...] = ()
    """The files it was read from, the outermost base first; packaged policies by their names."""

    @cached_property
    def places(self) -> Mapping[KeyPath, Place]:
        """The file and line of every key."""
        return self.find()

    def at(self, *path: str | int) -> Place | None:
        """Return the place of the key at ``path`` or of its nearest enclosing table; ``None`` if created in code."""
        for length in range(len(path), -1, -1):
            if (place := self.places.get(path[:length])) is not None:
                return place
        return None

    def before(self, *path: str | int) -> str:
        """Return the place as the start of a message; empty if unknown."""
        place = self.at(*path)
        return "" if place is None else f"{place}: "

    def __eq__(self, other: object) -> bool:
        """Origins are always equal, so that policies with the same content are."""
        return isinstance(other, Origin)

    def __hash__(self) -> int:
        """The same for all, as all are equal."""
        return hash(Origin)
