"""What a text is judged against besides itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The texts around an answer. Both are read on the output stage only; other texts stand alone."""

    prompt: str | None = field(default=None, repr=False)
    """The prompt the answer is given to."""
    system: str | None = field(default=None, repr=False)
    """The developer's own instructions, which an answer must not recite."""

    def map(self, prompt: Callable[[str], str], system: Callable[[str], str]) -> Surroundings:
        """Return the same surroundings with each text that is there put through its function."""
        return Surroundings(
            None if self.prompt is None else prompt(self.prompt),
            None if self.system is None else system(self.system),
        )


NOWHERE: Final = Surroundings()
"""The surroundings of a text that stands alone."""
