"""The same texts by two policies: whose decision changes, and from what to what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from guardsdk.guard import Guard
    from guardsdk.verdict import Action, Stage, Status, Verdict


@dataclass(frozen=True, slots=True)
class Decided:
    """What one policy makes of one text."""

    action: Action
    """In shadow mode what would have followed."""
    principle_id: str | None
    margin: float | None
    """Of the principle that decided."""
    status: Status

    @property
    def blocked(self) -> bool:
        """Whether the text may not pass as it is."""
        return not self.action.passes


@dataclass(frozen=True, slots=True)
class Compared:
    """One text by both."""

    before: Decided
    after: Decided

    @property
    def changed(self) -> bool:
        """Whether what follows is another action, or another principle is named for it."""
        return (self.before.action, self.before.principle_id) != (self.after.action, self.after.principle_id)


def compare(
    before: Guard, after: Guard, texts: Sequence[str], *, stage: Stage | str, contexts: Sequence[str | None] | None
) -> Iterator[Compared]:
    """Check ``texts`` with both guards and yield, in order, what each makes of them. Raises as ``check_many`` does."""
    pairs = zip(
        before.check_many(texts, stage=stage, contexts=contexts),
        after.check_many(texts, stage=stage, contexts=contexts),
        strict=True,
    )
    for old, new in pairs:
        yield Compared(_decided(old), _decided(new))


def _decided(verdict: Verdict) -> Decided:
    margin = next((one.margin for one in verdict.findings if one.principle_id == verdict.principle_id), None)
    return Decided(verdict.would_action or verdict.action, verdict.principle_id, margin, verdict.status)
