"""Where a policy was read from: the file and line of each of its keys. It has no part in what the policy says."""

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
    """From 1; none where only the file is known."""

    def __str__(self) -> str:
        """As editors and compilers write it."""
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True, eq=False)
class Origin:
    """The places of a policy's keys; those of an inherited key are in the file it comes from."""

    find: Callable[[], Mapping[KeyPath, Place]] = dict
    """Finds them: only where somebody asks, since most policies are read and never wrong."""
    removed: tuple[str, ...] = ()
    """Ids of principles that were inherited and taken away."""
    files: tuple[str, ...] = ()
    """What was read, the file at the bottom first; packaged policies by their names."""

    @cached_property
    def places(self) -> Mapping[KeyPath, Place]:
        """The file and line of every key."""
        return self.find()

    def at(self, *path: str | int) -> Place | None:
        """Return the place of the key at ``path`` or of the nearest table around it; none for a policy made in code."""
        for length in range(len(path), -1, -1):
            if (place := self.places.get(path[:length])) is not None:
                return place
        return None

    def before(self, *path: str | int) -> str:
        """Return the place as the beginning of a message, empty where none is known."""
        place = self.at(*path)
        return "" if place is None else f"{place}: "

    def __eq__(self, other: object) -> bool:
        """Two policies that say the same are equal, wherever they were read."""
        return isinstance(other, Origin)

    def __hash__(self) -> int:
        """The same for all, as all are equal."""
        return hash(Origin)
