"""The texts that a text is judged together with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Container


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The texts around a text: both are read with an answer, only the system prompt with user text."""

    prompt: str | None = field(default=None, repr=False)
    """The prompt that the answer responds to."""
    system: str | None = field(default=None, repr=False)
    """The developer's own instructions: what a user's text is aimed at, and what an answer must not recite."""

    def map(self, prompt: Callable[[str], str], system: Callable[[str], str]) -> Surroundings:
        """Return the same surroundings with a function applied to each text that is present."""
        return Surroundings(
            None if self.prompt is None else prompt(self.prompt),
            None if self.system is None else system(self.system),
        )

    def read_on(self, stage: Stage, paired: Container[Stage]) -> Surroundings:
        """Return the surroundings that matter on ``stage``; an empty text counts as none.

        So do instructions without a letter or digit. ``paired`` are the stages where the model reads a text together
        with another. On the input stage that is the system prompt or, if none is given, the prompt: callers may pass
        what a text is read against either way.
        """
        if self is NOWHERE or stage is Stage.TOOL:
            return NOWHERE
        if stage is Stage.OUTPUT:
            return Surroundings(self.prompt or None, self.system or None)
        # Invisible characters leave the model nothing to read a prompt beside.
        given = (one for one in (self.system, self.prompt) if one and any(map(str.isalnum, one)))
        system = next(given, None) if stage in paired else None
        return NOWHERE if system is None else Surroundings(system=system)

    def beside(self, stage: Stage) -> str | None:
        """Return the text that the model reads as the first half of the pair on ``stage``, if any."""
        return self.prompt if stage is Stage.OUTPUT else self.system if stage is Stage.INPUT else None


NOWHERE: Final = Surroundings()
"""The surroundings of a text that stands alone."""
